"""Clients and a service of a hub, which reach it by the name of a front, over TLS."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import secrets
import socket
import ssl
import time
from typing import NamedTuple

from fronts import NAME, SECONDS, Wrong

KEY = secrets.token_urlsafe(32)
HUB = "/client/hubs/chat"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEEPS_FOR_ITSELF = "webpubsub_mode=sendToGroup&group="


class Client:
    """A client without a subprotocol, alone in a group of its own, to which it publishes what it says."""

    def __init__(self, door: "Door", *, source: str = "127.0.0.1", fields: dict[str, str] | None = None, pad: int = 0):
        self.group = secrets.token_hex(8)
        claims = {"role": ["webpubsub.sendToGroup"], "webpubsub.group": [self.group]}
        token = signed(f"https://{NAME}{HUB}", **claims, **({"pad": "x" * pad} if pad else {}))
        self.path = f"{HUB}?{KEEPS_FOR_ITSELF}{self.group}&access_token={token}"
        self.secret = token
        self.socket = door.connect(source)
        self.pings = 0
        self.head = self._shake(door, fields or {})
        self.status = int(self.head.split(" ", 2)[1])

    def _shake(self, door: "Door", fields: dict[str, str]) -> str:
        lines = {
            "Host": door.host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        } | fields
        head = f"GET {self.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.asked = len(head) + 2
        self.socket.sendall(f"{head}\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self._read(1)
        return answer.decode()

    def say(self, payload: bytes, kind: int = TEXT) -> None:
        mask = os.urandom(4)
        size = len(payload)
        width = 0 if size < 126 else 2 if size < 65536 else 8
        length = bytes([0x80 | {0: size, 2: 126, 8: 127}[width]]) + (size.to_bytes(width, "big") if width else b"")
        whole = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
        self.socket.sendall(bytes([0x80 | kind]) + length + mask + masked)

    def hear(self) -> tuple[int, bytes]:
        """The next message, or the close; pings are answered and counted."""
        while True:
            kind, size = self._read(2)
            size &= 0x7F
            size = size if size < 126 else int.from_bytes(self._read(2 if size == 126 else 8), "big")
            payload = self._read(size)
            if kind & 0x0F == PING:
                self.pings += 1
                self.say(payload, PONG)
            elif kind & 0x0F != PONG:
                return kind & 0x0F, payload

    def hears(self, payload: bytes, kind: int = TEXT) -> None:
        heard = self.hear()
        check(heard == (kind, payload), f"{len(payload)} bytes are heard, not {len(heard[1])}: {heard[1][:80]}")

    def talks(self) -> None:
        """Says things and hears them."""
        for payload, kind in [(b"hello", TEXT), (bytes(range(256)), BINARY), (os.urandom(102_400), BINARY)]:
            self.say(payload, kind)
            self.hears(payload, kind)

    def leaves(self) -> int:
        """Hears what is left, and the code of the close, which it answers."""
        while True:
            kind, payload = self.hear()
            if kind == CLOSE:
                self.say(payload[:2], CLOSE)
                return int.from_bytes(payload[:2], "big")

    def _read(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            piece = self.socket.recv(count - len(read))
            if not piece:
                raise Gone("the connection has ended")
            read += piece
        return read


class Gone(Wrong):
    """The connection was cut."""


class Door:
    """How to get to a front on this machine: by its port, its certificate and its name."""

    def __init__(self, port: int, authority: pathlib.Path):
        self.port, self.host = port, f"{NAME}:{port}"
        self.context = ssl.create_default_context(cafile=authority)

    def connect(self, source: str = "127.0.0.1") -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS, source_address=(source, 0))
        return self.context.wrap_socket(plain, server_hostname=NAME)


class Service:
    """Sends REST requests on one connection, which the front keeps."""

    def __init__(self, door: Door):
        self.door = door
        self.connection = http.client.HTTPConnection(NAME, timeout=SECONDS)
        self.connection.sock = door.connect()

    def ask(self, method: str, path: str, body: bytes = b"", token: bool = True) -> "Answer":
        headers = {"Content-Type": "text/plain", "Host": self.door.host}
        if token:
            headers["Authorization"] = f"Bearer {signed(f'https://{NAME}{path}')}"
        if self.connection.sock is None:
            raise Gone("the front has closed a connection that is to be kept")
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers.get("x-ms-error-code", ""), answer.read().decode())

    def sends(self, text: str) -> None:
        answer = self.ask("POST", "/api/hubs/chat/:send", text.encode())
        check(answer.status == 202, f"a message to all is answered {answer.status} {answer.text}")


class Answer(NamedTuple):
    """To a REST request; `code` is what the gateway calls an error, and nobody else."""

    status: int
    code: str
    text: str


def signed(audience: str, **claims) -> str:
    pack = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
    body = json.dumps({"aud": audience, "exp": int(time.time()) + 600, **claims}).encode()
    text = pack(b'{"alg":"HS256","typ":"JWT"}') + b"." + pack(body)
    return (text + b"." + pack(hmac.digest(KEY.encode(), text, hashlib.sha256))).decode()


def check(is_so: bool, what: str) -> None:
    if not is_so:
        raise Wrong(what)
