"""The sysctl file: each key is explained and there, or says why it may be missing."""

import dataclasses
import pathlib
import re

from .parts import Context, Wrong

FILE = "deploy/sysctl/60-holdfast.conf"
KEY = re.compile(r"^(#?)(-?)([a-z0-9_]+(?:\.[a-z0-9_-]+)+) = (\S.*)$")
LABELS = ["why", "without it", "source", "needs"]
NEEDS = re.compile(r"^(module \w+|Linux (\d+)\.(\d+))$")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One key: whether it is set, whether it may fail, and what is said of it."""

    key: str
    value: str
    set: bool
    optional: bool
    said: dict[str, str]


def check(context: Context) -> str:
    """Every key of the file, against /proc/sys of this machine."""
    entries = parse((context.root / FILE).read_text(encoding="utf-8"))
    absent = [entry.key for entry in entries if not there(entry)]
    wrong = [text for entry in entries for text in problems(entry)]
    if wrong:
        raise Wrong("; ".join(wrong))
    count = sum(entry.set for entry in entries)
    missing = f"; not on this kernel: {' '.join(absent)}" if absent else ""
    return f"{count} set, {len(entries) - count} explained and not set{missing}"


def parse(text: str) -> list[Entry]:
    """The keys, each with the labelled lines above it."""
    entries, said, label = [], {}, ""
    for line in text.splitlines():
        found = KEY.match(line)
        if found:
            entries.append(Entry(found[3], found[4], not found[1], bool(found[2]), said))
            said = {}
        elif line in ("", "#"):
            said, label = {}, ""
        elif line.startswith("#   ") and label in said:
            said[label] += " " + line[4:].strip()
        elif line.startswith("# "):
            label, _, rest = line[2:].partition(": ")
            if label in LABELS:
                said[label] = rest
        else:
            raise Wrong(f"{FILE}: no such line is expected: {line}")
    return entries


def there(entry: Entry) -> bool:
    """Whether this kernel has the key."""
    return (pathlib.Path("/proc/sys") / entry.key.replace(".", "/")).exists()


def problems(entry: Entry) -> list[str]:
    """What is missing of an entry, or wrong with it."""
    found = [f"{entry.key} has no line \"{label}\"" for label in LABELS[:3] if not entry.said.get(label)]
    needs = entry.said.get("needs", "")
    if needs and not NEEDS.match(needs):
        found.append(f"{entry.key} needs `{needs}`, which is neither a module nor a version of Linux")
    if not there(entry) and not needs:
        found.append(f"{entry.key} is not in /proc/sys, and nothing says why")
    # A line for a key that may be missing must not fail the whole file.
    if entry.set and needs and not entry.optional:
        found.append(f"{entry.key} may be missing and has no minus before it")
    return found
