#!/usr/bin/env python3
"""Clients that are there and say nothing: clients.py COUNT [stay]. They say what they hear, and answer a close; with
`stay` they do not."""

import asyncio
import struct
import sys

REQUEST = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:8085\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
CLOSE = 8


async def client(stay: bool, count: asyncio.Semaphore) -> None:
    """One client, until it is told to go."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 8085)
    writer.write(REQUEST.encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 101 "):
        sys.exit(answer.decode())
    count.release()
    while True:
        first, length = await reader.readexactly(2)
        # What a page sends is short: no length in more bytes, and no mask from a gateway.
        payload = await reader.readexactly(length)
        if first & 15 == CLOSE and stay:
            await reader.read()
            return
        if first & 15 == CLOSE:
            print("closed with", struct.unpack("!H", payload[:2])[0], flush=True)
            # With a mask of zeros.
            writer.write(bytes([0x88, 0x80 | length, 0, 0, 0, 0]) + payload)
            await reader.read()
            writer.close()
            return
        print("heard", payload.decode(errors="replace"), flush=True)


async def main() -> None:
    """All of them; says when the last is open."""
    number, stay = int(sys.argv[1]), sys.argv[2:] == ["stay"]
    count = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(client(stay, count)) for _ in range(number)]
    for _ in range(number):
        await count.acquire()
    print(number, "are open", flush=True)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main())
