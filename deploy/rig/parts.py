"""What a part of the check is given, and the table of how the parts ended."""

import dataclasses
import pathlib
import re
import time
from collections.abc import Callable

from . import engine, trials


class Wrong(Exception):
    """What ships is not as it should be."""


# What a part may raise; anything else is a mistake in the check itself.
FAILURES = (Wrong, engine.Unavailable, trials.Failed, OSError, ValueError, EOFError)


@dataclasses.dataclass
class Context:
    """What every part has. `directory` goes when the check is over, `work` stays below cargo's target directory.
    `docker` is the engine, if one runs."""

    root: pathlib.Path
    directory: pathlib.Path
    work: pathlib.Path
    binary: pathlib.Path
    manual: pathlib.Path
    # Whether the binary is the one of a release, so that its size says something.
    release: bool
    jobs: int
    docker: engine.Engine | None = None

    def folder(self, name: str) -> pathlib.Path:
        """A new folder for one part."""
        path = self.directory / name
        path.mkdir()
        return path


@dataclasses.dataclass(frozen=True)
class Part:
    """One row of the table. `check` returns what was seen in a few words; `slow` ones run with --all only."""

    name: str
    tool: str
    check: Callable[[Context], str]
    # Commands that it calls, each with the Debian package that has it.
    needs: dict[str, str] = dataclasses.field(default_factory=dict)
    slow: bool = False
    engine: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """How a part ended."""

    part: Part
    result: str
    failed: bool
    seconds: float


def run(part: Part, context: Context) -> Row:
    """Runs one part, and prints how it ended."""
    started = time.monotonic()
    try:
        result, failed = part.check(context), False
    except FAILURES as error:
        result, failed = str(error), True
    row = Row(part, result, failed, time.monotonic() - started)
    print(f"{part.name}: {'FAILED: ' if failed else ''}{result} ({row.seconds:.0f} s)", flush=True)
    return row


def table(rows: list[Row]) -> str:
    """What was checked, by which tool, how it ended, and how long it took."""
    lines = [("what", "tool", "result", "seconds")]
    for row in rows:
        result = "FAILED: " + row.result.splitlines()[0] if row.failed and row.result else row.result
        lines.append((row.part.name, row.part.tool, result or "FAILED", f"{row.seconds:.0f}"))
    widths = [max(len(line[column]) for line in lines) for column in (0, 1)]
    return "\n".join(
        f"{name:{widths[0]}}  {tool:{widths[1]}}  {seconds:>7}  {result}" for name, tool, result, seconds in lines
    )


def needs(binary: pathlib.Path, command: str) -> None:
    """Fails unless the binary has this command."""
    if not re.search(rf"^  {command}\b", engine.run([str(binary), "--help"]), re.MULTILINE):
        raise Wrong(f"the binary has no command `{command}`")
