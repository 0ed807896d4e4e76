"""A client of NATS by hand, in asyncio: what a node says can be said, and what nodes say can be heard."""

import asyncio
import contextlib
import json


class Bus:
    """A connection. What comes for `subscribe` is kept, as subject, reply subject and message, `most` at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int):
        self.reader, self.writer = reader, writer
        self.heard: asyncio.Queue[tuple[str, str, bytes]] = asyncio.Queue(most)
        self.errors: list[str] = []
        self.pongs: list[asyncio.Future] = []
        self.subscriptions = 0
        self.reading = asyncio.ensure_future(self._read())

    @classmethod
    async def connect(cls, port: int, most: int = 10_000, **login: str) -> "Bus":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readuntil(b"\r\n")
        own = cls(reader, writer, most)
        said = {"verbose": False, "pedantic": False, "echo": False, "headers": True, "no_responders": True} | login
        writer.write(f"CONNECT {json.dumps(said)}\r\n".encode())
        await own.flush()
        return own

    def publish(self, subject: str, message: bytes, reply: str = "") -> None:
        head = f"PUB {subject} {reply + ' ' if reply else ''}{len(message)}\r\n"
        self.writer.write(head.encode() + message + b"\r\n")

    def subscribe(self, subject: str) -> None:
        self.subscriptions += 1
        self.writer.write(f"SUB {subject} {self.subscriptions}\r\n".encode())

    async def flush(self) -> None:
        """The server has seen all that was said."""
        pong = asyncio.get_running_loop().create_future()
        self.pongs.append(pong)
        self.writer.write(b"PING\r\n")
        await asyncio.wait_for(pong, 20)

    async def next(self, seconds: float = 20) -> tuple[str, str, bytes]:
        return await asyncio.wait_for(self.heard.get(), seconds)

    async def close(self) -> None:
        self.reading.cancel()
        self.writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self.reading

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                line = (await self.reader.readuntil(b"\r\n")).rstrip(b"\r\n")
                await self._take(line)
        for pong in self.pongs:
            if not pong.done():
                pong.set_exception(ConnectionError(f"NATS has gone: {self.errors}"))

    async def _take(self, line: bytes) -> None:
        word, *rest = line.decode().split(" ")
        if word == "PING":
            self.writer.write(b"PONG\r\n")
        elif word == "PONG":
            if self.pongs and not (pong := self.pongs.pop(0)).done():
                pong.set_result(None)
        elif word == "-ERR":
            self.errors.append(line.decode())
        elif word in ("MSG", "HMSG"):
            message = (await self.reader.readexactly(int(rest[-1]) + 2))[:-2]
            sizes = 1 if word == "MSG" else 2
            reply = rest[2] if len(rest) > 2 + sizes else ""
            message = message[int(rest[-2]) :] if word == "HMSG" else message
            await self.heard.put((rest[0], reply, message))
