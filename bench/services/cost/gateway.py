"""The gateway under test, tokens for it, requests to it, and a client that reads."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import secrets
import socket
import threading
import time

from .process import Broken, Process

HUB = "chat"
KEY = secrets.token_urlsafe(32)
HOUR = 3600


def token(audience: str, **claims) -> str:
    """A JSON Web Token, signed with the key by HS256."""
    pack = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
    body = {"aud": audience, "exp": int(time.time()) + HOUR} | claims
    text = pack(b'{"alg":"HS256","typ":"JWT"}') + b"." + pack(json.dumps(body).encode())
    return (text + b"." + pack(hmac.digest(KEY.encode(), text, hashlib.sha256))).decode()


class Gateway(Process):
    """With a hub, or without one as an echo. `port` is that of clients and REST, `admin` the admin server's address."""

    def __init__(self, rig, *flags: str, hub: bool = True, shards: int = 1):
        command = [rig.binary, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--driver", rig.driver]
        command += ["--shards", shards, *(["--hub", HUB] if hub else []), *flags]
        super().__init__(command, rig.server_cpu, {"HOLDFAST_ACCESS_KEY": KEY} if hub else None)

    def started(self) -> None:
        found = self.hear(r"ws://127\.0\.0\.1:(\d+).*admin (http://\S+)")
        self.port, self.admin = int(found[1]), found[2]

    def client(self, **claims) -> str:
        """Where a client connects, with a token that claims this if any."""
        path = f"127.0.0.1:{self.port}/client/hubs/{HUB}"
        signed = f"?access_token={token(f'http://{path}', **claims)}" if claims else ""
        return f"ws://{path}{signed}"

    def api(self, path: str) -> tuple[str, str]:
        """The path of a REST request, and a token for it."""
        path = f"/api/hubs/{HUB}/{path}"
        return path, token(f"http://127.0.0.1:{self.port}{path}")

    def ask(self, path: str) -> bytes:
        """GET over REST."""
        path, access = self.api(path)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {access}"})
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != 200:
            raise Broken(f"{path} answered {answer.status}: {body!r}")
        return body


class Reader:
    """A client that reads what comes, on a thread, and counts its bytes; a context manager."""

    def __init__(self, port: int, path: str):
        self.stream = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.stream.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (byte := self.stream.recv(1)):
                raise Broken(f"no 101, but {head!r}")
            head += byte
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Broken(f"no 101, but {head!r}")
        self.stream.settimeout(None)
        self.count = 0
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self) -> "Reader":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stream.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.stream.close()

    def read(self) -> None:
        buffer = bytearray(1 << 20)
        with contextlib.suppress(OSError):
            while count := self.stream.recv_into(buffer):
                self.count += count

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Until exactly so many bytes have come."""
        deadline = time.monotonic() + seconds
        while self.count < count and time.monotonic() < deadline:
            time.sleep(0.005)
        if self.count != count:
            raise Broken(f"{self.count} bytes came instead of {count}")
