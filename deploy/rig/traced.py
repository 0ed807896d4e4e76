"""The binary under strace, as an ordinary user."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse

from . import peer

SECONDS_MAX = 60
# Few enough that on io_uring some connections get no descriptor of the process.
DESCRIPTORS = 300


class Failed(Exception):
    """The traced run did not go as it should."""


class Traced:
    """One run in a folder of its own, as a context manager; nothing is left running. `options` are strace's."""

    def __init__(self, binary: pathlib.Path, place: pathlib.Path, user: int, options: list[str]):
        self.binary = binary
        self.place = place
        self.user = user
        self.options = options
        self.tracer: subprocess.Popen | None = None

    def __enter__(self) -> "Traced":
        return self

    def __exit__(self, *_error) -> None:
        if self.tracer is not None and self.tracer.poll() is None:
            # The traced process would go on without its tracer.
            for process in self._traced():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self.tracer.kill()
            self.tracer.wait()

    def start(self, *flags: str, environment: dict[str, str] | None = None) -> None:
        """Starts it; what it says goes to the file `said`, what it calls to `trace`, behind what is there."""
        drop = [
            "prlimit",
            f"--nofile={DESCRIPTORS}:{DESCRIPTORS}",
            f"--memlock={8 << 20}:{8 << 20}",
            "setpriv",
            f"--reuid={self.user}",
            f"--regid={self.user}",
            "--clear-groups",
            "--inh-caps=-all",
        ]
        strace = ["strace", "-f", "-qq", "-A", "-o", str(self.place / "trace"), *self.options]
        # No HOLDFAST_* of the caller may change what is tried.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")} | (
            environment or {}
        )
        with (self.place / "said").open("ab") as output:
            self.tracer = subprocess.Popen(
                [*drop, *strace, str(self.binary), *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean,
                cwd=self.place,
            )

    def said(self) -> str:
        """All it has said."""
        return (self.place / "said").read_text(errors="replace")

    def until(self, pattern: str, file: str = "said") -> re.Match | None:
        """The first match in a file of its folder, once it is there; None when the process has ended without."""
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            ended = self.tracer.poll() is not None
            path = self.place / file
            found = re.search(pattern, path.read_text(errors="replace")) if path.exists() else None
            if found or ended:
                return found
            time.sleep(0.05)
        raise Failed(f"nothing like `{pattern}` in {file} after {SECONDS_MAX} s")

    def address(self) -> tuple[str, int]:
        """Where it takes connections by TCP."""
        return self._address("ws")

    def admin(self, path: str) -> str:
        """The URL of a path of its admin server."""
        host, port = self._address("http")
        return f"http://{host}:{port}{path}"

    def _address(self, scheme: str) -> tuple[str, int]:
        found = self.until(rf"{scheme}://[\d.]+:\d+/")
        if found is None:
            raise Failed("it ended instead of starting")
        url = urllib.parse.urlsplit(found[0])
        return url.hostname, url.port

    def tell(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        (process,) = self._traced()
        os.kill(process, number)

    def survives(self, number: signal.Signals) -> bool:
        """Whether it has a handler for a signal, or ignores it (proc_pid_status(5): SigCgt, SigIgn)."""
        (process,) = self._traced()
        status = pathlib.Path(f"/proc/{process}/status").read_text()
        masks = [int(re.search(rf"^{mask}:\s*(\w+)$", status, re.MULTILINE)[1], 16) for mask in ["SigCgt", "SigIgn"]]
        return any(mask >> (number - 1) & 1 for mask in masks)

    def wait(self) -> int:
        """Waits for its end; the exit code."""
        return self.tracer.wait(SECONDS_MAX)

    def wait_for_success(self) -> None:
        """Waits for an end that must be a good one."""
        if (code := self.wait()) != 0:
            raise Failed(f"it ended with {code}")

    def _traced(self) -> list[int]:
        children = pathlib.Path(f"/proc/{self.tracer.pid}/task/{self.tracer.pid}/children")
        return [int(process) for process in children.read_text().split()] if children.exists() else []
