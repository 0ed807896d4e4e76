"""A node that is none: it says by hand what it wants, and hears what nodes ask it."""

import asyncio
import contextlib
import secrets

import envelope
from bus import Bus

BEAT = 2


class Stranger:
    """In a cluster's list by its heartbeats, until it says goodbye; an asynchronous context manager.

    `answers` makes an answer of the head of a question, or None where nothing is to be said.
    """

    def __init__(self, bus: Bus, cluster: str, answers=lambda own, head: None):
        self.bus, self.cluster, self.answers = bus, cluster, answers
        self.node, self.start = secrets.randbits(48), secrets.randbits(63)
        self.beats, self.numbers, self.asked = 0, {}, 0
        # Answers to what it asked itself.
        self.told: asyncio.Queue[envelope.Head] = asyncio.Queue()

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, port: int, cluster: str, hub: str, answers=lambda own, head: None):
        bus = await Bus.connect(port)
        own = cls(bus, cluster, answers)
        bus.subscribe(f"hf1.{cluster}.h.{envelope.escaped(hub)}.*")
        bus.subscribe(f"hf1.{cluster}.n.{own.node:012x}")
        bus.subscribe(f"hf1.{cluster}.n.{own.node:012x}.r")
        bus.subscribe(f"hf1.{cluster}.c")
        await bus.flush()
        tasks = [asyncio.ensure_future(work()) for work in (own._beat, own._hear)]
        try:
            yield own
        finally:
            for task in tasks:
                task.cancel()
            own.goodbye()
            await bus.flush()
            await bus.close()

    def beat(self, question: int = 0, subject: str = "c") -> None:
        self.beats += 1
        message = envelope.heartbeat(self.node, self.beats, self.start, 0, question=question)
        self.bus.publish(f"hf1.{self.cluster}.{subject}", message)

    def goodbye(self) -> None:
        self.beats += 1
        self.bus.publish(f"hf1.{self.cluster}.c", envelope.written(envelope.GOODBYE, self.node, self.beats))

    def next_number(self, subject: str) -> int:
        self.numbers[subject] = self.numbers.get(subject, 0) + 1
        return self.numbers[subject]

    def publish(self, hub: str, kind: int, name: str, text: bytes, **more) -> None:
        """Content for all, a user or a group."""
        subject = envelope.subject(self.cluster, hub, kind, name)
        message = envelope.publication(self.node, self.next_number(subject), hub, (kind, name.encode()), text, **more)
        self.bus.publish(subject, message)

    async def _beat(self) -> None:
        while True:
            self.beat()
            await asyncio.sleep(BEAT)

    async def _hear(self) -> None:
        while True:
            subject, _, message = await self.bus.heard.get()
            with contextlib.suppress(ValueError):
                head = envelope.Head(message)
                if subject.endswith(".r"):
                    self.told.put_nowait(head)
                elif subject.endswith(".c"):
                    if head.question:
                        # Whoever starts waits for it.
                        self.beat(head.question, f"n.{head.node:012x}.r")
                elif head.question:
                    self.asked += 1
                    if answer := self.answers(self, head):
                        self.bus.publish(f"hf1.{self.cluster}.n.{head.node:012x}.r", answer)
