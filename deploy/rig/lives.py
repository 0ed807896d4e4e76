"""What a gateway goes through from start to end, so that it calls all that it ever calls."""

import contextlib
import http.server
import os
import signal
import socket
import threading
from collections.abc import Callable

from . import peer
from .traced import Failed, Traced

Life = Callable[[Traced, str], None]

# At most half of the descriptors are connections' own, on io_uring.
CROWD = 180
SETTINGS = """
listen = ["127.0.0.1:0", "unix:{place}/socket"]
admin = "127.0.0.1:0"
shards = 2
deflate = true
deflate-bytes-min = "0"
access-log = "{place}/access.log"
log = "trace"
log-format = "json"
forwarded = "x-forwarded-for"
trusted-proxies = ["127.0.0.0/8"]
address-connections-max = 1000
messages-per-second-max = 100000
ping-interval = "1s"
drain-spread = "100ms"
"""
HUB = """
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
shards = 2
access-log = "{place}/access.log"
access-key-file = "{place}/key"
drain-spread = "100ms"
[hub.chat]
dead-letters = "{place}/dead-letters"
[[hub.chat.handler]]
url = "{url}"
"""
# Settings that are put in where the binary has them.
FURTHER = {"unix-mode": '"0660"', "unix-group": '"{user}"'}
OTHER_SIGNALS = [getattr(signal, f"SIG{name}") for name in "HUP USR1 USR2 ALRM VTALRM PROF IO XFSZ PIPE".split()]


def busy(gateway: Traced, driver: str) -> None:
    """By a settings file: everything that can be asked of it, then a drain by SIGTERM."""
    place = gateway.place
    # A socket that nobody listens on any more gives way.
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(place / "socket"))
    os.chown(place / "socket", gateway.user, gateway.user)
    (place / "holdfast.toml").write_text(settings(gateway))
    gateway.start("--config", str(place / "holdfast.toml"), *of(driver))
    admin(gateway)
    with contextlib.ExitStack() as stack:
        forwarded = b"X-Forwarded-For: 192.0.2.7\r\n"
        compressed = stack.enter_context(peer.Peer(gateway.address(), headers=forwarded, deflate=True))
        plain = stack.enter_context(peer.Peer(gateway.address()))
        local = stack.enter_context(peer.Peer(str(place / "socket")))
        talk(plain)
        talk(local)
        for _ in range(3):
            compressed.send_compressed(peer.TEXT, b"hello" * 1000)
            compressed.expect(peer.TEXT, b"hello" * 1000)
        crowd(gateway)
        rotate(gateway)
        peer.ask(gateway.admin("/broadcast?kind=text"), "POST", b"to all")
        for connection in [plain, compressed, local]:
            connection.expect(peer.TEXT, b"to all")
        gateway.tell(signal.SIGTERM)
        for connection in [plain, compressed, local]:
            say_goodbye(connection)
    gateway.wait_for_success()


def hurried(gateway: Traced, driver: str) -> None:
    """By flags, behind a proxy: a peer that does not answer the goodbye, and a second SIGTERM."""
    proxy = ["--proxy-protocol", "--trusted-proxies", "127.0.0.1"]
    gateway.start(
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "off",
        *proxy,
        "--drain-spread",
        "0s",
        "--drain-timeout",
        "50s",
        *of(driver),
    )
    with peer.Peer(gateway.address(), before=b"PROXY TCP4 192.0.2.7 192.0.2.8 1000 443\r\n") as connection:
        talk(connection)
        gateway.tell(signal.SIGTERM)
        if connection.receive()[0] != peer.CLOSE:
            raise Failed("no goodbye after SIGTERM")
        gateway.tell(signal.SIGTERM)
        gateway.wait()


def serving(gateway: Traced, driver: str) -> None:
    """With a hub: a service that is asked by its name, REST, keys read again, a drain that the service hears of."""
    place, key = gateway.place, "k" * 32
    (place / "key").write_text(key)
    with Service() as service:
        text = HUB.format(place=place, url=f"http://localhost:{service.port}/events")
        (place / "holdfast.toml").write_text(text)
        gateway.start("check", "--config", str(place / "holdfast.toml"))
        gateway.wait_for_success()
        gateway.start("--config", str(place / "holdfast.toml"), *of(driver))
        host, port = gateway.address()
        access = peer.token(key, "http://localhost/client/hubs/chat")
        with peer.Peer((host, port), target=f"/client/hubs/chat?access_token={access}") as connection:
            # The service gives back what it hears.
            connection.echo(peer.TEXT, b"hello")
            gateway.tell(signal.SIGHUP)
            gateway.until("keys and handlers of the hubs were read again")
            url = f"http://{host}:{port}/api/hubs/chat/:send"
            headers = {"Authorization": f"Bearer {peer.token(key, url)}", "Content-Type": "text/plain"}
            status, body = peer.ask(url, "POST", b"to all", headers)
            if status != 202:
                raise Failed(f"REST answered {status}: {body}")
            connection.expect(peer.TEXT, b"to all")
            gateway.tell(signal.SIGTERM)
            say_goodbye(connection)
        gateway.wait_for_success()
        if service.kinds[-1] != "azure.webpubsub.sys.disconnected":
            raise Failed(f"the service heard {service.kinds}")


class Service:
    """A service of a hub, which gives back what clients say; a context manager."""

    def __init__(self):
        self.kinds: list[str] = []
        kinds = self.kinds

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_OPTIONS(self) -> None:
                self.answer(b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kinds.append(self.headers["ce-type"])
                self.answer(body if ".user." in kinds[-1] else b"")

            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("WebHook-Allowed-Origin", "*")
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]

    def __enter__(self) -> "Service":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error) -> None:
        self.server.shutdown()
        self.server.server_close()


def taken(gateway: Traced, driver: str) -> None:
    """Both its addresses are taken, and become free after it has tried each."""
    path = gateway.place / "socket"
    with socket.socket(socket.AF_UNIX) as second:
        second.bind(str(path))
        second.listen()
        path.chmod(0o777)
        with socket.create_server(("127.0.0.1", 0)) as first:
            listen = ["--listen", f"127.0.0.1:{first.getsockname()[1]},unix:{path}", "--admin", "127.0.0.1:0"]
            gateway.start(*listen, "--drain-timeout", "10s", *of(driver))
            gateway.until("EADDRINUSE", "trace")
        gateway.until('sun_path="[^"]*/socket"', "trace")
    path.unlink()
    # It starts after all, or it has said that they are taken.
    if gateway.until(r"websocket ws://"):
        gateway.tell(signal.SIGINT)
    gateway.wait()


def asked(gateway: Traced, _driver: str) -> None:
    """Questions at the command line, and settings that are none."""
    for flags in [["--help"], ["--version"], ["--print-settings"]]:
        gateway.start(*flags)
        gateway.wait_for_success()
    for flags in [["--no-such-setting"], ["--config", "/no/such/file"], ["--listen", "nowhere"]]:
        gateway.start(*flags)
        if gateway.wait() == 0:
            raise Failed(f"it took {' '.join(flags)}")


LIVES: list[Life] = [busy, hurried, serving, taken]
# Before a driver is chosen.
SHORT: list[Life] = [asked]


def of(driver: str) -> list[str]:
    """The flags that choose a driver; none for the default."""
    return [] if driver in ["", "auto"] else ["--driver", driver]


def settings(gateway: Traced) -> str:
    """The settings file of a busy life."""
    gateway.start("--help")
    gateway.wait_for_success()
    has = gateway.said()
    further = [f"{name} = {value}\n" for name, value in FURTHER.items() if f"--{name} " in has]
    (gateway.place / "said").write_text("")
    return (SETTINGS + "".join(further)).format(place=gateway.place, user=gateway.user)


def admin(gateway: Traced) -> None:
    """Everything that the admin server answers; a drain that is taken back, with a newcomer who is turned away."""
    asked_for = [("GET", path, 200) for path in ["/metrics", "/healthz", "/readyz", "/drain"]]
    asked_for += [
        ("GET", "/nothing", 404),
        ("DELETE", "/metrics", 405),
        ("DELETE", "/drain", 409),
        ("POST", "/drain", 202),
    ]
    for method, path, expected in asked_for:
        status, body = peer.ask(gateway.admin(path), method)
        if status != expected:
            raise Failed(f"{method} {path} answered {status}, expected {expected}: {body}")
    with contextlib.suppress(ValueError), peer.Peer(gateway.address()):
        raise Failed("a newcomer was let in during a drain")
    status, body = peer.ask(gateway.admin("/drain"), "DELETE")
    if status != 200:
        raise Failed(f"the drain is not taken back: {status} {body}")


def talk(connection: peer.Peer) -> None:
    """Short and long messages, one in pieces, several in a row, a ping."""
    connection.echo(peer.BINARY, bytes(1 << 20))
    connection.send(peer.TEXT, b"in ", first=0)
    connection.send(0, b"pieces")
    connection.expect(peer.TEXT, b"in pieces")
    # Who talks several times a second is served in another way.
    for _ in range(20):
        connection.echo(peer.TEXT, b"hello")
    connection.send(peer.PING, b"there?")
    connection.expect(peer.PONG, b"there?")


def crowd(gateway: Traced) -> None:
    """Many connections, of which some leave by a reset, some at once and some properly; and some that are none."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(peer.Peer(gateway.address())) for _ in range(CROWD)]
        for connection in connections:
            connection.echo(peer.TEXT, b"one of many")
        for connection in connections[::3]:
            connection.reset()
        for connection in connections[1::3]:
            connection.send(peer.CLOSE, b"\x03\xe8")
            connection.expect(peer.CLOSE, b"\x03\xe8")
        # A frame without a mask is an error.
        connections[2].socket.sendall(b"\x81\x00")
    for request in [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"nothing\r\n\r\n"]:
        with peer.connect(gateway.address()) as stream:
            stream.sendall(request)
            while stream.recv(4096):
                pass


def rotate(gateway: Traced) -> None:
    """The access log is renamed, and SIGHUP says so; other signals come too. Only those that it does not die of."""
    gateway.until(r"\n", "access.log")
    (gateway.place / "access.log").rename(gateway.place / "access.log.1")
    opened_anew = gateway.survives(signal.SIGHUP)
    for number in filter(gateway.survives, OTHER_SIGNALS):
        gateway.tell(number)
    if opened_anew:
        gateway.until("", "access.log")
    with peer.Peer(gateway.address()) as connection:
        connection.echo(peer.TEXT, b"after the signals")


def say_goodbye(connection: peer.Peer) -> None:
    """Answers the close frame of a drain."""
    opcode, payload = connection.receive()
    if opcode != peer.CLOSE:
        raise Failed(f"opcode {opcode} instead of a goodbye")
    connection.send(peer.CLOSE, payload[:2])
