"""A service of the hub: it lets in whoever is not Eve, answers what clients say, and loses what it is told to lose."""

import contextlib
import http.server
import socketserver
import threading
from collections.abc import Iterator

USER_EVENT = "azure.webpubsub.user.message"


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self) -> None:
        self.answer(200, b"")

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("ce-userId") == "eve":
            return self.answer(401, b"")
        if self.headers.get("ce-type") != USER_EVENT:
            return self.answer(204, b"")
        self.answer(400 if said == b"lose this" else 200, said)

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("WebHook-Allowed-Origin", "*")
        if status != 204:
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Server(socketserver.ThreadingTCPServer):
    """Without the look-up of a name that http.server's own does, which takes long where nobody answers it."""

    daemon_threads = True


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The service, by its address."""
    with Server(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
