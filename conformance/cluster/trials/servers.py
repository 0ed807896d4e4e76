"""NATS servers that are killed, stopped, told to go: what comes late, twice or never."""

import asyncio
import time

import talk
from clients import Client, check, until
from node import Node
from trials.faults import MIB, counted, talking
from world import Rig, World

FOUND = 7
BACK = 2


async def connected(world: World, seconds: float) -> float:
    """Until every node that is alive has its bus; how long that took."""
    begun = time.monotonic()
    for node in world.nodes:
        await until(lambda node=node: is_connected(node), f"{node.name} has its bus again", seconds)
    return time.monotonic() - begun


async def is_connected(node: Node) -> bool:
    return await node.count("connected") == 1


async def server_of(node: Node) -> str:
    return (await node.cluster())["bus"].get("server", "")


async def server_killed(rig: Rig) -> str:
    """kill -9 of one of two servers: everybody is on the other within 2 s, losses are counted; it comes back."""
    async with rig.world(servers=2) as world:
        audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in world.nodes))
        before, took = await talk.counters(world.nodes), []
        async with talking(world.nodes) as publishers:
            for server in world.servers.all:
                await asyncio.sleep(0.5)
                server.end()
                await asyncio.sleep(0.1)
                took.append(await connected(world, 15))
                await asyncio.sleep(0.5)
                server.start()
                await asyncio.to_thread(world.servers.wait_for_routes)
        missing = await counted(world, audiences, publishers, before, of=audiences)
        check(max(took) < BACK + 1, f"everybody was back after {took} s")
        said = sum(one.said.total() for one in publishers)
        return f"back after {max(took):.1f} s at most; {missing} of {said} lost, all counted"


async def all_servers_killed(rig: Rig) -> str:
    """kill -9 of all servers for 10 s: local delivery goes on, what is not sent is counted, all are back soon after
    NATS, nothing old comes in a burst, memory is flat."""
    away = rig.seconds or 10
    async with rig.world(servers=2) as world:
        audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in world.nodes))
        own = [await Client(node, "b", "own").open() for node in world.nodes]
        before, resident = await talk.counters(world.nodes), [node.resident() for node in world.nodes]
        async with talking(world.nodes) as publishers:
            await asyncio.sleep(1)
            for server in world.servers.all:
                server.end()
            for node in world.nodes:
                await until(lambda node=node: is_away(node), f"{node.name} knows that its bus is away", FOUND + 1)
            begun, number = time.monotonic(), 0
            while time.monotonic() < begun + away:
                number += 1
                for node, client in zip(world.nodes, own):
                    check(await node.send("b", "/users/own", f"{node.name} {number}") == 202, "local ones are taken")
                    await client.hears(f"{node.name} {number}")
            grown = max(node.resident() - had for node, had in zip(world.nodes, resident)) / MIB
            back = time.monotonic()
            for server in world.servers.all:
                server.start()
            took = await connected(world, 15)
            took = max(took, time.monotonic() - back)
            await asyncio.sleep(1)
        missing = await counted(world, audiences, publishers, before, of=audiences)
        # What was said while the bus was away is nobody's elsewhere, now or later.
        foreign = [text for node, client in zip(world.nodes, own) for text in client.heard if node.name not in text]
        check(not foreign, f"old messages came: {foreign[:5]}")
        check(grown < 16, f"memory grew by {grown:.1f} MiB while the bus was away")
        check(took < 7, f"everybody was back after {took:.1f} s")
        unsent = sum([await node.count("unsent_total", reason="away") for node in world.nodes])
        return f"back {took:.1f} s after NATS; {missing} lost, all counted ({unsent} not sent); memory +{grown:.1f} MiB"


async def is_away(node: Node) -> bool:
    return await node.count("connected") == 0


async def server_stopped(rig: Rig) -> str:
    """A server stands still for 20 s and goes on: found within 7 s, nothing late is heard, nothing twice, losses are
    counted."""
    seconds = rig.seconds or 20
    async with rig.world(servers=2) as world:
        audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in world.nodes))
        before = await talk.counters(world.nodes)
        server = world.servers[0]
        on_it = [node for node in world.nodes if str(server.port) in await server_of(node)]
        if not on_it:
            server = world.servers[1]
            on_it = world.nodes
        async with talking(world.nodes) as publishers:
            await asyncio.sleep(1)
            server.stop()
            begun = time.monotonic()
            for node in on_it:
                left = lambda node=node: is_away_or_elsewhere(node, server.port)
                await until(left, f"{node.name} finds it", FOUND + 1)
            found = time.monotonic() - begun
            await connected(world, 10)
            moved = time.monotonic() - begun
            await asyncio.sleep(max(seconds - moved, 0))
            server.go_on()
            await asyncio.sleep(5)
        missing = await counted(world, audiences, publishers, before, of=audiences)
        late = sum([await node.count("late_total") for node in world.nodes])
        own = sum([await node.count("own_total") for node in world.nodes])
        return (
            f"{len(on_it)} nodes were on it; found after {found:.1f} s, elsewhere after {moved:.1f} s; "
            f"{missing} lost, all counted; {late} late and {own} own ones dropped"
        )


async def is_away_or_elsewhere(node: Node, port: int) -> bool:
    bus = (await node.cluster())["bus"]
    return not bus["connected"] or str(port) not in bus.get("server", "")


async def queue_full(rig: Rig) -> str:
    """A server stands still while more is said than waits for it: what does not fit is counted, memory is bounded, and
    when it goes on nothing comes twice or out of order."""
    async with rig.world(more=["cluster-queue-bytes = 2097152"]) as world:
        audiences = await asyncio.gather(*(talk.Audience(node, 4).open() for node in world.nodes))
        before, sender = await talk.counters(world.nodes), world.nodes[0]
        resident = sender.resident()
        publisher = talk.Publisher(sender)
        await publisher.say("group-0")
        await talk.settle(audiences, [publisher])
        world.servers[0].stop()
        # The kernel's buffers of a loopback connection take some MB, too.
        for _ in range(60):
            await publisher.say("group-0", 500_000)
        full = await sender.count("unsent_total", reason="full")
        grown = (sender.resident() - resident) / MIB
        world.servers[0].go_on()
        await world.all_ready(30)
        await connected(world, 15)
        missing = await counted(world, audiences, [publisher], before, of=audiences)
        check(full > 0, "what did not fit is counted")
        check(grown < 48, f"memory grew by {grown:.0f} MiB")
        return f"{full} of 60 did not fit, {missing} lost, all counted, memory grew by {grown:.0f} MiB"


async def lame_duck(rig: Rig) -> str:
    """Each of three servers in turn is told to go, under load: nothing is lost."""
    async with rig.world(servers=3) as world:
        audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in world.nodes))
        before, moved = await talk.counters(world.nodes), 0
        async with talking(world.nodes) as publishers:
            for server in world.servers.all:
                await asyncio.sleep(1)
                moved += server.clients()
                server.lame_duck()
                # It ends when its clients have gone, or have been cut.
                await until(lambda server=server: not server.is_alive(), "the server ends", 60)
                server.end()
                server.start()
                await asyncio.to_thread(world.servers.wait_for_routes)
        missing = await counted(world, audiences, publishers, before, of=audiences)
        grown = await talk.counters(world.nodes)
        check(missing == 0 and grown == before, f"{missing} are missing, counted: {grown}, before {before}")
        check(moved >= len(world.nodes), f"only {moved} connections had to move")
        said = sum(one.said.total() for one in publishers)
        return f"{moved} connections moved, {said} published, nothing lost"
