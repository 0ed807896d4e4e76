"""Nodes that are drained, killed, stopped, and too busy: what the others notice."""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time

import talk
from clients import SIMPLE, Client, check, open_all, until
from node import Node
from world import Rig, World

HUB = "a"
MIB = 1 << 20
GONE = 7


@contextlib.asynccontextmanager
async def talking(nodes: list[Node], pause: float = 0.002):
    """Publishers of these nodes, who talk meanwhile."""
    publishers, stop = [talk.Publisher(node) for node in nodes], asyncio.Event()
    tasks = [asyncio.ensure_future(one.talk(stop, random.Random(one.name), pause)) for one in publishers]
    try:
        yield publishers
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def drain(rig: Rig) -> str:
    """A node drains under load: nothing is lost for the others, nor for its own until they leave, and its goodbye is
    seen."""
    async with rig.world(more=['drain-spread = "3s"', 'drain-timeout = "20s"']) as world:
        leaving, *others = world.nodes
        audiences = await asyncio.gather(*(talk.Audience(node, 24).open() for node in world.nodes))
        before = await talk.counters(others)
        async with talking(others) as publishers:
            await asyncio.sleep(1)
            ending = asyncio.ensure_future(leaving.end())
            await until(lambda: any_closed(audiences[0]), "the first clients hear the goodbye")
            await until(lambda: sees_drain(others[0]), "the others see that it drains", 3)
            # Whoever is still there hears everything.
            code = await ending
            begun = time.monotonic()
            check(code == 0, f"it ends with {code}")
            for node in others:
                await until(lambda node=node: world.knows(node, 2), f"{node.name} has heard the goodbye", 2)
            seen = time.monotonic() - begun
            await asyncio.sleep(1)
        await talk.settle(audiences[1:], publishers)
        talk.check_right(audiences)
        lost = [audience.lost() for audience in audiences]
        check(not any(lost), f"messages are missing: {lost}")
        codes = {client.code for client in audiences[0].clients}
        check(codes == {1001}, f"its clients hear {codes}")
        grown = await talk.counters(others)
        check(grown == before, f"losses are counted where there are none: {grown}")
        for node in others:
            check(await node.count("nodes_left_total", how="goodbye") == 1, "it has left with a goodbye")
        said = sum(one.said.total() for one in publishers)
        return f"{said} published meanwhile, goodbye seen {seen:.2f} s after its end"


async def sees_drain(node: Node) -> bool:
    return any(other["draining"] for other in (await node.cluster())["nodes"])


def any_closed(audience: talk.Audience) -> bool:
    return any(client.is_closed for client in audience.clients)


async def node_killed(rig: Rig) -> str:
    """kill -9 of a node: the others lose nothing among themselves; its connections and users are 503 or 404 at first,
    never 200, and 404 after 7 s; /cluster shows it."""
    async with rig.world() as world:
        killed, *others = world.nodes
        audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in others))
        victims = await open_all([Client(killed, HUB, f"victim-{at}", ["victims"]) for at in range(5)])
        paths = [f"/connections/{victims[0].identity}", "/users/victim-1", "/groups/victims"]
        for node in others:
            for path in paths:
                check(await node.ask("HEAD", HUB, path) == 200, f"{path} is there")
        name = (await killed.cluster())["node"]
        before = await talk.counters(others)
        async with talking(others) as publishers:
            await asyncio.sleep(0.5)
            killed.kill()
            begun = time.monotonic()
            statuses = {503}
            while time.monotonic() < begun + GONE + 3 and statuses != {404}:
                statuses = {await node.ask("HEAD", HUB, path) for node in others for path in paths}
                check(statuses <= {404, 503}, f"whoever was on it is answered {statuses}")
            gone = time.monotonic() - begun
            check(statuses == {404}, f"after {gone:.1f} s whoever was on it is answered {statuses}")
            for node in others:
                nodes = [it["node"] for it in (await node.cluster())["nodes"]]
                check(name not in nodes and len(nodes) == 2, f"/cluster shows {nodes}")
                check(await node.count("nodes_left_total", how="silent") == 1, "it has left without a goodbye")
                check(name in node.said(), f"the log tells of node {name}")
            another = await world.node("another").begin()
            await world.all_ready()
            late = await talk.Audience(another, 12).open()
            await asyncio.sleep(0.5)
        await talk.settle([*audiences, late], publishers)
        talk.check_right([*audiences, late])
        lost = [audience.lost() for audience in [*audiences, late]]
        check(not any(lost), f"messages are missing: {lost}")
        grown = await talk.counters(others)
        check(grown == before, f"losses are counted where there are none: {grown}")
        return f"404 after {gone:.1f} s, {sum(one.said.total() for one in publishers)} published meanwhile"


async def node_stopped(rig: Rig) -> str:
    """A node stands still for 30 s under load: what the others wait for, and what it has missed when it goes on."""
    seconds = rig.seconds or 30
    async with rig.world() as world:
        *others, stopped = world.nodes
        audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in world.nodes))
        watch = await Watch.between(*others)
        before = await talk.counters(world.nodes)
        async with talking(others) as publishers:
            await asyncio.sleep(5)
            well = watch.taken()
            stopped.stop()
            await asyncio.sleep(seconds)
            ill = watch.taken()
            stopped.go_on()
            await until(lambda: world.knows(stopped, 3), "it is back", 30)
            await until(lambda: world.knows(others[0], 3), "the others see it again", 30)
            await asyncio.sleep(2)
        await watch.end()
        missing = await counted(world, audiences, publishers, before, of=audiences)
        among = sum(audience.lost() for audience in audiences[:2])
        check(among == 0, f"the others have lost {among} among themselves")
        return f"p99 between the others {well} before and {ill} meanwhile; it has missed {missing}, all counted"


async def counted(world: World, audiences, publishers, before, of) -> int:
    """Everything has come to rest: nothing wrong came, and what is lost is counted."""
    await talk.settle(audiences, publishers, 60)
    talk.check_right(of)
    return await talk.check_counted(of, [node for node in world.nodes if node.is_alive()], before)


class Watch:
    """How long a message takes from one node to a client on another, again and again."""

    def __init__(self, sender: Node, client: Client):
        self.sender, self.client, self.times = sender, client, []
        self.task = asyncio.ensure_future(self._run())

    @classmethod
    async def between(cls, sender: Node, hearer: Node) -> "Watch":
        return cls(sender, await Client(hearer, "b", "watch", kind=SIMPLE).open())

    async def _run(self) -> None:
        number = 0
        while True:
            number += 1
            begun = time.monotonic()
            check(await self.sender.send("b", "/users/watch", f"{number}") == 202, "a message is taken")
            await self.client.hears(f"{number}", 60)
            self.client.heard.clear()
            self.times.append(time.monotonic() - begun)
            await asyncio.sleep(0.02)

    def taken(self) -> str:
        """p99 since the last time."""
        times, self.times = sorted(self.times), []
        return f"{times[len(times) * 99 // 100] * 1000:.0f} ms (most {times[-1] * 1000:.0f})" if times else "nothing"

    async def end(self) -> None:
        if self.task.done():
            await self.task
        self.task.cancel()


async def node_busy(rig: Rig) -> str:
    """A node has less CPU than what comes needs: what does not fit is dropped and counted, memory is bounded, the
    others are not harmed."""
    seconds = rig.seconds or 20
    async with rig.world() as world:
        busy, *others = world.nodes
        crowd = await open_all([Client(busy, "b", None, (), SIMPLE, hear=lambda _: None) for _ in range(3000)], 200)
        audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in world.nodes))
        before, memory = await talk.counters(world.nodes), [busy.resident()]
        with hogged(busy):
            async with talking(others, 0) as publishers:
                flood = [asyncio.ensure_future(_flood(node, seconds)) for node in others]
                while not all(task.done() for task in flood):
                    memory.append(busy.resident())
                    await asyncio.sleep(0.5)
                await asyncio.gather(*flood)
        await until(lambda: _is_empty(busy), "what waits is worked off", 60)
        grown = (max(memory) - memory[0]) / MIB
        alive = [client for client in crowd if not client.is_closed]
        missing = await counted(world, audiences, publishers, before, of=audiences)
        dropped = await busy.count("dropped_total")
        among = sum(audience.lost() for audience in audiences[1:])
        check(among == 0, f"the others have lost {among} among themselves")
        check(grown < 400, f"memory grew by {grown:.0f} MiB")
        return (
            f"{dropped} dropped, {missing} of them numbered ones, memory grew by {grown:.0f} MiB, "
            f"{len(alive)} of {len(crowd)} clients still there"
        )


async def _is_empty(node: Node) -> bool:
    return await node.count("waiting_bytes") == 0


async def _flood(node: Node, seconds: float) -> None:
    """To all, as fast as they are taken; past what may be under way they are answered 429 or 503."""
    until_then, text = time.monotonic() + seconds, "flood".ljust(2000, "x")
    while time.monotonic() < until_then:
        await asyncio.gather(*(node.send("b", "/groups/nobody-here", text) for _ in range(8)))
        status = await node.send("b", "", text)
        check(status in (202, 429, 503), f"a message to all is answered {status}")


@contextlib.contextmanager
def hogged(node: Node):
    """It has one CPU, and shares it with others that never wait."""
    cpu = max(os.sched_getaffinity(0))
    for task in os.listdir(f"/proc/{node.pid}/task"):
        os.sched_setaffinity(int(task), {cpu})
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(6)]
    for hog in hogs:
        os.sched_setaffinity(hog.pid, {cpu})
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
