"""A WebSocket peer and an HTTP reader, small enough to need nothing installed."""

import base64
import hashlib
import os
import socket
import struct
import urllib.request

SECONDS_MAX = 20
# RFC 6455 1.3
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE = 1, 2, 8


class Peer:
    """One connection, as a context manager."""

    def __init__(self, host: str, port: int):
        self.socket = socket.create_connection((host, port), SECONDS_MAX)
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (host.encode(), port, key))
        self.input = self.socket.makefile("rb")
        status = self.input.readline()
        headers = dict(line.rstrip().lower().split(b": ", 1) for line in iter(self.input.readline, b"\r\n"))
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).lower()
        if b" 101 " not in status or headers.get(b"sec-websocket-accept") != accept:
            raise ValueError(f"opening handshake answered {status!r} {headers!r}")

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_error) -> None:
        self.input.close()
        self.socket.close()

    def send(self, opcode: int, payload: bytes) -> None:
        """Sends one masked frame (RFC 6455 5.2)."""
        size = len(payload)
        if size < 126:
            header = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 1 << 16:
            header = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            header = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        mask = os.urandom(4)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
        self.socket.sendall(header + mask + masked)

    def receive(self) -> tuple[int, bytes]:
        """The next unfragmented frame: opcode and payload. Raises EOFError at the end of the stream."""
        first, size = self._exactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        return first & 0x0F, self._exactly(size)

    def echo(self, opcode: int, payload: bytes) -> None:
        """Sends a message and expects it back."""
        self.send(opcode, payload)
        answer = self.receive()
        if answer != (opcode, payload):
            raise ValueError(f"sent {len(payload)} bytes with opcode {opcode}, got {len(answer[1])} with {answer[0]}")

    def _exactly(self, count: int) -> bytes:
        data = self.input.read(count)
        if len(data) != count:
            raise EOFError("the gateway closed the connection")
        return data


def get(url: str) -> tuple[int, str]:
    """Status and body of an HTTP GET."""
    # No proxy: everything here is on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=SECONDS_MAX) as answer:
        return answer.status, answer.read().decode()
