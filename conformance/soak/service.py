"""The service of the hubs: it counts what it hears and how it answers, and looks at the order of each connection."""

import asyncio
import collections
import json
import random

from shared import conversation

PLAIN = "Content-Type: text/plain\r\n"
STATUS = {200: "200 OK", 204: "204 No Content", 403: "403 Forbidden", 500: "500 Internal Server Error"}


class Told:
    """What the service has heard of one connection."""

    def __init__(self, hub: str):
        self.hub = hub
        self.stage = "connect"
        self.number = 0
        # Events that were refused: they may be sent again.
        self.refused: set[int] = set()
        self.state: str | None = None
        self.taken = 0


class Service:
    """Answers events. `on_connect(life, identity)` and `on_gone(life)` tell who has come and gone."""

    def __init__(self, seed: str, on_connect, on_gone):
        self.chance = random.Random(f"{seed}/service")
        self.on_connect, self.on_gone = on_connect, on_gone
        # By hub, event and outcome, as metrics have them.
        self.counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
        self.told: dict[str, Told] = {}
        self.lives: dict[str, int] = {}
        # Events taken of each life that has ended.
        self.taken: dict[int, int] = {}
        self.problems: list[str] = []
        self.conversations: set[asyncio.Transport] = set()
        self.is_silent = False
        # System events by their ids: one that got no answer in time comes again, with the id that it had.
        self.known: set[str] = set()
        self.repeats = 0

    async def listen(self) -> int:
        """Serves on a free port."""
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Conversation(self), "127.0.0.1", 0, backlog=1024)
        return self.server.sockets[0].getsockname()[1]

    def hang_up(self) -> None:
        """Ends every connection of the gateway's, which are all idle."""
        for transport in list(self.conversations):
            transport.close()

    def answer(self, fields: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Status, further header lines and body."""
        kind, identity, hub = fields["ce-type"], fields["ce-connectionid"], fields["ce-hub"]
        name = fields["ce-eventname"]
        if kind.startswith("azure.webpubsub.user."):
            return self._said(hub, identity, name, fields, body)
        if name == "connect":
            return self._asked_in(hub, identity, json.loads(body))
        event = f"{identity} {fields['ce-id']}"
        if event in self.known:
            self.repeats += 1
            return 204, "", b""
        self.known.add(event)
        told = self.told.get(identity)
        self.counts[hub, name, "ok"] += 1
        expected = {"connected": ["connect"], "disconnected": ["connected", "connect"]}[name]
        if told is None or told.stage not in expected:
            self.problems.append(f"{identity}: {name} after {told and told.stage}")
        elif name == "connected":
            told.stage = name
        else:
            life = self.lives.pop(identity)
            self.taken[life] = self.told.pop(identity).taken
            self.on_gone(life)
        return 204, "", b""

    def _asked_in(self, hub: str, identity: str, asked: dict) -> tuple[int, str, bytes]:
        query = {name: values[0] for name, values in asked["query"].items()}
        if query.get("as") == "refused":
            self.counts[hub, "connect", "refused"] += 1
            return 403, PLAIN, b"not today"
        self.counts[hub, "connect", "ok"] += 1
        if identity in self.told:
            self.problems.append(f"{identity}: connect twice")
        self.told[identity] = Told(hub)
        self.lives[identity] = life = int(query["life"])
        self.on_connect(life, identity)
        if groups := query.get("more"):
            return 200, "Content-Type: application/json\r\n", json.dumps({"groups": groups.split(",")}).encode()
        return 204, "", b""

    def _said(self, hub: str, identity: str, name: str, fields, body: bytes) -> tuple[int, str, bytes]:
        told = self.told.get(identity)
        if told is None or told.stage != "connected":
            self.problems.append(f"{identity}: {name} after {told and told.stage}")
            return 500, "", b""
        said = json.loads(body)
        number, wish = said["n"], said["wish"]
        if number != told.number + 1 and number not in told.refused:
            self.problems.append(f"{identity}: event {number} after {told.number}")
        if fields.get("ce-connectionstate") != told.state:
            self.problems.append(f"{identity}: state {fields.get('ce-connectionstate')}, not {told.state}")
        told.number = max(told.number, number)
        if wish == "fail":
            told.refused.add(number)
            self.counts[hub, "user", "failed"] += 1
            return 500, "", b""
        self.counts[hub, "user", "ok"] += 1
        told.taken += 1
        more = ""
        if wish == "state":
            told.state = f"state-{number}"
            more = f"ce-connectionState: {told.state}\r\n"
        if wish == "ask":
            return 200, PLAIN + more, json.dumps({"answer": number}).encode()
        return 204, more, b""


class Conversation(conversation.Conversation):
    """One connection of the gateway."""

    def __init__(self, service: Service):
        super().__init__()
        self.service = service

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.service.conversations.add(transport)

    def connection_lost(self, error) -> None:
        self.service.conversations.discard(self.transport)

    def heard(self, fields: dict[str, str], body: bytes) -> None:
        status, more, text = self.service.answer(fields, body)
        length = "" if status == 204 else f"Content-Length: {len(text)}\r\n"
        answer = f"HTTP/1.1 {STATUS[status]}\r\n{more}{length}\r\n".encode() + text
        # Some answers take their time: then their clients' next messages wait in the gateway.
        if self.service.chance.random() < 0.1:
            delay = self.service.chance.uniform(0.01, 0.5)
            asyncio.get_running_loop().call_later(delay, self.say, answer)
        else:
            self.say(answer)
