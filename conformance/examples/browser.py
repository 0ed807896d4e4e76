"""Debian's Chromium without a window: browser.py ADDRESS. Two pages of the chat hear each other, in light and dark."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import websocket

SECONDS = 60
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
]


def until(condition, what: str):
    """The first true value of `condition`; fails when there is none in time."""
    deadline = time.monotonic() + SECONDS
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {SECONDS} s for {what}")
        time.sleep(0.02)
    return value


class Page:
    """One page, by Chromium's DevTools protocol."""

    def __init__(self, port: str, address: str):
        new = f"http://127.0.0.1:{port}/json/new?{urllib.parse.quote(address, safe='')}"
        with urllib.request.urlopen(urllib.request.Request(new, method="PUT"), timeout=SECONDS) as answer:
            target = json.load(answer)["webSocketDebuggerUrl"]
        self.tools = websocket.create_connection(target, timeout=SECONDS)
        self.number = 0
        until(lambda: self.run("document.readyState === 'complete' && !!document.forms.length"), "the page")

    def call(self, method: str, **parameters: object) -> dict:
        self.number += 1
        self.tools.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            heard = json.loads(self.tools.recv())
            if heard.get("id") == self.number:
                return heard["result"]

    def run(self, script: str):
        """What a piece of JavaScript is worth."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def enter(self, text: str) -> None:
        """Fills the one field and sends it."""
        self.run(f"document.querySelector('input').value = {json.dumps(text)}; document.forms[0].requestSubmit()")

    def lines(self, kind: str) -> list[str]:
        return self.run(f"[...document.querySelectorAll('#said li.{kind}')].map((line) => line.textContent)")

    def background(self, scheme: str) -> str:
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        return self.run("getComputedStyle(document.body).backgroundColor")


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


def main(address: str) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = pathlib.Path(profile, "log")
        with log.open("wb") as output:
            browser = subprocess.Popen(
                ["chromium", *FLAGS, f"--user-data-dir={profile}/data", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            # Chromium writes it when it listens: the port, then a path.
            said = pathlib.Path(profile, "data/DevToolsActivePort")
            port = until(lambda: said.exists() and said.read_text().split(), "Chromium to start")[0]
            converse(port, address)
        except BaseException:
            print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
            raise
        finally:
            # Chromium is several processes, in the session made for it.
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()


main(sys.argv[1])
