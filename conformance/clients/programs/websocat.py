"""websocat (crate), line by line: websocat.py URL PREFIX, with WEBSOCAT naming the binary. Binary messages go in and come out as base64.

It sends only whole messages.
"""

import base64
import os
import selectors
import subprocess
import sys
import time

from messages import burst, check, messages

SECONDS = 30
# A line is a message. One that begins with B is base64 of a binary message, with T text; so are those that come back.
FLAGS = ["--text", "--base64", "--binary-prefix", "B", "--text-prefix", "T", "--linemode-strip-newlines", "--buffer-size", str(4 << 20)]


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
                raise SystemExit(f"no line within {SECONDS} s")
            piece = os.read(self.descriptor, 1 << 20)
            if not piece:
                raise SystemExit("ended too early")
            self.unread += piece
        line, _, rest = self.unread.partition(b"\n")
        self.unread = rest
        return bytes(line)


def written(message) -> bytes:
    return b"T" + message.payload + b"\n" if message.is_text else b"B" + base64.b64encode(message.payload) + b"\n"


def main(url: str, prefix: str) -> None:
    said = 0
    process = subprocess.Popen([os.environ["WEBSOCAT"], *FLAGS, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lines = Lines(process.stdout.fileno())

    def hear(message) -> None:
        line = lines.next()
        is_text = line.startswith(b"T")
        check(message, prefix, is_text, line[1:] if is_text else base64.b64decode(line[1:]))

    try:
        for message in messages():
            if len(message.fragments) > 1:
                continue
            process.stdin.write(written(message))
            process.stdin.flush()
            hear(message)
            said += 1
        process.stdin.write(b"".join(written(message) for message in burst()))
        process.stdin.flush()
        for message in burst():
            hear(message)
            said += 1
        process.stdin.close()
        if process.wait(SECONDS) != 0:
            raise SystemExit(f"ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
    print(f"{said} messages")


main(*sys.argv[1:])
