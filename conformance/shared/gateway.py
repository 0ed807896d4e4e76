"""The gateway under test: built once, started on a free port of 127.0.0.1, stopped by SIGTERM."""

import json
import os
import pathlib
import re
import selectors
import socket
import subprocess
import time

RUNGS = ["uring", "uring-baseline", "epoll"]
START_SECONDS = 20
# Longer than a drain takes whose service has gone, and which waits for it until drain-timeout.
STOP_SECONDS = 45


class Broken(Exception):
    """The gateway could not be built, did not start, did not end as it should, or left a client hanging."""


def build(root: pathlib.Path) -> pathlib.Path:
    """Builds the release binary; returns where cargo put it."""
    command = [
        "cargo",
        "build",
        "--release",
        "--package",
        "holdfast",
        "--bin",
        "holdfast",
        "--message-format",
        "json-render-diagnostics",
    ]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Broken(f"`{' '.join(command)}` failed")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    found = [m["executable"] for m in messages if m["reason"] == "compiler-artifact" and m["executable"]]
    if not found:
        raise Broken("cargo named no executable")
    return pathlib.Path(found[-1])


def free_port() -> int:
    """A port that nobody listens on. Another program may take it first; then whoever was to listen says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    """One running gateway; a context manager. `url` is its WebSocket address, `admin` host and port of its admin
    server, `log` the file of its standard error.

    `variables` are added to its environment, which says nothing else of its settings.
    """

    def __init__(
        self,
        binary: pathlib.Path,
        rung: str,
        log: pathlib.Path,
        *flags: str,
        variables: dict[str, str] | None = None,
        admin: str = "127.0.0.1:0",
    ):
        self.command = [str(binary), "--listen", "127.0.0.1:0", "--admin", admin, "--driver", rung, *flags]
        self.variables = variables or {}
        self.log = log
        self.url = ""
        self.admin = ""

    def __enter__(self) -> "Gateway":
        # No HOLDFAST_* of the caller may change what is tested.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        environment |= self.variables
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        try:
            self.url, self.admin = self._bound_addresses()
        except Broken:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(self, kind, value, trace) -> None:
        self.process.terminate()
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = None
        self.process.stdout.close()
        if kind is None and status != 0:
            how = "did not end on SIGTERM" if status is None else f"ended with {status}"
            raise Broken(f"`{' '.join(self.command)}` {how}:\n{self.log.read_text(errors='replace')}")

    def _bound_addresses(self) -> tuple[str, str]:
        """Reads the start lines until one names the addresses."""
        deadline = time.monotonic() + START_SECONDS
        text = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                piece = os.read(self.process.stdout.fileno(), 4096)
                text += piece
                found = re.search(rb"websocket (ws://\S+).*admin http://([^/\s]+).*\n", text)
                if found:
                    return found[1].decode(), found[2].decode()
                if not piece:
                    break
        raise Broken(
            f"`{' '.join(self.command)}` did not start:\n{text.decode()}{self.log.read_text(errors='replace')}"
        )
