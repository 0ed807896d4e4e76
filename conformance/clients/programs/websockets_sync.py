"""PyPI websockets, its blocking client: websockets_sync.py URL PREFIX."""

import sys

from messages import burst, check, messages
from websockets.sync.client import ClientConnection, connect


def say(connection: ClientConnection, message) -> None:
    whole = len(message.fragments) == 1
    connection.send(message.payload if whole else message.fragments, text=message.is_text)


def hear(connection: ClientConnection, message, prefix: str) -> None:
    reply = connection.recv(timeout=30)
    is_text = isinstance(reply, str)
    check(message, prefix, is_text, reply.encode() if is_text else reply)


def main(url: str, prefix: str) -> None:
    said = 0
    with connect(url, max_size=None) as connection:
        for message in messages():
            say(connection, message)
            hear(connection, message, prefix)
            said += 1
        for message in burst():
            say(connection, message)
        for message in burst():
            hear(connection, message, prefix)
            said += 1
        if not connection.ping(b"are you there").wait(30):
            raise SystemExit("no pong")
    if connection.close_code != 1000:
        raise SystemExit(f"closed with {connection.close_code}")
    print(f"{said} messages")


main(*sys.argv[1:])
