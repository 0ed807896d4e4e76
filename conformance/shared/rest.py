"""REST requests in asyncio on connections that are kept, and how many got which answer."""

import asyncio
import collections
import time
import urllib.parse

from shared import tokens

# The gateway keeps a connection for rest-idle-timeout, 75 s: a request must not meet its end.
KEPT = 30


class Rest:
    """Up to `most` requests at a time."""

    def __init__(self, port: int, key: str, most: int = 8):
        self.port, self.key = port, key
        self.host = f"127.0.0.1:{port}"
        # Until when each may be used again.
        self.free: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.places = asyncio.Semaphore(most)
        # By hub, name of the call as metrics have it, and status.
        self.counts: collections.Counter[tuple[str, str, int]] = collections.Counter()

    async def ask(
        self, call: str, method: str, hub: str, path: str, query=(), body: bytes = b"", kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body of the answer."""
        target = f"/api/hubs/{hub}{path}"
        if query:
            target += "?" + urllib.parse.urlencode(list(query), quote_via=urllib.parse.quote)
        token = tokens.signed(self.key, f"http://{self.host}{target}")
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        async with self.places:
            reader, writer = self.kept() or await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(head.encode() + body)
            status, answer = await answer_of(reader, method)
            self.free.append((time.monotonic() + KEPT, reader, writer))
        self.counts[hub, call, status] += 1
        return status, answer

    def kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The one that was used last, if there is one."""
        while self.free and self.free[0][0] < time.monotonic():
            self.free.pop(0)[2].close()
        return self.free.pop()[1:] if self.free else None

    def close(self) -> None:
        for _, _, writer in self.free:
            writer.close()
        self.free.clear()


async def answer_of(reader: asyncio.StreamReader, method: str) -> tuple[int, bytes]:
    """Reads status and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    status, length = int(head[0].split(" ")[1]), int(fields.get("content-length", 0))
    has_body = method != "HEAD" and status != 204
    return status, await reader.readexactly(length) if has_body and length else b""
