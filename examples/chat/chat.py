#!/usr/bin/env python3
"""A chat in one file: serves the page, lets people in, and hands out what they say. Nothing but the standard library.

Usage: chat.py KEYFILE [GATEWAY [PUBLIC [ADDRESS]]]

GATEWAY is http://127.0.0.1:8085 unless said, and PUBLIC, where browsers find it, the same. The page is
http://127.0.0.1:3000 unless ADDRESS names another address.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import pathlib
import sys
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = pathlib.Path(sys.argv[1]).read_text().strip().encode()
GATEWAY = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8085"
PUBLIC = sys.argv[3] if len(sys.argv) > 3 else GATEWAY
ADDRESS = sys.argv[4] if len(sys.argv) > 4 else "127.0.0.1"
HUB, ROOM = "chat", "room"
PAGE = pathlib.Path(__file__).with_name("chat.html").read_bytes()
NAME_LEN_MAX = 40


def token(audience: str, **claims: object) -> str:
    """A JSON Web Token for an hour: who holds it may do what its audience names."""

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims |= {"aud": audience, "exp": int(time.time()) + 3600}
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{encoded(hmac.digest(KEY, text.encode(), 'sha256'))}"


def client_url(name: str) -> str:
    """Where this person may connect. The token makes them a member of the room."""
    audience = f"{PUBLIC}/client/hubs/{HUB}"
    access = token(audience, **{"sub": name, "webpubsub.group": [ROOM]})
    return f"{audience.replace('http', 'ws', 1)}?access_token={access}"


def tell_the_room(message: dict) -> None:
    """Sends to all members of the room, over REST."""
    url = f"{GATEWAY}/api/hubs/{HUB}/groups/{ROOM}/:send"
    headers = {"Authorization": f"Bearer {token(url)}", "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(message).encode(), headers), timeout=10).close()


class Chat(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        name = " ".join(urllib.parse.parse_qs(url.query).get("name", [""])[0].split())
        if url.path == "/":
            self.answer(200, PAGE, "text/html; charset=utf-8")
        elif url.path == "/join" and 0 < len(name) <= NAME_LEN_MAX:
            # Whoever asks is believed here: this is where a real chat looks who is logged in.
            self.answer(200, client_url(name).encode(), "text/plain")
        else:
            self.answer(404)

    def do_OPTIONS(self) -> None:
        """The gateway asks whether events are welcome."""
        self.answer(200)

    def do_POST(self) -> None:
        """An event. Events with the same ce-id are the same one, sent again."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        connection = self.headers["ce-connectionId"] or ""
        signature = "sha256=" + hmac.new(KEY, connection.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature, (self.headers["ce-signature"] or "").split(",")[0]):
            return self.answer(401)
        name = urllib.parse.unquote(self.headers["ce-userId"] or "")
        kind = self.headers["ce-type"]
        if kind == "azure.webpubsub.user.say":
            tell_the_room({"name": name, "text": body.decode()})
        elif kind == "azure.webpubsub.sys.connected":
            tell_the_room({"name": name, "did": "has come"})
        elif kind == "azure.webpubsub.sys.disconnected":
            # A gateway that ends may be gone before the room hears of it.
            with contextlib.suppress(OSError):
                tell_the_room({"name": name, "did": "has gone"})
        self.answer(204)

    def answer(self, status: int, body: bytes = b"", kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("WebHook-Allowed-Origin", "*")
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: what people say is nobody's business."""


ThreadingHTTPServer((ADDRESS, 3000), Chat).serve_forever()
