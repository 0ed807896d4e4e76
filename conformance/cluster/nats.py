"""NATS servers of our own on loopback: one, or some that know each other; started, stopped and ended by pid."""

import contextlib
import json
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.request

from shared import gateway, install

START_SECONDS = 20
# The longest message of a gateway, and the envelope beside it.
PAYLOAD_MAX = (1 << 20) + (64 << 10)


def program() -> str:
    """Debian's server, installed where it is missing; its service is not left on."""
    return install.debian_daemon("nats-server", "nats-server")


def version(binary: str) -> tuple[int, ...]:
    said = install.run(binary, "--version")
    return tuple(int(part) for part in re.search(r"v(\d+)\.(\d+)\.(\d+)", said).groups())


class Server:
    """One server. It keeps its ports when it is started again."""

    def __init__(self, binary: str, folder: pathlib.Path, number: int, routes: list[int], more: dict[str, str]):
        self.binary, self.number, self.routes = binary, number, routes
        self.port, self.monitor = gateway.free_port(), gateway.free_port()
        self.settings = {
            "max_payload": str(PAYLOAD_MAX),
            "write_deadline": '"5s"',
            "max_pending": "32MB",
            # The least that it takes; whoever moves by itself is not waited for.
            "lame_duck_duration": '"30s"',
            "lame_duck_grace_period": '"3s"',
        } | more
        self.config, self.log = folder / f"nats-{number}.conf", folder / f"nats-{number}.log"
        self.process: subprocess.Popen | None = None

    def text(self) -> str:
        """Its settings."""
        lines = [
            f"server_name: nats-{self.number}",
            f"listen: 127.0.0.1:{self.port}",
            f"http: 127.0.0.1:{self.monitor}",
            *(f"{name}: {value}" for name, value in self.settings.items()),
        ]
        if len(self.routes) > 1:
            own = self.routes[self.number]
            others = ", ".join(f"nats://127.0.0.1:{port}" for port in self.routes if port != own)
            lines.append(f"cluster {{ name: rig, listen: 127.0.0.1:{own}, routes: [{others}] }}")
        return "\n".join(lines) + "\n"

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.config.write_text(self.text())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "-c", str(self.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as stream:
                if stream.recv(5) == b"INFO ":
                    return
            time.sleep(0.02)
        said = self.log.read_text(errors="replace")[-2000:]
        self.end()
        raise gateway.Broken(f"nats-server does not start:\n{said}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        """It stands still."""
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    def lame_duck(self) -> None:
        """It tells its clients to go, and goes."""
        self.signal(signal.SIGUSR2)

    def end(self) -> None:
        """By SIGKILL; nothing where it has gone."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def shown(self, page: str) -> dict:
        """A page of its monitoring: connz, routez, varz."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/{page}", timeout=5) as answer:
            return json.load(answer)

    def clients(self) -> int:
        return self.shown("connz")["num_connections"]


class Servers:
    """Some servers; a context manager."""

    def __init__(self, binary: str, folder: pathlib.Path, count: int = 1, more: dict[str, str] | None = None):
        routes = [gateway.free_port() for _ in range(count)]
        self.all = [Server(binary, folder, number, routes, more or {}) for number in range(count)]

    def __enter__(self) -> "Servers":
        try:
            for server in self.all:
                server.start()
            self.wait_for_routes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for server in self.all:
            server.end()

    def __getitem__(self, number: int) -> Server:
        return self.all[number]

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.all]

    def wait_for_routes(self) -> None:
        """Each knows all others that are alive."""
        alive = [server for server in self.all if server.is_alive()]
        deadline = time.monotonic() + START_SECONDS
        while any(self.known(server) < len(alive) - 1 for server in alive):
            if time.monotonic() > deadline:
                raise gateway.Broken("the NATS servers do not find each other")
            time.sleep(0.05)

    @staticmethod
    def known(server: Server) -> int:
        return len({route["remote_id"] for route in server.shown("routez")["routes"] or []})
