"""What is measured with: programs, CPUs, folders."""

import json
import os
import pathlib
import subprocess
import tempfile
from collections.abc import Callable

from . import others
from .figures import alternate
from .process import Broken, Process

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


class Rig:
    """Servers have the first CPU, what loads them the second, where there are two."""

    def __init__(self, args, work: str):
        self.binary, self.load_binary = args.binary, args.load
        self.driver, self.rounds, self.ours = args.driver, args.rounds, args.ours
        self.work = pathlib.Path(work)
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu, self.load_cpu = (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)
        self.bare_binary = TARGET / "services/release/bare"
        self.handle_binary = TARGET / "release/examples/send_by_handle"

    def build(self, with_handle: bool) -> None:
        """What only these measurements need."""
        manifest = ROOT / "bench/services/bare/Cargo.toml"
        bare = ["--locked", "--manifest-path", manifest, "--target-dir", TARGET / "services"]
        subprocess.run(["cargo", "build", "--quiet", "--release", *bare], check=True)
        if with_handle:
            example = ["--package", "holdfast", "--example", "send_by_handle"]
            subprocess.run(["cargo", "build", "--quiet", "--release", *example], cwd=ROOT, check=True)

    def alternate(self, contestants: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
        """What each has measured, in as many rounds as were asked for."""
        if self.ours:
            contestants = {name: run for name, run in contestants.items() if name not in others.NAMES}
        return alternate(contestants, self.rounds)

    def folder(self, name: str) -> pathlib.Path:
        """A new one."""
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.work))

    def bare(self, *arguments, measured: bool) -> Process:
        """One of the bare ends of HTTP: measured, or on the other side."""
        return Process([self.bare_binary, *arguments], self.server_cpu if measured else self.load_cpu)

    def load(self, *arguments) -> dict:
        """Runs holdfast-load to its end; returns its report."""
        report = self.folder("load") / "report.json"
        command = [self.load_binary, *arguments, "--json", report]
        pinned = {} if self.load_cpu is None else {"preexec_fn": lambda: os.sched_setaffinity(0, {self.load_cpu})}
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **pinned)
        if done.returncode != 0:
            raise Broken(f"holdfast-load {arguments[0]}: {done.stderr[-2000:]}")
        return json.loads(report.read_text())
