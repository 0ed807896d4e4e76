"""The pages as the book has them: in folders like those of the repository, so that relative links stay as they are.

Links to other pages of the book go on; pictures come along; a link to any other file of the repository, which the book
does not have, becomes the file's path.
"""

import pathlib
import posixpath
import re
import shutil

import contents

PICTURES = {".svg", ".png", ".jpg"}
# A line that opens or closes a block of code.
FENCE = re.compile(r" *```")
# Code in backticks, in which nothing is a link; or a link: whether it is a picture, its text, its target.
SPAN = re.compile(
    r"(?P<code>(?<!`)(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<picture>!?)\[(?P<text>(?:`[^`]*`|[^\[\]`])*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL,
)


def write(root: pathlib.Path, listed: list[str], folder: pathlib.Path) -> list[str]:
    """Writes pages and their pictures into a folder. What is wrong with their links is returned."""
    wrong: list[str] = []
    book = set(listed)
    for page in listed:
        text = (root / page).read_text(encoding="utf-8")
        text, pictures, defects = rewritten(root, page, text, book)
        wrong += defects + rows(page, text)
        put(folder / contents.place(page), text)
        for picture in pictures:
            (folder / picture).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / picture, folder / picture)
    return wrong


def put(path: pathlib.Path, text: str) -> None:
    """Writes a file, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def rewritten(root: pathlib.Path, page: str, text: str, book: set[str]) -> tuple[str, set[str], list[str]]:
    """The text of a page for the book, the pictures that it needs, and its links that lead nowhere."""
    pictures: set[str] = set()
    wrong: list[str] = []

    def replace(found: re.Match) -> str:
        link = found["target"]
        if found["code"] or "://" in link or link.startswith(("#", "mailto:")):
            return found[0]
        path, mark, heading = link.partition("#")
        target = contents.target(page, path)
        if not (root / target).exists():
            wrong.append(f"{page}: {link}: no such file")
        elif target in book:
            relative = posixpath.relpath(contents.place(target), posixpath.dirname(page) or ".")
            return f"[{found['text']}]({relative}{mark}{heading})"
        elif pathlib.PurePath(target).suffix in PICTURES:
            pictures.add(target)
            return found[0]
        elif target.endswith(".md"):
            wrong.append(f"{page}: {link}: not in the contents: give it a row in {contents.INDEX}")
        return named(found["text"], target)

    return outside_of_blocks(text, lambda prose: SPAN.sub(replace, prose)), pictures, wrong


def rows(page: str, text: str) -> list[str]:
    """Rows of tables that have more or fewer cells than the head: what is too much is not shown."""
    wrong: list[str] = []
    head = 0

    def count(prose: str) -> str:
        nonlocal head
        for line in prose.splitlines():
            # A bar in a cell, in code too, is written with a backslash.
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            if head and cells and cells != head:
                wrong.append(f"{page}: {cells - 1} cells below a head of {head - 1}: {line[:60]}")
            head = head if head and cells else cells
        return prose

    outside_of_blocks(text, count)
    return wrong


def named(text: str, path: str) -> str:
    """What stands for a link to a file that the book does not have."""
    if text.strip("`").rstrip("/") in (path, posixpath.basename(path)):
        return f"`{path}`"
    return f"{text} (`{path}`)"


def outside_of_blocks(text: str, change) -> str:
    """The text, with what is outside of blocks of code changed."""
    done: list[str] = []
    prose: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        is_fence = bool(FENCE.match(line))
        if inside or is_fence:
            done += [change("".join(prose)), line]
            prose = []
        else:
            prose.append(line)
        inside ^= is_fence
    return "".join([*done, change("".join(prose))])
