"""What nodes of a cluster go through, on NATS servers of their own. Scenes, as in scenes.py."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator

from cluster import envelope, nats
from rig import peer
from rig.nats import Client
from shared import gateway

from . import stage
from .stage import Stage

CHAT = "/client/hubs/chat"
ALL = (envelope.ALL, b"")
# Somebody who says that he is a node.
STRANGER = 0xABC
# For so many seconds he is heard; then he is not.
HEARD = 12


def flags(url: str, cluster: str) -> list[str]:
    return ["--hub", "chat", "--anonymous", "--cluster", url, "--cluster-name", cluster]


@contextlib.contextmanager
def served(at: Stage, name: str) -> Iterator[nats.Server]:
    """A NATS server."""
    folder = at.folder / f"nats-{name}"
    folder.mkdir()
    with nats.Servers(nats.program(), folder) as servers:
        yield servers[0]


def node_1(at: Stage) -> Iterator[None]:
    """Two nodes that are well: clients on the second hear what is sent to the first, or are not meant."""
    with served(at, "well") as server, contextlib.ExitStack() as stack:
        one, two = (stack.enter_context(at.gateway(name, *flags(server.url, "well"))) for name in ("node-1", "node-2"))
        clients = stage.crowd(two, 2, CHAT)
        stack.callback(stage.leave, clients)
        yield
        for number in range(1_000_000):
            for _ in range(5):
                stage.rest(one, "chat/:send", str(number).encode())
                stage.rest(one, "chat/groups/nobody/:send")
            for client in clients if number == 2 else []:
                # Up to three seconds of it, until the nodes had heard each other, may be missing.
                if client.receive()[0] != peer.TEXT:
                    raise gateway.Broken("what is sent to one node does not reach a client of the other")
            yield


def busless(at: Stage) -> Iterator[None]:
    """A node that has never had NATS, and is told to send."""
    with at.gateway("busless", *flags(f"nats://127.0.0.1:{gateway.free_port()}", "busless")) as node:
        yield
        while True:
            stage.rest(node, "chat/:send")
            yield


def flapping(at: Stage) -> Iterator[None]:
    """A NATS server that goes and comes back again and again."""
    with served(at, "flapping") as server, at.gateway("flapping", *flags(server.url, "flapping")):
        while True:
            yield
            yield
            server.end()
            server.start()


def split(at: Stage) -> Iterator[None]:
    """Two nodes of one cluster on two NATS servers that do not know each other."""
    with contextlib.ExitStack() as stack:
        for name in ("split", "split-2"):
            server = stack.enter_context(served(at, name))
            stack.enter_context(at.gateway(name, *flags(server.url, "split")))
        while True:
            yield


class Stranger:
    """Says by hand what nodes say."""

    def __init__(self, port: int, cluster: str):
        self.client = Client(port)
        self.client.enter({})
        self.cluster = cluster
        self.beats = self.published = 0

    def say(self, message: bytes, subject: str = "") -> None:
        subject = subject or envelope.subject(self.cluster, "chat", envelope.ALL)
        self.client.send(f"PUB {subject} {len(message)}\r\n", message + b"\r\n")

    def beat(self, node: int = STRANGER, start: int = 7) -> None:
        self.beats += 1
        self.say(envelope.heartbeat(node, self.beats, start, self.published), f"hf1.{self.cluster}.c")

    def publish(self, number: int, node: int = STRANGER, size: int = 5, **more: int) -> None:
        self.say(envelope.publication(node, number, "chat", ALL, b"x" * size, **more))


def haunted(at: Stage) -> Iterator[None]:
    """A node among strangers: what they say is broken, late, has gaps, is said in its own name; they answer nothing,
    and are gone without a word."""
    with served(at, "haunted") as server, at.gateway("haunted", *flags(server.url, "haunted")) as node:
        own = int(json.loads(peer.ask(f"http://{node.admin}/cluster")[1])["node"], 16)
        stranger = Stranger(server.port, "haunted")
        yield
        for second in range(1_000_000):
            if second < HEARD:
                stranger.beat()
                ask_for_nobody(node, 2)
            stranger.beat(own, start=1)
            stranger.say(os.urandom(100))
            stranger.published = 4 * (second + 1)
            stranger.publish(stranger.published)
            stranger.publish(stranger.published)
            stranger.publish(stranger.published + 1, own)
            stranger.publish(stranger.published + 1, version=envelope.VERSION + 1)
            yield


def ask_for_nobody(node: gateway.Gateway, count: int) -> None:
    """Asks whether somebody is there, and does not wait for the answer: it comes late."""
    for _ in range(count):
        threading.Thread(target=stage.rest_head, args=(node, "chat/users/nobody"), daemon=True).start()


def dammed(at: Stage) -> Iterator[None]:
    """A node of whose two shards one is stuck, and another that goes on publishing."""
    more = ["--shards", "2", "--publishes-waiting-max", "2", "--cluster-queue-bytes", "1114112"]
    with served(at, "dammed") as server, contextlib.ExitStack() as stack:
        node = stack.enter_context(at.gateway("dammed", *flags(server.url, "dammed"), *more))
        stranger = Stranger(server.port, "dammed")
        # One on each shard, so that what is for all goes to both.
        stack.callback(stage.leave, stage.crowd(node, 8, CHAT))
        yield
        stack.enter_context(stage.standing(node.process, "shard-1"))
        while True:
            stranger.beat()
            for _ in range(20):
                stranger.published += 1
                stranger.publish(stranger.published, size=100_000)
            yield


SCENES = [node_1, busless, flapping, split, haunted, dammed]

# Which scene brings which alert to firing.
FIRES = {
    "HoldfastBusAway": "busless",
    "HoldfastBusFlaps": "flapping",
    "HoldfastClusterNotReady": "busless",
    "HoldfastClusterNodesDiffer": "split",
    "HoldfastClusterNodeLost": "haunted",
    "HoldfastClusterTwins": "haunted",
    "HoldfastClusterUnsent": "busless",
    "HoldfastClusterMissed": "haunted",
    "HoldfastClusterDropped": "dammed",
    "HoldfastClusterUnanswered": "haunted",
    "HoldfastClusterStrangers": "haunted",
}

# Queries of panels whose values may all be 0, and why. They must give series all the same.
MAY_BE_ZERO = {
    "Thrown away E": "there are no more nodes than are heard",
    "Waiting between nodes A": "what waits for NATS is sent within a moment: scrapes do not meet it for sure",
}
