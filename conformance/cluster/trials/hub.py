"""One hub over several nodes: REST on any of them, and who hears what is sent from where."""

import asyncio
import itertools
import json
import urllib.parse

from clients import JSON, RELIABLE, SIMPLE, Client, only, open_all
from node import Node
from world import World, check, fence, until

HUB = "a"


async def codes(world: World) -> str:
    """Each REST call, on each node and about clients of each node, is answered as on one gateway alone."""
    async with world.rig.world(nodes=1, is_cluster=False) as alone:
        expected = await _answers(alone.nodes[0], alone.nodes[0], "alone")
    for asked, host in itertools.product(world.nodes, world.nodes):
        found = await _answers(asked, host, f"{asked.name}-{host.name}")
        wrong = [f"{what}: {code}, alone {expected[what]}" for what, code in found.items() if code != expected[what]]
        check(not wrong, f"{asked.name} about clients of {host.name}: {wrong}")
    return f"{len(expected)} calls on each of {len(world.nodes)} nodes about clients of each"


async def _answers(asked: Node, host: Node, tag: str) -> dict[str, int | str]:
    """What a node answers to each call that can be made about a client of another."""
    user, group, found = f"u-{tag}", f"g-{tag}", {}
    one = await Client(host, HUB, user).open()
    other = await Client(host, HUB, f"other-{tag}").open()
    own, nobody = one.identity, "0" * 31 + "1"
    # An id of this node, of a connection that is not there.
    gone = own[:4] + "0" * 12 + own[16:]

    async def call(method: str, path: str, query=(), body: bytes = b"", kind: str = "application/json") -> None:
        named = f"{len(found)} {method} {path[:200]} {query}"
        for name, stands_for in ((own, "C"), (gone, "GONE"), (nobody, "NOBODY"), (tag, "TAG")):
            named = named.replace(name, stands_for)
        found[named] = await asked.ask(method, HUB, path, query, body, kind)

    for path in (f"/connections/{own}", f"/users/{user}", f"/groups/{group}"):
        await call("HEAD", path)
    for path in (f"/connections/{gone}", f"/connections/{nobody}", "/connections/none", f"/users/not-{tag}"):
        await call("HEAD", path)
    for name in (user, f"not-{tag}"):
        await call("PUT", f"/users/{name}/groups/{group}")
        await call("HEAD", f"/users/{name}/groups/{group}")
    await call("HEAD", f"/groups/{group}")
    await call("DELETE", f"/users/{user}/groups/{group}")
    await call("HEAD", f"/groups/{group}")
    await call("DELETE", f"/users/not-{tag}/groups/{group}")
    for identity in (own, gone, nobody, "none"):
        await call("PUT", f"/groups/{group}/connections/{identity}")
        await call("DELETE", f"/groups/{group}/connections/{identity}")
        for action in ("joinLeaveGroup", "sendToGroup", "nothing"):
            for query in ((), (("targetName", group),)):
                for method in ("HEAD", "PUT", "HEAD", "DELETE", "HEAD"):
                    await call(method, f"/permissions/{action}/connections/{identity}", query)
        await call("DELETE", f"/connections/{identity}/groups")
    body = f'{{"groups": ["{group}", "x-{tag}"], "filter": "userId eq \'{user}\'"}}'.encode()
    await call("POST", "/:addToGroups", (), body)
    await call("HEAD", f"/groups/x-{tag}")
    await call("GET", f"/groups/{group}/connections")
    found["members"] = await _members(asked, group, {one.identity: "C"})
    await call("POST", "/:removeFromGroups", (), body)
    await call("HEAD", f"/groups/x-{tag}")
    await call("POST", "/:addToGroups", (), b'{"groups": []}')
    for to in ("", f"/groups/{group}", f"/users/{user}", f"/connections/{own}", f"/connections/{gone}"):
        await call("POST", f"{to}/:send", (), b"hello", "text/plain")
        await call("POST", f"{to}/:send", (), b"{", "nothing/known")
        await call("POST", f"{to}/:send", (("filter", "userId ne"),), b"hello", "text/plain")
    await call("POST", f"/users/{'u' * 1025}/:send", (), b"hello", "text/plain")
    await call("POST", "/:generateToken", (("userId", user),))
    await call("DELETE", f"/connections/{own}", (("reason", "enough"),))
    found["code"] = await one.closes()
    await call("POST", f"/users/other-{tag}/:closeConnections", (("reason", "enough"),))
    found["code of users"] = await other.closes()
    await until(lambda: _status_is(asked, f"/users/{user}", 404), "whoever was closed is nobody")
    await call("HEAD", f"/connections/{own}")
    return found


async def _status_is(node: Node, path: str, status: int) -> bool:
    return await node.ask("HEAD", HUB, path) == status


async def _members(node: Node, group: str, names: dict[str, str]) -> str:
    _, body = await node.rest.ask("", "GET", HUB, f"/groups/{group}/connections")
    return str(sorted(names.get(it["connectionId"], it["connectionId"]) for it in json.loads(body)["value"]))


async def everybody_of(world: World) -> list[Client]:
    """On each node: two of a user of its own, one of a user on all, one without user, one simple; all in a group."""
    made = []
    for node in world.nodes:
        made += [Client(node, HUB, f"own-{node.name}", ["all"]) for _ in range(2)]
        made += [Client(node, HUB, "on-all", ["all", "some"]), Client(node, HUB, None, ["all"])]
        made += [Client(node, HUB, f"simple-{node.name}", ["all", "some"], kind=SIMPLE)]
    return await open_all(made)


async def everybody(world: World) -> str:
    """What is sent to all, a group, a user, a connection, from each node, each member hears once and nobody else;
    `excluded`, `filter` and no-echo hold on other nodes too."""
    crowd = await everybody_of(world)
    speakers = [it for it in crowd if it.kind == JSON]
    numbers, sent = itertools.count(1), []

    async def send(node: Node, to: str, expected: list[Client], query=()) -> None:
        text = f"message {next(numbers)} {to} {query}"
        check(await node.send(HUB, to, text, query) == 202, f"{node.name} takes {text!r}")
        sent.append((text, expected))

    for node in world.nodes:
        await send(node, "", crowd)
        await send(node, "/groups/all", crowd)
        await send(node, "/groups/some", [it for it in crowd if "some" in it.groups])
        await send(node, "/groups/nobody", [])
        for user in {it.user for it in crowd if it.user}:
            await send(node, f"/users/{user}", [it for it in crowd if it.user == user])
        for one in speakers:
            await send(node, f"/connections/{one.identity}", [one])
        left = speakers[::2]
        query = [("excluded", it.identity) for it in left]
        await send(node, "", [it for it in crowd if it not in left], query)
        await send(node, "/groups/some", [it for it in crowd if "some" in it.groups and it not in left], query)
        chosen = [("filter", "userId eq 'on-all' or startswith(userId, 'simple')")]
        await send(node, "", [it for it in crowd if (it.user or "").startswith(("on-all", "simple"))], chosen)
        await send(node, "/users/on-all", [], [("filter", "'nowhere' in groups")])
    for speaker in speakers:
        for no_echo in (False, True):
            text = f"message {next(numbers)} of a client"
            await speaker.publish("some", text, no_echo)
            members = [it for it in crowd if "some" in it.groups and not (no_echo and it is speaker)]
            sent.append((text, members))
    await fence(world, HUB, crowd)
    for text, expected in sent:
        await only(expected, crowd, text)
    await _leave(world, crowd)
    return f"{len(sent)} messages, {len(crowd)} clients"


async def lists(world: World) -> str:
    """The members of a group on all nodes, in pages, asked on each node: each once, whatever a page's size."""
    crowd = await open_all([Client(node, HUB, f"of-{node.name}", ["listed"]) for node in world.nodes for _ in range(7)])
    expected, pages = sorted(client.identity for client in crowd), 0
    for node, size in itertools.product(world.nodes, (1, 4, 7, 200)):
        found, path, query = [], "/groups/listed/connections", [("maxpagesize", str(size))]
        while path:
            status, body = await node.rest.ask("", "GET", HUB, path, query)
            check(status == 200, f"a page is answered {status}")
            page = json.loads(body)
            check(len(page["value"]) <= size, f"a page of {size} has {len(page['value'])} members")
            found += [member["connectionId"] for member in page["value"]]
            link = urllib.parse.urlsplit(page.get("nextLink") or "")
            path = urllib.parse.unquote(link.path).removeprefix(f"/api/hubs/{HUB}")
            query, pages = urllib.parse.parse_qsl(link.query), pages + 1
            check(pages < 500, "a list ends")
        check(sorted(found) == expected, f"{node.name}, pages of {size}: {len(found)} members of {len(expected)}")
        for member in page["value"]:
            check(member["userId"].startswith("of-"), f"a member is {member}")
    for client in crowd:
        client.leave()
    return f"{len(crowd)} members, {pages} pages"


async def recovery(world: World) -> str:
    """A reliable client that has lost its socket comes back to its node, and has missed nothing of what others sent; on
    another node it is refused with 1008."""
    first, second, third = world.nodes
    one = await Client(first, HUB, "reliable", ["kept"], RELIABLE).open()
    one.socket.cut(by_reset=True)
    await one.closes()
    sent = [f"while it was away, {node.name}" for node in world.nodes]
    for node, text in zip(world.nodes, sent):
        check(await node.send(HUB, "/groups/kept", text) == 202, "a message is taken")
    back = {"awps_connection_id": one.identity, "awps_reconnection_token": one.token}
    for other in (second, third):
        stray = await Client(other, HUB, kind=RELIABLE).open(**back)
        code = await stray.closes()
        check(code == 1008, f"on another node it is closed with {code}")
        check(await other.ask("HEAD", HUB, f"/connections/{one.identity}") == 200, "it is still there")
    again = await Client(first, HUB, kind=RELIABLE).open(**back)
    for text in sent:
        await again.hears(text)
    check(again.heard == sorted(again.heard, key=sent.index), f"each once: {again.heard}")
    check(again.identity == one.identity, "it is the same connection")
    again.socket.close(1000)
    await again.closes()
    return "back on its node, refused on the others"


async def _leave(world: World, crowd: list[Client]) -> None:
    """By a close of all, from one node: it reaches all others."""
    check(await world.nodes[0].ask("POST", HUB, "/groups/all/:closeConnections") == 204, "a group is closed")
    await asyncio.gather(*(client.closes() for client in crowd))
