"""Programs at work: a terminal in which commands are typed, and programs that stay."""

import contextlib
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import threading
import time

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\x07")


class Wrong(Exception):
    """A command did not do what the page says."""


class Output:
    """What a descriptor gives, read by a thread until its end."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.data = b""
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        # A terminal whose program has ended gives an error in place of an end.
        with contextlib.suppress(OSError):
            while piece := os.read(self.descriptor, 65536):
                with self.changed:
                    self.data += piece
                    self.changed.notify_all()

    @property
    def text(self) -> str:
        return ESCAPES.sub("", self.data.decode(errors="replace"))

    def wait_for(self, pattern: str, seconds: float, after: int = 0) -> re.Match | None:
        """The first match of an expression after so many characters, or None when the time is over."""
        with self.changed:
            deadline = time.monotonic() + seconds
            while not (found := re.search(pattern, self.text[after:], re.MULTILINE)):
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(left)
            return found


class Terminal:
    """A shell that takes one command after the other, and keeps folder, variables and jobs between them."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str]):
        self.files = pathlib.Path(environment["HOME"]) / ".terminal"
        self.files.mkdir(parents=True)
        # Programs show other things to a person than to a pipe.
        mine, theirs = pty.openpty()
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.output = Output(mine)
        self.count = 0

    def run(self, text: str, seconds: float) -> tuple[str, int]:
        """Runs a command; what it printed, and its exit code."""
        self.count += 1
        before = len(self.output.text)
        file = self.files / "command"
        file.write_text(text + "\n")
        mark = f"<end of {self.count}>"
        state = f"env -0 > {self.files}/environment; pwd > {self.files}/folder"
        line = f". {file} </dev/null; code=$?; {state}; echo '{mark}' $code\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        found = self.output.wait_for(re.escape(mark) + r" (\d+)$", seconds, before)
        said = self.output.text[before:]
        if not found:
            raise Wrong(f"it has not ended after {seconds} s; it said:\n{said}")
        return said[: found.start()], int(found[1])

    def close(self) -> None:
        """Ends the shell and what it has started."""
        kill(self.process)
        self.process.stdin.close()

    def program(self, text: str, on_terminal: bool = False) -> "Program":
        """Starts a program that stays, in the folder and with the variables of this terminal."""
        self.run("true", 10)
        folder = (self.files / "folder").read_text().removesuffix("\n")
        pairs = (self.files / "environment").read_text().split("\0")
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return Program(text, folder, environment, on_terminal)


class Program:
    """A program that stays until it is told to end, with a terminal of its own or without one."""

    def __init__(self, text: str, folder: str, environment: dict[str, str], on_terminal: bool):
        self.text = text
        if on_terminal:
            self.keyboard, theirs = pty.openpty()
            mine = self.keyboard
        else:
            mine, theirs = os.pipe()
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", text],
            cwd=folder,
            env=environment,
            stdin=theirs if on_terminal else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.output = Output(mine)

    def wait_ready(self, ready: str | None, port: int | None, seconds: float) -> None:
        """Waits for a line, or until somebody listens on a port."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ready and self.output.wait_for(ready, 0.05):
                return
            if port and listens(port):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise Wrong(f"it does not come to `{ready or port}`; it said:\n{self.output.text}")

    def type(self, text: str) -> None:
        """A line from its keyboard."""
        os.write(self.keyboard, f"{text}\n".encode())

    def interrupt(self, seconds: float) -> int:
        """Ctrl-C, and its exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.ended(seconds)

    def ended(self, seconds: float) -> int:
        """Waits for its end; its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Wrong(f"`{self.text}` has not ended after {seconds} s; it said:\n{self.output.text}") from error


def kill(process: subprocess.Popen) -> None:
    """Ends a process with its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def listens(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_listens(port: int, seconds: float) -> None:
    """Waits until somebody does."""
    deadline = time.monotonic() + seconds
    while not listens(port):
        if time.monotonic() > deadline:
            raise Wrong(f"nobody listens on port {port} after {seconds} s")
        time.sleep(0.02)
