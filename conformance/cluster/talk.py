"""Numbered messages over REST from each node, and clients that hold what they hear against it."""

import asyncio
import collections
import dataclasses
import random
import time

import record
from clients import SIMPLE, Client, Wrong, check, open_all, until
from node import Node

HUB = "a"
# After so long what has not come is said again.
AGAIN = 3


@dataclasses.dataclass(frozen=True)
class Plan:
    """How many groups and users there are, and which part of what is said goes to all and to groups."""

    groups: int
    users: int
    to_all: float
    to_groups: float

    def paths(self) -> dict[str, str]:
        """Targets, and how REST calls them."""
        groups = {f"group-{at}": f"/groups/group-{at}" for at in range(self.groups)}
        return {"all": ""} | groups | {f"user-{at}": f"/users/user-{at}" for at in range(self.users)}

    def of(self, at: int) -> tuple[str, list[str]]:
        """User and groups of a node's client with this number."""
        return f"user-{at % self.users}", [f"group-{(at + more) % self.groups}" for more in (0, 1)]

    def target(self, chance: random.Random) -> str:
        lot = chance.random()
        if lot < self.to_all:
            return "all"
        if lot < self.to_all + self.to_groups:
            return f"group-{chance.randrange(self.groups)}"
        return f"user-{chance.randrange(self.users)}"


SMALL = Plan(groups=6, users=4, to_all=0.1, to_groups=0.5)


class Publisher:
    """What one node is told to send, one message after the other; `said` is how many it has taken, by target. What it
    refuses is said again, since nobody must have heard it. Once a request was cut it says no more: nobody knows what
    became of that one."""

    def __init__(self, node: Node, plan: Plan = SMALL, more: str = ""):
        self.node, self.plan = node, plan
        self.name = f"{node.name}.{node.starts}{more}"
        self.paths = plan.paths()
        self.said: collections.Counter[str] = collections.Counter()
        self.statuses: collections.Counter[int] = collections.Counter()
        self.is_cut = False

    async def say(self, target: str, filling: int = 0) -> None:
        message = record.text(self.name, target, self.said[target] + 1, filling)
        try:
            status = await self.hand_over(target, message)
        except (OSError, EOFError):
            self.is_cut = True
            return
        self.statuses[status] += 1
        if status == 202:
            self.said[target] += 1

    async def hand_over(self, target: str, message: str) -> int:
        return await self.node.send(HUB, self.paths[target], message)

    async def once(self) -> None:
        """One to each target that something was said to: by it what is missing before it is seen."""
        for target in list(self.said) or self.paths:
            if not self.is_cut:
                await self.say(target)

    async def talk(self, stop: asyncio.Event, chance: random.Random, pause: float = 0) -> None:
        """Says one thing after the other."""
        while not stop.is_set() and not self.is_cut:
            await self.say(self.plan.target(chance), chance.choice([0, 0, 100, 1000]))
            if pause:
                await asyncio.sleep(pause)


class Audience:
    """Clients of one node; each is in two groups and is some user's."""

    def __init__(self, node: Node, count: int, plan: Plan = SMALL):
        self.node, self.listeners, self.clients = node, [], []
        for at in range(count):
            user, groups = plan.of(at)
            listener = record.Listener(f"client {at} of {node.name}.{node.starts}", {"all", user, *groups})
            self.listeners.append(listener)
            self.clients.append(Client(node, HUB, user, groups, SIMPLE, listener.hear))

    async def open(self) -> "Audience":
        await open_all(self.clients)
        return self

    def problems(self) -> list[str]:
        return [problem for listener in self.listeners for problem in listener.problems]

    def lost(self) -> int:
        """How many messages did not come."""
        return sum(record.lost(self.listeners).values())

    def has(self, publisher: str, said: dict[str, int]) -> bool:
        """Whether the last message to each target has come to each that it is for."""
        return all(
            listener.last.get((publisher, target)) == said[target]
            for listener in self.listeners
            for target in listener.targets
            if said.get(target)
        )

    def leave(self) -> None:
        for client in self.clients:
            client.leave()


async def settle(audiences: list[Audience], publishers: list[Publisher], seconds: float = 20) -> None:
    """Each publisher says one thing more to each target, and all have it: what is lost can be counted now. Where that
    itself was lost, it says another."""
    there = [audience for audience in audiences if audience.node.is_alive()]
    deadline = time.monotonic() + seconds
    for publisher in publishers:
        while publisher.node.is_alive() and not publisher.is_cut:
            await publisher.once()
            waiting = [audience.node.name for audience in there if not await has_soon(audience, publisher)]
            if not waiting:
                break
            check(time.monotonic() < deadline, f"clients of {waiting} have not heard the last of {publisher.name}")


async def has_soon(audience: Audience, publisher: Publisher) -> bool:
    try:
        await until(lambda: audience.has(publisher.name, publisher.said), "it is heard", AGAIN)
    except Wrong:
        return False
    return True


def check_right(audiences: list[Audience]) -> None:
    """Nothing came twice, out of order, or to somebody else."""
    problems = [problem for audience in audiences for problem in audience.problems()]
    check(not problems, f"{len(problems)} problems, such as {problems[:5]}")


async def counters(nodes: list[Node]) -> dict[str, int]:
    """What nodes have counted of losses: not heard, not sent, not handed to shards."""
    found: collections.Counter[str] = collections.Counter()
    for node in nodes:
        shown = await node.metrics()
        for name in ("missed_total", "dropped_total", "unsent_total"):
            found[name] += shown.sum(f"holdfast_cluster_{name}")
    return dict(found)


async def check_counted(audiences: list[Audience], nodes: list[Node], before: dict[str, int]) -> int:
    """No more is lost than was counted since; how much."""
    missing = sum(audience.lost() for audience in audiences)
    grown = {name: count - before.get(name, 0) for name, count in (await counters(nodes)).items()}
    # What was not sent none of the others has heard.
    grown["unsent_total"] *= len(audiences) - 1
    if wrong := record.uncounted(missing, grown):
        raise Wrong(wrong)
    return missing
