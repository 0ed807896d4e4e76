"""Order, and what a 200 promises."""

import asyncio
import random

import talk
from clients import Client, open_all
from world import World, check


async def numbered(world: World) -> str:
    """Numbered messages of three publishers, 10 minutes with --all: in order per target, none twice, none missing."""
    seconds = world.rig.seconds or (600 if world.rig.is_long else 8)
    audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in world.nodes))
    publishers = [talk.Publisher(node) for node in world.nodes]
    before = await talk.counters(world.nodes)
    stop = asyncio.Event()
    talking = [asyncio.ensure_future(one.talk(stop, random.Random(one.name))) for one in publishers]
    await asyncio.sleep(seconds)
    stop.set()
    await asyncio.gather(*talking)
    await talk.settle(audiences, publishers)
    talk.check_right(audiences)
    refused = [(one.name, dict(one.statuses)) for one in publishers if set(one.statuses) != {202}]
    check(not refused, f"not every message was taken: {refused}")
    lost = sum(audience.lost() for audience in audiences)
    check(lost == 0, f"{lost} messages are missing though nothing is broken")
    grown = {name: count - before[name] for name, count in (await talk.counters(world.nodes)).items()}
    check(not any(grown.values()), f"losses are counted where there are none: {grown}")
    for audience in audiences:
        audience.leave()
    said = sum(publisher.said.total() for publisher in publishers)
    heard = sum(listener.count for audience in audiences for listener in audience.listeners)
    return f"{said} published, {heard} heard"


async def join_then_send(world: World) -> str:
    """PUT a user into a group on node 1, and right after the 200 send to the group on node 3: none is missed; 1,000
    times, 10,000 with --all."""
    times, workers = (10_000 if world.rig.is_long else 1000), 8
    first, second, third = world.nodes
    clients = await open_all([Client(second, "a", f"joins-{at}") for at in range(workers)])

    async def work(at: int) -> None:
        client = clients[at]
        for number in range(at, times, workers):
            group = f"fresh-{number}"
            path = f"/users/{client.user}/groups/{group}"
            check(await first.ask("PUT", "a", path) == 200, "a user is put into a group")
            check(await third.send("a", f"/groups/{group}", group) == 202, "a message is taken")
            await client.hears(group)
            check(client.heard == [group], f"once, and nothing else: {client.heard}")
            client.heard.clear()
            check(await third.ask("DELETE", "a", path) == 204, "and out of it")

    await asyncio.gather(*(work(at) for at in range(workers)))
    for client in clients:
        client.leave()
    return f"{times} times"
