"""The fronts: nginx, HAProxy, Caddy and Envoy with the settings of this folder, which docs/fronts.md shows.

Settings name the ports and folders that they have where they are used. Here each such text is replaced by one of the
test's; a text that is not there any more is an error, so nothing is replaced that the page does not show.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable

from shared import gateway, install

HERE = pathlib.Path(__file__).resolve().parent
NAME = "chat.example.com"
# Of a front whose timeout is made short: after this much silence it cuts.
SHORT = 2
SECONDS = 20
# Where Debian puts daemons; not everybody's PATH has it.
PATH = os.environ.get("PATH", "") + ":/usr/sbin"
Words = list[tuple[str, str]]


class Wrong(Exception):
    """Something did not go through as it should."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A front.

    `package` is Debian's, or "" where it comes from PyPI. `places` gives the texts to replace for a folder, a port and
    the gateways' addresses, `unix` how it names a Unix socket. `shorter` makes its timeout short. `reload` has it read
    its settings again, where it can.

    `cuts_silent`: whether the timeout cuts a WebSocket on which nobody says anything. `keeps`: whether connections
    live on when it reads its settings again. `gateways`: how many it has; `gone`: what it answers when there is none.
    `shares`: whether a kept connection that has carried REST gets a WebSocket then.
    """

    name: str
    package: str
    config: str
    command: list[str]
    places: Callable[[pathlib.Path, int, list[str]], Words]
    unix: str
    shorter: Words
    reload: Callable[["Front"], None] | None
    cuts_silent: bool = True
    keeps: bool = True
    gateways: int = 1
    gone: int = 503
    shares: bool = True
    # How the client's address gets through, as flags of the gateway.
    flags: tuple[str, ...] = ("--forwarded", "x-forwarded-for")

    def settings(self) -> str:
        return (HERE / self.config).read_text()


class Front:
    """A running front; a context manager. `said` has what it wrote, logs and all."""

    def __init__(self, kind: Kind, folder: pathlib.Path, addresses: list[str], more: Words | None = None):
        self.kind, self.folder, self.port = kind, folder, gateway.free_port()
        folder.mkdir(mode=0o755)
        self.config = folder / kind.config
        words = kind.places(folder, self.port, addresses) + (more or [])
        self.config.write_text(replaced(kind.settings(), words))
        self.variables = dict(os.environ, HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
        for end in ("crt", "key", "pem"):
            shutil.copy(folder.parent / f"{NAME}.{end}", folder)

    def __enter__(self) -> "Front":
        with (self.folder / "said").open("wb") as said:
            self.process = subprocess.Popen(
                self.command(), stdout=said, stderr=said, env=self.variables, stdin=subprocess.DEVNULL
            )
        try:
            self._wait()
        except Wrong:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def command(self) -> list[str]:
        words = [word.format(folder=self.folder, config=self.config) for word in self.kind.command]
        return [program(self.kind), *words[1:]]

    def said(self) -> str:
        files = [path for path in self.folder.iterdir() if path.name in ("said", "access.log", "error.log")]
        return "\n".join(path.read_text(errors="replace") for path in files)

    def workers(self) -> set[str]:
        """The processes that it has started."""
        pid = self.process.pid
        return set(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def reload(self) -> None:
        if self.kind.reload:
            self.kind.reload(self)

    def _wait(self) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.05)
        raise Wrong(f"{self.kind.name} does not start:\n{self.said()}")


def program(kind: Kind) -> str:
    """Where a front's program is; installs it where it is missing."""
    if not kind.package:
        python = install.virtual_environment(install.directory() / f"proxies/{kind.name}", HERE / "requirements.txt")
        return str(next(python.parent.parent.glob(f"lib/*/site-packages/*/_bin/{kind.command[0]}")))
    if not shutil.which(kind.command[0], path=PATH):
        install.debian_package(kind.package)
    return str(shutil.which(kind.command[0], path=PATH))


def replaced(text: str, words: Words) -> str:
    for old, new in words:
        if old not in text:
            raise Wrong(f"the settings do not have {old!r} any more, which the test replaces")
        text = text.replace(old, new)
    return text


def certificate(folder: pathlib.Path) -> pathlib.Path:
    """Makes a certificate for NAME, which vouches for itself, in the forms that the fronts want."""
    cert, key = folder / f"{NAME}.crt", folder / f"{NAME}.key"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    install.run("openssl", "req", "-x509", *kind, *names, "-keyout", key, "-out", cert)
    (folder / f"{NAME}.pem").write_text(cert.read_text() + key.read_text())
    return cert


def nginx_places(folder: pathlib.Path, port: int, addresses: list[str]) -> Words:
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    return [
        ("/etc/ssl/", f"{folder}/"),
        ("/var/log/nginx/", f"{folder}/"),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("server 127.0.0.1:8085", f"server {addresses[0]}"),
        ("http {", f"http {{\n{temporary}"),
        # One, so that connections are kept for all; and what any limit of descriptors allows.
        ("worker_processes auto", "worker_processes 1"),
        ("worker_connections 50000", "worker_connections 500"),
        ("worker_rlimit_nofile 100000", "worker_rlimit_nofile 1000"),
    ]


def haproxy_places(folder: pathlib.Path, port: int, addresses: list[str]) -> Words:
    words = [
        ("/etc/haproxy/", f"{folder}/"),
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("maxconn 50000", "maxconn 500"),
    ]
    if os.geteuid() != 0:
        words += [("    user haproxy\n    group haproxy\n", "")]
    return words + [("127.0.0.1:8085", addresses[0])]


def haproxy_tcp_places(folder: pathlib.Path, port: int, addresses: list[str]) -> Words:
    words = haproxy_places(folder, port, addresses)[:-1]
    return [*words, ("10.0.0.1:8085", addresses[0]), ("10.0.0.2:8085", addresses[-1]), ("inter 2s", "inter 200ms")]


def caddy_places(folder: pathlib.Path, port: int, addresses: list[str]) -> Words:
    admin = gateway.free_port()
    (folder / "admin").write_text(f"127.0.0.1:{admin}")
    ports = f"admin 127.0.0.1:{admin}\nhttps_port {port}\nhttp_port {gateway.free_port()}\ndefault_bind 127.0.0.1\n"
    return [
        ("/etc/caddy/", f"{folder}/"),
        (f"{NAME} {{", f"{{\n{ports}}}\n{NAME} {{"),
        ("127.0.0.1:8085", addresses[0]),
    ]


def envoy_places(folder: pathlib.Path, port: int, addresses: list[str]) -> Words:
    host, _, number = addresses[0].rpartition(":")
    to = f"socket_address: {{address: {host}, port_value: {number}}}"
    to = f"pipe: {{path: {number}}}" if host == "unix" else to
    return [
        ("/etc/envoy/", f"{folder}/"),
        ("socket_address: {address: 127.0.0.1, port_value: 8085}", to),
        ("{address: 0.0.0.0, port_value: 443}", f"{{address: 127.0.0.1, port_value: {port}}}"),
    ]


def by_signal(number: signal.Signals) -> Callable[[Front], None]:
    """Has it read its settings again by a signal, upon which it starts another worker."""

    def reload(front: Front) -> None:
        before = front.workers()
        front.process.send_signal(number)
        deadline = time.monotonic() + SECONDS
        while not front.workers() - before:
            if time.monotonic() > deadline:
                raise Wrong("a signal has no effect")
            time.sleep(0.05)

    return reload


def by_command(front: Front) -> None:
    caddy = front.command()[0]
    admin = (front.folder / "admin").read_text()
    words = ["--config", front.config, "--adapter", "caddyfile", "--address", admin, "--force"]
    install.run(caddy, "reload", *words, env=front.variables)


# Several on one machine, one worker, and a log that is written soon.
ENVOY = "--disable-hot-restart --log-level warning --concurrency 1 --file-flush-interval-msec 100".split()
HAPROXY = ["haproxy", "-W", "-f", "{config}"]
KINDS = [
    Kind(
        name="nginx",
        package="nginx-light",
        config="nginx.conf",
        command=["nginx", "-p", "{folder}", "-c", "{config}", "-g", "daemon off; pid {folder}/pid;"],
        places=nginx_places,
        unix="unix:{}",
        shorter=[("proxy_read_timeout 1h", f"proxy_read_timeout {SHORT}s")],
        gone=502,
        reload=by_signal(signal.SIGHUP),
    ),
    Kind(
        name="haproxy",
        package="haproxy",
        config="haproxy.cfg",
        command=HAPROXY,
        places=haproxy_places,
        unix="unix@{}",
        shorter=[("timeout tunnel 1h", f"timeout tunnel {SHORT}s")],
        reload=by_signal(signal.SIGUSR2),
    ),
    Kind(
        name="haproxy-tcp",
        package="haproxy",
        config="haproxy-tcp.cfg",
        command=HAPROXY,
        places=haproxy_tcp_places,
        unix="unix@{}",
        shorter=[("timeout tunnel 1h", f"timeout tunnel {SHORT}s")],
        reload=by_signal(signal.SIGUSR2),
        gateways=2,
        flags=("--proxy-protocol",),
    ),
    Kind(
        name="caddy",
        package="caddy",
        config="Caddyfile",
        command=["caddy", "run", "--config", "{config}", "--adapter", "caddyfile"],
        places=caddy_places,
        unix="unix/{}",
        # It has none that would cut a WebSocket; those that it has for requests are to cut none either.
        shorter=[("keepalive 60s", f"keepalive {SHORT}s\nread_timeout {SHORT}s\nwrite_timeout {SHORT}s")],
        reload=by_command,
        cuts_silent=False,
        keeps=False,
        gone=502,
        shares=False,
    ),
    Kind(
        name="envoy",
        package="",
        config="envoy.yaml",
        command=["envoy", "-c", "{config}", *ENVOY],
        places=envoy_places,
        unix="unix:{}",
        shorter=[("stream_idle_timeout: 3600s", f"stream_idle_timeout: {SHORT}s"), ("timeout: 30s", "timeout: 1s")],
        reload=None,
    ),
]
