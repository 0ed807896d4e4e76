"""The longest message, and servers that do not take it."""

from clients import Client, check, open_all, until
from world import Rig

LONGEST = 1 << 20


async def largest(rig: Rig) -> str:
    """The longest message passes; a server whose `max_payload` is too small is told of in one sentence, at the start
    and when it comes later."""
    async with rig.world(servers=1) as world:
        crowd = await open_all([Client(node, "a", "ann", ["room"]) for node in world.nodes])
        for at, node in enumerate(world.nodes):
            text = f"{at}".ljust(LONGEST, "x")
            for to in ("", "/groups/room", "/users/ann"):
                # The JSON form of a message that long is longer than an outbox takes only where it must be escaped.
                check(await node.send("a", to, text) == 202, "the longest message is taken")
            for client in crowd:
                await until(lambda client=client: client.heard.count(text) == 3, "it is heard")
            status = await node.send("a", "", text + "x")
            check(status == 413, f"a longer one is answered {status}")
        server, said = world.servers[0], [len(about(node)) for node in world.nodes]
        late = world.node("late")
        server.end()
        server.settings["max_payload"] = str(LONGEST)
        server.start()
        for node, had in zip(world.nodes, said):
            await until(lambda node=node, had=had: len(about(node)) > had, f"{node.name} says so", 30)
        await late.begin()
        await until(lambda: about(late), "at its start a node says so")
        check(not await late.is_ready(), "it is not ready")
        check(len(about(late)) == 1, f"it says so once: {about(late)}")
        sentence = about(late)[0]
        server.end()
        server.settings["max_payload"] = str(LONGEST + (64 << 10))
        server.start()
        await world.all_ready(60)
        for client in crowd:
            client.heard.clear()
        check(await late.send("a", "", "after all") == 202, "a message is taken")
        for client in crowd:
            await client.hears("after all")
        return f"3 x 3 messages of {LONGEST} bytes; {sentence[-120:]!r}"


def about(node) -> list[str]:
    return [line for line in node.said().splitlines() if "set its max_payload" in line]
