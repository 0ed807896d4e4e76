"""A hub's service of the standard library: lets people in, answers what they say, as slowly as it is told to."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Whoever is let in: a user, in a group, who may publish to it.
LET_IN = {"userId": "ann", "groups": ["room"], "roles": ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]}


# What an identity provider publishes: the base point of P-256 will do where nobody signs.
KEYS = {
    "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "kid": "one",
            "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
            "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
        }
    ]
}


class Events(BaseHTTPRequestHandler):
    """Takes events, and publishes keys. Who connects with `no` in the query is refused."""

    protocol_version = "HTTP/1.1"
    seconds = 0.0

    def do_OPTIONS(self) -> None:
        self.answer(200)

    def do_GET(self) -> None:
        self.answer(200, json.dumps(KEYS).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(self.seconds)
        if self.headers["ce-type"] != "azure.webpubsub.sys.connect":
            self.answer(204)
        elif "no" in json.loads(body)["query"]:
            self.answer(403)
        else:
            self.answer(200, json.dumps(LET_IN).encode())

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("WebHook-Allowed-Origin", "*")
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the table says what came of it."""


class Server(ThreadingHTTPServer):
    """Hangs up on everybody when it ends: what a gateway keeps open is not to outlive it."""

    daemon_threads = True

    def __init__(self, handler: type):
        super().__init__(("127.0.0.1", 0), handler)
        self.open: list[socket.socket] = []

    def process_request(self, request, client_address) -> None:
        self.open.append(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """Nothing: a gateway that ends leaves in the middle of an answer."""


@contextlib.contextmanager
def running(seconds: float = 0.0) -> Iterator[str]:
    """A service that takes so long for each event; where it listens."""
    handler = type("Events", (Events,), {"seconds": seconds})
    with Server(handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/events"
        server.shutdown()
        thread.join()
        server.hang_up()
