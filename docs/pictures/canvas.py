"""A sheet to draw boxes and arrows on, as SVG that is readable in light and in dark.

Text stays text. Colours follow the reader's scheme, like those of docs/idle-memory.svg.
"""

from html import escape

STYLE = """\
:root {
  color-scheme: light dark; --paper: #fcfcf9; --ink: #1d2328; --faint: #5b656d; --line: #aab2b0; --panel: #f1f3f0;
  --inner: #ffffff; --ours: #0b6e5f; --theirs: #8a4b1c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181a; --ink: #e6e9e6; --faint: #a3aeb3; --line: #55605f; --panel: #1d2325; --inner: #272f31;
    --ours: #4fc9b0; --theirs: #e2a06a;
  }
}
svg { font: 11.5px system-ui, sans-serif; }
text { fill: var(--ink); }
.sheet { fill: var(--paper); }
.panel { fill: var(--panel); stroke: var(--line); }
.inner { fill: var(--inner); stroke: var(--line); }
.ours { fill: var(--inner); stroke: var(--ours); stroke-width: 1.5; }
.theirs { fill: var(--inner); stroke: var(--theirs); stroke-width: 1.5; }
.band { fill: var(--ours); opacity: .22; }
.heading { font-size: 14px; font-weight: 600; }
.title { font-weight: 600; }
.small { fill: var(--faint); font-size: 10.5px; }
.arrow { fill: none; stroke: var(--faint); stroke-width: 1.4; }
.head { fill: var(--faint); }
"""
WIDTH = 860
TIP = 7
PADDING = 8
# How wide a letter is on average in the widest of the common sans-serif fonts, with some room.
LETTER = {"small": 6.1, "title": 7.4}


class Narrow(Exception):
    """A text is too long for its box."""


class Sheet:
    """What is drawn so far."""

    def __init__(self, height: int, title: str, description: str):
        self.height = height
        self.title = title
        self.description = description
        self.marks: list[str] = []

    def text(self, x: float, y: float, said: str, kind: str = "small", anchor: str = "start") -> None:
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.marks.append(f'<text class="{kind}" x="{x:g}" y="{y:g}"{place}>{escape(said)}</text>')

    def area(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self.marks.append(f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>')

    def box(
        self, x: float, y: float, width: float, height: float, title: str, *lines: str, kind: str = "inner"
    ) -> None:
        """An area with a title and lines below it."""
        self.area(x, y, width, height, kind)
        self.inside(x + PADDING, y + 17, width - 2 * PADDING, title, "title")
        for number, line in enumerate(lines):
            self.inside(x + PADDING, y + 33 + 14 * number, width - 2 * PADDING, line, "small")

    def inside(self, x: float, y: float, width: float, said: str, kind: str) -> None:
        """A text that must not be wider than that."""
        if len(said) * LETTER[kind] > width + PADDING - 2:
            raise Narrow(f"{said!r} is longer than {width:g} px")
        self.text(x, y, said, kind)

    def arrow(self, *points: tuple[float, float]) -> None:
        """A line through the points with a tip at the last; its parts are level or upright."""
        (x0, y0), (x1, y1) = points[-2:]
        dx, dy = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
        base = (x1 - TIP * dx, y1 - TIP * dy)
        path = " ".join(f"{x:g},{y:g}" for x, y in [*points[:-1], base])
        wings = [(base[0] + 4 * dy * side, base[1] + 4 * dx * side) for side in (1, -1)]
        tip = " ".join(f"{x:g},{y:g}" for x, y in [(x1, y1), *wings])
        self.marks.append(f'<polyline class="arrow" points="{path}"/><polygon class="head" points="{tip}"/>')

    def svg(self) -> str:
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height}" '
                f'viewBox="0 0 {WIDTH} {self.height}" role="img" aria-labelledby="title description">',
                f"<style>\n{STYLE}</style>",
                f'<title id="title">{escape(self.title)}</title>',
                f'<desc id="description">{escape(self.description)}</desc>',
                f'<rect class="sheet" width="{WIDTH}" height="{self.height}"/>',
                *self.marks,
                "</svg>\n",
            ]
        )
