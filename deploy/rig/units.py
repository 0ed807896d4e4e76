"""The systemd unit: valid, as closed as the documentation says, in agreement with settings and seccomp profile."""

import pathlib
import re
import shutil

from . import profiles
from .engine import run
from .parts import Context, Wrong

DOCUMENT = "docs/deploy.md"
# What only a container's runtime calls, before the gateway begins.
RUNTIME = "container runtime"


def check(context: Context) -> str:
    """verify for the unit alone and with each drop-in; the score; what must agree."""
    folder = context.root / "deploy/systemd"
    unit = folder / "holdfast.service"
    dropins = sorted(folder.glob("*.conf"))
    for names in [[], *([path] for path in dropins), dropins]:
        verify(unit, names, context)
    compare_calls(unit, profiles.load(context.root / "deploy/seccomp.json"))
    compare_times(context.root, unit)
    found = stated(context.root / DOCUMENT, score(unit))
    return f"valid, also with {len(dropins)} drop-ins; exposure level {found}"


def verify(unit: pathlib.Path, dropins: list[pathlib.Path], context: Context) -> None:
    """systemd-analyze verify, with the binary where it is here, in place of the installed one."""
    folder = context.directory / "unit"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "holdfast.service.d").mkdir(parents=True)
    text = unit.read_text(encoding="utf-8").replace("ExecStart=/usr/bin/holdfast ", f"ExecStart={context.binary} ")
    (folder / unit.name).write_text(text, encoding="utf-8")
    for path in dropins:
        shutil.copy(path, folder / "holdfast.service.d")
    said = run(["systemd-analyze", "verify", "--man=no", str(folder / unit.name)])
    if said.strip():
        raise Wrong(f"systemd-analyze verify, with {[path.name for path in dropins] or 'no drop-in'}: {said.strip()}")


def score(unit: pathlib.Path) -> str:
    """What systemd-analyze security makes of it: 0 is closed, 10 is open."""
    said = run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)])
    found = re.search(r"Overall exposure level for \S+: (\S+)", said)
    if not found:
        raise Wrong("systemd-analyze security names no score")
    return found[1]


def stated(document: pathlib.Path, found: str) -> str:
    """The documentation has the same score, of the systemd that it names; others count otherwise."""
    text = " ".join(document.read_text(encoding="utf-8").split())
    said = re.search(r"of systemd (\d+) the unit's exposure level is (\d+\.\d)", text)
    if not said:
        raise Wrong(f"{document.name} states no exposure level of the unit")
    here = run(["systemd-analyze", "--version"]).split()[1]
    if here != said[1]:
        return f"{found} by systemd {here}, not compared with the one stated for {said[1]}"
    if found != said[2]:
        raise Wrong(f"{document.name} says exposure level {said[2]}, systemd-analyze says {found}")
    return f"{found}, as stated"


def values(unit: pathlib.Path, name: str) -> list[str]:
    """Every value of a setting of the unit, in order."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def compare_calls(unit: pathlib.Path, profile: dict) -> None:
    """The unit lets through what the seccomp profile does, but for what a container's runtime needs."""
    rules = [rule for rule in profile["syscalls"] if rule["action"] == profiles.ALLOW]
    wanted = {call for rule in rules if RUNTIME not in rule.get("comment", "") for call in rule["names"]}
    found = {call for line in values(unit, "SystemCallFilter") for call in line.split()}
    if found != wanted:
        raise Wrong(f"unit and seccomp.json differ in {sorted(found ^ wanted)}")


def compare_times(root: pathlib.Path, unit: pathlib.Path) -> None:
    """systemd waits longer than a drain takes."""
    settings = (root / "deploy/debian/holdfast.toml").read_text(encoding="utf-8")
    example = (root / "deploy/holdfast.example.toml").read_text(encoding="utf-8")
    drain = re.compile(r'^drain-timeout = "(\d+)s"', re.MULTILINE)
    drains = {int(value) for value in drain.findall(settings + example)}
    stop = int(values(unit, "TimeoutStopSec")[0])
    if len(drains) != 1 or stop < max(drains) + 5:
        raise Wrong(f"TimeoutStopSec is {stop} s, drain-timeout {sorted(drains)} s")
