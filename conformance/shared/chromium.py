"""Debian's Chromium without a window, and pages in it, by its DevTools protocol. Needs websocket-client."""

import base64
import contextlib
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
from collections.abc import Iterator

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


class Refused(Exception):
    """The browser has not done what it was told, such as in a page that has just been left for another."""


class Page:
    """One page."""

    def __init__(self, port: str, address: str):
        new = f"http://127.0.0.1:{port}/json/new?{urllib.parse.quote(address, safe='')}"
        with urllib.request.urlopen(urllib.request.Request(new, method="PUT"), timeout=SECONDS) as answer:
            target = json.load(answer)["webSocketDebuggerUrl"]
        self.tools = websocket.create_connection(target, timeout=SECONDS)
        self.number = 0
        self.complaints: list[str] = []
        for domain in ["Log", "Runtime", "Page"]:
            self.call(f"{domain}.enable")
        until(lambda: self.run("document.readyState === 'complete' && !!document.forms.length"), "the page")

    def call(self, method: str, **parameters: object) -> dict:
        self.number += 1
        self.tools.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            heard = json.loads(self.tools.recv())
            if heard.get("id") == self.number:
                if "error" in heard:
                    raise Refused(f"{method}: {heard['error']['message']}")
                return heard["result"]
            self.note(heard)

    def note(self, event: dict) -> None:
        """Keeps what the browser complains of, such as what a policy forbids."""
        kind, details = event.get("method"), event.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"]))
        if kind == "Log.entryAdded" and details["entry"]["level"] in ["warning", "error"]:
            self.complaints.append(details["entry"]["text"])

    def run(self, script: str):
        """What a piece of JavaScript is worth. It is begun again where the page was left for another meanwhile."""
        try:
            result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        except Refused as error:
            if "navigated" not in str(error):
                raise
            return self.run(script)
        if "exceptionDetails" in result:
            raise SystemExit(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def background(self, scheme: str) -> str:
        """The page's colour where this colour scheme is preferred."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        return self.run("getComputedStyle(document.body).backgroundColor")

    def press(self, key: str) -> None:
        """A key of the keyboard, with the text that it has."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
        for kind in ["keyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def size(self, width: int, height: int, is_phone: bool = False) -> None:
        """As on a screen of this size."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )

    def picture(self, file: pathlib.Path) -> None:
        """Writes the whole page to a PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A browser, by the port of its DevTools; what it says is shown when something goes wrong."""
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
            yield until(lambda: said.exists() and said.read_text().split(), "Chromium to start")[0]
        except BaseException:
            print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
            raise
        finally:
            # Chromium is several processes, in the session made for it.
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
