"""A service that writes down every event it hears before it answers.

Usage: service.py PORT FILE DELAY. A line of FILE is the event's type, its id, its connection and its body. What clients
say is answered after DELAY seconds; after SIGUSR1 at once.
"""

import asyncio
import os
import signal
import sys


class Conversation(asyncio.Protocol):
    """One connection of the gateway, which sends a request when it has the answer to the last."""

    def __init__(self, file: int, delays: list[float]):
        self.file, self.delays = file, delays
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
            answer = self.answer(head[0], fields, body)
            if self.delays and fields.get("ce-type", "").startswith("azure.webpubsub.user."):
                asyncio.get_running_loop().call_later(self.delays[0], self.say, answer)
            else:
                self.say(answer)

    def say(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)

    def answer(self, request: str, fields: dict[str, str], body: bytes) -> bytes:
        if request.startswith("OPTIONS"):
            return b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n"
        kind = fields["ce-type"].removeprefix("azure.webpubsub.")
        line = f"{kind} {fields['ce-id']} {fields['ce-connectionid']} {body.decode()}\n"
        os.write(self.file, line.encode())
        return b"HTTP/1.1 204 No Content\r\n\r\n"


async def main() -> None:
    file = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    loop = asyncio.get_running_loop()
    # Empty where it answers at once.
    delays = [float(sys.argv[3])] if float(sys.argv[3]) else []
    loop.add_signal_handler(signal.SIGUSR1, delays.clear)
    server = await loop.create_server(lambda: Conversation(file, delays), "127.0.0.1", int(sys.argv[1]), backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
