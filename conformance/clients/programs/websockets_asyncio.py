"""PyPI websockets, its asyncio client: websockets_asyncio.py URL PREFIX."""

import asyncio
import sys

from messages import burst, check, messages
from websockets.asyncio.client import ClientConnection, connect


async def say(connection: ClientConnection, message) -> None:
    whole = len(message.fragments) == 1
    await connection.send(message.payload if whole else message.fragments, text=message.is_text)


async def hear(connection: ClientConnection, message, prefix: str) -> None:
    reply = await asyncio.wait_for(connection.recv(), 30)
    is_text = isinstance(reply, str)
    check(message, prefix, is_text, reply.encode() if is_text else reply)


async def main(url: str, prefix: str) -> None:
    said = 0
    async with connect(url, max_size=None) as connection:
        for message in messages():
            await say(connection, message)
            await hear(connection, message, prefix)
            said += 1
        for message in burst():
            await say(connection, message)
        for message in burst():
            await hear(connection, message, prefix)
            said += 1
        await asyncio.wait_for(await connection.ping(b"are you there"), 30)
    if connection.close_code != 1000:
        raise SystemExit(f"closed with {connection.close_code}")
    print(f"{said} messages")


asyncio.run(main(*sys.argv[1:]))
