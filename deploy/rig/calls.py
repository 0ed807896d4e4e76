"""Two checks as parts: the Dockerfile's lint, and the system calls of whole lives against the seccomp profile."""

from . import image, profiles, syscalls
from .parts import Context, Wrong


def lint(context: Context) -> str:
    """hadolint finds nothing."""
    image.lint(context.root, context.work)
    return "clean"


def check(context: Context) -> str:
    """Every call that was seen is in the profile; prints a line for each rung."""
    profile = profiles.load(context.root / "deploy/seccomp.json")
    try:
        seen = syscalls.check(context.binary, context.directory / "traces", profile, context.jobs)
    except syscalls.Failed as error:
        raise Wrong(str(error)) from error
    print("\n".join(rung.line() for rung in seen), flush=True)
    if any(rung.unknown for rung in seen):
        raise Wrong(f"calls that the profile lacks: {' '.join(sorted(set().union(*(rung.unknown for rung in seen))))}")
    return f"{len(set().union(*(rung.calls for rung in seen)))} calls seen, all in the profile"
