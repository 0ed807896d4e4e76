"""A cgroup with a memory limit, version 1 or 2, below that of this process or beside it."""

import os
import pathlib
import time

ROOT = pathlib.Path("/sys/fs/cgroup")


class Unavailable(Exception):
    """No cgroup with a memory limit can be made here."""


class Cgroup:
    """A context manager. Whoever is to be in it is started by `enter`."""

    def __init__(self, mib: int):
        self.limit = mib << 20
        parent, self.is_v1 = place()
        self.folder = parent / f"holdfast-{os.getpid()}-{time.monotonic_ns()}"

    def __enter__(self) -> "Cgroup":
        try:
            self.folder.mkdir()
            name = "memory.limit_in_bytes" if self.is_v1 else "memory.max"
            (self.folder / name).write_text(str(self.limit))
        except OSError as error:
            raise Unavailable(f"{self.folder}: {error}") from error
        if not self.is_v1 and (self.folder / "memory.swap.max").exists():
            # Nothing is swapped out instead.
            (self.folder / "memory.swap.max").write_text("0")
        return self

    def __exit__(self, kind, value, trace) -> None:
        deadline = time.monotonic() + 20
        # It is busy until the last of its processes is gone for good.
        while self.folder.exists():
            try:
                self.folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def enter(self, binary: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
        """A program that is `binary` in this cgroup."""
        script = folder / "enter"
        script.write_text(f'#!/bin/sh\necho $$ >{self.folder}/cgroup.procs && exec {binary.resolve()} "$@"\n')
        script.chmod(0o755)
        return script

    def killed(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        name = "memory.oom_control" if self.is_v1 else "memory.events"
        lines = (line.split() for line in (self.folder / name).read_text().splitlines())
        return next(int(line[1]) for line in lines if line[0] == "oom_kill")

    def usage(self) -> dict[str, int]:
        """What is in use now in KiB, and of what."""
        stat = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        files = {
            "all": "memory.usage_in_bytes" if self.is_v1 else "memory.current",
            "kernel": "memory.kmem.usage_in_bytes",
            "tcp": "memory.kmem.tcp.usage_in_bytes",
        }
        found = {what: int((self.folder / name).read_text()) >> 10 for what, name in files.items() if self.has(name)}
        names = ["rss", "cache", "anon", "file", "kernel", "slab", "sock"]
        return found | {name: int(stat[name]) >> 10 for name in names if name in stat}

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def peak(self) -> str:
        """The most that was in use, where the kernel tells."""
        file = self.folder / ("memory.max_usage_in_bytes" if self.is_v1 else "memory.peak")
        return f"{int(file.read_text()) / (1 << 20):.1f} MiB" if file.exists() else "an unknown amount"


def place() -> tuple[pathlib.Path, bool]:
    """Where a cgroup may be made, and whether that is version 1."""
    own = [line.split(":", 2) for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
    v1 = ROOT / "memory"
    if (v1 / "memory.limit_in_bytes").exists():
        path = next((path for _, names, path in own if "memory" in names.split(",")), "/")
        below = v1 / path.lstrip("/")
        return (below if below.exists() else v1), True
    path = next((path for _, names, path in own if not names), "/")
    beside = (ROOT / path.lstrip("/")).parent
    beside = beside if ROOT in [beside, *beside.parents] else ROOT
    control = beside / "cgroup.subtree_control"
    if not control.exists() or "memory" not in control.read_text().split():
        raise Unavailable(f"the memory controller is not in {beside}")
    return beside, False
