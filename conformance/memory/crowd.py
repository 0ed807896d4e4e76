"""Ten times as many clients of a hub as fit, of each kind, none of whom cares for the gateway."""

import asyncio
import json
import socket
import urllib.parse

from shared import tokens, wire

SIMPLE, JSON, RELIABLE = None, "json.webpubsub.azure.v1", "json.reliable.webpubsub.azure.v1"
KINDS = [SIMPLE, JSON, RELIABLE]


class Guest:
    """One of them: it hears, and acknowledges nothing."""

    def __init__(self, crowd, number: int, kind: str | None):
        self.crowd, self.number, self.kind = crowd, number, kind
        self.socket: wire.Socket | None = None
        self.identity = self.reconnection = ""
        self.codes: list[int] = []
        self.heard_count = 0

    def path(self) -> str:
        """Half of them have users of their own, half share some; each is in one group of all and one of a few."""
        user = f"user-{self.number}" if self.number % 2 else f"shared-{self.number % 20}"
        groups = ["all", f"group-{self.number % 500}"]
        audience = "http://127.0.0.1/client/hubs/chat"
        token = tokens.signed(self.crowd.key, audience, sub=user, **{"webpubsub.group": groups})
        return f"/client/hubs/chat?access_token={token}"

    def recovery(self) -> str:
        query = {"awps_connection_id": self.identity, "awps_reconnection_token": self.reconnection}
        return f"/client/hubs/chat?{urllib.parse.urlencode(query)}"

    async def come(self, path: str) -> int:
        """The status that it is answered, 0 for none."""
        source = f"127.{self.number // 16_000 + 1}.{self.number // 250 % 64}.{self.number % 250 + 1}"
        try:
            self.socket = await wire.connect(self.crowd.port, path, self.kind, self.heard, self.ended, source)
            return await asyncio.wait_for(self.socket.status, 60)
        except (OSError, asyncio.TimeoutError):
            return 0

    def heard(self, _, opcode: int, payload: bytes) -> None:
        if opcode == wire.CLOSE:
            self.codes.append(int.from_bytes(payload[:2], "big"))
            self.socket.transport.close()
        elif self.kind is RELIABLE and not self.identity:
            hello = json.loads(payload)
            self.identity, self.reconnection = hello["connectionId"], hello["reconnectionToken"]
        else:
            self.heard_count += 1

    def ended(self, _) -> None:
        self.crowd.here.discard(self)

    def is_here(self) -> bool:
        return self in self.crowd.here and not self.socket.transport.is_closing()

    def read_nothing(self) -> None:
        """Its kernel takes little, and it takes nothing from that."""
        self.socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.transport.pause_reading()

    def make_an_event(self, text: str) -> None:
        """Bytes that the gateway does not read stay with this process: at most what asyncio is asked to keep."""
        if self.kind is SIMPLE:
            self.socket.send(wire.TEXT, text.encode())
        else:
            self.socket.say({"type": "event", "event": "said", "dataType": "text", "data": text})


class Crowd:
    """All of them."""

    def __init__(self, port: int, key: str):
        self.port, self.key = port, key
        self.here: set[Guest] = set()
        self.statuses: dict[int, int] = {}

    async def come(self, count: int) -> None:
        """So many try to come in, some at a time."""
        numbers = iter(range(count))

        async def some() -> None:
            for number in numbers:
                guest = Guest(self, number, KINDS[number % 3])
                self.here.add(guest)
                status = await guest.come(guest.path())
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status != 101:
                    self.here.discard(guest)

        await asyncio.gather(*(some() for _ in range(200)))

    def of(self, kind: str | None) -> list[Guest]:
        return [guest for guest in self.here if guest.kind == kind and guest.is_here()]

    def leave(self) -> None:
        for guest in list(self.here):
            guest.socket.cut(by_reset=True)
