"""What the gateway sends a service on one connection: a request when it has the answer to the last."""

import asyncio

ALLOWED = b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n"


class Conversation(asyncio.Protocol):
    """Reads requests whole. Whether its service wants events it answers itself; `heard` is called with each event."""

    def __init__(self):
        self.unread = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.unread += data
        while (end := self.unread.find(b"\r\n\r\n")) >= 0:
            head = self.unread[:end].decode("latin-1").split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            whole = end + 4 + int(fields.get("content-length", 0))
            if len(self.unread) < whole:
                return
            body, self.unread = self.unread[end + 4 : whole], self.unread[whole:]
            if head[0].startswith("OPTIONS"):
                self.say(ALLOWED)
            else:
                self.heard(fields, body)

    def heard(self, fields: dict[str, str], body: bytes) -> None:
        """An event came."""
        raise NotImplementedError

    def say(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
