"""The commands of a page of the documentation, to be run as they stand there."""

import pathlib
import re

from .engine import Unavailable


def commands(page: pathlib.Path, heading: str) -> list[str]:
    """The command lines of the first console block below a heading, without prompt and comment."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}$.*?^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise Unavailable(f"{page.name} has no commands below `{heading}`")
    return [line[2:].split("  #")[0].strip() for line in found[1].splitlines() if line.startswith("$ ")]
