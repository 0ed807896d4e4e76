"""The binary, compiled once more in another folder: the same bytes."""

import pathlib
import shutil

from . import image
from .engine import run
from .packaged import digest
from .parts import Context, Wrong


def check(context: Context) -> str:
    """Where `deploy/check` has built the binary itself: the tree's files are copied elsewhere and compiled there."""
    if not context.release:
        return "left out: the binary was given, nobody knows how it was built"
    other = context.folder("another folder, with a longer name") / "tree"
    copy(context.root, other)
    built = image.binary(other, target=other.parent / "target")
    first, second = digest(context.binary), digest(image.without_debug(built, other.parent / "holdfast"))
    if first != second:
        raise Wrong(f"built in two folders, the binary is {first} and {second}")
    return f"built in two folders: {first[:12]}"


def copy(root: pathlib.Path, target: pathlib.Path) -> None:
    """The files that git knows, as they are now."""
    for name in run(["git", "ls-files", "-z"], cwd=root).split("\0"):
        if name and (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
