"""Where scenes take place: gateways with names, and what is talked with them."""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import secrets
import socket
import subprocess
from collections.abc import Iterator

from rig import peer
from shared import gateway

# ptrace(2)
SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
# waitpid(2): threads, too
WAIT_ALL = 0x40000000
KEY = secrets.token_urlsafe(32)
JSON = b"Sec-WebSocket-Protocol: json.webpubsub.azure.v1\r\n"
RELIABLE = b"Sec-WebSocket-Protocol: json.reliable.webpubsub.azure.v1\r\n"


class Stage:
    """Starts gateways and remembers by name where each is scraped."""

    def __init__(self, binary: pathlib.Path, folder: pathlib.Path):
        self.binary, self.folder = binary, folder
        self.targets: dict[str, str] = {}

    @contextlib.contextmanager
    def gateway(
        self,
        name: str,
        *flags: str,
        config: str = "",
        rung: str = "uring",
        log: pathlib.Path | None = None,
        data_bytes: int = 0,
        admin: str = "127.0.0.1:0",
    ) -> Iterator[gateway.Gateway]:
        """A gateway; killed in the end, since what it lived through is over. `config` is the text of a settings file,
        `data_bytes` the memory that it finds when it starts."""
        if config:
            file = self.folder / f"{name}.toml"
            file.write_text(config)
            flags += ("--config", str(file))
        binary = self.binary
        if data_bytes:
            binary = self.folder / f"{name}.sh"
            binary.write_text(f'#!/bin/sh\nulimit -S -d {data_bytes // 1024}\nexec {self.binary} "$@"\n')
            binary.chmod(0o755)
        log = log or self.folder / f"{name}.log"
        variables = {"HOLDFAST_ACCESS_KEY": KEY} if config or "--hub" in flags else {}
        server = gateway.Gateway(binary, rung, log, *flags, variables=variables)
        server.command[server.command.index("--admin") + 1] = admin
        server.__enter__()
        self.targets[name] = server.admin
        try:
            yield server
        finally:
            server.process.kill()
            server.process.wait()
            server.process.stdout.close()


def address(server: gateway.Gateway) -> tuple[str, int]:
    """Host and port of its listener."""
    host, port = re.match(r"ws://([^:]+):(\d+)", server.url).groups()
    return host, int(port)


def crowd(server: gateway.Gateway, count: int, target: str = "/", headers: bytes = b"") -> list[peer.Peer]:
    """So many clients that are let in."""
    return [peer.Peer(address(server), target=target, headers=headers) for _ in range(count)]


def reliable(server: gateway.Gateway, target: str) -> tuple[peer.Peer, str]:
    """A reliable client, and the query with which it comes back."""
    one = peer.Peer(address(server), target=target, headers=RELIABLE)
    said = json.loads(one.receive()[1])
    return one, f"awps_connection_id={said['connectionId']}&awps_reconnection_token={said['reconnectionToken']}"


def leave(peers: list[peer.Peer]) -> None:
    for one in peers:
        one.__exit__()


def refused(server: gateway.Gateway, target: str = "/") -> None:
    """A client that must not be let in."""
    try:
        leave(crowd(server, 1, target))
    except ValueError:
        return
    raise gateway.Broken(f"{target} was let in")


def admin(server: gateway.Gateway, path: str, method: str = "POST", body: bytes | None = b"") -> tuple[int, str]:
    """Asks the admin server."""
    return peer.ask(f"http://{server.admin}{path}", method, body)


def rest(server: gateway.Gateway, path: str, body: bytes = b"hello", key: str = KEY) -> int:
    """Sends text by REST; the status."""
    url = f"{re.sub('^ws', 'http', server.url).rstrip('/')}/api/hubs/{path}"
    bearer = f"Bearer {peer.token(key, url)}"
    return peer.ask(url, "POST", body, {"Authorization": bearer, "Content-Type": "text/plain"})[0]


def rest_head(server: gateway.Gateway, path: str) -> int:
    """Asks by REST whether somebody is there; the status."""
    url = f"{re.sub('^ws', 'http', server.url).rstrip('/')}/api/hubs/{path}"
    return peer.ask(url, "HEAD", None, {"Authorization": f"Bearer {peer.token(KEY, url)}"})[0]


def silent(to: tuple[str, int]) -> socket.socket:
    """Somebody who connects and says nothing."""
    return socket.create_connection(to, peer.SECONDS_MAX)


@contextlib.contextmanager
def standing(process: subprocess.Popen, shard: str) -> Iterator[None]:
    """Holds up one shard of a gateway, and nothing else of it, as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    held = [thread for thread in threads(process) if name_of(process, thread) == shard]
    if not held:
        raise gateway.Broken(f"no thread is called {shard}")
    for thread in held:
        for request in (SEIZE, INTERRUPT):
            if libc.ptrace(request, thread, None, None) != 0:
                raise gateway.Broken(f"ptrace: {os.strerror(ctypes.get_errno())}")
        os.waitpid(thread, WAIT_ALL)
    try:
        yield
    finally:
        for thread in held:
            libc.ptrace(DETACH, thread, None, None)


def threads(process: subprocess.Popen) -> list[int]:
    return [int(thread) for thread in os.listdir(f"/proc/{process.pid}/task")]


def name_of(process: subprocess.Popen, thread: int) -> str:
    """A thread's name; nothing if it has ended."""
    try:
        return pathlib.Path(f"/proc/{process.pid}/task/{thread}/comm").read_text().strip()
    except FileNotFoundError:
        return ""
