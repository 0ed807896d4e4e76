"""PyPI websocket-client: websocket_client.py URL PREFIX."""

import struct
import sys

from messages import burst, check, messages
from websocket import ABNF, WebSocket, create_connection


def say(connection: WebSocket, message) -> None:
    kind = ABNF.OPCODE_TEXT if message.is_text else ABNF.OPCODE_BINARY
    last = len(message.fragments) - 1
    for index, piece in enumerate(message.fragments):
        opcode = kind if index == 0 else ABNF.OPCODE_CONT
        connection.send_frame(ABNF.create_frame(piece, opcode, 1 if index == last else 0))


def hear(connection: WebSocket, message, prefix: str) -> None:
    opcode, payload = connection.recv_data()
    check(message, prefix, opcode == ABNF.OPCODE_TEXT, payload)


def main(url: str, prefix: str) -> None:
    said = 0
    connection = create_connection(url, timeout=30)
    for message in messages():
        say(connection, message)
        hear(connection, message, prefix)
        said += 1
    for message in burst():
        say(connection, message)
    for message in burst():
        hear(connection, message, prefix)
        said += 1
    connection.ping(b"are you there")
    if connection.recv_data(control_frame=True) != (ABNF.OPCODE_PONG, b"are you there"):
        raise SystemExit("no pong")
    connection.send_close(1000, b"bye")
    opcode, payload = connection.recv_data(control_frame=True)
    if opcode != ABNF.OPCODE_CLOSE or payload[:2] != struct.pack("!H", 1000):
        raise SystemExit(f"the answer to our close frame is opcode {opcode}, {payload!r}")
    connection.shutdown()
    print(f"{said} messages")


main(*sys.argv[1:])
