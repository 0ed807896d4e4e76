"""Nodes and servers are killed, stopped and started by the chance of a seed, while thousands listen."""

import asyncio
import collections
import dataclasses
import random
import time

import record
import talk
from clients import Client, Wrong, check, until
from crowd import Crowd
from node import Node
from world import Rig, World

NODES, SERVERS = 3, 2
LOSSES = ("missed_total", "dropped_total")


class Speaker(talk.Publisher):
    """A client that publishes to groups."""

    async def open(self) -> "Speaker":
        self.client = await Client(self.node, talk.HUB, "speaker", hear=lambda _: None).open()
        self.paths = {target: path for target, path in self.paths.items() if target.startswith("group")}
        return self

    async def talk(self, stop: asyncio.Event, chance: random.Random, pause: float = 0) -> None:
        while not stop.is_set() and not self.is_cut:
            await self.say(chance.choice(list(self.paths)))
            await asyncio.sleep(pause)

    async def hand_over(self, target: str, message: str) -> int:
        if self.client.is_closed:
            raise ConnectionError
        asked = asyncio.ensure_future(self.client.publish(target, message))
        await asyncio.wait([asked, self.client.socket.is_gone], return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            asked.cancel()
            raise ConnectionError
        await asked
        return 202


@dataclasses.dataclass
class Start:
    """What belongs to one start of a node, from its start until it is killed."""

    node: Node
    crowd: Crowd
    publishers: list[talk.Publisher]
    stop: asyncio.Event
    tasks: list[asyncio.Task]
    one: Client


class Chaos:
    """All of a run."""

    def __init__(self, world: World):
        rig = world.rig
        self.world, self.seconds, self.clients = world, rig.seconds or 600, rig.clients
        self.chance = random.Random(rig.seed)
        self.seed = rig.seed
        self.plan = talk.Plan(max(rig.clients // 100, 2), max(rig.clients // 2, 2), to_all=0.01, to_groups=0.15)
        self.starts: dict[str, Start] = {}
        self.crowds = {node.name: Crowd() for node in world.nodes}
        # Of starts that are over: what their clients have not heard, and what was counted.
        self.problems: list[str] = []
        self.books: list[tuple[str, int, dict[str, int]]] = []
        self.unsent = self.heard = self.said = 0
        self.done: collections.Counter[str] = collections.Counter()

    async def begin(self, node: Node) -> None:
        """A node has been started: its clients come, and it is told what to send."""
        crowd = self.crowds[node.name]
        await crowd.open(node, self.clients, self.plan)
        publishers = [talk.Publisher(node, self.plan, f"/{letter}") for letter in "ab"]
        publishers.append(await Speaker(node, self.plan, "/client").open())
        stop = asyncio.Event()
        tasks = [
            asyncio.ensure_future(one.talk(stop, random.Random(f"{self.seed} {one.name}"), 0.1)) for one in publishers
        ]
        one = await Client(node, talk.HUB, f"lives-on-{node.name}", hear=lambda _: None).open()
        self.starts[node.name] = Start(node, crowd, publishers, stop, tasks, one)

    async def over(self, node: Node, end) -> None:
        """The books of a start are closed right before `end`, which ends it."""
        start = self.starts.pop(node.name)
        told = await start.crowd.order("report")
        await self.close_book(start, told)
        await end()
        start.stop.set()
        await asyncio.gather(*start.tasks)
        # What came between the report and the end must be right, too.
        told = await start.crowd.order("report")
        self.problems += [problem for problem in told["problems"] if problem not in self.problems]
        await start.crowd.order("leave")

    async def close_book(self, start: Start, told: dict) -> None:
        """What its clients have not heard by then, and after that what it has counted."""
        self.problems += told["problems"]
        shown = await start.node.metrics()
        counted = {name: shown.sum(f"holdfast_cluster_{name}") for name in LOSSES}
        self.unsent += shown.sum("holdfast_cluster_unsent_total")
        self.books.append((f"{start.node.name}.{start.node.starts}", told["lost"], counted))
        self.heard += told["heard"]
        self.said += sum(one.said.total() for one in start.publishers)
        if told["closed"]:
            self.problems.append(f"clients of {start.node.name} were closed: {told['closed']}")

    # What happens

    async def kill_node(self) -> None:
        node = self.chance.choice(self.world.nodes)

        async def end() -> None:
            node.kill()

        await self.over(node, end)
        await self.again(node)

    async def drain_node(self) -> None:
        node = self.chance.choice(self.world.nodes)

        async def end() -> None:
            check(await node.end() == 0, f"{node.name} ends in order")

        await self.over(node, end)
        await self.again(node)

    async def again(self, node: Node) -> None:
        await asyncio.sleep(self.chance.uniform(0.1, 10))
        await node.begin()
        await until(node.is_ready, f"{node.name} is ready", 40)
        await self.begin(node)

    async def stop_node(self) -> None:
        node = self.chance.choice(self.world.nodes)
        node.stop()
        await asyncio.sleep(self.chance.uniform(1, 12))
        node.go_on()

    async def kill_server(self) -> None:
        await self.kill_servers([self.chance.choice(self.world.servers.all)])

    async def kill_all_servers(self) -> None:
        await self.kill_servers(self.world.servers.all)

    async def kill_servers(self, servers) -> None:
        for server in servers:
            server.end()
        await asyncio.sleep(self.chance.uniform(0.1, 10))
        for server in servers:
            await asyncio.to_thread(server.start)

    async def stop_server(self) -> None:
        server = self.chance.choice(self.world.servers.all)
        server.stop()
        await asyncio.sleep(self.chance.uniform(1, 15))
        server.go_on()

    async def lame_duck(self) -> None:
        server = self.chance.choice(self.world.servers.all)
        server.lame_duck()
        await until(lambda: not server.is_alive(), "the server ends", 60)
        server.end()
        await asyncio.to_thread(server.start)

    async def run(self) -> None:
        acts = [
            *(self.kill_node, self.drain_node, self.stop_node, self.stop_node),
            *(self.kill_server, self.kill_all_servers, self.stop_server, self.stop_server, self.lame_duck),
        ]
        await asyncio.gather(*(self.begin(node) for node in self.world.nodes))
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < self.seconds:
            act = self.chance.choice(acts)
            print(f"    {passed:4.0f} s: {act.__name__}", flush=True)
            self.done[act.__name__] += 1
            await act()
            await self.quiet()
            if len(self.problems) > 20:
                break
        await self.end()

    async def quiet(self) -> None:
        """All is whole again: everybody is found from everywhere. Then nothing happens for a moment."""
        await self.world.all_ready(60)
        for asked in self.world.nodes:
            for host in self.world.nodes:
                path = f"/users/lives-on-{host.name}"
                await until(lambda asked=asked, path=path: self.finds(asked, path), f"{asked.name} finds {path}", 10)
        await asyncio.sleep(self.chance.uniform(1, 8))

    @staticmethod
    async def finds(node: Node, path: str) -> bool:
        return await node.ask("HEAD", talk.HUB, path) == 200

    async def end(self) -> None:
        """Everybody stops, says one thing more to each target, and the last books are closed."""
        starts = list(self.starts.values())
        for start in starts:
            start.stop.set()
        await asyncio.gather(*(task for start in starts for task in start.tasks))
        publishers = [one for start in starts for one in start.publishers if not one.is_cut]
        for attempt in range(5):
            await asyncio.gather(*(one.once() for one in publishers))
            said = {one.name: dict(one.said) for one in publishers}
            if all([await self.has_all(start, said) for start in starts]):
                break
            check(attempt < 4, "everybody has heard the last of everybody")
        for start in starts:
            await self.close_book(start, await start.crowd.order("report"))
        lost, counted = 0, {"unsent_total": self.unsent}
        for name, missing, counts in self.books:
            lost += missing
            counted |= {key: counted.get(key, 0) + count for key, count in counts.items()}
            if wrong := record.uncounted(missing, counts | {"unsent_total": self.unsent}):
                self.problems.append(f"clients of {name}: {wrong}")
        self.lost, self.counted = lost, counted

    @staticmethod
    async def has_all(start: Start, said: dict) -> bool:
        """Within a few seconds."""
        deadline = time.monotonic() + 10
        while (await start.crowd.order("has", publishers=said))["waits"]:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.2)
        return True

    def close(self) -> None:
        for crowd in self.crowds.values():
            crowd.end()


async def chaos(rig: Rig) -> str:
    """Ten minutes (--for) of kill -9, SIGSTOP, drains and restarts of nodes and servers at 3 x 10,000 connections
    (--clients): nothing out of order, nothing twice, nothing foreign, each loss counted."""
    more = ['drain-spread = "2s"', 'drain-timeout = "20s"', 'handshake-timeout = "60s"']
    async with rig.world(servers=SERVERS, nodes=NODES, more=more) as world:
        run = Chaos(world)
        try:
            await run.run()
        finally:
            run.close()
        if run.problems:
            raise Wrong(f"{len(run.problems)} problems (seed {rig.seed}), such as {run.problems[:8]}")
        done = ", ".join(f"{count} {name}" for name, count in sorted(run.done.items()))
        return (
            f"seed {rig.seed}: {done}; {run.said} published, {run.heard} heard by 3 x {rig.clients}; "
            f"{run.lost} lost, counted: {run.counted}"
        )
