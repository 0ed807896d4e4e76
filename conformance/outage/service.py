"""A service that writes down every event it hears before it answers.

Usage: service.py PORT FILE DELAY. A line of FILE is the event's type, its id, its connection and its body. What clients
say is answered after DELAY seconds; after SIGUSR1 at once.
"""

import asyncio
import os
import pathlib
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from shared import conversation  # noqa: E402 (found by the path above)


class Conversation(conversation.Conversation):
    """One connection of the gateway."""

    def __init__(self, file: int, delays: list[float]):
        super().__init__()
        self.file, self.delays = file, delays

    def heard(self, fields: dict[str, str], body: bytes) -> None:
        kind = fields["ce-type"].removeprefix("azure.webpubsub.")
        line = f"{kind} {fields['ce-id']} {fields['ce-connectionid']} {body.decode()}\n"
        os.write(self.file, line.encode())
        answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        if self.delays and kind.startswith("user."):
            asyncio.get_running_loop().call_later(self.delays[0], self.say, answer)
        else:
            self.say(answer)


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
