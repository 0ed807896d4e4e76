"""What clients, service and REST share: the book, counts, locks, and moments in which nothing is under way."""

import asyncio
import collections
import contextlib

import book
import clients
import service

GROUPS = [f"g{number}" for number in range(20)]
# In one hub everybody leaves in order, so that every delivery is heard; in the other they also go as they like.
EXACT, ROUGH = "exact", "rough"


class Gate:
    """Lets many be busy, or nobody."""

    def __init__(self):
        self.busy_count, self.wants_quiet = 0, False
        self.changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def busy(self):
        async with self.changed:
            await self.changed.wait_for(lambda: not self.wants_quiet)
            self.busy_count += 1
        try:
            yield
        finally:
            async with self.changed:
                self.busy_count -= 1
                self.changed.notify_all()

    @contextlib.asynccontextmanager
    async def quiet(self):
        async with self.changed:
            self.wants_quiet = True
            await self.changed.wait_for(lambda: self.busy_count == 0)
        try:
            yield
        finally:
            async with self.changed:
                self.wants_quiet = False
                self.changed.notify_all()


class World:
    """All of a run."""

    def __init__(self, args, key: str):
        self.args, self.key = args, key
        self.port = 0
        self.rest = None
        self.book = book.Book()
        self.service = service.Service(args.seed, self.on_connect, self.on_gone)
        self.counts = collections.Counter()
        self.locks: dict[str, asyncio.Lock] = collections.defaultdict(asyncio.Lock)
        self.gates = {EXACT: Gate(), ROUGH: Gate()}
        self.alive: dict[int, clients.Client] = {}
        # Those of the exact hub that want to leave, and how.
        self.leavers: list[tuple[clients.Client, str]] = []
        self.is_ending = False
        # By label of the metric: ends that had this one reason, and those that may have had it.
        self.ends: list[frozenset[tuple[str, str]]] = []

    def lock(self, user: str | None):
        """Whoever changes groups of a user's connections holds it. Those without a user have groups for themselves."""
        return self.locks[user] if user else contextlib.nullcontext()

    @contextlib.asynccontextmanager
    async def locked(self, users):
        async with contextlib.AsyncExitStack() as stack:
            for user in sorted(set(users)):
                await stack.enter_async_context(self.locks[user])
            yield

    def users(self, hub: str) -> list[str]:
        """Names of all users of a hub, whether they are there or not."""
        return [f"{hub[0]}{number}" for number in range(max(self.args.clients // 4, 4))]

    def open_ones(self, hub: str) -> list[clients.Client]:
        """Clients whose connections are open and have a name."""
        found = (it for it in self.alive.values() if it.hub == hub and it.identity)
        return [it for it in found if it.connection.here.sure < book.INF == it.connection.here.ending]

    # What the service hears

    def on_connect(self, life: int, identity: str) -> None:
        if client := self.alive.get(life):
            client.named = identity
            if client.kind is clients.SIMPLE:
                client.identity = identity

    def on_gone(self, life: int) -> None:
        client = self.alive.get(life)
        if client is None:
            return self.book.wrong(f"the service hears that {life} has gone, which was not there")
        self.book.gone(client.connection)
        client.is_told_of = True
        for message in client.unsure:
            self.book.lost_sight_of(message)
        if client.is_over.done():
            self.settle(client)
        elif not client.ends:
            self.book.wrong(f"the service hears that {life} has gone, which nobody has closed")

    def on_over(self, client: clients.Client) -> None:
        if not client.ends:
            client.wrong(f"was closed with {client.close_code}")
        if client.is_told_of:
            self.settle(client)

    def settle(self, client: clients.Client) -> None:
        """It has gone, and everybody knows."""
        del self.alive[client.number]
        self.book.settle(client.connection)
        self.ends.append(frozenset(client.ends))
        taken = self.service.taken.pop(client.number)
        self.counts["events sent", client.hub] += client.events
        self.counts["events taken", client.hub] += client.taken
        if client.kind is clients.SIMPLE:
            least, most = (client.events - client.failed if client.hub == EXACT else 0), client.events
        else:
            least, most = client.taken, client.events if client.hub == ROUGH else client.taken
        if not least <= taken <= most:
            client.wrong(f"{taken} events were taken, {least} to {most} should have been")
        if client.hub == EXACT and client.answers != client.asked:
            client.wrong(f"{client.answers} answers of the service, not {client.asked}")
