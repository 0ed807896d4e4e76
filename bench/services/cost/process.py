"""Processes under test: started on a CPU, asked where they listen, what CPU time they have used."""

import os
import pathlib
import re
import selectors
import subprocess
import time

PROC = pathlib.Path("/proc")
START_SECONDS = 20
# What a process that has nothing left to do may use in that time.
QUIET = 200_000
STEP = 0.01


class Broken(Exception):
    """Something that was started does not do what it should."""


def schedstat(text: str) -> int:
    """Nanoseconds on a CPU: the first field of /proc/PID/task/TID/schedstat."""
    return int(text.split()[0])


def parent(text: str) -> int:
    """Whose child it is, of /proc/PID/stat; the name before it may have blanks and parentheses."""
    return int(text.rpartition(")")[2].split()[1])


def cpu(pids: list[int], proc: pathlib.Path = PROC) -> int:
    """CPU time so far, nanoseconds, of all threads that these processes have now."""
    used = 0
    for pid in pids:
        for task in (proc / str(pid) / "task").iterdir():
            try:
                used += schedstat((task / "schedstat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended meanwhile
    return used


def settled_cpu(pids: list[int]) -> int:
    """The same once they have done what they have left to do, within a second."""
    used, deadline = cpu(pids), time.monotonic() + 1
    while True:
        time.sleep(STEP)
        now = cpu(pids)
        if now - used < QUIET or time.monotonic() > deadline:
            return now
        used = now


def family(pid: int, proc: pathlib.Path = PROC) -> list[int]:
    """A process and all that it has started, and they."""
    children: dict[int, list[int]] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(parent((entry / "stat").read_text()), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                pass
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


class Process:
    """A program on one CPU, or on all; a context manager. Ended, and all that it has started with it, at the end."""

    def __init__(self, command: list, cpu: int | None = None, variables: dict[str, str] | None = None, **options):
        self.command = [str(word) for word in command]
        self.cpu, self.variables, self.options = cpu, variables or {}, options

    def __enter__(self) -> "Process":
        # No HOLDFAST_* of the caller may change what is measured.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        pinned = {} if self.cpu is None else {"preexec_fn": lambda: os.sched_setaffinity(0, {self.cpu})}
        self.options.setdefault("stderr", subprocess.DEVNULL)
        self.process = subprocess.Popen(
            self.command,
            env=environment | self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            **pinned,
            **self.options,
        )
        self.said = b""
        try:
            self.started()
        except BaseException:
            self.__exit__()
            raise
        return self

    def started(self) -> None:
        """Waits until it can be used."""

    def __exit__(self, *_) -> None:
        pids = family(self.process.pid)
        self.process.kill()
        self.process.wait()
        for pid in pids[1:]:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self.process.stdin.close()
        self.process.stdout.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def say(self, text: str) -> None:
        self.process.stdin.write(text.encode())

    def hear(self, pattern: str, seconds: float = START_SECONDS) -> re.Match:
        """Waits until its standard output has such a line; what is behind the match is heard next time."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not (found := re.search(pattern, self.said.decode(errors="replace"))):
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise Broken(f"{self.command[0]} does not say {pattern}, but {self.said.decode()!r}")
                more = os.read(self.process.stdout.fileno(), 65536)
                if not more:
                    raise Broken(f"{' '.join(self.command)[:300]} ended with {self.process.wait()}: {self.said!r}")
                self.said += more
        self.said = self.said.decode(errors="replace")[found.end() :].encode()
        return found
