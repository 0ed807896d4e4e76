"""REST requests in asyncio on connections that are kept, and how many got which answer."""

import asyncio
import collections
import urllib.parse

from shared import tokens


class Rest:
    """Up to `most` requests at a time."""

    def __init__(self, port: int, key: str, most: int = 8):
        self.port, self.key = port, key
        self.host = f"127.0.0.1:{port}"
        self.free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
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
            reader, writer = self.free.pop() if self.free else await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(head.encode() + body)
            status, answer = await answer_of(reader, method)
            self.free.append((reader, writer))
        self.counts[hub, call, status] += 1
        return status, answer

    def close(self) -> None:
        for _, writer in self.free:
            writer.close()
        self.free.clear()


async def answer_of(reader: asyncio.StreamReader, method: str) -> tuple[int, bytes]:
    """Reads status and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    status, length = int(head[0].split(" ")[1]), int(fields.get("content-length", 0))
    has_body = method != "HEAD" and status != 204
    return status, await reader.readexactly(length) if has_body and length else b""
