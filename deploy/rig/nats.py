"""NATS: the settings that ship start on Debian's server, take who they should, and nobody else and nothing else."""

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator

from .engine import apt_get, run
from .parts import Context
from .trials import Failed

FOLDER = "deploy/nats"
PACKAGE = "nats-server"
START_SECONDS_MAX = 15
SECONDS_MAX = 5
# A gateway's longest message and what is said with it: message-bytes-max at its default, and 64 KiB.
PAYLOAD = (1 << 20) + (64 << 10)
OWN, FOREIGN = "hf1.prod.c", "hf1.other.c"


def check(context: Context) -> str:
    """All of it."""
    folder = context.folder("nats")
    program = installed()
    shutil.copytree(context.root / FOLDER, folder, dirs_exist_ok=True)
    certificates(folder)
    public = run([str(folder / "nkey"), str(folder / "nats.nk")]).strip()
    if (folder / "nats.nk").stat().st_mode & 0o777 != 0o600:
        raise Failed("others may read the nkey")
    alone(program, folder)
    protected(program, folder, public)
    three(program, folder, public)
    version = run([program, "--version"]).split()[-1]
    return f"{version}: starts by nats.conf, by server.conf with TLS and an nkey, and as a cluster of three"


def installed() -> str:
    """Debian's server; its service is not left on."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    if not shutil.which(PACKAGE, path=path):
        # No service of a package is started by its installation in this run level.
        os.environ["RUNLEVEL"] = "1"
        try:
            apt_get(PACKAGE)
        finally:
            del os.environ["RUNLEVEL"]
        if pathlib.Path("/run/systemd/system").exists():
            run(["systemctl", "disable", "--now", PACKAGE])
    return str(shutil.which(PACKAGE, path=path))


def alone(program: str, folder: pathlib.Path) -> None:
    """nats.conf: no credentials, on loopback, and one kind of subject."""
    with served(program, folder, "nats.conf", {}) as port, Client(port) as client:
        if client.info["max_payload"] != PAYLOAD:
            raise Failed(f"max_payload is {client.info['max_payload']}, not {PAYLOAD}")
        client.enter({})
        client.has_its_subjects_only()
        client.carries(bytes(PAYLOAD))


def protected(program: str, folder: pathlib.Path, public: str) -> None:
    """server.conf: nobody without the key."""
    with served(program, folder, "server.conf", {"HOLDFAST_NKEY": public}) as port:
        with Client(port, folder / "ca.crt") as stranger:
            stranger.says({})
            if "authorization violation" not in stranger.line().lower():
                raise Failed("server.conf lets in who shows nothing")
        with Client(port, folder / "ca.crt") as client:
            client.enter(client.signed(folder / "nats.nk", public))
            client.has_its_subjects_only()


def in_kubernetes(root: pathlib.Path, folder: pathlib.Path) -> None:
    """The settings of deploy/kubernetes/nats, on three servers."""
    folder.mkdir()
    for file in (root / "deploy/kubernetes/nats/nats.conf", root / FOLDER / "limits.conf"):
        shutil.copy(file, folder)
    program = installed()
    certificates(folder)
    public = run([str(root / FOLDER / "nkey"), str(folder / "nats.nk")]).strip()
    three(program, folder, public, "nats.conf")


def three(program: str, folder: pathlib.Path, public: str, name: str = "server.conf") -> None:
    """Settings of one of three servers, where they are commented without the #: what one is told, another says."""
    routes = [free_port() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        ports = [
            stack.enter_context(served(program, folder, name, {"HOLDFAST_NKEY": public}, number, routes))
            for number in range(3)
        ]
        clients = [stack.enter_context(Client(port, folder / "ca.crt")) for port in ports]
        for client in clients:
            client.enter(client.signed(folder / "nats.nk", public))
        clients[0].send(f"SUB {OWN} 1\r\nPING\r\n")
        clients[0].until("PONG")
        deadline = time.monotonic() + START_SECONDS_MAX
        while not clients[0].waits():
            if time.monotonic() > deadline:
                raise Failed("three servers do not hear each other")
            clients[2].send(f"PUB {OWN} 5\r\nhello\r\n")
            time.sleep(0.1)


@contextlib.contextmanager
def served(
    program: str,
    folder: pathlib.Path,
    name: str,
    variables: dict[str, str],
    number: int = 0,
    routes: list[int] | None = None,
) -> Iterator[int]:
    """A server with settings that ship, on free ports of loopback, with certificates of our own; its port."""
    port = free_port()
    text = (folder / name).read_text()
    changes = {
        r"^listen: \S+:4222$": f"listen: 127.0.0.1:{port}",
        r"^http: \S+:8222$": f"http: 127.0.0.1:{free_port()}",
        r"/etc/nats[-/]tls/": f"{folder}/",
        r"/var/run/nats/": f"{folder}/{number}-",
    }
    if routes:
        of_a_cluster = r"^# (?=server_name|cluster \{|    (?:name|listen|routes|tls)\b|\}$)"
        text = re.sub(of_a_cluster, "", text, flags=re.MULTILINE)
        changes |= {
            r"server_name: nats-1": f"server_name: nats-{number}",
            r"listen: 0\.0\.0\.0:6222": f"listen: 127.0.0.1:{routes[number]}",
            r"routes: \[.*\]": f"routes: [ {', '.join(f'nats-route://127.0.0.1:{one}' for one in routes)} ]",
        }
    for pattern, replacement in changes.items():
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if not count and pattern.startswith(("^", "listen", "routes")):
            raise Failed(f"{name} has no line like {pattern}")
    file, log = folder / f"{number}-{name}", folder / f"{number}-{name}.log"
    file.write_text(text)
    with log.open("wb") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        process = subprocess.Popen([program, "-c", str(file)], env=os.environ | variables, **streams)
    try:
        wait_for(process, port, log)
        yield port
    finally:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen, port: int, log: pathlib.Path) -> None:
    """Waits until it listens."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as stream:
            if stream.recv(5) == b"INFO ":
                return
        time.sleep(0.05)
    raise Failed(f"nats-server does not start:\n{log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def certificates(folder: pathlib.Path) -> None:
    """An authority, and what it says of the server, for 127.0.0.1."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    run([*words, "-subj", "/CN=authority", "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.crt")])
    words += ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-addext", "subjectAltName=IP:127.0.0.1"]
    run([*words, "-subj", "/CN=nats", "-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")])


class Client:
    """A client of NATS, by hand; a context manager."""

    def __init__(self, port: int, authority: pathlib.Path | None = None):
        self.stream = socket.create_connection(("127.0.0.1", port), SECONDS_MAX)
        # The server says who it is before TLS begins: byte by byte, so that nothing of that is read too early.
        said = b""
        while not said.endswith(b"\r\n"):
            said += self.stream.recv(1)
        self.info = json.loads(said.removeprefix(b"INFO "))
        if authority:
            context = ssl.create_default_context(cafile=str(authority))
            self.stream = context.wrap_socket(self.stream, server_hostname="127.0.0.1")
        self.lines = self.stream.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error) -> None:
        self.lines.close()
        self.stream.close()

    def send(self, text: str, payload: bytes = b"") -> None:
        self.stream.sendall(text.encode() + payload)

    def line(self) -> str:
        return self.lines.readline().decode().strip()

    def until(self, begins: str) -> str:
        """The next line that begins so."""
        while True:
            line = self.line()
            if line.startswith(begins):
                return line
            if not line:
                raise Failed(f"the server went before it said {begins}")

    def says(self, more: dict) -> None:
        """Who it is."""
        own = {"verbose": False, "pedantic": False, "lang": "rig", "version": "1", "protocol": 1, "echo": True}
        self.send(f"CONNECT {json.dumps(own | more)}\r\nPING\r\n")

    def enter(self, more: dict) -> None:
        """Says who it is, and is let in."""
        self.says(more)
        line = self.line()
        while line.startswith(("INFO", "PING")):
            line = self.line()
        if line != "PONG":
            raise Failed(f"the server does not let in: {line}")

    def signed(self, file: pathlib.Path, public: str) -> dict:
        """What shows that it has the key: its signature of what the server has made up."""
        seed = file.read_text().strip()
        key = base64.b32decode(seed + "=" * (-len(seed) % 8))[2:34]
        # RFC 8410: what comes before the 32 bytes of an Ed25519 key in DER.
        head = bytes.fromhex("302e020100300506032b657004220420")
        pem = file.with_suffix(".pem")
        text = base64.b64encode(head + key).decode()
        pem.write_text(f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
        nonce = file.with_suffix(".nonce")
        nonce.write_text(self.info["nonce"])
        words = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(pem), "-in", str(nonce)]
        signature = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
        return {"nkey": public, "sig": base64.urlsafe_b64encode(signature).decode().rstrip("=")}

    def has_its_subjects_only(self) -> None:
        """What it may say and hear, and what not."""
        self.send(f"SUB {OWN} 1\r\nPUB {OWN} 5\r\nhello\r\n")
        self.until(f"MSG {OWN} 1 5")
        for words in (f"PUB {FOREIGN} 1\r\nx\r\n", "SUB > 2\r\n", f"SUB {FOREIGN} 3\r\n", "PUB $SYS.x 1\r\nx\r\n"):
            self.send(words)
            refused = self.until("-ERR")
            if "Permissions Violation" not in refused:
                raise Failed(f"`{words.split(chr(13))[0]}`: {refused}")

    def carries(self, payload: bytes) -> None:
        """A message so long comes back; one byte more ends the connection."""
        self.send(f"PUB {OWN} {len(payload)}\r\n", payload + b"\r\n")
        self.until(f"MSG {OWN} 1 {len(payload)}")
        self.lines.read(len(payload) + 2)
        self.send(f"PUB {OWN} {len(payload) + 1}\r\n")
        refused = self.until("-ERR")
        if "Maximum Payload" not in refused:
            raise Failed(f"a message that is too long: {refused}")

    def waits(self) -> bool:
        """Whether a message has come."""
        self.stream.settimeout(0.2)
        try:
            return self.line().startswith("MSG")
        except TimeoutError:
            # What a reader has given up on it gives no more.
            self.lines = self.stream.makefile("rb")
            return False
        finally:
            self.stream.settimeout(SECONDS_MAX)
