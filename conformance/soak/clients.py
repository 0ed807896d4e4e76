"""One client of a hub: simple, with the JSON subprotocol, or reliable; what it asked for, and what came of it."""

import asyncio
import json
import urllib.parse

from shared import tokens, wire

SIMPLE, JSON, RELIABLE = None, "json.webpubsub.azure.v1", "json.reliable.webpubsub.azure.v1"
SECONDS = 120
ROLES = ["webpubsub.joinLeaveGroups.g*", "webpubsub.sendToGroups.g*"]


class Ended(Exception):
    """The connection has ended before there was an answer."""


class Client:
    """A client, and its connection in the book."""

    def __init__(self, world, number: int, hub: str, user: str | None, kind: str | None):
        self.world, self.number, self.hub, self.user, self.kind = world, number, hub, user, kind
        self.socket: wire.Socket | None = None
        self.connection = None
        self.publishes_to: str | None = None
        self.identity, self.reconnection = "", ""
        # Requests without an answer: their text, and who waits.
        self.waiting: dict[int, tuple[dict, asyncio.Future]] = {}
        self.next_ack = 0
        self.events = 0
        self.greeted: asyncio.Future | None = None
        # Of a reliable client: the last number, what came with each, what it has said that it has.
        self.last, self.came, self.acknowledged = 0, {}, 0
        self.acknowledges = True
        self.is_away = False
        self.answers = 0
        self.own_heard: dict[int, object] = {}
        self.close_code: int | None = None
        self.closed_by_us = False
        self.is_over = asyncio.get_running_loop().create_future()
        # What may be the reason of its end, by the labels of the metric.
        self.ends: set[tuple[str, str]] = set()
        # Messages of which it does not know whether they were taken.
        self.unsure: list = []
        self.is_told_of = False
        # Events that were taken and refused, and those to which the service has something to say.
        self.taken = self.failed = self.asked = 0

    # Coming

    async def open(self, groups=(), more=(), refused=False) -> int:
        """Connects with a token that puts it into `groups`; the service puts it into `more`. The answer's status."""
        counts, book = self.world.counts, self.world.book
        audience = f"http://127.0.0.1/client/hubs/{self.hub}"
        claims = {"role": ROLES, "webpubsub.group": list(groups)} | ({"sub": self.user} if self.user else {})
        query = {"life": self.number, "access_token": tokens.signed(self.world.key, audience, **claims)}
        query |= {"as": "refused"} if refused else {}
        query |= {"more": ",".join(more)} if more else {}
        if self.publishes_to:
            query |= {"webpubsub_mode": "sendToGroup", "group": self.publishes_to}
        self.connection = book.connect(self.number, self.hub, self.user)
        self.socket = await self._connect(query)
        status = await asyncio.wait_for(self.socket.status, SECONDS)
        counts["handshakes", str(status)] += 1
        if status != 101:
            del book.connections[self.number]
            return status
        counts["opened"] += 1
        # A service that names groups takes the place of those of the token.
        book.opened(self.connection, more or groups)
        if self.kind is not SIMPLE:
            await asyncio.wait_for(self.greeted, SECONDS)
        return status

    async def _connect(self, query: dict) -> wire.Socket:
        self.world.counts["accepted"] += 1
        self.greeted = asyncio.get_running_loop().create_future()
        path = f"/client/hubs/{self.hub}?{urllib.parse.urlencode(query)}"
        return await wire.connect(self.world.port, path, self.kind, self._heard, self._ended)

    # Hearing

    def _heard(self, socket: wire.Socket, opcode: int, payload: bytes) -> None:
        if opcode == wire.CLOSE:
            return self._on_close(socket, payload)
        if opcode not in (wire.TEXT, wire.BINARY):
            return
        message = json.loads(payload)
        if self.kind is SIMPLE:
            return self._on_content(message)
        kind = message["type"]
        if kind == "message":
            self._on_message(socket, message)
        elif kind == "ack":
            self._on_ack(message)
        elif kind == "system" and message["event"] == "connected":
            self._on_greeting(socket, message)

    def _on_greeting(self, socket: wire.Socket, message: dict) -> None:
        if self.identity not in ("", message["connectionId"]):
            self.wrong(f"comes back as {message['connectionId']}, not {self.identity}")
        if message.get("userId") != self.user:
            self.wrong(f"is {message.get('userId')}, not {self.user}")
        self.identity, self.reconnection = message["connectionId"], message.get("reconnectionToken", "")
        socket.expects = None if self.last else 1
        if not self.greeted.done():
            self.greeted.set_result(None)

    def _on_message(self, socket: wire.Socket, message: dict) -> None:
        content = message["data"] if isinstance(message["data"], dict) else json.loads(message["data"])
        if self.kind is RELIABLE and not self._is_new(socket, message["sequenceId"], content):
            return
        self._on_content(content)
        if self.kind is RELIABLE and self.acknowledges and self.last - self.acknowledged >= 20:
            self.acknowledge()

    def _is_new(self, socket: wire.Socket, number: int, content: dict) -> bool:
        """Whether a message has not come before; its number must be that of the next."""
        expected = getattr(socket, "expects", None)
        # What it has acknowledged meanwhile, having heard it from its old socket, is left out.
        is_next = expected in (None, number) or expected < number <= self.acknowledged + 1
        if not is_next or number > self.last + 1:
            self.wrong(f"number {number} comes, expected {expected}, last {self.last}, has {self.acknowledged}")
        socket.expects = number + 1
        if number <= self.last:
            self.world.counts["sent again"] += 1
            if number in self.came and self.came[number] != content:
                self.wrong(f"number {number} is {content}, and was {self.came[number]}")
            return False
        self.last = number
        self.came[number] = content
        self.came.pop(number - 2000, None)
        return True

    def _on_content(self, content: dict) -> None:
        if "answer" in content:
            self.answers += 1
            return
        number = content["p"]
        self.world.book.hear(self.connection, number)
        # A simple client that hears what it said knows that it was taken.
        if message := self.own_heard.pop(number, None):
            self.world.book.taken(message)

    def _on_ack(self, message: dict) -> None:
        request = self.waiting.pop(message["ackId"], None)
        if request is None:
            if self.kind is JSON:
                self.wrong(f"an ack for {message['ackId']}, which waits for none")
            return
        error = None if message["success"] else message["error"]["name"]
        if error == "Duplicate":
            if not request[0].get("again"):
                self.wrong(f"{request[0]} is new, and was called a duplicate")
            error = None
            self.world.counts["duplicates"] += 1
        if not request[1].done():
            request[1].set_result(error)

    def _on_close(self, socket: wire.Socket, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if payload else None
        socket.close_code = code
        if socket is self.socket:
            self.close_code = code
        if not self.closed_by_us:
            socket.send(wire.CLOSE, payload[:2])
        socket.transport.close()

    def _ended(self, socket: wire.Socket) -> None:
        # Only one that has said goodbye itself knows that all that it said before was read.
        is_sure = self.closed_by_us and len(self.ends) == 1
        self.world.counts["said" if is_sure else "perhaps said"] += socket.messages_said
        if socket is not self.socket or self.is_away or socket.status.result() != 101:
            return
        if self.greeted and not self.greeted.done():
            self.greeted.set_exception(Ended())
            self.greeted.exception()
        self.over()

    def over(self) -> None:
        """The connection will not come back."""
        if self.is_over.done():
            return
        self.is_over.set_result(None)
        self.world.book.leaving(self.connection)
        for _, waits in self.waiting.values():
            if not waits.done():
                waits.set_exception(Ended())
                waits.exception()
        self.world.on_over(self)

    # Saying

    def say(self, message: dict) -> None:
        if not self.is_away and not self.is_over.done():
            self.socket.say(message)

    def ask(self, kind: str, **more) -> asyncio.Future:
        """A request with an ack; its error, or none. One that is on its way when the socket is lost is said again."""
        self.next_ack += 1
        request = {"type": kind, "ackId": self.next_ack, **more}
        waits = asyncio.get_running_loop().create_future()
        if self.is_over.done():
            waits.set_exception(Ended())
            waits.exception()
            return waits
        self.waiting[self.next_ack] = (request, waits)
        self.say(request)
        return waits

    def acknowledge(self) -> None:
        if self.kind is RELIABLE and self.acknowledges and self.last > self.acknowledged and not self.is_away:
            self.acknowledged = self.last
            self.say({"type": "sequenceAck", "sequenceId": self.last})

    # Going and coming back

    def lose(self, by_reset: bool) -> None:
        """The socket is lost."""
        self.is_away = True
        self.socket.cut(by_reset)

    async def come_back(self, token: str | None = None, keep: bool = False) -> int | None:
        """Another socket for the same connection: none where it is recovered, or the code of the refusal.

        The old socket may still be there (`keep`); what comes on it until the gateway has noticed counts.
        """
        old, greeted = self.socket, self.greeted
        query = {"awps_connection_id": self.identity, "awps_reconnection_token": token or self.reconnection}
        was_away, self.is_away = self.is_away, True
        socket = await self._connect(query)
        status = await asyncio.wait_for(socket.status, SECONDS)
        if status != 101:
            self.wrong(f"a recovery is answered {status}")
            self.is_away = was_away
            return status
        done, _ = await asyncio.wait(
            [self.greeted, socket.is_gone], timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if self.greeted in done:
            self.socket = socket
            self.is_away = False
            self.world.counts["recovered"] += 1
            self.world.counts["handshakes", "101"] += 1
            # What has no answer may have been lost on its way, or the answer was.
            for request, _ in list(self.waiting.values()):
                request["again"] = True
                self.say({name: value for name, value in request.items() if name != "again"})
            return None
        self.world.counts["refused"] += 1
        self.world.counts["handshakes", "closed"] += 1
        self.socket, self.greeted, self.is_away = old, greeted, was_away
        return getattr(socket, "close_code", None) or 0

    async def leave(self, code: int | None = 1000) -> None:
        """The closing handshake."""
        if self.is_over.done():
            return
        self.world.book.leaving(self.connection)
        self.closed_by_us = True
        self.acknowledge()
        self.socket.close(code)
        await asyncio.wait_for(asyncio.shield(self.is_over), SECONDS)

    def wrong(self, what: str) -> None:
        self.world.book.wrong(f"{self.number} ({self.kind}): {what}")
