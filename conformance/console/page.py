"""The console in a browser, by the ids of its elements, and those who are held while it is looked at."""

import contextlib
import json
import math
import re

import websocket
from shared import chromium
from shared.chromium import until

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "µs": 1e-6, "ms": 1e-3, "s": 1}


class Console(chromium.Page):
    """The page, by the ids of its elements."""

    def text(self, name: str) -> str:
        return self.run(f"document.getElementById({json.dumps(name)}).innerText")

    def card(self, name: str) -> str:
        return self.run(f"document.querySelector('#card-{name} .value').textContent")

    def note_of(self, name: str) -> str:
        """What a card says below its number."""
        return self.run(f"document.querySelector('#card-{name} p').textContent")

    def points(self, name: str) -> str:
        """What is drawn in a card."""
        return self.run(f"document.querySelector('#card-{name} path')?.getAttribute('d')") or ""

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.run(f"document.getElementById({json.dumps(name)}).value = {json.dumps(value)}")

    def click(self, name: str) -> None:
        self.run(f"document.getElementById({json.dumps(name)}).click()")

    def rows(self, name: str) -> list[list[str]]:
        cells = "[...row.cells].map((cell) => cell.textContent)"
        return self.run(f"[...document.getElementById({json.dumps(name)}).rows].map((row) => {cells})")

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of a table, each by the names in its head."""
        head, *rows = self.rows(name) or [[]]
        return [dict(zip(head, row, strict=True)) for row in rows]

    def drawn(self, name: str) -> int:
        """How many lines of plots in a table have something in them."""
        return self.run(f"document.querySelectorAll('#{name} td path[d*=L]').length")

    def hears(self, text: str) -> None:
        """Waits until something was said that has this in it."""
        until(lambda: text in self.text("talk"), f"{text} in the conversation:\n{self.text('talk')}")


def check(holds: bool, what: object) -> None:
    if not holds:
        raise SystemExit(f"not as it should be: {what}")


def amount(text: str) -> float:
    """A number as the page shows it, in bytes or seconds where it has a unit; NaN where it is not known yet."""
    if not text or text.startswith("–"):
        return math.nan
    found = re.fullmatch(r"(?:over )?([\d.,]+)(?: (\S+?))?(?:/s| %)?", text)
    check(found is not None, f"{text!r} is a number")
    return float(found[1].replace(",", "")) * UNITS.get(found[2] or "B", 1)


def held(url: str, count: int) -> contextlib.ExitStack:
    """So many connections, each on its own."""
    stack = contextlib.ExitStack()
    for _ in range(count):
        stack.callback(connect(url).shutdown)
    return stack


def connect(url: str, *subprotocols: str) -> websocket.WebSocket:
    return websocket.create_connection(
        url, timeout=chromium.SECONDS, suppress_origin=True, subprotocols=subprotocols or None
    )
