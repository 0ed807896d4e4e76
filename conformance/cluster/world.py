"""A cluster of its own: NATS servers and gateways in a temporary folder, ended together."""

import asyncio
import contextlib
import dataclasses
import pathlib
import secrets
import tempfile

import nats
from clients import SECONDS, Wrong, check, until
from node import Node

CLUSTER = "rig"
# The second one is there to show that nothing crosses.
HUBS = ["a", "b", "A.b"]


@dataclasses.dataclass(frozen=True)
class Rig:
    """What trials are run with."""

    binary: pathlib.Path
    rung: str
    nats: str
    # Of another release, where there is one.
    other: pathlib.Path | None
    # How long, how many, from which seed, where it can be chosen.
    seconds: float | None
    clients: int
    seed: int
    # Whether a trial may take its time.
    is_long: bool

    def world(self, **options) -> "World":
        return World(self, **options)


class World:
    """An asynchronous context manager. `more` are lines of the gateways' settings, before their hubs."""

    def __init__(
        self,
        rig: Rig,
        *,
        servers: int = 1,
        nodes: int = 3,
        hubs: list[str] | None = None,
        more: list[str] = (),
        server_settings: dict[str, str] | None = None,
        is_cluster: bool = True,
    ):
        self.rig, self.hubs = rig, HUBS if hubs is None else hubs
        self.options = {"count": servers, "more": server_settings}
        self.wanted, self.more, self.is_cluster = nodes, list(more), is_cluster
        self.key = secrets.token_urlsafe(32)
        self.nodes: list[Node] = []

    async def __aenter__(self) -> "World":
        self.stack = contextlib.ExitStack()
        try:
            folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-cluster-"))
            self.folder = pathlib.Path(folder)
            self.servers = nats.Servers(self.rig.nats, self.folder, **self.options)
            if self.is_cluster:
                await asyncio.to_thread(self.stack.enter_context, self.servers)
            for number in range(self.wanted):
                self.node(f"node-{number + 1}")
            await asyncio.gather(*(node.begin() for node in self.nodes))
            if self.is_cluster and self.nodes:
                await self.all_ready()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(self, kind=None, error=None, trace=None) -> None:
        self.blame(error)
        for node in self.nodes:
            if node.gateway:
                # Where it stands still, it would be killed all the same; but its sockets are gone at once.
                node.kill()
        self.stack.close()

    def node(self, name: str, *, urls: list[str] | None = None, more: list[str] = (), binary=None) -> Node:
        """Another gateway, which is not started yet. Later lines take the place of earlier ones."""
        urls = urls or self.servers.urls
        named = ", ".join(f'"{url}"' for url in urls)
        lines = {"endpoints": 'endpoints = ["http://127.0.0.1"]', "log": 'log = "info"'}
        lines["rest-connections-max"] = "rest-connections-max = 2000"
        if self.is_cluster:
            lines |= {"cluster": f"cluster = [{named}]", "cluster-name": f'cluster-name = "{CLUSTER}"'}
        for line in [*self.more, *more]:
            lines[line.split(" = ")[0]] = line
        hubs = [line for hub in self.hubs for line in (f'[hub."{hub}"]', "anonymous = true")]
        node = Node(name, binary or self.rig.binary, self.rig.rung, self.folder, self.key, [*lines.values(), *hubs])
        self.nodes.append(node)
        return node

    async def all_ready(self, seconds: float = 30) -> None:
        """All that are alive are ready, and know each other."""
        alive = [node for node in self.nodes if node.is_alive()]
        for node in alive:
            await until(node.is_ready, f"{node.name} is ready", seconds)
        for node in alive:
            await until(lambda node=node: self.knows(node, len(alive)), f"{node.name} knows the others", seconds)

    @staticmethod
    async def knows(node: Node, count: int) -> bool:
        return await node.count("nodes") == count

    def blame(self, error: BaseException | None) -> None:
        """Adds the ends of all logs to what is said of an error."""
        if isinstance(error, Exception):
            logs = [f"--- {node.name}\n{node.said()[-2500:]}" for node in self.nodes]
            error.add_note("\n".join(logs))


async def fence(world: World, hub: str, clients: list, name: str = "fence") -> None:
    """Everything that was sent before has come: each node sends to all, and each client has heard it of each."""
    for number, node in enumerate(world.nodes):
        if node.is_alive():
            text = f"{name} {number} {secrets.token_hex(4)}"
            check(await node.send(hub, "", text) == 202, f"{node.name} takes a message to all")
            for client in clients:
                await client.hears(text, SECONDS)


__all__ = ["CLUSTER", "HUBS", "Rig", "World", "Wrong", "check", "fence", "until"]
