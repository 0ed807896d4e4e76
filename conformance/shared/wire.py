"""One WebSocket of a client in asyncio, by hand: thousands of them fit into one process."""

import asyncio
import json
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASKED = 0x80


class Socket(asyncio.Protocol):
    """Asks for `path`, and hands each frame to `heard(socket, opcode, payload)` and its end to `ended(socket)`.

    Pings are answered here. `status` is that of the answer, 0 where the connection ended before it; `subprotocol` is
    what was agreed on.
    """

    def __init__(self, path: str, subprotocol: str | None, heard, ended, host: str = "127.0.0.1"):
        self.path, self.offered, self.host = path, subprotocol, host
        self.heard, self.ended = heard, ended
        self.unread = bytearray()
        self.has_answer = False
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.is_gone = asyncio.get_running_loop().create_future()
        self.subprotocol: str | None = None
        self.messages_said = 0

    def connection_made(self, transport) -> None:
        self.transport = transport
        offer = f"Sec-WebSocket-Protocol: {self.offered}\r\n" if self.offered else ""
        transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if not self.has_answer and not self._read_answer():
            return
        at = 0
        while (frame := self._frame(at)) is not None:
            opcode, start, at = frame
            payload = bytes(self.unread[start:at])
            if opcode == PING:
                self.send(PONG, payload)
            else:
                self.heard(self, opcode, payload)
        del self.unread[:at]

    def _read_answer(self) -> bool:
        end = self.unread.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = self.unread[:end].decode("latin-1").split("\r\n")
        del self.unread[: end + 4]
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        self.subprotocol = fields.get("sec-websocket-protocol")
        status = int(lines[0].split(" ")[1])
        self.has_answer = True
        self.status.set_result(status)
        if status != 101:
            self.transport.close()
        return status == 101

    def _frame(self, at: int) -> tuple[int, int, int] | None:
        """Opcode of the frame that begins there, and where its payload begins and ends; none if it is not whole."""
        unread = self.unread
        if len(unread) < at + 2:
            return None
        length, start = unread[at + 1] & 0x7F, at + 2
        if length == 126:
            length, start = int.from_bytes(unread[at + 2 : at + 4], "big"), at + 4
        elif length == 127:
            length, start = int.from_bytes(unread[at + 2 : at + 10], "big"), at + 10
        if len(unread) < start + length or start - at > len(unread) - at:
            return None
        return unread[at] & 0x0F, start, start + length

    def send(self, opcode: int, payload: bytes) -> None:
        # The mask is all zeros, so that the payload stays what it is.
        size = len(payload)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, MASKED | size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", 0x80 | opcode, MASKED | 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, MASKED | 127, size)
        self.messages_said += opcode in (TEXT, BINARY)
        self.transport.write(head + bytes(4) + payload)

    def say(self, message: dict) -> None:
        self.send(TEXT, json.dumps(message).encode())

    def close(self, code: int | None, text: str = "") -> None:
        """Begins or answers a closing handshake."""
        self.send(CLOSE, b"" if code is None else struct.pack(">H", code) + text.encode())

    def cut(self, by_reset: bool) -> None:
        """Ends the connection without a word: by a reset, or by an end of stream."""
        if by_reset and not self.transport.is_closing():
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()

    def connection_lost(self, error) -> None:
        if not self.status.done():
            self.status.set_result(0)
        if not self.is_gone.done():
            self.is_gone.set_result(None)
        self.ended(self)


async def connect(port: int, path: str, subprotocol: str | None, heard, ended, source: str = "127.0.0.1") -> Socket:
    """A socket that has been connected; its `status` comes later."""
    loop = asyncio.get_running_loop()
    make = lambda: Socket(path, subprotocol, heard, ended)
    _, made = await loop.create_connection(make, "127.0.0.1", port, local_addr=(source, 0))
    return made
