"""Two pages of the chat in Chromium hear each other, in light and dark: browser.py ADDRESS."""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from shared import chromium  # noqa: E402 (found by the path above)
from shared.chromium import until  # noqa: E402


class Page(chromium.Page):
    """A page of the chat."""

    def enter(self, text: str) -> None:
        """Fills the one field and sends it."""
        self.run(f"document.querySelector('input').value = {json.dumps(text)}; document.forms[0].requestSubmit()")

    def lines(self, kind: str) -> list[str]:
        return self.run(f"[...document.querySelectorAll('#said li.{kind}')].map((line) => line.textContent)")


def converse(port: str, address: str) -> None:
    ann, bob = Page(port, address), Page(port, address)
    for page, name in [(ann, "ann"), (bob, "Bób <b>")]:
        page.enter(name)
        until(lambda: page.run("document.querySelector('#state').textContent") == f"as {name}", f"{name} to connect")
    until(lambda: "Bób <b>has come" in ann.lines("news"), "the news that another has come")
    for page, other, name, text in [(ann, bob, "ann", "hello"), (bob, ann, "Bób <b>", "<i>ça va?</i> \U0001f980")]:
        page.enter(text)
        until(lambda: f"{name}{text}" in other.lines("other"), f"the other to hear {text}")
        until(lambda: text in page.lines("own"), f"{name} to see {text}")
    if (light := ann.background("light")) == (dark := ann.background("dark")):
        raise SystemExit(f"the page is {light} by day and {dark} by night")
    bob.run("location.href = 'about:blank'")
    until(lambda: "Bób <b>has gone" in ann.lines("news"), "the news that the other has gone")


with chromium.running() as port:
    converse(port, sys.argv[1])
