"""The book's table of contents, from the tables of docs/README.md.

The head of a table names a part of the book; the links in the first column of its rows are its chapters, in their
order. Where a chapter is the README.md of a folder, the pages of that folder that its own tables link to are below it.
"""

import dataclasses
import pathlib
import posixpath
import re

FRONT = "README.md"
INDEX = "docs/README.md"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+\.md)\)")


class Defect(Exception):
    """Something in the pages that people wrote; says where."""


@dataclasses.dataclass
class Chapter:
    """A page by its path in the repository, and the pages below it."""

    page: str
    below: list["Chapter"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Part:
    name: str
    chapters: list[Chapter]


def read(root: pathlib.Path) -> list[Part]:
    """The parts of the book."""
    parts = []
    for head, pages in tables(root, INDEX):
        chapters = [Chapter(page, below(root, page)) for page in pages]
        if chapters:
            parts.append(Part(head[:1].upper() + head[1:], chapters))
    return parts


def below(root: pathlib.Path, page: str) -> list[Chapter]:
    """The chapters below a folder's README.md."""
    folder, name = posixpath.split(page)
    if name != "README.md" or not (root / page).is_file():
        return []
    pages = [page for _, pages in tables(root, page) for page in pages]
    return [Chapter(page) for page in pages if page.startswith(f"{folder}/")]


def tables(root: pathlib.Path, page: str) -> list[tuple[str, list[str]]]:
    """Of each table of a page the first cell of its head, and the pages that its first column links to."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    for line in (root / page).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cell = line.split("|")[1].strip()
        if not inside:
            found.append((cell, []))
            inside = True
        found[-1][1].extend(target(page, link) for link in LINK.findall(cell))
    return found


def target(page: str, link: str) -> str:
    """The path in the repository that a page means by a relative link."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def pages(parts: list[Part]) -> list[str]:
    """Every page of the book in its order, the front page and the index first."""
    chapters = [chapter for part in parts for top in part.chapters for chapter in [top, *top.below]]
    return [FRONT, INDEX, *(chapter.page for chapter in chapters)]


def defects(root: pathlib.Path, parts: list[Part]) -> list[str]:
    """What is wrong with the contents: pages twice or not there, and pages below docs/ that are left out."""
    listed = pages(parts)
    wrong = [f"{INDEX}: {page} is listed twice" for page in sorted({page for page in listed if listed.count(page) > 1})]
    wrong += [f"{INDEX}: {page} is listed and does not exist" for page in listed if not (root / page).is_file()]
    written = sorted(path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md"))
    return wrong + [f"{page}: not in the contents: give it a row in {INDEX}" for page in written if page not in listed]


def title(root: pathlib.Path, page: str) -> str:
    """A page's first heading."""
    for line in (root / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            return line[2:].strip().replace("`", "")
    raise Defect(f"{page}: has no heading")


def summary(root: pathlib.Path, parts: list[Part]) -> str:
    """The contents as mdBook reads them: SUMMARY.md."""
    lines = ["# Summary", ""]
    lines += [f"[{title(root, page)}]({place(page)})" for page in [FRONT, INDEX]]
    for part in parts:
        lines += ["", f"# {part.name}", ""]
        for chapter in part.chapters:
            lines.append(f"- [{title(root, chapter.page)}]({place(chapter.page)})")
            lines += [f"  - [{title(root, page.page)}]({place(page.page)})" for page in chapter.below]
    return "\n".join(lines) + "\n"


def place(page: str) -> str:
    """Where a page lies in the book: a folder's README.md is its index."""
    folder, name = posixpath.split(page)
    return posixpath.join(folder, "index.md") if name == "README.md" else page
