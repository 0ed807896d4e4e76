"""What a page shows beneath a command, against what came."""

import pathlib
import re
import tomllib

ANYTHING = "..."
VOLATILE = pathlib.Path(__file__).resolve().parent / "volatile.toml"


def volatile() -> dict[str, str]:
    """What is another on each machine: expressions, by name."""
    return tomllib.loads(VOLATILE.read_text(encoding="utf-8"))


def settled(line: str, patterns: dict[str, str]) -> str:
    """A line with names in place of what is another on each machine."""
    for name, pattern in patterns.items():
        line = re.sub(pattern, f"<{name}>", line)
    return line.rstrip()


def matches(shown: str, came: str, patterns: dict[str, str]) -> bool:
    """Whether a line is the one that the page shows; three dots there stand for any text."""
    wanted = ".*".join(re.escape(part) for part in settled(shown, patterns).split(ANYTHING))
    return re.fullmatch(wanted, settled(came, patterns)) is not None


def difference(shown: list[str], came: list[str], patterns: dict[str, str], more: bool = False) -> str | None:
    """The first line of the page that did not come, or the first that came and is not shown; None if there is none.

    A line of three dots alone stands for any lines. With `more` there may be other lines between and after, as in the
    log of a server.
    """
    if not shown:
        return None if more or not came else f"`{came[0]}` came, which the page does not show"
    first, rest = shown[0], shown[1:]
    if first.strip() == ANYTHING:
        tails = [came[count:] for count in range(len(came) + 1)]
        return None if any(not difference(rest, tail, patterns, more) for tail in tails) else f"not there: {rest}"
    if not came:
        return f"`{first}` did not come"
    if matches(first, came[0], patterns):
        return difference(rest, came[1:], patterns, more)
    return difference(shown, came[1:], patterns, more) if more else f"`{first}` is shown, `{came[0]}` came"
