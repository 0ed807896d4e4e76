"""Lives of clients: they come, join, leave, publish, ask the service, drop, come back, and go."""

import asyncio
import contextlib
import random

import book
import clients
from clients import JSON, RELIABLE, SIMPLE, Client, Ended
from world import EXACT, GROUPS, ROUGH, World

GONE = {("gone", "none"), ("reset", "none")}
# Past this what somebody waits for is an error.
SECONDS = 120


async def live(world: World, number: int) -> None:
    """One life, of a seed of its own."""
    life = Life(world, number, random.Random(f"{world.args.seed}/{number}"))
    try:
        await life.live()
    except Ended:
        # Somebody else has closed it.
        pass
    except Exception as error:
        life.client.wrong(f"{type(error).__name__}: {error}")
        raise


class Life:
    """Of one client."""

    def __init__(self, world: World, number: int, chance: random.Random):
        self.world, self.chance, self.book = world, chance, world.book
        hub = chance.choice([EXACT, ROUGH])
        kind = chance.choices([SIMPLE, JSON, RELIABLE], [25, 30, 45])[0]
        user = chance.choice(world.users(hub))
        self.publishes = kind is SIMPLE and chance.random() < 0.5
        if self.publishes or chance.random() < 0.05:
            user = None
        self.client = Client(world, number, hub, user, kind)
        self.gate = world.gates[hub]

    async def live(self) -> None:
        if not await self.come():
            return
        chance, args = self.chance, self.world.args
        if self.client.hub == ROUGH and self.client.kind is RELIABLE and chance.random() < 0.02:
            return await self.be_stubborn()
        until = asyncio.get_running_loop().time() + chance.expovariate(1 / args.life)
        while asyncio.get_running_loop().time() < until and not self.world.is_ending:
            await asyncio.wait([self.client.is_over], timeout=min(chance.expovariate(1 / args.every), 20))
            if self.client.is_over.done():
                return
            await self.act()
        await self.go()

    async def come(self) -> bool:
        """Connects. Whether it was let in."""
        client, chance = self.client, self.chance
        groups = chance.sample(GROUPS, chance.randint(0, 3))
        if self.publishes:
            client.publishes_to = chance.choice(GROUPS)
            groups = list({client.publishes_to, *groups})
        more = chance.sample(GROUPS, 2) if not self.publishes and chance.random() < 0.2 else []
        is_refused = chance.random() < 0.03
        self.world.alive[client.number] = client
        async with self.gate.busy(), self.world.lock(client.user):
            status = await client.open(groups, more, is_refused)
        if status != (403 if is_refused else 101):
            client.wrong(f"is answered {status}")
        if status != 101:
            del self.world.alive[client.number]
        return status == 101

    # What it does

    async def act(self) -> None:
        client, chance = self.client, self.chance
        if client.kind is SIMPLE:
            return await (self.publish_plainly() if self.publishes else self.say_plainly())
        acts = [(self.publish, 40), (self.join, 15), (self.leave, 10), (self.event, 20), (self.may_not, 2)]
        if client.kind is RELIABLE:
            acts.append((self.drop, 12))
        await chance.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()
        client.acknowledge()

    async def publish_plainly(self) -> None:
        client = self.client
        async with self.gate.busy():
            message = self.book.publish(client.number, client.hub, ("group", client.publishes_to))
            client.unsure.append(message)
            client.own_heard[message.number] = message
            client.socket.say(self.content(message))
            deadline = asyncio.get_running_loop().time() + SECONDS
            while message.taken == book.INF and not client.is_over.done():
                if asyncio.get_running_loop().time() > deadline:
                    return client.wrong(f"does not hear {message.number}, which it has said itself")
                await asyncio.sleep(0.02)
        client.unsure.clear()

    async def say_plainly(self) -> None:
        """An event of a simple client, of which it hears only if the service answers."""
        client = self.client
        wish = self.chance.choices(["say", "ask", "state", "fail"], [60, 25, 14, 1])[0]
        if wish == "fail" and client.hub == EXACT:
            wish = "say"
        client.events += 1
        client.asked += wish == "ask"
        if wish == "fail":
            client.failed += 1
            client.ends.add(("application", "1011"))
            client.connection.is_cut = True
        client.socket.say({"n": client.events, "wish": wish})
        if wish == "fail":
            self.book.leaving(client.connection)
            await asyncio.wait_for(asyncio.shield(client.is_over), SECONDS)
            if client.close_code != 1011:
                client.wrong(f"was closed with {client.close_code}, not 1011")

    def content(self, message: book.Publication) -> dict:
        length = self.chance.choices([0, 100, 1000, 9000], [50, 35, 14, 1])[0]
        return {"p": message.number, "x": "x" * length}

    def begin_publishing(self, group: str) -> asyncio.Future:
        client, chance = self.client, self.chance
        no_echo = chance.random() < 0.3
        left_out = {client.number} if no_echo else frozenset()
        message = self.book.publish(client.number, client.hub, ("group", group), left_out=left_out)
        client.unsure.append(message)
        content = self.content(message)
        if chance.random() < 0.5:
            data = {"dataType": "json", "data": content}
        else:
            data = {"dataType": "text", "data": clients.json.dumps(content)}
        waits = client.ask("sendToGroup", group=group, noEcho=no_echo, **data)

        def on_ack(waits: asyncio.Future) -> None:
            if waits.cancelled() or waits.exception():
                return
            if waits.result() is not None:
                client.wrong(f"{message.number} to {group} is answered {waits.result()}")
            self.book.taken(message)
            client.unsure.remove(message)

        waits.add_done_callback(on_ack)
        return waits

    async def publish(self) -> None:
        group = self.chance.choice(self.own_groups() or GROUPS)
        async with self.gate.busy():
            await self.all([self.begin_publishing(group) for _ in range(self.chance.choice([1, 1, 1, 3]))])

    def own_groups(self) -> list[str]:
        spans = self.client.connection.groups
        there = [group for group, found in spans.items() if any(span.ending == book.INF for span in found)]
        return [group for group in there if group in GROUPS]

    async def join(self) -> None:
        client = self.client
        async with self.gate.busy(), self.world.lock(client.user):
            await self.begin_joining(self.chance.choice(GROUPS))

    async def begin_joining(self, group: str) -> None:
        span = self.book.join(self.client.connection, group)
        if error := await self.answer(self.client.ask("joinGroup", group=group)):
            return self.client.wrong(f"joining {group} is answered {error}")
        self.book.joined(span)

    async def leave(self) -> None:
        client = self.client
        group = self.chance.choice(self.own_groups() or GROUPS)
        async with self.gate.busy(), self.world.lock(client.user):
            left = self.book.leave(client.connection, group)
            if error := await self.answer(client.ask("leaveGroup", group=group)):
                return client.wrong(f"leaving {group} is answered {error}")
            self.book.left(left)

    def begin_event(self) -> asyncio.Future:
        client = self.client
        wish = self.chance.choices(["say", "ask", "state", "fail"], [60, 25, 10, 5])[0]
        client.events += 1
        data = {"n": client.events, "wish": wish}
        waits = client.ask("event", event=self.chance.choice(["said", "asked"]), dataType="json", data=data)

        def on_ack(waits: asyncio.Future) -> None:
            if waits.cancelled() or waits.exception():
                return
            if waits.result() != ("InternalServerError" if wish == "fail" else None):
                client.wrong(f"the event {data} is answered {waits.result()}")
            client.taken += wish != "fail"
            client.failed += wish == "fail"
            client.asked += wish == "ask"

        waits.add_done_callback(on_ack)
        return waits

    async def event(self) -> None:
        async with self.gate.busy():
            await self.all([self.begin_event() for _ in range(self.chance.choice([1, 1, 3]))])

    async def may_not(self) -> None:
        """What no role allows, until the service does."""
        client, ask = self.client, self.world.rest.ask
        path, query = f"/permissions/sendToGroup/connections/{client.identity}", [("targetName", "secret")]
        async with self.gate.busy():
            for call, method, expected, may in [
                ("check", "HEAD", 404, False),
                ("grant", "PUT", 200, True),
                ("check", "HEAD", 200, True),
                ("revoke", "DELETE", 204, False),
            ]:
                status, _ = await ask(call, method, client.hub, path, query)
                if client.is_over.done() or client.connection.here.ending < book.INF:
                    return
                if status != expected:
                    client.wrong(f"{method} of a permission is answered {status}, not {expected}")
                sends = client.ask("sendToGroup", group="secret", dataType="text", data="{}")
                if await self.answer(sends) != (None if may else "Forbidden"):
                    client.wrong(f"sending to the secret group, when that is {may}: {sends.result()}")

    # How it loses its socket

    async def drop(self) -> None:
        """The socket is lost, perhaps with requests on their way, and comes back in time, or not."""
        client, chance = self.client, self.chance
        if client.hub == ROUGH and chance.random() < 0.15:
            return await self.drop_for_good()
        if chance.random() < 0.3:
            return await self.take_over()
        if chance.random() < 0.5:
            async with self.gate.busy():
                group = chance.choice(GROUPS)
                waits = [self.begin_publishing(group) for _ in range(3)] + [self.begin_event() for _ in range(2)]
                await asyncio.sleep(chance.choice([0, 0.001, 0.01]))
                await self.be_away()
                await self.all(waits)
        else:
            await self.be_away()

    async def be_away(self) -> None:
        client, chance = self.client, self.chance
        client.lose(chance.random() < 0.5)
        await asyncio.sleep(chance.uniform(0, min(6, self.world.args.recovery / 3)))
        if chance.random() < 0.2:
            await self.try_to_forge()
        await self.come_back()

    async def come_back(self, keep: bool = False) -> None:
        client = self.client
        refusal = await client.come_back(keep=keep)
        if refusal is not None:
            # Whoever was closed meanwhile has nothing to come back to.
            if not client.ends or refusal != 1008:
                client.wrong(f"is refused with {refusal}")
            client.connection.is_cut = True
            client.over()
            raise Ended

    async def take_over(self) -> None:
        """Another socket comes while the gateway takes the old one to be well."""
        async with self.gate.busy():
            await self.come_back(keep=True)

    async def try_to_forge(self) -> None:
        client = self.client
        good = client.reconnection
        flipped = good[:-6] + ("A" if good[-6] != "A" else "B") + good[-5:]
        others = [it for it in self.world.open_ones(client.hub) if it.kind is RELIABLE and it is not client]
        token = self.chance.choice([flipped, "", *[it.reconnection for it in others[:1]]]) or "x"
        if (refusal := await client.come_back(token)) != 1008:
            client.wrong(f"a forged token is answered {refusal}")
            raise Ended

    async def drop_for_good(self) -> None:
        """It never comes back, or too late."""
        client = self.client
        self.cut(GONE)
        if client.kind is not RELIABLE:
            client.socket.cut(self.chance.random() < 0.5)
        else:
            client.lose(self.chance.random() < 0.5)
            if self.chance.random() < 0.5:
                # The gateway has noticed when it has told the service.
                deadline = asyncio.get_running_loop().time() + self.world.args.recovery + SECONDS
                while not client.is_told_of and asyncio.get_running_loop().time() < deadline:
                    await asyncio.sleep(0.2)
                if (refusal := await client.come_back()) != 1008:
                    client.wrong(f"comes back too late, and is answered {refusal}")
            client.over()
        raise Ended

    async def be_stubborn(self) -> None:
        """Acknowledges nothing, until it is closed for it."""
        client = self.client
        client.acknowledges = False
        for group in GROUPS:
            async with self.world.lock(client.user):
                await self.begin_joining(group)
        self.cut({("unacknowledged", "1008")})
        self.world.counts["stubborn"] += 1
        while not client.is_over.done() and not self.world.is_ending:
            await asyncio.wait([client.is_over], timeout=1)
        if not client.is_over.done():
            self.world.counts["stubborn"] -= 1
            client.ends.clear()
            return await self.go()
        if client.close_code == 1008:
            return
        if len(client.ends) == 1:
            client.wrong(f"was closed with {client.close_code}, not 1008")
        self.world.counts["stubborn"] -= 1

    def cut(self, ends: set) -> None:
        self.client.ends |= ends
        self.client.connection.is_cut = True
        self.book.leaving(self.client.connection)

    # How it goes

    async def go(self) -> None:
        client, chance = self.client, self.chance
        if client.hub == EXACT:
            self.world.leavers.append((client, chance.choice(["close", "close", "rest"])))
            return await asyncio.shield(client.is_over)
        way = chance.choices(["close", "empty", "away", "drop"], [40, 15, 10, 35])[0]
        if way == "drop":
            return await self.drop_for_good()
        code, label = {"close": (1000, "1000"), "empty": (None, "1005"), "away": (1001, "1001")}[way]
        self.cut({("peer", label)})
        await client.leave(code)

    # Waiting

    async def answer(self, waits: asyncio.Future) -> str | None:
        """The error of a request, or none."""
        return await asyncio.wait_for(asyncio.shield(waits), SECONDS)

    async def all(self, waits: list[asyncio.Future]) -> None:
        for it in waits:
            await self.answer(it)


async def keep_alive(world: World) -> None:
    """As many lives at a time as there are to be, until it is time to end; then waits for all of them."""
    numbers, lives = iter(range(1, 1 << 60)), set()
    batch = max(world.args.clients // 50, 1)
    while not world.is_ending:
        lives = {life for life in lives if not life.done()}
        for _ in range(min(batch, world.args.clients - len(lives))):
            lives.add(asyncio.ensure_future(live(world, next(numbers))))
        await asyncio.sleep(0.1)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.gather(*lives, return_exceptions=True), 240)
    if stuck := [life for life in lives if not life.done()]:
        world.book.wrong(f"{len(stuck)} lives do not end")
