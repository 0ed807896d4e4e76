"""A WebSocket peer and an HTTP reader, small enough to need nothing installed."""

import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import time
import urllib.error
import urllib.request
import zlib

SECONDS_MAX = 20
# RFC 6455 1.3
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN, COMPRESSED = 0x80, 0x40


def connect(address: tuple[str, int] | str) -> socket.socket:
    """A stream to a TCP address, or to the path of a Unix socket."""
    if not isinstance(address, str):
        return socket.create_connection(address, SECONDS_MAX)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(SECONDS_MAX)
    stream.connect(address)
    return stream


class Peer:
    """One connection, as a context manager. `before` is sent ahead of the request, `headers` with it; with `deflate` it
    demands permessage-deflate (RFC 7692)."""

    def __init__(
        self,
        address: tuple[str, int] | str,
        before: bytes = b"",
        headers: bytes = b"",
        deflate: bool = False,
        target: str = "/",
        host: str = "localhost",
    ):
        self.socket = connect(address)
        self.inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        key = base64.b64encode(os.urandom(16))
        offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else b""
        self.socket.sendall(
            before + b"GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s%s\r\n"
            % (target.encode(), host.encode(), key, offer, headers)
        )
        self.input = self.socket.makefile("rb")
        status = self.input.readline()
        answer = dict(line.rstrip().lower().split(b": ", 1) for line in iter(self.input.readline, b"\r\n"))
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).lower()
        if b" 101 " not in status or answer.get(b"sec-websocket-accept") != accept:
            raise ValueError(f"opening handshake answered {status!r} {answer!r}")
        if deflate != (b"sec-websocket-extensions" in answer):
            raise ValueError(f"permessage-deflate: asked for {deflate}, answered {answer!r}")

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_error) -> None:
        self.input.close()
        self.socket.close()

    def reset(self) -> None:
        """Ends the connection by a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.__exit__()

    def send(self, opcode: int, payload: bytes, first: int = FIN) -> None:
        """Sends one masked frame (RFC 6455 5.2); `first` are the other bits of its first byte."""
        size = len(payload)
        if size < 126:
            header = struct.pack("!BB", first | opcode, 0x80 | size)
        elif size < 1 << 16:
            header = struct.pack("!BBH", first | opcode, 0x80 | 126, size)
        else:
            header = struct.pack("!BBQ", first | opcode, 0x80 | 127, size)
        mask = os.urandom(4)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
        self.socket.sendall(header + mask + masked)

    def send_compressed(self, opcode: int, payload: bytes) -> None:
        """Sends one message, compressed without what went before it."""
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        squeezed = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
        self.send(opcode, squeezed.removesuffix(b"\0\0\xff\xff"), FIN | COMPRESSED)

    def receive(self) -> tuple[int, bytes]:
        """The next unfragmented frame, inflated; pings are answered. Raises EOFError at the end of the stream."""
        while True:
            first, size = self._exactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", self._exactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._exactly(8))
            opcode, payload = first & 0x0F, self._exactly(size)
            if opcode != PING:
                return opcode, self.inflater.decompress(payload + b"\0\0\xff\xff") if first & COMPRESSED else payload
            self.send(PONG, payload)

    def expect(self, opcode: int, payload: bytes) -> None:
        """Receives a frame that must be this one."""
        answer = self.receive()
        if answer != (opcode, payload):
            raise ValueError(
                f"expected {len(payload)} bytes with opcode {opcode}, got {len(answer[1])} with {answer[0]}"
            )

    def echo(self, opcode: int, payload: bytes) -> None:
        """Sends a message and expects it back."""
        self.send(opcode, payload)
        self.expect(opcode, payload)

    def _exactly(self, count: int) -> bytes:
        data = self.input.read(count)
        if len(data) != count:
            raise EOFError("the gateway closed the connection")
        return data


def token(key: str, audience: str) -> str:
    """A JSON Web Token for this audience, signed with an access key by HS256."""

    def packed(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = json.dumps({"aud": audience, "exp": int(time.time()) + 600}).encode()
    text = packed(b'{"alg":"HS256","typ":"JWT"}') + b"." + packed(claims)
    return (text + b"." + packed(hmac.digest(key.encode(), text, hashlib.sha256))).decode()


def ask(
    url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status and body of an HTTP request, whatever the status."""
    # No proxy: everything here is on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with opener.open(request, timeout=SECONDS_MAX) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
