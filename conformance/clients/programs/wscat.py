"""npm wscat, at a terminal as a person uses it, and with -x: wscat.py URL PREFIX, with NODE_PATH naming its folder.

It sends only text and whole messages.
"""

import fcntl
import os
import pty
import selectors
import struct
import subprocess
import sys
import termios
import time

from messages import text

SECONDS = 30
WSCAT = os.path.join(os.environ["NODE_PATH"], "wscat/bin/wscat")
LINES = ["hello", "123", "", *(text(length).decode() for length in [1, 125, 126, 1000])]
EXECUTED = [text(length).decode() for length in [0, 125, 126, 65535, 65536, 100_000]]


class Screen:
    """What the program writes, read up to something expected."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.unread = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(descriptor, selectors.EVENT_READ)

    def expect(self, wanted: bytes) -> None:
        deadline = time.monotonic() + SECONDS
        while wanted not in self.unread:
            if not self.selector.select(max(0.0, deadline - time.monotonic())):
                raise SystemExit(f"no {wanted[:40]!r} within {SECONDS} s; there is {self.unread[-200:]!r}")
            piece = self._read()
            if not piece:
                raise SystemExit(f"ended without {wanted[:40]!r}; there is {self.unread[-200:]!r}")
            self.unread += piece
        self.unread = self.unread.partition(wanted)[2]

    def _read(self) -> bytes:
        try:
            return os.read(self.descriptor, 1 << 16)
        except OSError:  # A terminal whose other end is closed.
            return b""


def at_a_terminal(url: str, prefix: str) -> None:
    ours, its = pty.openpty()
    # Wide enough for no line to be broken.
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 4000, 0, 0))
    command = ["node", WSCAT, "--slash", "--connect", url]
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    try:
        screen = Screen(ours)
        screen.expect(b"Connected")
        screen.expect(b"> ")
        for line in LINES:
            os.write(ours, line.encode() + b"\r")
            screen.expect(f"< {prefix}{line}\x1b[39m\r\n".encode())
        os.write(ours, b"/close 1000 bye\r")
        screen.expect(b"Disconnected (code: 1000")
        if process.wait(SECONDS) != 0:
            raise SystemExit(f"ended with {process.returncode}")
    finally:
        end(process)


def by_arguments(url: str, prefix: str) -> None:
    commands = [word for message in EXECUTED for word in ("--execute", message)]
    command = ["node", WSCAT, "--connect", url, "--wait", "-1", *commands]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        screen = Screen(process.stdout.fileno())
        for message in EXECUTED:
            screen.expect(f"{prefix}{message}\n".encode())
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def main(url: str, prefix: str) -> None:
    at_a_terminal(url, prefix)
    by_arguments(url, prefix)
    print(f"{len(LINES) + len(EXECUTED)} messages")


main(*sys.argv[1:])
