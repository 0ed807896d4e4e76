"""Clients of a hub with the JSON subprotocol, thousands in one process: what they said, and what came of it."""

import asyncio
import itertools
import json
import struct
import time

SUBPROTOCOL = "json.webpubsub.azure.v1"


class Client(asyncio.Protocol):
    """A client that sends an event now and then, each with an ack id, and keeps what is said of each."""

    def __init__(self, hub: str):
        self.hub = hub
        self.unread = b""
        self.numbers = itertools.count(1)
        # By ack id: when it was sent; then None where it was taken, or the name of the error.
        self.waiting: dict[int, float] = {}
        self.outcomes: dict[int, str | None] = {}
        self.longest = 0.0
        self.identity: str | None = None
        self.problems: list[str] = []
        self.is_closing = False
        self.is_open = asyncio.Event()
        self.is_gone = asyncio.Event()

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(
            f"GET /client/hubs/{self.hub} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
        )
        self.has_answer = False

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if not self.has_answer:
            head, end, rest = self.unread.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.problems.append(head.decode("latin-1").split("\r\n")[0])
            self.has_answer, self.unread = True, rest
        while (frame := self.next_frame()) is not None:
            self.hear(*frame)

    def next_frame(self) -> tuple[int, bytes] | None:
        if len(self.unread) < 2:
            return None
        length, start = self.unread[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(self.unread[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(self.unread[2:10], "big"), 10
        if len(self.unread) < start + length:
            return None
        opcode, payload = self.unread[0] & 0x0F, self.unread[start : start + length]
        self.unread = self.unread[start + length :]
        return opcode, payload

    def hear(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self.send(10, payload)
        elif opcode == 8:
            if not self.is_closing:
                self.problems.append(f"closed with {int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}")
                self.send(8, payload)
            self.transport.close()
        elif opcode == 1:
            message = json.loads(payload)
            if message["type"] == "ack":
                self.on_ack(message)
            elif message.get("event") == "connected":
                self.identity = message["connectionId"]
                self.is_open.set()

    def on_ack(self, message: dict) -> None:
        number = message["ackId"]
        if number not in self.waiting:
            self.problems.append(f"an ack for {number}, which waits for none")
            return
        self.longest = max(self.longest, time.monotonic() - self.waiting.pop(number))
        self.outcomes[number] = None if message["success"] else message["error"]["name"]

    def say(self, length: int = 0) -> None:
        """A number, and spaces where it is to be so long."""
        number = next(self.numbers)
        self.waiting[number] = time.monotonic()
        event = {"type": "event", "event": "said", "ackId": number, "dataType": "text", "data": f"{number:<{length}}"}
        self.send(1, json.dumps(event).encode())

    def send(self, opcode: int, payload: bytes) -> None:
        # The mask is all zeros, so that the payload stays what it is.
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
        self.transport.write(bytes([0x80 | opcode]) + length + bytes(4) + payload)

    def close(self) -> None:
        self.is_closing = True
        self.send(8, struct.pack(">H", 1000))

    def connection_lost(self, error) -> None:
        if not self.is_closing:
            self.problems.append(f"the connection ended: {error}")
        self.is_open.set()
        self.is_gone.set()


async def connect(hub: str, port: int, count: int) -> list[Client]:
    """So many clients, all open."""
    loop = asyncio.get_running_loop()
    clients = []
    # As many at a time as a gateway lets wait for its service.
    for begin in range(0, count, 200):
        batch = [Client(hub) for _ in range(begin, min(begin + 200, count))]
        for client in batch:
            await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
        await asyncio.wait_for(asyncio.gather(*(client.is_open.wait() for client in batch)), 60)
        clients += batch
    return clients


async def talk(clients: list[Client], seconds: float, every: float) -> None:
    """Each says something once in `every` seconds, all evenly spread, for `seconds`."""
    begun, said = time.monotonic(), 0
    order = itertools.cycle(clients)
    while (passed := time.monotonic() - begun) < seconds:
        for client in itertools.islice(order, int(passed / every * len(clients)) - said):
            client.say()
            said += 1
        await asyncio.sleep(0.01)


async def settle(clients: list[Client], seconds: float) -> None:
    """Waits until all that was said has been answered."""
    deadline = time.monotonic() + seconds
    while any(client.waiting for client in clients) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


async def leave(clients: list[Client]) -> None:
    for client in clients:
        client.close()
    await asyncio.wait_for(asyncio.gather(*(client.is_gone.wait() for client in clients)), 60)
