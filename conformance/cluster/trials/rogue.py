"""What is said on the bus by somebody who is no node, or by a node of another release, or by one that says nothing."""

import asyncio
import random
import struct

import envelope
from clients import JSON, SIMPLE, Client, check, open_all, until
from envelope import ALL, CONNECTION, GROUP, USER
from shared import rest
from stranger import Stranger
from world import CLUSTER, World, fence

HUB = "a"
MIB = 1 << 20
# Asks under way.
ASKING = 1500


async def garbage(world: World) -> str:
    """Garbage, cut and huge envelopes, and right ones by a wrong way, published by hand: counted, without effect."""
    crowd = await open_all(
        [Client(node, HUB, "ann", ["room"], kind) for node in world.nodes for kind in (JSON, SIMPLE)]
    )
    async with Stranger.at(world.servers[0].port, CLUSTER, HUB) as stranger:
        # What is said right is heard: so the others are refused for what is wrong with them.
        for kind, name in ((ALL, ""), (USER, "ann"), (GROUP, "room")):
            stranger.publish(HUB, kind, name, f"by hand {kind}".encode())
            for client in crowd:
                await client.hears(f"by hand {kind}")
        told = [len(client.heard) for client in crowd]
        wrong = list(_wrong(stranger, crowd[0].identity))
        before = [await refused(node) for node in world.nodes]
        for subject, message in wrong:
            stranger.bus.publish(subject, message)
        await stranger.bus.flush()
        for node, had in zip(world.nodes, before):

            async def has_counted(node=node, had=had) -> bool:
                return await refused(node) - had >= len(wrong)

            await until(has_counted, f"{node.name} has counted {len(wrong)} wrong messages")
        heard = [client.heard[had:] for client, had in zip(crowd, told) if len(client.heard) > had]
        check(not heard, f"wrong messages were heard: {str(heard)[:500]}")
        check(not any(client.is_closed for client in crowd), "nobody was closed by them")
    await fence(world, HUB, crowd)
    for client in crowd:
        client.leave()
    await world.all_ready()
    return f"{len(wrong)} messages"


async def refused(node) -> int:
    """What a node has not taken, for whatever reason."""
    shown = await node.metrics()
    names = ("garbage_total", "unknown_total", "late_total", "dropped_total")
    return sum(shown.sum(f"holdfast_cluster_{name}") for name in names)


def _wrong(stranger: Stranger, identity: str):
    """Subjects and messages. What is cut or changed would be heard by all if it was taken."""
    chance, node = random.Random(19), stranger.node
    to_all = envelope.subject(CLUSTER, HUB, ALL)
    number = 1 << 32
    good = envelope.publication(node, number, HUB, (GROUP, b"room"), b"never", fields=((200, b"later"),))
    to_room = envelope.subject(CLUSTER, HUB, GROUP, "room")
    whole = len(good) - len(b"never")
    for end in [*range(0, whole, 3), whole - 1]:
        yield to_room, good[:end]
    for _ in range(200):
        yield to_room, chance.randbytes(chance.choice([1, 47, 48, 49, 200, 5000]))
    yield to_all, bytes(MIB)
    yield to_all, b"\xff" * (MIB + 60_000)
    yield to_all, bytes([envelope.MAGIC]) * MIB

    def changed(at: int, value: bytes) -> bytes:
        return good[:at] + value + good[at + len(value) :]

    # Target's kind, kind of the data, lengths that lie, a node of more than 48 bits, no operation.
    for at, value in [(32, b"\x09"), (33, b"\x00"), (33, b"\x2a"), (34, b"\xff"), (15, b"\x01"), (2, b"\x00")]:
        yield to_room, changed(at, value)
    for at in (36, 38, 40, 42):
        yield to_room, changed(at, b"\xff\xff")
    for length in (1, 1 << 20, (1 << 32) - 1):
        yield to_room, changed(44, struct.pack("<I", length))
    # Names that are no text, and longer than names are.
    yield to_room, envelope.publication(node, number, HUB, (GROUP, b"\xff\xfe"), b"never")
    yield to_all, envelope.publication(node, number, HUB, (GROUP, b"g" * 5000), b"never")
    # Right ones by a way that is not theirs.
    right = envelope.publication(node, number, HUB, (ALL, b""), b"never")
    for subject in (to_room, f"hf1.{CLUSTER}.c", envelope.subject(CLUSTER, "b", ALL)):
        yield subject, right
    yield to_all, good
    yield to_all, envelope.publication(node, number, "b", (ALL, b""), b"never")
    yield to_all, envelope.publication(node, number, "nowhere", (ALL, b""), b"never")
    name = int(identity, 16).to_bytes(16, "little")
    yield to_all, envelope.publication(node, number, HUB, (CONNECTION, name), b"never")
    # Content that is not what it is said to be; a filter that is none.
    for at, (kind, payload) in enumerate([(1, b"\xff"), (2, b"{"), (2, b"\xff"), (9, b"never")]):
        yield to_all, envelope.publication(node, 1000 + at, HUB, (ALL, b""), payload, kind=kind)
    yield to_all, envelope.publication(node, 2000, HUB, (ALL, b""), b"never", chosen="userId ne")
    # A heartbeat and an answer where only content belongs.
    yield to_all, envelope.heartbeat(node, number, 1, 0)
    yield to_all, envelope.answer(node, 1, 1)


async def later_release(world: World) -> str:
    """A node of a later release: what is new is counted, and what it asks is answered; what it does not know is 503."""
    crowd = await open_all([Client(node, HUB, "ann", ["room"]) for node in world.nodes])
    unsupported = ((envelope.REFUSAL, struct.pack("<Q", envelope.UNSUPPORTED)),)

    def answers(own: Stranger, head: envelope.Head) -> bytes:
        return envelope.written(envelope.ANSWER, own.node, 0, question=head.question, fields=unsupported)

    async with Stranger.at(world.servers[0].port, CLUSTER, HUB, answers) as stranger:
        for node in world.nodes:
            await until(lambda node=node: world.knows(node, len(world.nodes) + 1), f"{node.name} knows the stranger")
        # A field that nobody knows is skipped.
        stranger.publish(HUB, GROUP, "room", b"with a new field", fields=((200, b"new"), (201, b"")))
        for client in crowd:
            await client.hears("with a new field")
        subject = envelope.subject(CLUSTER, HUB, ALL)
        for question, more in ((7, {"version": 2}), (8, {"operation": 99})):
            wanted = {"operation": envelope.EXISTS, "target": (ALL, b""), "question": question, "hub": HUB} | more
            stranger.bus.publish(subject, envelope.written(node=stranger.node, number=question, **wanted))
            for _ in world.nodes:
                head = await asyncio.wait_for(stranger.told.get(), 20)
                said = (head.operation, head.question, head.counted(envelope.REFUSAL))
                check(said == (envelope.ANSWER, question, envelope.UNSUPPORTED), f"the answer is {said}")
        for node in world.nodes:
            status = await node.ask("HEAD", HUB, "/users/nobody")
            check(status == 503, f"what a node does not know is answered {status}")
            check(await node.ask("HEAD", HUB, "/users/ann") == 200, "whoever is here is found at once")
            check(await node.count("unknown_total") >= 2, "what is new is counted")
    await world.all_ready()
    for node in world.nodes:
        check(await node.ask("HEAD", HUB, "/users/nobody") == 404, "without it nobody is nobody")
    for client in crowd:
        client.leave()
    return f"{len(world.nodes)} nodes and one of a later release"


async def silent(world: World) -> str:
    """A node that answers nothing: 503 after a second, never a false 404, and memory stays flat; 1,000 asks, 100,000
    with --all."""
    times, node = (100_000 if world.rig.is_long else 1000), world.nodes[0]
    asking = rest.Rest(node.port, node.key, ASKING)
    asking.host = node.rest.host
    count, statuses = 0, set()

    async def ask(until_count: int) -> None:
        nonlocal count
        while count < until_count:
            count += 1
            status, _ = await asking.ask("exists", "HEAD", HUB, f"/users/nobody-{count}")
            statuses.add(status)

    async def all_ask(until_count: int) -> None:
        await asyncio.gather(*(ask(until_count) for _ in range(ASKING)))

    async with Stranger.at(world.servers[0].port, CLUSTER, HUB) as stranger:
        await until(lambda: world.knows(node, len(world.nodes) + 1), "the stranger is known")
        # What is taken once is taken with these.
        await all_ask(times // 5)
        before = node.resident()
        await all_ask(times)
        grown = (node.resident() - before) / MIB
        check(statuses == {503}, f"answers are {statuses}")
        check(stranger.asked >= times, f"{stranger.asked} questions came to the one that is silent")
        unanswered = await node.count("unanswered_total")
        check(unanswered >= times, f"{unanswered} are counted")
        check(grown < 8, f"memory grew by {grown:.1f} MiB")
    asking.close()
    await world.all_ready()
    check(await node.ask("HEAD", HUB, "/users/nobody") == 404, "without it nobody is nobody")
    return f"{times} asks, memory grew by {grown:.1f} MiB"
