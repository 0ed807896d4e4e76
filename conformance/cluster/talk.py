"""Numbered messages over REST from each node, and clients that hold what they hear against it."""

import asyncio
import collections
import random

import record
from clients import SIMPLE, Client, Wrong, check, open_all, until
from node import Node

GROUPS, USERS = 6, 4
HUB = "a"


def paths() -> dict[str, str]:
    """Targets, and how REST calls them."""
    groups = {f"group-{at}": f"/groups/group-{at}" for at in range(GROUPS)}
    users = {f"user-{at}": f"/users/user-{at}" for at in range(USERS)}
    return {"all": ""} | groups | users


class Publisher:
    """What one node is told to send, one message after the other. `taken` is how many have got a 202, by target;
    `said` how many have been said. Once a request was cut it says no more: nobody knows what became of it."""

    def __init__(self, node: Node, hub: str = HUB):
        self.node, self.hub = node, hub
        self.name = f"{node.name}.{node.starts}"
        self.paths = paths()
        self.said: collections.Counter[str] = collections.Counter()
        self.taken: collections.Counter[str] = collections.Counter()
        self.statuses: collections.Counter[int] = collections.Counter()
        self.is_cut = False

    async def say(self, target: str, filling: int = 0) -> None:
        self.said[target] += 1
        message = record.text(self.name, target, self.said[target], filling)
        try:
            status = await self.node.send(self.hub, self.paths[target], message)
        except (OSError, EOFError):
            self.is_cut = True
            return
        self.statuses[status] += 1
        if status == 202:
            self.taken[target] += 1

    async def once(self) -> None:
        """One to each target: by it what is missing before it is seen."""
        for target in self.paths:
            if not self.is_cut:
                await self.say(target)

    async def talk(self, stop: asyncio.Event, chance: random.Random, pause: float = 0) -> None:
        """Says one thing after the other, to groups and users more often than to all."""
        targets = list(self.paths)
        while not stop.is_set() and not self.is_cut:
            at_all = chance.random() < 0.1
            await self.say("all" if at_all else chance.choice(targets[1:]), chance.choice([0, 0, 100, 1000]))
            if pause:
                await asyncio.sleep(pause)


def targets_of(at: int) -> tuple[str, list[str]]:
    """User and groups of a node's client with this number."""
    return f"user-{at % USERS}", [f"group-{at % GROUPS}", f"group-{(at + 1) % GROUPS}"]


class Audience:
    """Clients of one node; each is in two groups and is some user's."""

    def __init__(self, node: Node, count: int, hub: str = HUB):
        self.node, self.listeners, self.clients = node, [], []
        for at in range(count):
            user, groups = targets_of(at)
            listener = record.Listener(f"client {at} of {node.name}.{node.starts}", {"all", user, *groups})
            self.listeners.append(listener)
            self.clients.append(Client(node, hub, user, groups, SIMPLE, listener.hear))

    async def open(self) -> "Audience":
        await open_all(self.clients)
        return self

    def problems(self) -> list[str]:
        return [problem for listener in self.listeners for problem in listener.problems]

    def lost(self, publishers: set[str] | None = None) -> int:
        """How many messages did not come, of these publishers."""
        found = record.lost(self.listeners)
        return sum(count for (who, _), count in found.items() if publishers is None or who in publishers)

    def has(self, publisher: Publisher) -> bool:
        """Whether the last message to each target has come to each that it is for."""
        said = publisher.said
        return all(
            listener.last.get((publisher.name, target)) == said[target]
            for listener in self.listeners
            for target in listener.targets
            if said[target]
        )

    def leave(self) -> None:
        for client in self.clients:
            client.leave()


async def settle(audiences: list[Audience], publishers: list[Publisher], seconds: float = 20) -> None:
    """Each publisher says one thing more to each target, and all have it: what is lost can be counted now."""
    for publisher in publishers:
        if publisher.node.is_alive() and not publisher.is_cut:
            await publisher.once()
    for audience, publisher in ((audience, publisher) for audience in audiences for publisher in publishers):
        if audience.node.is_alive() and not publisher.is_cut and publisher.node.is_alive():
            what = f"clients of {audience.node.name} have heard the last of {publisher.name}"
            await until(lambda audience=audience, publisher=publisher: audience.has(publisher), what, seconds)


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
    if wrong := record.uncounted(missing, grown):
        raise Wrong(wrong)
    return missing
