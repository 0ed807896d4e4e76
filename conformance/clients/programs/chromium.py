"""Debian's Chromium without a window: chromium.py URL PREFIX. The page is `page.html`, served from 127.0.0.1."""

import http.server
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse

SECONDS = 90
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
]
FILES = {"/page.html": "text/html", "/messages.js": "text/javascript"}


class Page(http.server.BaseHTTPRequestHandler):
    """Serves the two files, and takes the result."""

    results: queue.Queue = queue.Queue()

    def do_GET(self) -> None:
        kind = FILES.get(self.path)
        body = (pathlib.Path(__file__).parent / self.path[1:]).read_bytes() if kind else b""
        self.answer(200 if kind else 404, kind or "text/plain", body)

    def do_POST(self) -> None:
        self.results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(200, "text/plain", b"")

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: what counts is the result."""


def main(url: str, prefix: str) -> None:
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fragment = urllib.parse.quote(json.dumps([url, prefix]))
        address = f"http://127.0.0.1:{server.server_port}/page.html#{fragment}"
        with open(os.path.join(profile, "log"), "w+b") as log:
            command = ["chromium", *FLAGS, f"--user-data-dir={profile}/data", address]
            browser = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            try:
                result = Page.results.get(timeout=SECONDS)
            except queue.Empty:
                log.seek(0)
                raise SystemExit(
                    f"no result within {SECONDS} s; chromium says:\n{log.read().decode(errors='replace')[-2000:]}"
                )
            finally:
                # Chromium is several processes, in the session made for it.
                os.killpg(browser.pid, signal.SIGKILL)
                browser.wait()
        server.shutdown()
    if not result["ok"]:
        raise SystemExit(result["words"])
    print(result["words"])


main(*sys.argv[1:])
