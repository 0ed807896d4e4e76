"""Nothing crosses: from hub to hub, from cluster to cluster, whatever things are called."""

import asyncio
import itertools
import urllib.parse

from clients import Client, only, open_all
from world import Rig, World, check, fence, until

# What a subject of NATS can't have in a token, or has a meaning in one; and names that are only nearly the same.
ODD = [
    *("a.b", "a.*", "a.>", ">", "*", "$SYS", "a b", " a b", "a\tb", "é", "e\u0301", "\u00e9" * 1024, "x" * 1024),
    *("_INBOX.x", "hf1.rig.c", "'quoted'", "100%", "a/b", "a=2Eb", "\u4e2d\u6587", "\U0001f642", "A", "a"),
]


async def borders(world: World) -> str:
    """Two hubs with the same groups and users: nothing of one is heard in the other."""
    crowds = {}
    for hub in ("a", "b"):
        crowds[hub] = await open_all([Client(node, hub, "ann", ["room"]) for node in world.nodes for _ in range(2)])
    everybody = [client for crowd in crowds.values() for client in crowd]
    sent = []
    for node, hub, to in itertools.product(world.nodes, crowds, ["", "/groups/room", "/users/ann"]):
        text = f"{node.name} {hub} {to}"
        check(await node.send(hub, to, text) == 202, "a message is taken")
        sent.append((text, crowds[hub]))
    for hub, crowd in crowds.items():
        for client in crowd:
            text = f"of {client.identity}"
            await client.publish("room", text)
            sent.append((text, crowd))
        # A connection of one hub is nobody in the other, on whichever node.
        other = crowds["b" if hub == "a" else "a"]
        for node, stranger in itertools.product(world.nodes, other[::2]):
            status = await node.ask("HEAD", hub, f"/connections/{stranger.identity}")
            check(status == 404, f"a connection of another hub is answered {status}")
            check(await node.send(hub, f"/connections/{stranger.identity}", "stray") == 202, "it is sent to nobody")
    for hub, crowd in crowds.items():
        await fence(world, hub, crowd)
    for text, crowd in sent:
        await only(crowd, everybody, text)
    check(not any("stray" in client.heard for client in everybody), "what goes to a stranger is heard by nobody")
    check(await world.nodes[0].ask("POST", "a", "/:closeConnections") == 204, "a hub is closed")
    await asyncio.gather(*(client.closes() for client in crowds["a"]))
    check(not any(client.is_closed for client in crowds["b"]), "the other hub is not")
    await world.nodes[1].ask("POST", "b", "/:closeConnections")
    await asyncio.gather(*(client.closes() for client in crowds["b"]))
    return f"{len(sent)} messages, {len(everybody)} clients in two hubs"


async def odd_names(world: World) -> str:
    """Names that mean something to NATS are names like any other; `A.b` and `a.B` are one hub."""
    crowd = [Client(node, hub, name) for name in ODD for node, hub in zip(world.nodes, ("A.b", "a.B", "A.B"))]
    await open_all(crowd)
    for client in crowd:
        # Not by their tokens: heads are too short for two long names.
        joined = await client.asks(type="joinGroup", group=client.user)
        check(joined["success"], f"a client joins {client.user[:20]!r}: {joined}")
    sent = []
    for (at, name), kind in itertools.product(enumerate(ODD), ("users", "groups")):
        asked = world.nodes[at % len(world.nodes)]
        hub, quoted = ("a.b", "A.B", "A.b")[at % 3], urllib.parse.quote(name, safe="")
        text = f"to {kind} {at}"
        status = await asked.send(hub, f"/{kind}/{quoted}", text)
        check(status == 202, f"{name[:20]!r} is sent to: {status}")
        sent.append((text, [client for client in crowd if client.user == name]))
        status = await asked.ask("HEAD", hub, f"/{kind}/{quoted}")
        check(status == 200, f"{name[:20]!r} is there: {status}")
    for client in crowd[::3]:
        text = f"published by {client.identity}"
        await client.publish(client.user, text)
        sent.append((text, [it for it in crowd if it.user == client.user]))
    await fence(world, "A.b", crowd)
    for text, expected in sent:
        await only(expected, crowd, text)
    await world.nodes[2].ask("POST", "A.B", "/:closeConnections")
    await asyncio.gather(*(client.closes() for client in crowd))
    return f"{len(ODD)} names, {len(sent)} messages"


async def two_clusters(rig: Rig) -> str:
    """Two clusters on one NATS: nothing crosses."""
    async with rig.world(nodes=2) as world:
        for number in (1, 2):
            node = world.node(f"stranger-{number}", more=['cluster-name = "rig-2"'])
            await node.begin()
        own, strangers = world.nodes[:2], world.nodes[2:]
        for node in world.nodes:
            await until_alone(world, node)
        crowd = await open_all([Client(node, "a", "ann", ["room"]) for node in world.nodes])
        sent = []
        for node, to in itertools.product(world.nodes, ["", "/groups/room", "/users/ann"]):
            text = f"{node.name} {to}"
            check(await node.send("a", to, text) == 202, "a message is taken")
            family = own if node in own else strangers
            sent.append((text, [client for client in crowd if client.node in family]))
        for node, client in itertools.product(own, crowd[2:]):
            status = await node.ask("HEAD", "a", f"/connections/{client.identity}")
            check(status == 404, f"a connection of another cluster is answered {status}")
        for family in (own, strangers):
            for node in family:
                text = f"fence of {node.name}"
                await node.send("a", "", text)
                for client in (client for client in crowd if client.node in family):
                    await client.hears(text)
        for text, expected in sent:
            await only(expected, crowd, text)
        for node in world.nodes:
            garbage = await node.count("garbage_total")
            check(garbage == 0, f"{node.name} has heard garbage: {garbage}")
        return f"{len(sent)} messages, 2 clusters of 2"


async def until_alone(world: World, node) -> None:
    await until(node.is_ready, f"{node.name} is ready")
    await until(lambda: world.knows(node, 2), f"{node.name} knows its own cluster only")
