"""What gateways go through, so that every panel has something to show and every alert a reason to fire.

A scene is a generator: up to its first `yield` it makes ready, and then does something each time it is asked to. Its
name is the instance in Prometheus.
"""

import contextlib
import json
import pathlib
import resource
import struct
import time
from collections.abc import Iterator

from rig import peer
from shared import gateway

from . import nodes, service, stage
from .stage import Stage

KIB, MIB = 1 << 10, 1 << 20
CHAT = "/client/hubs/chat"


def calm(at: Stage) -> Iterator[None]:
    """A hub with a service that is well, all that clients and services do with it, and no trouble: nothing fires."""
    with service.running() as url, contextlib.ExitStack() as stack:
        config = f"""
deflate = true
[hub.chat]
anonymous = true
[[hub.chat.handler]]
url = "{url}"
"""
        server = stack.enter_context(at.gateway("calm", config=config))
        simple = stage.crowd(server, 2, CHAT)
        spoken = stage.crowd(server, 2, CHAT, stage.JSON)
        compressing = peer.Peer(stage.address(server), target=CHAT, deflate=True)
        stack.callback(stage.leave, [*simple, *spoken, compressing])
        # Who they are comes first.
        for one in spoken:
            one.receive()
        yield
        for number in range(1_000_000):
            simple[0].send(peer.TEXT, b"hello")
            simple[1].send(peer.BINARY, b"\0" * 300)
            compressing.send_compressed(peer.TEXT, b"again and " * 50)
            said = {"type": "sendToGroup", "group": "room", "dataType": "text", "data": "x" * 400, "ackId": number + 1}
            spoken[0].send(peer.TEXT, json.dumps(said).encode())
            stage.rest(server, "chat/groups/room/:send", b"y" * 400)
            stage.admin(server, "/broadcast?kind=text", body=b"to all " * 50)
            with peer.Peer(stage.address(server), target=CHAT, deflate=True) as short:
                short.send(peer.CLOSE, struct.pack("!H", 1000))
            if number == 1:
                stage.refused(server, f"{CHAT}?no=1")
            yield


def full(at: Stage) -> Iterator[None]:
    """Room for ten, and more who want in: some ask, some say nothing."""
    with at.gateway("full", "--connections-max", "10") as server:
        yield
        peers = stage.crowd(server, 10)
        waiting = []
        while True:
            for _ in range(6):
                stage.refused(server)
            waiting.append(stage.silent(stage.address(server)))
            peers[0].echo(peer.TEXT, b"still here")
            yield


def starved(at: Stage) -> Iterator[None]:
    """Now and then no descriptor is left for half a second, on epoll, where each connection takes one.

    Scrapes fail meanwhile, too.
    """
    with at.gateway("starved", "--shards", "1", rung="epoll") as server:
        waiting = []
        soft, most = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        yield
        while True:
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (4, most))
            waiting += [stage.silent(stage.address(server)) for _ in range(2)]
            time.sleep(0.5)
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (soft, most))
            for _ in range(4):
                yield


def greedy(at: Stage) -> Iterator[None]:
    """Clients that send longer messages than they may, and who come to a shard that is full when another is not."""
    flags = ["--shards", "2", "--shard-connections-max", "4", "--message-bytes-max", "1KiB"]
    with at.gateway("greedy", *flags) as server:
        yield
        while True:
            # Those of the round before may not have left yet.
            peers = []
            with contextlib.suppress(ValueError):
                for _ in range(8):
                    peers += stage.crowd(server, 1)
            for one in peers:
                one.send(peer.BINARY, bytes(2000))
            stage.leave(peers)
            yield


def slow(at: Stage) -> Iterator[None]:
    """Clients that do not read what is sent to all, until they are closed."""
    with at.gateway("slow", "--shards", "1") as server:
        yield
        yield
        peers = stage.crowd(server, 14)
        send_to_all(server, 12, MIB)
        yield
        stage.leave(peers)
        while True:
            yield


def dropping(at: Stage) -> Iterator[None]:
    """The same where the oldest messages are dropped."""
    flags = ["--shards", "1", "--slow-policy", "drop-oldest", "--shard-outbox-bytes-max", "8MiB"]
    flags += ["--outbox-bytes-max", "4MiB", "--message-bytes-max", "256KiB", "--send-timeout", "5s"]
    with at.gateway("dropping", *flags) as server:
        yield
        while True:
            # Those before may have been given up after send-timeout.
            peers = stage.crowd(server, 6)
            for _ in range(8):
                send_to_all(server, 40, 256 * KIB)
                yield
            stage.leave(peers)


def tight(at: Stage) -> Iterator[None]:
    """One client that does not read may hold nearly all of little memory. The start line warns of such settings."""
    flags = ["--shards", "1", "--slow-policy", "drop-oldest", "--outbox-bytes-max", "56MiB"]
    flags += ["--shard-outbox-bytes-max", "56MiB"]
    with at.gateway("tight", *flags, data_bytes=64 * MIB) as server:
        # The plan is made. What the heap wastes is to end no gateway here.
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_DATA, unlimited)
        peers = stage.crowd(server, 1)
        yield
        while peers:
            send_to_all(server, 20, MIB)
            yield


def send_to_all(server: gateway.Gateway, count: int, size: int) -> None:
    for _ in range(count):
        stage.admin(server, "/broadcast?kind=binary", body=bytes(size))


def lost(at: Stage) -> Iterator[None]:
    """Logs that cannot be written, clients that come and go, and services without the right key."""
    flags = ["--hub", "lost", "--anonymous", "--log", "debug", "--access-log", "/dev/full"]
    with at.gateway("lost", *flags, log=DEV_FULL) as server:
        yield
        while True:
            for _ in range(40):
                stage.leave(stage.crowd(server, 1, "/client/hubs/lost"))
            for _ in range(6):
                stage.rest(server, "lost/:send", key="x" * 32)
            yield


def draining(at: Stage) -> Iterator[None]:
    """A drain that takes its time."""
    with at.gateway("draining", "--shards", "1", "--drain-timeout", "10m", "--drain-spread", "9m") as server:
        peers = stage.crowd(server, 30)
        yield
        yield
        stage.admin(server, "/drain")
        while peers:
            yield


def restarting(at: Stage) -> Iterator[None]:
    """A gateway that ends and is started again."""
    port = gateway.free_port()
    while True:
        with at.gateway("restarting", "--shards", "1", admin=f"127.0.0.1:{port}"):
            yield
            yield
            yield


def down(at: Stage) -> Iterator[None]:
    """A gateway that is not there."""
    at.targets["down"] = f"127.0.0.1:{gateway.free_port()}"
    while True:
        yield


def standing(at: Stage) -> Iterator[None]:
    """A gateway of whose two shards one is stuck."""
    with at.gateway("standing", "--shards", "2") as server, stage.standing(server.process, "shard-1"):
        while True:
            yield


def long_turns(at: Stage) -> Iterator[None]:
    """Messages of 64 MiB that are inflated and compressed as well as can be, each in one turn of 150 ms."""
    flags = ["--shards", "1", "--deflate", "--deflate-level", "9", "--message-bytes-max", "64MiB"]
    flags += ["--outbox-bytes-max", "144MiB"]
    with at.gateway("long-turns", *flags) as server:
        yield
        with peer.Peer(stage.address(server), deflate=True) as one:
            while True:
                one.send_compressed(peer.BINARY, bytes(64 * MIB))
                one.receive()
                yield


def proxied(at: Stage) -> Iterator[None]:
    """A balancer that says nothing of its clients, where the gateway wants to hear who they are."""
    flags = ["--shards", "1", "--proxy-protocol", "--trusted-proxies", "127.0.0.0/8"]
    with at.gateway("proxied", *flags) as server:
        yield
        while True:
            for _ in range(3):
                with contextlib.suppress(ConnectionError):
                    stage.refused(server)
            yield


def outage(at: Stage) -> Iterator[None]:
    """A hub whose service goes and does not come back, and more REST requests than may be."""
    with contextlib.ExitStack() as stack:
        config = f"""
rest-requests-per-second-max = 1
[hub.dead]
anonymous = true
upstream-timeout = "2s"
disconnected-timeout = "2s"
events-under-way-max = 1
events-waiting-max = 1
slow-service = "close"
dead-letters = "/dev/full"
[[hub.dead.handler]]
url = "{stack.enter_context(service.running())}"
system-events = ["connected", "disconnected"]
"""
        with at.gateway("outage", config=config) as server:
            # It is asked first whether it wants events.
            stage.leave(stage.crowd(server, 1, "/client/hubs/dead"))
            yield
            stack.close()
            while True:
                peers = stage.crowd(server, 6, "/client/hubs/dead")
                for one in peers:
                    with contextlib.suppress(ConnectionError):
                        one.send(peer.TEXT, b"anybody there?")
                for _ in range(6):
                    stage.rest(server, "dead/:send")
                yield
                stage.leave(peers)


def slow_service(at: Stage) -> Iterator[None]:
    """A hub whose service takes long, and is asked one thing at a time."""
    with service.running(1.5) as url:
        config = f"""
[hub.slow]
anonymous = true
events-under-way-max = 1
[[hub.slow.handler]]
url = "{url}"
"""
        with at.gateway("slow-service", config=config) as server:
            yield
            # connect takes no place of events under way.
            peers = [stage.silent(stage.address(server)) for _ in range(4)]
            for one in peers:
                one.sendall(REQUEST)
            while peers:
                yield


def limited(at: Stage) -> Iterator[None]:
    """A hub that lets one client in a second, and more who want in."""
    config = """
[hub.popular]
anonymous = true
connects-per-second-max = 1
"""
    with at.gateway("limited", config=config) as server:
        yield
        while True:
            for _ in range(4):
                with contextlib.suppress(ValueError):
                    stage.leave(stage.crowd(server, 1, "/client/hubs/popular"))
            yield


def recovering(at: Stage) -> Iterator[None]:
    """Reliable clients that lose their sockets and come back, and more that come back to what is not there."""
    config = """
[hub.chat]
anonymous = true
"""
    with at.gateway("recovering", config=config) as server:
        yield
        # One stays away, with what it has not acknowledged.
        gone, _ = stage.reliable(server, CHAT)
        stage.leave([gone])
        while True:
            stage.rest(server, "chat/:send")
            one, token = stage.reliable(server, CHAT)
            stage.leave([one])
            stage.leave([stage.reliable(server, f"{CHAT}?{token}")[0]])
            for _ in range(4):
                # It is answered 101 and 1008.
                with peer.Peer(stage.address(server), target=f"{CHAT}?{token}x", headers=stage.RELIABLE) as refused:
                    refused.receive()
            yield


def provider(at: Stage) -> Iterator[None]:
    """A hub that takes tokens of an identity provider, and clients whose tokens it has not signed."""
    with service.running() as url:
        config = f"""
[hub.named.identity]
keys = "{url}"
issuer = "https://id.example/"
audience = "named"
"""
        with at.gateway("provider", config=config) as server:
            yield
            while True:
                stage.refused(server, f"/client/hubs/named?access_token={FORGED}")
                yield


# {"alg":"ES256","kid":"one"}, {} and 64 bytes of zero.
FORGED = "eyJhbGciOiJFUzI1NiIsImtpZCI6Im9uZSJ9.e30." + "A" * 86
DEV_FULL = pathlib.Path("/dev/full")
REQUEST = (
    b"GET /client/hubs/slow HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

SCENES = [
    calm,
    full,
    starved,
    greedy,
    slow,
    dropping,
    tight,
    lost,
    draining,
    restarting,
    down,
    standing,
    long_turns,
    proxied,
    outage,
    slow_service,
    limited,
    recovering,
    provider,
    *nodes.SCENES,
]

# Which scene brings which alert to firing.
FIRES = {
    "HoldfastDown": "down",
    "HoldfastRestarts": "restarting",
    "HoldfastShardStuck": "standing",
    "HoldfastSlowTurns": "long-turns",
    "HoldfastOnEpoll": "starved",
    "HoldfastNearlyFull": "full",
    "HoldfastRefuses": "full",
    "HoldfastClientsCannotConnect": "full",
    "HoldfastHandshakesSlow": "slow-service",
    "HoldfastProxyMismatch": "proxied",
    "HoldfastReconnects": "lost",
    "HoldfastAcceptErrors": "starved",
    "HoldfastSlowReaders": "slow",
    "HoldfastMessagesDropped": "dropping",
    "HoldfastLimitOfAll": "full",
    "HoldfastLimitOfClients": "greedy",
    "HoldfastMemoryNearLimit": "tight",
    "HoldfastMemoryPartFull": "dropping",
    "HoldfastLogLost": "lost",
    "HoldfastAccessLogLost": "lost",
    "HoldfastDrainStuck": "draining",
    "HoldfastDrainLong": "draining",
    "HoldfastServiceDown": "outage",
    "HoldfastServiceBreakerOpen": "outage",
    "HoldfastEventsFail": "outage",
    "HoldfastEventsFull": "outage",
    "HoldfastServiceSlow": "slow-service",
    "HoldfastEventsWaiting": "slow-service",
    "HoldfastDeadLetters": "outage",
    "HoldfastDeadLettersLost": "outage",
    "HoldfastHubLimited": "limited",
    "HoldfastRecoveriesRefused": "recovering",
    "HoldfastRestErrors": "outage",
    "HoldfastRestUnauthorized": "lost",
    **nodes.FIRES,
}

# Alerts that promtool's tests alone bring to firing, and why.
NOT_LIVE: dict[str, str] = {
    "HoldfastBuffersShort": "a buffer is lent for one read: what waits at a moment of scraping cannot be had for sure",
    "HoldfastIdentityKeysOld": "keys must not be had for an hour",
}

# Queries of panels whose values may all be 0, and why. They must give series all the same.
MAY_BE_ZERO = {
    "Buffers lent A": "a buffer is lent for one turn, or for a send that is not over: scrapes do not meet it for sure",
    "Waiting for a buffer A": NOT_LIVE["HoldfastBuffersShort"],
    "Broadcasts not finished A": "a broadcast is handed out within milliseconds: scrapes do not meet it for sure",
    **nodes.MAY_BE_ZERO,
}
