"""Which system calls the binary makes in whole lives, seen with strace: the profile must let each through."""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess

from . import lives, profiles
from .traced import Failed, Traced

# Drivers, and what strace answers to their calls in the kernel's place: a fallback is another start.
RUNGS = {
    "auto": [],
    "auto, io_uring blocked": [f"--inject={','.join(profiles.IO_URING)}:error=EPERM"],
    "uring": [],
    "uring-baseline": [],
    "epoll": [],
}
# Locked memory is counted by user: each life has one of its own.
USERS = range(70_000, 80_000)
PANIC = ["rustc", "--edition", "2024", "-C", "target-feature=+crt-static", "-C", "panic=abort", "-C", "opt-level=1"]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was seen of one rung, or of what is the same on each."""

    name: str
    calls: set[str]
    unknown: set[str]

    def line(self) -> str:
        """For the table."""
        verdict = (
            f"FAILED: not in the profile: {' '.join(sorted(self.unknown))}" if self.unknown else "all in the profile"
        )
        return f"system calls, {self.name + ':':24} {len(self.calls):3}, {verdict}"


def check(binary: pathlib.Path, directory: pathlib.Path, profile: dict, jobs: int) -> list[Seen]:
    """Every life on every rung, `jobs` of them side by side; raises Failed when one did not go as it should."""
    directory.mkdir()
    directory.chmod(0o755)
    refused = profiles.refused(profile)
    # What the profile refuses is refused here too, so that what is called instead is seen.
    refusals = [f"--inject={call}:error={error}" for call, error in refused.items()]
    work = [(rung, life, injected) for rung, injected in RUNGS.items() for life in lives.LIVES]
    work += [("on every rung", life, []) for life in lives.SHORT]
    users = iter(USERS)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [
            (rung, pool.submit(live, binary, directory, next(users), rung, life, refusals + injected))
            for rung, life, injected in work
        ]
        futures.append(("on every rung", pool.submit(panic, directory, next(users), refusals)))
        calls: dict[str, set[str]] = {}
        for rung, future in futures:
            calls.setdefault(rung, set()).update(future.result())
    known = profiles.allowed(profile) | set(refused)
    return [Seen(rung, seen, seen - known) for rung, seen in calls.items()]


def live(
    binary: pathlib.Path, directory: pathlib.Path, user: int, rung: str, life: lives.Life, options: list[str]
) -> set[str]:
    """One life of the binary."""
    place = directory / f"{rung} {life.__name__}".replace(", ", " ").replace(" ", "-")
    place.mkdir()
    os.chown(place, user, user)
    driver = rung.split(",")[0]
    try:
        with Traced(binary, place, user, options) as gateway:
            life(gateway, driver if driver in RUNGS else "")
    except (OSError, EOFError, ValueError, subprocess.SubprocessError, Failed) as error:
        said = (place / "said").read_text() if (place / "said").exists() else ""
        raise Failed(f"under strace, {rung}, life `{life.__name__}`: {type(error).__name__} {error}\n{said}") from error
    return called((place / "trace").read_text(errors="replace"))


def panic(directory: pathlib.Path, user: int, options: list[str]) -> set[str]:
    """What a panic calls: it is the standard library's part, and the gateway has none to be asked for."""
    place = directory / "panic"
    place.mkdir()
    os.chown(place, user, user)
    program = place / "program"
    command = [*PANIC, "-o", str(program), str(pathlib.Path(__file__).with_name("panic.rs"))]
    compiled = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if compiled.returncode != 0:
        raise Failed(f"`{' '.join(command)}` failed:\n{compiled.stdout}")
    with Traced(program, place, user, options) as traced:
        traced.start(environment={"RUST_BACKTRACE": "1"})
        traced.wait()
        if "panicked" not in traced.said():
            raise Failed(f"a panic that is none: {traced.said()}")
    return called((place / "trace").read_text(errors="replace"))


def called(trace: str) -> set[str]:
    """Names of the system calls in a trace, in the words of `profiles.allowed`."""
    calls = set(re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE)) - {"socket"}
    calls |= {f"socket({family})" for family in re.findall(r"^\d+ +socket\((\w+)", trace, re.MULTILINE)}
    # Threads are allowed, namespaces are not.
    spaces = re.findall(r"^\d+ +clone3?\(.*?\b(CLONE_NEW\w+)", trace, re.MULTILINE)
    return calls | {f"clone({space})" for space in spaces}
