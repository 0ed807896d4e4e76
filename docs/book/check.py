"""What a reader of the book would trip over, looked for in its HTML.

Each link and picture leads to something in the book, each anchor to an id of that page, each page is in the table of
contents; pictures can be read in light and dark; nothing is loaded from elsewhere; no text was taken for a tag, and no
mark of Markdown is left over. Links to elsewhere are only looked at: nothing is fetched.
"""

import dataclasses
import pathlib
import posixpath
import re
import urllib.parse
from html.parser import HTMLParser

CONTENTS = "toc.html"
# Attributes whose target a browser loads by itself.
LOADED = {
    *((tag, "src") for tag in ["audio", "embed", "iframe", "img", "script", "source", "video"]),
    *((tag, "srcset") for tag in ["img", "source"]),
    ("link", "href"),
    ("object", "data"),
}
# What Markdown makes. Another tag in the text is a word in angle brackets that nobody put in backticks.
TAGS = set(
    "a b blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img input label li ol p pre span strong sup"
    " table tbody td th thead tr ul".split()
)
# Marks of Markdown that should not be seen in the text.
LEFT_OVER = [("`", "a backtick"), ("](", "a link"), ("|--", "a table"), ("**", "bold text")]
STYLED = re.compile(r"url\(\s*['\"]?([^'\")]+)")
IMPORTED = re.compile(r"@import\s+['\"]([^'\"]+)")


@dataclasses.dataclass
class Page:
    """What was found in one HTML file: ids, links as (tag, attribute, target), and trouble in its text."""

    ids: set[str] = dataclasses.field(default_factory=set)
    links: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    trouble: list[str] = dataclasses.field(default_factory=list)
    styles: str = ""


class Reader(HTMLParser):
    """Reads one page."""

    # Tags without an end.
    EMPTY = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if values.get("id"):
            if values["id"] in self.page.ids:
                self.page.trouble.append(f"two ids {values['id']}")
            self.page.ids.add(values["id"])
        for name, value in values.items():
            if name in ("href", "src", "data", "poster"):
                self.page.links.append((tag, name, value))
            if name == "srcset":
                self.page.links += [(tag, name, part.split()[0]) for part in value.split(",") if part.strip()]
        if tag == "img" and not values.get("alt"):
            self.page.trouble.append(f"picture {values.get('src')} has no text in its place")
        if "main" in self.open and tag not in TAGS:
            self.page.trouble.append(f"<{tag}> is no tag of the book: put it in backticks")
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            self.page.styles += data
        if "main" in self.open and not {"code", "pre"} & set(self.open):
            for mark, what in LEFT_OVER:
                if mark in data:
                    self.page.trouble.append(f"{what} is left in the text: {' '.join(data.split())[:80]}")


def read(html: str) -> Page:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.page


def check(book: pathlib.Path) -> tuple[list[str], list[str]]:
    """What is wrong with the book in a folder, and the links that lead out of it."""
    files = sorted(path.relative_to(book).as_posix() for path in book.rglob("*") if path.is_file())
    pages = {name: read((book / name).read_text(encoding="utf-8")) for name in files if name.endswith(".html")}
    wrong: list[str] = []
    elsewhere: set[str] = set()
    for name, page in pages.items():
        wrong += [f"{name}: {what}" for what in page.trouble]
        for tag, attribute, link in page.links:
            if is_elsewhere(link):
                elsewhere.add(link)
                wrong += [f"{name}: {what}" for what in outward(tag, attribute, link)]
            elif what := inward(name, link, pages, set(files)):
                wrong.append(f"{name}: {link}: {what}")
        wrong += styles(name, page.styles, set(files))
    for name in files:
        if name.endswith(".css"):
            wrong += styles(name, (book / name).read_text(encoding="utf-8"), set(files))
        if name.endswith(".svg") and not name.startswith(("favicon", "fonts/")):
            wrong += picture(name, (book / name).read_text(encoding="utf-8"))
    return wrong + unlisted(pages), sorted(elsewhere)


def is_elsewhere(link: str) -> bool:
    return link.startswith("//") or bool(re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", link))


def outward(tag: str, attribute: str, link: str) -> list[str]:
    """What is wrong with a link out of the book: that it is loaded, or that it is none."""
    if link.startswith("data:"):
        return []
    if (tag, attribute) in LOADED:
        return [f"{link}: <{tag}> is loaded from elsewhere"]
    try:
        parts = urllib.parse.urlsplit(link)
        host = parts.hostname or ""
        parts.port  # noqa: B018 (raises where it is no number)
    except ValueError as error:
        return [f"{link}: {error}"]
    if parts.scheme == "mailto":
        return [] if "@" in parts.path else [f"{link}: no address"]
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[A-Za-z0-9.-]+|[0-9a-f:.]+", host):
        return [f"{link}: no link that a browser could follow"]
    return [f"{link}: a space or a bracket is in it"] if re.search(r"[\s<>\"{}|\\^`]", link) else []


def inward(name: str, link: str, pages: dict[str, Page], files: set[str]) -> str | None:
    """What is wrong with a link within the book."""
    path, _, heading = link.partition("#")
    path = urllib.parse.unquote(path.partition("?")[0])
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
    if target.endswith("/") or target not in files:
        return "no such file in the book"
    heading = urllib.parse.unquote(heading)
    if heading and target in pages and heading not in pages[target].ids:
        return f"no such heading in {target}"
    return None


def styles(name: str, text: str, files: set[str]) -> list[str]:
    """What is wrong with what a style sheet loads."""
    wrong = []
    for link in [*STYLED.findall(text), *IMPORTED.findall(text)]:
        if link.startswith(("data:", "#")):
            continue
        if is_elsewhere(link):
            wrong.append(f"{name}: {link} is loaded from elsewhere")
        elif what := inward(name, link, {}, files):
            wrong.append(f"{name}: {link}: {what}")
    return wrong


def picture(name: str, text: str) -> list[str]:
    """What is wrong with a picture: it must have colours for light and dark, and paper of its own."""
    wrong = []
    if "prefers-color-scheme: dark" not in text or "color-scheme: light dark" not in text:
        wrong.append(f"{name}: has no colours for dark pages")
    if "var(--paper)" not in text:
        wrong.append(f"{name}: has no paper of its own, so what is behind shows through")
    if re.search(r"(?:href|src)\s*=\s*['\"](?:https?:)?//|<script", text):
        wrong.append(f"{name}: has a script or loads something")
    return wrong


def runbook(alerts: str, html: str) -> list[str]:
    """Alerts whose link leads to no heading of the book's runbook."""
    ids = read(html).ids
    headings = re.findall(r"runbook_url: \S+/runbook\.md#(\S+)", alerts)
    wrong = [] if headings else ["alerts: none has a link to the runbook"]
    return wrong + [f"alerts: no heading {heading} in the book's runbook" for heading in headings if heading not in ids]


def unlisted(pages: dict[str, Page]) -> list[str]:
    """Pages that the table of contents does not lead to."""
    if CONTENTS not in pages:
        return [f"{CONTENTS}: missing"]
    listed = {posixpath.normpath(link.partition("#")[0]) for _, name, link in pages[CONTENTS].links if name == "href"}
    return [f"{name}: not in the table of contents" for name in pages if name not in listed and name != CONTENTS]
