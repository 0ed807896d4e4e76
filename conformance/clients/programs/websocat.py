"""websocat (crate), line by line: websocat.py URL PREFIX, with WEBSOCAT naming the binary.

Binary messages go in and come out as base64.

It sends only whole messages, and text with the newline at its end.
"""

import base64
import os
import selectors
import socket
import subprocess
import sys
import time

from collections.abc import Iterator

from messages import LENGTHS, Message, binary, burst, check, text

SECONDS = 30
# A line is a message. One that begins with B is base64 of a binary message, with T text; so are those that come back.
FLAGS = ["--text", "--base64", "--binary-prefix", "B", "--text-prefix", "T", "--buffer-size", str(4 << 20)]


class Lines:
    """What the program prints, line by line."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.unread = bytearray()
        self.selector = selectors.DefaultSelector()
        self.selector.register(descriptor, selectors.EVENT_READ)

    def next(self) -> bytes:
        deadline = time.monotonic() + SECONDS
        while b"\n" not in self.unread:
            if not self.selector.select(max(0.0, deadline - time.monotonic())):
                raise SystemExit(f"no line within {SECONDS} s; there is {bytes(self.unread[-200:])!r}")
            piece = os.read(self.descriptor, 1 << 20)
            if not piece:
                raise SystemExit("ended too early")
            self.unread += piece
        line, _, rest = self.unread.partition(b"\n")
        self.unread = rest
        return bytes(line)


def whole(payload: bytes, is_text: bool) -> Message:
    return Message(payload, is_text, [payload])


def sendable() -> Iterator[Message]:
    """The messages that can be sent this way."""
    yield whole(b"hello\n", True)
    yield whole(b"123\n", True)
    for length in LENGTHS:
        yield whole(binary(length), False)
        if length > 0:
            yield whole(text(length - 1) + b"\n", True)


def quick() -> list[Message]:
    """Small messages to be sent without waiting."""
    return [whole(message.payload + b"\n", True) for message in burst()]


def written(message: Message) -> bytes:
    return b"T" + message.payload if message.is_text else b"B" + base64.b64encode(message.payload) + b"\n"


def main(url: str, prefix: str) -> None:
    said = 0
    # It waits for stdin, and for nothing else, unless it is given a descriptor that does not block.
    ours, its = socket.socketpair()
    its.setblocking(False)
    process = subprocess.Popen([os.environ["WEBSOCAT"], *FLAGS, url], stdin=its, stdout=subprocess.PIPE)
    its.close()
    lines = Lines(process.stdout.fileno())

    def hear(message: Message) -> None:
        line = lines.next()
        is_text = line.startswith(b"T")
        check(message, prefix, is_text, line[1:] + b"\n" if is_text else base64.b64decode(line[1:]))

    try:
        for message in sendable():
            ours.sendall(written(message))
            hear(message)
            said += 1
        ours.sendall(b"".join(written(message) for message in quick()))
        for message in quick():
            hear(message)
            said += 1
        ours.close()
        if process.wait(SECONDS) != 0:
            raise SystemExit(f"ended with {process.returncode}")
    finally:
        ours.close()
        process.kill()
        process.wait()
    print(f"{said} messages")


main(*sys.argv[1:])
