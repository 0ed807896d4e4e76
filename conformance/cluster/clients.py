"""A client of a hub on some node: what it has heard, in order, and what it asks for."""

import asyncio
import itertools
import json
import time
import urllib.parse

from node import Node
from shared import tokens, wire

SIMPLE, JSON, RELIABLE = None, "json.webpubsub.azure.v1", "json.reliable.webpubsub.azure.v1"
SECONDS = 20
ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]


class Wrong(Exception):
    """Something is not as it should be."""


def check(is_so: bool, what: str) -> None:
    if not is_so:
        raise Wrong(what)


async def until(is_so, what: str, seconds: float = SECONDS) -> float:
    """Waits for a condition, which may be a coroutine function; how long it took."""
    begun = time.monotonic()
    while True:
        found = is_so()
        if asyncio.iscoroutine(found):
            found = await found
        passed = time.monotonic() - begun
        if found:
            return passed
        check(passed < seconds, f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.005)


class Client:
    """With the JSON subprotocol where nothing else is said."""

    def __init__(self, node: Node, hub: str, user: str | None = None, groups=(), kind: str | None = JSON, hear=None):
        self.node, self.hub, self.user, self.groups, self.kind = node, hub, user, groups, kind
        self.heard: list[str] = []
        # In place of keeping what comes.
        self.hear = hear or self.heard.append
        self.identity = self.token = ""
        self.code: int | None = None
        self.reason = ""
        self.numbers = itertools.count(1)
        self.acks: dict[int, asyncio.Future] = {}

    async def open(self, **query: str) -> "Client":
        status = await self.try_open(**query)
        check(status == 101, f"a client of {self.node.name} is answered {status}")
        if self.kind is not SIMPLE and not query:
            await asyncio.wait_for(self.greeted, SECONDS)
        return self

    async def try_open(self, **query: str) -> int:
        self.greeted = asyncio.get_running_loop().create_future()
        path = f"/client/hubs/{urllib.parse.quote(self.hub)}"
        claims = {"role": ROLES, "webpubsub.group": list(self.groups)} | ({"sub": self.user} if self.user else {})
        token = tokens.signed(self.node.key, f"http://127.0.0.1{path}", **claims)
        query = query or {"access_token": token}
        asked = f"{path}?{urllib.parse.urlencode(query)}"
        self.socket = await wire.connect(self.node.port, asked, self.kind, self._hear, lambda _: None)
        return await asyncio.wait_for(self.socket.status, SECONDS)

    def _hear(self, socket: wire.Socket, opcode: int, payload: bytes) -> None:
        if opcode == wire.CLOSE:
            self.code, self.reason = int.from_bytes(payload[:2], "big") or 1005, payload[2:].decode(errors="replace")
            socket.close(None)
            socket.transport.close()
        elif self.kind is SIMPLE:
            self.hear(payload.decode(errors="replace"))
        else:
            self._take(json.loads(payload))

    def _take(self, message: dict) -> None:
        if message["type"] == "message":
            data = message["data"]
            self.hear(data if isinstance(data, str) else json.dumps(data))
        elif message["type"] == "ack" and not (ack := self.acks.pop(message["ackId"])).done():
            ack.set_result(message)
        elif message.get("event") == "connected":
            self.identity, self.token = message["connectionId"], message.get("reconnectionToken", "")
            if not self.greeted.done():
                self.greeted.set_result(None)

    async def asks(self, **message) -> dict:
        """A request with an ack, and the ack."""
        number = next(self.numbers)
        ack = self.acks[number] = asyncio.get_running_loop().create_future()
        self.socket.say(message | {"ackId": number})
        return await asyncio.wait_for(ack, SECONDS)

    async def publish(self, group: str, text: str, no_echo: bool = False) -> None:
        message = {"group": group, "dataType": "text", "data": text, "noEcho": no_echo}
        ack = await self.asks(type="sendToGroup", **message)
        check(ack["success"], f"sendToGroup: {ack}")

    async def hears(self, text: str, seconds: float = SECONDS) -> None:
        await until(lambda: text in self.heard, f"a client of {self.node.name} hears {text[:60]!r}", seconds)

    @property
    def is_closed(self) -> bool:
        return self.socket.is_gone.done()

    async def closes(self, seconds: float = SECONDS) -> int | None:
        """With which code."""
        await until(lambda: self.is_closed, f"a client of {self.node.name} is closed", seconds)
        return self.code

    def leave(self) -> None:
        self.socket.transport.abort()


async def open_all(clients: list[Client], most: int = 100) -> list[Client]:
    """Opens them, some at a time."""
    for batch in (clients[begin : begin + most] for begin in range(0, len(clients), most)):
        await asyncio.gather(*(client.open() for client in batch))
    return clients


async def only(expected: list[Client], clients: list[Client], text: str) -> None:
    """All of these have heard a text once, and of the others none. It is waited for; the caller has put a fence."""
    for client in expected:
        await client.hears(text)
    for client in clients:
        times = client.heard.count(text)
        wanted = int(client in expected)
        check(times == wanted, f"{client.user or client.identity} on {client.node.name} heard {text!r} {times} times")
