"""A hub of the image whose service is reached by name over https: a static binary has the resolver with it, and the
image brings no file for it."""

import contextlib
import json
import pathlib
import secrets
import socket
import ssl
import struct
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

from monitoring.live import service

from . import containers, image, peer, profiles, trials
from .engine import Unavailable, run
from .parts import Context, Wrong

NAME = "service.example"
# Whose port 53 on loopback is free for us; the host's own resolver is elsewhere.
NAMESERVER = "127.0.0.97"
JSON = b"Sec-WebSocket-Protocol: json.webpubsub.azure.v1\r\n"


def check(context: Context) -> str:
    """A client is let in by a service whose name stands in /etc/hosts, and by one that a name server knows. The image
    is built where nobody has done so."""
    if not (context.directory / "context").exists():
        containers.built(context)
    folder = context.folder("service")
    # The image's user reads from it.
    folder.chmod(0o755)
    certificate(folder)
    with serving(folder) as port, name_server() as asked:
        write(folder, port)
        for options in (["--add-host", f"{NAME}:127.0.0.1"], ["--dns", NAMESERVER]):
            attempt(context, folder, options)
        if not asked:
            raise Wrong(f"nobody asked the name server for {NAME}")
    return "a client is let in by https://NAME/, from /etc/hosts and from a name server"


def certificate(folder: pathlib.Path) -> None:
    """An authority, and the certificate of the service that it vouches for."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    own = ["-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem"]
    run(["openssl", "req", "-x509", *key, *own, "-subj", "/CN=authority"])
    own = ["-keyout", f"{folder}/service.key", "-out", f"{folder}/service.pem"]
    names = ["-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=critical,CA:FALSE"]
    signed = ["-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-subj", f"/CN={NAME}"]
    run(["openssl", "req", "-x509", *key, *own, *signed, *names])


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[int]:
    """A service with that certificate; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), service.Events)
    server.daemon_threads = True
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "service.pem", folder / "service.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def name_server() -> Iterator[list[bytes]]:
    """Says that the name is 127.0.0.1 and has no other address; yields the questions that it was asked."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((NAMESERVER, 53))
        bound.settimeout(0.2)
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.is_set():
                with contextlib.suppress(TimeoutError):
                    query, whom = bound.recvfrom(512)
                    asked.append(query)
                    bound.sendto(answer(query), whom)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            is_over.set()
            thread.join()


def answer(query: bytes) -> bytes:
    """To a question for an address of version 4 that one; to others none (RFC 1035 section 4)."""
    # Behind twelve bytes of header: the name, which ends with an empty label, its type and its class.
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    is_address = question[-4:] == struct.pack("!HH", 1, 1)
    head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, int(is_address), 0, 0)
    # The name is the one at offset 12; type, class, seconds, four bytes.
    record = struct.pack("!HHHIH4B", 0xC00C, 1, 1, 60, 4, 127, 0, 0, 1)
    return head + question + (record if is_address else b"")


def write(folder: pathlib.Path, port: int) -> None:
    """Settings with that service, and an access key."""
    (folder / "key").write_text(secrets.token_urlsafe(32))
    (folder / "holdfast.toml").write_text(f"""
access-key-file = "/etc/holdfast/key"
[hub.chat]
anonymous = true
upstream-ca = "/etc/holdfast/ca.pem"
[[hub.chat.handler]]
url = "https://{NAME}:{port}/events"
""")
    for file in ("key", "holdfast.toml", "ca.pem"):
        (folder / file).chmod(0o644)


def attempt(context: Context, folder: pathlib.Path, options: list[str]) -> None:
    """Runs the image, and has a client let in by the service."""
    engine = context.docker
    files = profiles.write(context.folder(f"profiles for {options[0]}"), context.root / "deploy/seccomp.json")
    confined = ["--cap-drop", "ALL", "--read-only", "--security-opt", "no-new-privileges"]
    confined += ["--security-opt", f"seccomp={files['allowed']}", *trials.LIMITS]
    mounts = ["--volume", f"{folder}:/etc/holdfast:ro"]
    # The image says in variables where it listens, and those come before the file.
    mounts += ["--env", "HOLDFAST_LISTEN=127.0.0.1:0", "--env", "HOLDFAST_ADMIN=127.0.0.1:0"]
    words = ["--config", "/etc/holdfast/holdfast.toml"]
    started = engine.docker(
        "run", "--detach", "--network", "host", *options, *confined, *mounts, image.TAG, *words
    )
    container = started.splitlines()[-1]
    try:
        said = trials.wait_for(engine, container, r"websocket (ws://\S+) · admin")
        url = urllib.parse.urlsplit(said[1])
        with peer.Peer((url.hostname, url.port), target="/client/hubs/chat", headers=JSON) as connection:
            user = json.loads(connection.receive()[1])["userId"]
        if user != service.LET_IN["userId"]:
            raise Wrong(f"the service's user is {user}")
    except (trials.Failed, Unavailable, OSError, ValueError, EOFError, KeyError) as error:
        raise Wrong(f"{' '.join(options)}: {error}\nthe container said:\n{engine.docker('logs', container)}") from error
    finally:
        engine.docker("rm", "--force", container)
