"""What a gateway with the chat behind it is put through, wherever its containers run."""

import json
import struct
import time
import urllib.parse
from collections.abc import Callable

from . import peer
from .trials import Failed

SECONDS_MAX = 30
SUBPROTOCOL = b"Sec-WebSocket-Protocol: json.webpubsub.azure.v1\r\n"


def until(what: str, ask: Callable[[], object], seconds_max: float = SECONDS_MAX) -> object:
    """Waits until `ask` returns something true and returns that; errors of the network are patience, too."""
    deadline = time.monotonic() + seconds_max
    problem: Exception | None = None
    while True:
        try:
            found = ask()
            if found:
                return found
        except (OSError, ValueError, LookupError) as error:
            problem = error
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds_max:g} s: {what}" + (f" ({problem})" if problem else ""))
        time.sleep(0.2)


def confined(status: dict[str, str]) -> None:
    """The gateway's process is what its image, its compose file or its pod says: `status` is what the kernel says."""
    wanted = {"Uid": "65532", "Gid": "65532", "CapEff": "0" * 16, "CapBnd": "0" * 16, "Seccomp": "2", "NoNewPrivs": "1"}
    for name, value in wanted.items():
        if status[name].split()[0] != value:
            raise Failed(f"the gateway's process has {name} {status[name]}, expected {value}")


def enter(gateway: tuple[str, int], chat: tuple[str, int], name: str) -> peer.Peer:
    """Somebody comes in: the chat gives them a URL with a token, the gateway asks the chat and lets them in."""
    until("the chat is there", lambda: peer.ask(f"http://{chat[0]}:{chat[1]}/")[0] == 200)
    status, url = peer.ask(f"http://{chat[0]}:{chat[1]}/join?name={name}")
    if status != 200:
        raise Failed(f"the chat answered {status} {url}")
    parts = urllib.parse.urlsplit(url)
    return peer.Peer(gateway, headers=SUBPROTOCOL, target=f"{parts.path}?{parts.query}", host=parts.netloc)


def say(connection: peer.Peer, name: str, text: str) -> None:
    """They say something: the gateway posts it to the chat, which sends it to the room by REST, and they hear it."""
    connection.send(peer.TEXT, json.dumps({"type": "event", "event": "say", "dataType": "text", "data": text}).encode())
    hear(connection, name, text)


def hear(connection: peer.Peer, name: str, text: str) -> None:
    """Somebody in the room hears what `name` has said."""
    for _ in range(10):
        opcode, payload = connection.receive()
        if opcode == peer.TEXT and json.loads(payload).get("data") == {"name": name, "text": text}:
            return
    raise Failed(f"somebody did not hear what {name} said")


def farewell(connection: peer.Peer) -> None:
    """After SIGTERM: a goodbye with 1001, which is answered."""
    opcode, payload = connection.receive()
    while opcode == peer.TEXT:
        opcode, payload = connection.receive()
    if opcode != peer.CLOSE or payload[:2] != struct.pack("!H", 1001):
        raise Failed(f"after SIGTERM: opcode {opcode}, {payload!r}, expected a close frame with 1001")
    connection.send(peer.CLOSE, payload[:2])
