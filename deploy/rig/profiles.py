"""seccomp.json, and variants of it that block io_uring."""

import errno
import json
import pathlib

IO_URING = ["io_uring_setup", "io_uring_enter", "io_uring_register"]


def load(path: pathlib.Path) -> dict:
    """The profile as committed."""
    return json.loads(path.read_text())


def named(profile: dict) -> set[str]:
    """Every system call that the profile has a rule for."""
    return {name for rule in profile["syscalls"] for name in rule["names"]}


def blocking(profile: dict, error: int) -> dict:
    """The same profile, but the io_uring calls fail with this errno."""
    rules = [dict(rule, names=[name for name in rule["names"] if name not in IO_URING]) for rule in profile["syscalls"]]
    denied = {"names": IO_URING, "action": "SCMP_ACT_ERRNO", "errnoRet": error}
    return dict(profile, syscalls=[rule for rule in rules if rule["names"]] + [denied])


def write(directory: pathlib.Path, path: pathlib.Path) -> dict[str, pathlib.Path]:
    """Writes the profile and its variants as files: allowed, EPERM, ENOSYS."""
    profile = load(path)
    variants = {"allowed": profile, "EPERM": blocking(profile, errno.EPERM), "ENOSYS": blocking(profile, errno.ENOSYS)}
    files = {}
    for name, variant in variants.items():
        files[name] = directory / f"seccomp-{name}.json"
        files[name].write_text(json.dumps(variant))
    return files
