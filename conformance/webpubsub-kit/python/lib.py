"""What every check needs: the service client, clients that remember what they hear, an upstream that remembers what
it is told, tokens made by hand, and the counting of checks."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import socket
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import websocket
from azure.core.credentials import AzureKeyCredential
from azure.messaging.webpubsubclient import WebPubSubClient, WebPubSubClientCredential, _client
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubProtocolType
from azure.messaging.webpubsubservice import WebPubSubServiceClient

if len(sys.argv) < 4:
    sys.exit("usage: ENDPOINT ACCESSKEY HUB")
endpoint, key, hub = sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3]
upstream_port = int(os.environ.get("WEBPUBSUB_KIT_UPSTREAM_PORT", "7071"))
only = os.environ.get("WEBPUBSUB_KIT_ONLY")
JSON_V1 = "json.webpubsub.azure.v1"
RELIABLE_V1 = "json.reliable.webpubsub.azure.v1"
EVERYTHING = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]
run = os.urandom(3).hex()
_count = 0
_passed = _failed = 0


def unique(word):
    global _count
    _count += 1
    return f"{word}-{run}-{_count}"


# -- checks ----------------------------------------------------------------------------------------------------------
def check(name, seconds=15):
    """Runs the function at once, in a thread of its own, and prints what became of it."""

    def decorate(work):
        global _passed, _failed
        if only and only not in name:
            return work
        leftovers, outcome = [], []

        def keep(client):
            leftovers.append(client)
            return client

        def body():
            try:
                work(keep)
                outcome.append(None)
            except BaseException as e:  # pylint: disable=broad-except
                where = traceback.extract_tb(e.__traceback__)
                line = next((f.lineno for f in reversed(where) if f.filename.endswith("checks.py")), "?")
                outcome.append(f"{(str(e) or type(e).__name__).splitlines()[0][:200]} (line {line})")

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        thread.join(seconds)
        why = outcome[0] if outcome else f"not done after {seconds} s"
        if why is None:
            _passed += 1
            print(f"ok      {name}", flush=True)
        else:
            _failed += 1
            print(f"FAILED  {name}: {why}", flush=True)
        for client in leftovers:
            try:
                client.close()
            except Exception:  # pylint: disable=broad-except
                pass
        return work

    return decorate


def done(word):
    print(f"{word}: {_passed} passed, {_failed} failed", flush=True)
    os._exit(1 if _failed else 0)


def must(condition, why):
    if not condition:
        raise AssertionError(why)


def same(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {str(got)[:150]}, wanted {str(wanted)[:150]}")


def until(condition, what, seconds=5.0):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.015)


def raises(work, kind, what="nothing was raised"):
    try:
        work()
    except kind as e:
        return e
    raise AssertionError(what)


# -- tokens made by hand ---------------------------------------------------------------------------------------------
def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims, by=None):
    head = _b64(b'{"alg":"HS256","typ":"JWT"}') + "." + _b64(json.dumps(claims).encode())
    return head + "." + _b64(hmac.new((by or key).encode(), head.encode(), hashlib.sha256).digest())


def soon(seconds=3600):
    return int(time.time()) + seconds


CLIENT_AUDIENCE = f"{endpoint}/client/hubs/{hub}"
SOCKET_ENDPOINT = "ws" + endpoint[4:]


def client_url(token=None, **more):
    query = {**({"access_token": token} if token else {}), **more}
    return f"{SOCKET_ENDPOINT}/client/hubs/{hub}?{urlencode(query)}"


# -- the service client ----------------------------------------------------------------------------------------------
service = WebPubSubServiceClient(endpoint=endpoint, hub=hub, credential=AzureKeyCredential(key), retry_total=0)


def url(plan=None, query=None, **options):
    """A client URL, made by the service client; `plan` tells the kit's upstream how to answer the connect event."""
    address = service.get_client_access_token(**options)["url"]
    more = dict(query or {})
    if plan is not None:
        more["kit"] = json.dumps(plan)
    return f"{address}&{urlencode(more)}" if more else address


def rest(method, path, query="", body=None, headers=None, aud=None):
    """REST without the SDK. Gives the status and the body."""
    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    token = sign({"aud": aud or endpoint + path, "exp": soon()})
    connection.request(
        method, f"{path}?api-version=2024-12-01{query}", body, {"Authorization": f"Bearer {token}", **(headers or {})}
    )
    response = connection.getresponse()
    return response.status, response.read()


# -- raw clients -----------------------------------------------------------------------------------------------------
class Raw:
    """A WebSocket client that keeps what it hears."""

    def __init__(self, address, subprotocols=(), header=None):
        self.heard, self.closed, self.acks = [], None, 0
        self.ws = websocket.create_connection(
            address, subprotocols=list(subprotocols), header=header or [], timeout=None
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while True:
                op, data = self.ws.recv_data()
                if op == websocket.ABNF.OPCODE_CLOSE:
                    self.closed = (int.from_bytes(data[:2], "big") if data else 1005, data[2:].decode())
                    self.ws.close()
                    return
                message = {"bytes": data} if op == websocket.ABNF.OPCODE_BINARY else {"text": data.decode()}
                try:
                    message["json"] = json.loads(message["text"])
                except (KeyError, ValueError):
                    pass
                self.heard.append(message)
        except Exception:  # pylint: disable=broad-except
            self.closed = self.closed or (1006, "")

    @classmethod
    def json(cls, address, subprotocol=JSON_V1):
        raw = cls(address, [subprotocol])
        raw.hello = raw.next(lambda m: m.get("json", {}).get("event") == "connected", "the connected message")["json"]
        raw.id = raw.hello["connectionId"]
        return raw

    def next(self, wanted=lambda m: True, what="a message", seconds=5.0):
        def find():
            for i, message in enumerate(self.heard):
                if wanted(message):
                    return self.heard.pop(i)
            return None

        return until(find, what, seconds)

    def silent(self, wanted, what, seconds=0.4):
        time.sleep(seconds)
        must(not any(wanted(m) for m in self.heard), f"heard {what}")

    def send(self, what):
        if isinstance(what, bytes):
            self.ws.send_binary(what)
        else:
            self.ws.send(what if isinstance(what, str) else json.dumps(what))

    def ask(self, what, ack_id=None):
        self.acks += 1
        ack_id = ack_id or self.acks
        self.send({**what, "ackId": ack_id})
        return self.next(
            lambda m: m.get("json", {}).get("type") == "ack" and m["json"]["ackId"] == ack_id, f"the ack {ack_id}"
        )["json"]

    def close(self, code=1000, reason=b""):
        self.ws.close(code, reason, timeout=0.5)

    def drop(self):
        self.ws.sock.shutdown(socket.SHUT_RDWR)

    def wait_closed(self, seconds=5.0):
        return until(lambda: self.closed, "the end of the connection", seconds)


def of_group(group):
    return lambda m: m.get("json", {}).get("from") == "group" and m["json"]["group"] == group


def of_server(m):
    return m.get("json", {}).get("from") == "server"


def refused(work, status):
    error = raises(work, websocket.WebSocketBadStatusException, "was not refused")
    same(error.status_code, status, "status")


# -- the client SDK --------------------------------------------------------------------------------------------------
class Remembering(threading.Condition):
    """A condition that does not miss who comes early.

    The SDK sends, then begins to wait for the ack: an ack that was quicker wakes nobody, and the SDK sits out its
    ack_timeout before it sees that it has come.
    """

    heard = False

    def notify(self, n=1):
        self.heard = True
        super().notify(n)

    def wait(self, timeout=None):
        return self.heard or super().wait(timeout)


class Waiting(_client.SendMessageErrorOptions):
    """What the SDK keeps for each ack that it waits for."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.cv = Remembering()


_client.SendMessageErrorOptions = Waiting


class Sdk:
    """The client SDK, with all that it calls back with."""

    def __init__(self, address, reliable=True, **options):
        self.connected, self.disconnected, self.stopped, self.group, self.server = [], [], [], [], []
        self.dropped = None
        kind = WebPubSubProtocolType.JSON_RELIABLE if reliable else WebPubSubProtocolType.JSON
        self.client = WebPubSubClient(
            WebPubSubClientCredential(address),
            protocol_type=kind,
            message_retry_total=0,
            ack_timeout=8.0,
            start_timeout=8.0,
            reconnect_retry_backoff_factor=0.2,
            **options,
        )
        self.client.subscribe(CallbackType.CONNECTED, self.connected.append)
        self.client.subscribe(CallbackType.DISCONNECTED, self.disconnected.append)
        self.client.subscribe(CallbackType.STOPPED, lambda: self.stopped.append(True))
        self.client.subscribe(CallbackType.GROUP_MESSAGE, self.group.append)
        self.client.subscribe(CallbackType.SERVER_MESSAGE, self.server.append)

    def open(self):
        self.client.open()
        return until(lambda: self.connected, "the connected event")[0]

    def drop(self):
        """Cuts the socket below the SDK, without a goodbye, once it has one that has not been cut yet."""
        client = self.client
        until(
            lambda: client._ws is not self.dropped and client.is_connected(), "the SDK to be connected", 10
        )
        self.dropped = client._ws
        self.dropped.sock.sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.client.close()


# -- the upstream ----------------------------------------------------------------------------------------------------
class Upstream:
    """A service as its author would write it without an SDK: CloudEvents over the standard library's HTTP server."""

    def __init__(self):
        self.requests, self.events, self.origin = [], [], "*"
        self.lock = threading.Lock()
        self.server = None

    def start(self):
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):  # pylint: disable=arguments-differ
                pass

            def note(self):
                with upstream.lock:
                    upstream.requests.append(
                        {
                            "method": self.command,
                            "path": self.path,
                            "headers": {k.lower(): v for k, v in self.headers.items()},
                        }
                    )

            def answer(self, status, body=b"", kind=None, state=None):
                self.send_response(status)
                if kind:
                    self.send_header("Content-Type", kind)
                if state is not None:
                    self.send_header("ce-connectionState", state)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_OPTIONS(self):  # pylint: disable=invalid-name
                self.note()
                self.send_response(200)
                self.send_header("WebHook-Allowed-Origin", upstream.origin)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.note()
                kind = self.headers.get("ce-type", "").removeprefix("azure.webpubsub.")
                event = {
                    "kind": kind,
                    "id": self.headers.get("ce-connectionId"),
                    "user": self.headers.get("ce-userId"),
                    "state": self.headers.get("ce-connectionState"),
                    "type": self.headers.get("Content-Type", ""),
                    "body": body,
                }
                if kind.startswith("sys."):
                    event["json"] = json.loads(body)
                with upstream.lock:
                    upstream.events.append(event)
                if kind == "sys.connect":
                    plan = json.loads(event["json"].get("query", {}).get("kit", ["{}"])[0])
                    if "fail" in plan:
                        return self.answer(plan["fail"], b"refused by the kit", "text/plain")
                    state = plan.pop("state", None)
                    if not plan:
                        return self.answer(204, state=state)
                    return self.answer(200, json.dumps(plan).encode(), "application/json", state)
                if not kind.startswith("user."):
                    return self.answer(204)
                name = kind.removeprefix("user.")
                if name == "fail" or body == b"do:fail":
                    return self.answer(500, b"the kit fails")
                if name == "nothing" or body == b"do:nothing":
                    return self.answer(204)
                if name == "state":
                    return self.answer(200, b"set", "text/plain", body.decode())
                return self.answer(200, body, event["type"])

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", upstream_port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def of(self, connection, kind=None):
        with self.lock:
            return [e for e in self.events if e["id"] == connection and (kind is None or e["kind"] == kind)]

    def one(self, connection, kind, seconds=5.0):
        return until(lambda: self.of(connection, kind), f"the event {kind}", seconds)[0]

    def posts(self, connection):
        with self.lock:
            return [r for r in self.requests if r["headers"].get("ce-connectionid") == connection]

    def marked(self, mark):
        def find():
            with self.lock:
                return [
                    e["id"]
                    for e in self.events
                    if e["kind"] == "sys.connect" and e["json"].get("query", {}).get("mark") == [mark]
                ]

        return until(find, "the connect event")[0]


def signature_of(connection):
    return "sha256=" + hmac.new(key.encode(), connection.encode(), hashlib.sha256).hexdigest()
