"""Moments in which nothing is under way in the exact hub: its tables are what the book has, and some leave."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request

import book
import clients
from world import EXACT, GROUPS, World

SECONDS = 120
EVERY = 5


class Doorkeeper:
    """Looks into the hub by the admin server, and lets clients out."""

    def __init__(self, world: World, admin: str, token: str):
        self.world, self.book, self.admin, self.token = world, world.book, admin, token
        self.looks = 0

    async def run(self) -> None:
        """Until nobody is there any more."""
        deadline = asyncio.get_running_loop().time() + EVERY
        while not self.world.is_ending or any(it.hub == EXACT for it in self.world.alive.values()):
            await asyncio.sleep(0.2)
            if self.world.is_ending or asyncio.get_running_loop().time() > deadline:
                async with self.world.gates[EXACT].quiet():
                    await self.look()
                    await self.let_out()
                deadline = asyncio.get_running_loop().time() + EVERY

    async def shown(self, path: str):
        """What the admin server shows; none where that is not there."""
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"http://{self.admin}{path}", headers=headers)

        def ask():
            try:
                with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                raise

        return await asyncio.to_thread(ask)

    async def look(self) -> None:
        """Members of some groups, by REST and by the admin server, and connections of a user."""
        self.looks += 1
        number = self.looks
        group = GROUPS[number % len(GROUPS)]
        await self.compare(("group", group), self.members_by_rest(group))
        await self.compare(("group", group), self.ids_of(f"/hubs/{EXACT}/groups/{group}"))
        users = self.world.users(EXACT)
        user = users[number % len(users)]
        await self.compare(("user", user), self.ids_of(f"/hubs/{EXACT}/users/{user}"))

    async def compare(self, audience: tuple, ask) -> None:
        moment = book.Publication(0, None, EXACT, audience, None, frozenset(), self.book.now())
        shown = await ask
        moment.taken = self.book.now()
        for client in self.world.alive.values():
            if client.hub == EXACT and client.connection and client.identity:
                meant = self.book.meant(client.connection, moment)
                if meant != book.MAYBE and (client.identity in shown) != (meant == book.YES):
                    self.book.wrong(f"{client.number}: {audience} shows it {'not ' if meant else ''}there")
                shown.discard(client.identity)
        if shown:
            self.book.wrong(f"{audience} has {len(shown)} connections that are not there")

    async def members_by_rest(self, group: str) -> set[str]:
        status, answer = await self.world.rest.ask("list", "GET", EXACT, f"/groups/{group}/connections")
        page = json.loads(answer)
        members = {member["connectionId"] for member in page["value"]}
        while status == 200 and "nextLink" in page:
            path, _, query = page["nextLink"].partition(f"/api/hubs/{EXACT}")[2].partition("?")
            pairs = urllib.parse.parse_qsl(query)
            status, answer = await self.world.rest.ask("list", "GET", EXACT, path, pairs)
            page = json.loads(answer)
            members |= {member["connectionId"] for member in page["value"]}
        return members

    async def ids_of(self, path: str) -> set[str]:
        found, path = set(), f"{path}?limit=1000"
        while path:
            page = await self.shown(path) or {"connections": []}
            found |= {it["id"] if isinstance(it, dict) else it for it in page["connections"]}
            path = page.get("next")
        return found

    async def let_out(self) -> None:
        """Those who want to leave do, when they have heard everything."""
        leavers, self.world.leavers = self.world.leavers, []
        await asyncio.gather(*(self.let_one_out(client, way) for client, way in leavers))

    async def let_one_out(self, client: clients.Client, way: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SECONDS
        while (missing := self.book.missing(client.connection)) and loop.time() < deadline:
            await asyncio.sleep(0.1)
        if missing:
            client.wrong(f"has not heard {[message.number for message in missing[:5]]}")
        # What may be for it and need not be has come by now, too, and so have answers of the service.
        await asyncio.sleep(0.7)
        if way == "rest":
            client.ends |= {("application", "1000")}
            self.book.leaving(client.connection)
            client.acknowledge()
            path = f"/connections/{client.identity}"
            status, _ = await self.world.rest.ask("close", "DELETE", EXACT, path, [("reason", "enough")])
            if status != 204:
                client.wrong(f"DELETE of its connection is answered {status}")
            await asyncio.wait_for(asyncio.shield(client.is_over), SECONDS)
        else:
            client.ends |= {("peer", "1000")}
            await client.leave()
