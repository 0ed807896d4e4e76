"""What services ask for over REST: sends, with filters and without; groups; whether somebody is there; closes."""

import asyncio
import json
import random

import book
import clients
from world import EXACT, GROUPS, ROUGH, World


class Acts:
    """One after the other, of a seed of its own."""

    def __init__(self, world: World, number: int):
        self.world, self.book, self.rest = world, world.book, world.rest
        self.chance = random.Random(f"{world.args.seed}/rest/{number}")

    async def run(self) -> None:
        acts = [(self.send, 60), (self.change_groups, 25), (self.exists, 10), (self.close, 2)]
        while not self.world.is_ending:
            act = self.chance.choices([act for act, _ in acts], [weight for _, weight in acts])[0]
            hub = self.chance.choice([EXACT, ROUGH])
            async with self.world.gates[hub].busy():
                await act(hub)
            await asyncio.sleep(self.chance.expovariate(1 / self.world.args.rest_every))

    def expect(self, what: str, status: int, *expected: int) -> bool:
        if status not in expected:
            self.book.wrong(f"REST: {what} is answered {status}")
        return status in expected

    # Sends

    def a_filter(self, hub: str) -> book.Filter:
        users, chance = self.world.users(hub), self.chance
        simple = [
            lambda: book.is_user(chance.choice(users)),
            lambda: book.is_user(*chance.sample(users, 3)),
            lambda: book.begins_with(f"{hub[0]}{chance.randint(1, 9)}"),
            lambda: book.is_in(chance.choice(GROUPS)),
            lambda: book.other_than(book.is_in(chance.choice(GROUPS))),
        ]
        one = chance.choice(simple)()
        if chance.random() < 0.4:
            return chance.choice([book.both, book.either])(one, chance.choice(simple)())
        return one

    async def send(self, hub: str) -> None:
        chance, there = self.chance, self.world.open_ones(hub)
        kind = chance.choices(["all", "group", "user", "connection"], [6, 50, 25, 19])[0]
        if kind == "connection" and not there:
            return
        one = chance.choice(there) if there else None
        name, path = {
            "all": lambda: (None, ""),
            "group": lambda: self.named("groups", chance.choice(GROUPS)),
            "user": lambda: self.named("users", chance.choice(self.world.users(hub))),
            "connection": lambda: (one.number, f"/connections/{one.identity}"),
        }[kind]()
        query, left_out, chosen = [], frozenset(), None
        if kind in ("all", "group") and chance.random() < 0.2:
            some = chance.sample(there, min(3, len(there)))
            left_out, query = {it.number for it in some}, [("excluded", it.identity) for it in some]
        if kind != "connection" and chance.random() < 0.3:
            chosen = self.a_filter(hub)
            query.append(("filter", chosen.text))
        message = self.book.publish(None, hub, (kind, name), chosen, left_out)
        body = json.dumps({"p": message.number, "x": "x" * chance.choice([0, 50, 500])}).encode()
        as_kind = chance.choice(["application/json", "text/plain"])
        status, _ = await self.rest.ask("send", "POST", hub, f"{path}/:send", query, body, as_kind)
        if self.expect(f"a send to {kind} {chosen and chosen.text}", status, 202):
            self.book.taken(message)

    @staticmethod
    def named(kind: str, name: str) -> tuple[str, str]:
        return name, f"/{kind}/{name}"

    # Groups

    async def change_groups(self, hub: str) -> None:
        act = self.chance.choice([self.one_connection, self.one_user, self.some_users])
        await act(hub, self.chance.choice(GROUPS), self.chance.random() < 0.6)

    async def one_connection(self, hub: str, group: str, is_join: bool) -> None:
        there = [it for it in self.world.open_ones(hub) if it.user]
        if not there:
            return
        one = self.chance.choice(there)
        path = f"/groups/{group}/connections/{one.identity}"
        async with self.world.lock(one.user):
            if is_join:
                await self.join([one], group, "join", "PUT", hub, path)
            elif self.chance.random() < 0.2:
                await self.leave([one], None, "leave", hub, f"/connections/{one.identity}/groups")
            else:
                await self.leave([one], group, "leave", hub, path)

    async def one_user(self, hub: str, group: str, is_join: bool) -> None:
        user = self.chance.choice(self.world.users(hub))
        async with self.world.lock(user):
            there = self.of_users(hub, [user])
            if is_join:
                await self.join(there, group, "join", "PUT", hub, f"/users/{user}/groups/{group}")
            elif self.chance.random() < 0.2:
                await self.leave(there, None, "leave", hub, f"/users/{user}/groups")
            else:
                await self.leave(there, group, "leave", hub, f"/users/{user}/groups/{group}")

    async def some_users(self, hub: str, group: str, is_join: bool) -> None:
        users = self.chance.sample(self.world.users(hub), 2)
        body = json.dumps({"groups": [group], "filter": book.is_user(*users).text}).encode()
        async with self.world.locked(users):
            there = self.of_users(hub, users)
            if is_join:
                await self.join(there, group, "change-groups", "POST", hub, "/:addToGroups", body)
            else:
                path = "/:removeFromGroups"
                await self.leave(there, group, "change-groups", hub, path, "POST", body, 200)

    def of_users(self, hub: str, users: list[str]) -> list[clients.Client]:
        """All who may have a connection, those included that are about to lose it."""
        return [it for it in self.world.alive.values() if it.hub == hub and it.user in users and it.connection]

    async def join(self, there, group, call, method, hub, path, body=b"") -> None:
        spans = [(it, self.book.join(it.connection, group)) for it in there]
        status, _ = await self.rest.ask(call, method, hub, path, body=body)
        are_sure = [span for it, span in spans if it.connection.here.sure < span.asked]
        # 404 is right where nobody was there, or may have gone.
        stay = any(it.connection.here.sure < span.asked and it.connection.here.ending == book.INF for it, span in spans)
        self.expect(f"{method} {path} of {len(there)}", status, 200, *([] if stay or call != "join" else [404]))
        if status == 200:
            for span in are_sure:
                self.book.joined(span)

    async def leave(self, there, group, call, hub, path, method="DELETE", body=b"", expected=204) -> None:
        groups = [(it, name) for it in there for name in ([group] if group else list(it.connection.groups))]
        left = [self.book.leave(it.connection, name) for it, name in groups]
        status, _ = await self.rest.ask(call, method, hub, path, body=body)
        if self.expect(f"{method} {path}", status, expected):
            for spans in left:
                self.book.left(spans)

    # Whether somebody is there

    async def exists(self, hub: str) -> None:
        there = [it for it in self.world.alive.values() if it.hub == hub and it.identity]
        if not there:
            return
        one, kind = self.chance.choice(there), self.chance.choice(["connection", "group"])
        group = self.chance.choice(GROUPS)
        path = f"/connections/{one.identity}" if kind == "connection" else f"/groups/{group}"
        # What holds for a message of that moment holds for the answer.
        audience = ("connection", one.number) if kind == "connection" else ("group", group)
        moment = book.Publication(0, None, hub, audience, None, frozenset(), self.book.now())
        before = list(self.book.connections.values())
        status, _ = await self.rest.ask("exists", "HEAD", hub, path)
        moment.taken = self.book.now()
        everybody = {id(it): it for it in [*before, *self.book.connections.values()]}.values()
        found = max((self.book.meant(it, moment) for it in everybody), default=book.NO)
        self.expect(f"HEAD {path}", status, *{book.YES: [200], book.NO: [404], book.MAYBE: [200, 404]}[found])

    # Closes

    async def close(self, hub: str) -> None:
        """In the hub where that may be at any time."""
        there = [it for it in self.world.open_ones(ROUGH) if it.user]
        if not there:
            return
        one = self.chance.choice(there)
        if self.chance.random() < 0.5:
            self.ends([one])
            await self.closed("DELETE", f"/connections/{one.identity}", [])
        elif self.chance.random() < 0.5:
            async with self.world.lock(one.user):
                of_user = self.of_users(ROUGH, [one.user])
                spared, doomed = of_user[:1], of_user[1:]
                self.ends(doomed)
                excluded = [("excluded", it.identity) for it in spared]
                await self.closed("POST", f"/users/{one.user}/:closeConnections", excluded)
        else:
            await self.close_a_group(self.chance.sample(there, min(3, len(there))))

    async def close_a_group(self, some: list[clients.Client]) -> None:
        """Of a group that was made for it all but one are closed."""
        group = f"doomed-{self.book.now()}"
        async with self.world.locked(it.user for it in some):
            for it in some:
                path = f"/groups/{group}/connections/{it.identity}"
                await self.join([it], group, "join", "PUT", ROUGH, path)
            self.ends(some[1:])
            excluded = [("excluded", some[0].identity)]
            await self.closed("POST", f"/groups/{group}/:closeConnections", excluded)

    def ends(self, doomed: list[clients.Client]) -> None:
        for it in doomed:
            # One that is away has nobody to tell a code.
            it.ends |= {("application", "1000"), ("application", "none")}
            it.connection.is_cut = True
            self.book.leaving(it.connection)

    async def closed(self, method: str, path: str, query: list) -> None:
        status, _ = await self.rest.ask("close", method, ROUGH, path, [*query, ("reason", "enough")])
        self.expect(f"{method} {path}", status, 204)
