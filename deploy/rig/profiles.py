"""seccomp.json, what it lets through, and variants of it that block io_uring."""

import errno
import json
import pathlib
import socket

IO_URING = ["io_uring_setup", "io_uring_enter", "io_uring_register"]
ALLOW = "SCMP_ACT_ALLOW"


def load(path: pathlib.Path) -> dict:
    """The profile as committed."""
    return json.loads(path.read_text())


def allowed(profile: dict) -> set[str]:
    """What the profile lets through; `socket` has a name for each family, such as `socket(AF_UNIX)`."""
    return {name(call, rule) for rule in profile["syscalls"] if rule["action"] == ALLOW for call in rule["names"]}


def name(call: str, rule: dict) -> str:
    """What `allowed` calls this call of this rule."""
    families = [argument["value"] for argument in rule.get("args", []) if argument["index"] == 0]
    return f"socket({socket.AddressFamily(families[0]).name})" if call == "socket" and families else call


def refused(profile: dict) -> dict[str, str]:
    """What the profile names in order to refuse it, with the errno: callers are known to do without."""
    rules = [rule for rule in profile["syscalls"] if rule["action"] != ALLOW]
    return {call: errno.errorcode[rule["errnoRet"]] for rule in rules for call in rule["names"]}


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
    for variant, content in variants.items():
        files[variant] = directory / f"seccomp-{variant}.json"
        files[variant].write_text(json.dumps(content))
    return files
