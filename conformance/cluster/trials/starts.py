"""Starts: without a bus, with wrong credentials, beside a node of another release."""

import asyncio

import talk
from clients import Client, check, open_all, until
from node import Node
from world import CLUSTER, Rig, World

SERVED = {"away": "serve", "status": 202}
REFUSED = {"away": "refuse", "status": 503}
PASSWORD = "not-to-be-seen-in-any-log"
ALL, SOME = f"hf1.{CLUSTER}.>", f"hf1.{CLUSTER}.c"
# What each may publish and subscribe to.
MAY = {"node": (ALL, ALL), "deaf": (ALL, SOME), "dumb": ("other", ALL)}
USERS = [
    f'{{ user: {user}, password: "{PASSWORD}", permissions: {{ publish: ["{says}"], subscribe: ["{hears}"] }} }}'
    for user, (says, hears) in MAY.items()
]


async def without_bus(rig: Rig) -> str:
    """No NATS at the start: not ready, says why, serves its own or refuses, and becomes ready alone."""
    async with rig.world(nodes=0) as world:
        world.servers[0].end()
        nodes = [
            await world.node(how["away"], more=[f'cluster-away = "{how["away"]}"']).begin() for how in (SERVED, REFUSED)
        ]
        for node, how in zip(nodes, (SERVED, REFUSED)):
            check(not await node.is_ready(), "without a bus a node is not ready")
            port = str(world.servers[0].port)
            await until(lambda node=node: port in node.said(), "it says which server does not answer")
            client = await Client(node, "a", "ann").open()
            status = await node.send("a", "", "alone")
            check(status == how["status"], f"a message is answered {status} with {how['away']}")
            status = await node.ask("HEAD", "a", "/users/nobody")
            check(status == 503, f"whether somebody is elsewhere is answered {status}")
            check(await node.ask("HEAD", "a", "/users/ann") == 200, "whoever is here is found")
            await asyncio.sleep(0.2)
            check(client.heard == (["alone"] if how is SERVED else []), f"its own client has heard {client.heard}")
            client.leave()
        away = await nodes[0].count("unsent_total", reason="away")
        check(away >= 1, f"what was not sent is counted: {away}")
        world.servers[0].start()
        begun = asyncio.get_running_loop().time()
        await world.all_ready(30)
        took = asyncio.get_running_loop().time() - begun
        crowd = await open_all([Client(node, "a") for node in nodes])
        for node in nodes:
            check(await node.send("a", "", f"of {node.name}") == 202, "a message is taken")
            for client in crowd:
                await client.hears(f"of {node.name}")
        return f"ready {took:.1f} s after NATS has come"


async def refused(rig: Rig) -> str:
    """Wrong credentials, a subject that is denied: one clear line, not ready; with right ones the same is ready."""
    settings = {"authorization": f"{{ users: [ {', '.join(USERS)} ] }}"}
    async with rig.world(nodes=0, server_settings=settings) as world:
        logins = {"wrong": f"node:not-{PASSWORD}", "deaf": f"deaf:{PASSWORD}", "dumb": f"dumb:{PASSWORD}"}
        strays = [logged_in(world, name, login) for name, login in logins.items()]
        await asyncio.gather(*(node.begin() for node in strays))
        for node in strays:
            await until(lambda node=node: complaints(node), f"{node.name}: it says why it is not ready")
        # Time in which it may be said again.
        await asyncio.sleep(2.5)
        for node in strays:
            check(not await node.is_ready(), f"{node.name}: it is not ready")
            check(len(complaints(node)) == 1, f"{node.name}: one line: {complaints(node)}")
            check(PASSWORD not in node.said(), "no password is in the log")
        said = [complaints(node)[0] for node in strays]
        for node in strays:
            node.kill()
        right = [logged_in(world, f"right-{at}", f"node:{PASSWORD}") for at in range(2)]
        await asyncio.gather(*(node.begin() for node in right))
        await world.all_ready()
        return "; ".join(line[-90:] for line in said)


def logged_in(world: World, name: str, login: str) -> Node:
    """A node that shows this to NATS."""
    file = world.folder / f"{name}.login"
    file.write_text(login + "\n")
    file.chmod(0o600)
    return world.node(name, more=[f'cluster-credentials = "{file}"'])


def complaints(node) -> list[str]:
    lines = node.said().splitlines()
    return [line for line in lines if any(word in line.lower() for word in ("credentials", "denies"))]


async def releases(rig: Rig) -> str:
    """A node of another release (--other) in the cluster, both ways: what is said is heard."""
    if rig.other is None:
        return "LEFT OUT: --other names no gateway of another release"
    async with rig.world(nodes=2) as world:
        other = world.node("other", binary=rig.other)
        await other.begin()
        await world.all_ready()
        audiences = await asyncio.gather(*(talk.Audience(node, 12).open() for node in world.nodes))
        publishers = [talk.Publisher(node) for node in world.nodes]
        for _ in range(50):
            await asyncio.gather(*(publisher.once() for publisher in publishers))
        await talk.settle(audiences, publishers)
        talk.check_right(audiences)
        check(sum(audience.lost() for audience in audiences) == 0, "nothing is missing")
        for node, host in ((world.nodes[0], other), (other, world.nodes[0])):
            client = await Client(host, "a", "elsewhere").open()
            check(await node.ask("HEAD", "a", "/users/elsewhere") == 200, "a user elsewhere is found")
            check(await node.ask("PUT", "a", "/users/elsewhere/groups/new") == 200, "and put into a group")
            check(await node.ask("HEAD", "a", "/users/nobody-at-all") == 404, "nobody is nobody")
            client.leave()
        return "both ways"
