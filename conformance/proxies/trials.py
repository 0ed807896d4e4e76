"""What is tried with each front."""

import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import re
import time
from collections.abc import Callable

import fronts
from fronts import NAME, SECONDS, SHORT, Front, Kind
from shared import gateway
from talk import HUB, KEY, PONG, Client, Door, Gone, Service, check

ROUNDS = 20
# A head just below what the gateway takes (16 KiB), of which the front adds something.
LONG_HEAD = 15_500
# The address that a client comes from, and one that it invents.
SOURCE, INVENTED = "127.0.0.2", "203.0.113.9"


class Trial:
    """One front before gateways, on one rung."""

    def __init__(self, kind: Kind, rung: str, binary: pathlib.Path, folder: pathlib.Path):
        self.kind, self.rung, self.binary, self.folder = kind, rung, binary, folder
        self.fronts: list[Front] = []
        self.secrets: list[str] = []
        self.cert = fronts.certificate(folder)

    def run(self) -> str:
        """Everything; what is silent meanwhile is looked at in threads of its own."""
        with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor() as threads:
            here = [self.holdfast(stack, f"here{number}") for number in range(self.kind.gateways)]
            self.front = self.start(stack, "front", [address(one) for one in here])
            self.door = Door(self.front.port, self.cert)
            silences = self.silences(stack, threads)
            said = self.talk(here)
            self.long_heads()
            self.reload()
            self.drain(here)
            self.logs()
            for silence in silences:
                silence.result()
            check(SOURCE in self.addresses("pings"), f"over a Unix socket: {self.addresses('pings')}")
        return said

    def holdfast(self, stack: contextlib.ExitStack, name: str, *flags: str) -> gateway.Gateway:
        """A gateway with a hub, on TCP and on a Unix socket NAME.sock."""
        trust = ["--trusted-proxies", "127.0.0.1,unix", *self.kind.flags]
        unix = ["--listen", f"unix:{self.folder}/{name}.sock", "--unix-mode", "0666"]
        hub = ["--hub", "chat", "--endpoints", f"https://{NAME}", "--access-log", str(self.folder / f"{name}.access")]
        log = self.folder / f"{name}.log"
        all_flags = [*trust, *unix, *hub, *flags]
        variables = {"HOLDFAST_ACCESS_KEY": KEY}
        one = gateway.Gateway(self.binary, self.rung, log, *all_flags, variables=variables)
        return stack.enter_context(one)

    def start(self, stack: contextlib.ExitStack, name: str, addresses: list[str], short: bool = False) -> Front:
        front = Front(self.kind, self.folder / name, addresses, self.kind.shorter if short else None)
        self.fronts.append(front)
        return stack.enter_context(front)

    def client(self, door: Door | None = None, **options) -> Client:
        """A client who is let in."""
        client = Client(door or self.door, **options)
        check(client.status == 101, f"a client is let in: {client.head}")
        self.secrets.append(client.secret.rpartition(".")[2])
        return client

    def silences(self, stack: contextlib.ExitStack, threads: concurrent.futures.Executor) -> list:
        """Begins the trials of silence: fronts with short timeouts, on Unix sockets, before a gateway with pings and
        before one without."""
        doors = []
        for name, interval in [("pings", "1s"), ("quiet", "off")]:
            self.holdfast(stack, name, "--ping-interval", interval)
            unix = self.kind.unix.format(self.folder / f"{name}.sock")
            doors.append(Door(self.start(stack, f"front-{name}", [unix], short=True).port, self.cert))
        pings, quiet = doors
        return [
            threads.submit(self.lives, self.client(pings, source=SOURCE), has_pings=True),
            threads.submit(self.is_cut if self.kind.cuts_silent else self.lives, self.client(quiet)),
            threads.submit(self.lives, self.client(quiet), talks=True),
        ]

    def lives(self, client: Client, has_pings: bool = False, talks: bool = False) -> None:
        """A connection outlives the front's timeout."""
        cut_after = self.heard_until(client, talks)
        check(cut_after is None, f"a connection with pings: {has_pings}, talks: {talks}, is cut after {cut_after} s")
        check((client.pings > 2) == has_pings, f"{client.pings} pings have come")
        client.talks()

    def is_cut(self, client: Client) -> None:
        """A connection is cut by the front's timeout."""
        cut_after = self.heard_until(client, talks=False)
        right = cut_after is not None and SHORT - 0.5 < cut_after < 2 * SHORT
        check(right, f"a connection without pings is cut after {cut_after} s by a timeout of {SHORT} s")

    def heard_until(self, client: Client, talks: bool) -> float | None:
        """After how long it was cut, if it was within two timeouts and a bit. Who talks sends pongs, which need no
        answer."""
        start = time.monotonic()
        client.socket.settimeout(0.5)
        while (passed := time.monotonic() - start) < 2.5 * SHORT:
            try:
                if talks:
                    client.say(b"still here", PONG)
                client.hear()
                return passed
            except TimeoutError:
                continue
            except (Gone, OSError):
                return passed
        client.socket.settimeout(SECONDS)
        return None

    def talk(self, here: list[gateway.Gateway]) -> str:
        """The conversation, the client's address, and REST and upgrades on the same connections."""
        self.client().talks()
        client = self.client(source=SOURCE, fields={"X-Forwarded-For": INVENTED})
        client.talks()
        wait(lambda: SOURCE in self.addresses(), f"the access log has {SOURCE}: {self.addresses()}")
        check(not self.addresses() & {INVENTED}, "nobody can invent an address")
        service = Service(self.door)
        self.bodies(service)
        if len(here) > 1:
            # A connection of the client's own, which carries REST and then a WebSocket.
            check(service.ask("HEAD", "/api/health", token=False).status == 200, "health is answered")
            return "clients with PROXY headers before two gateways"
        return self.rounds(service, here[0])

    def bodies(self, service: Service) -> None:
        """Bodies as long as the gateway takes them; past it, the answer is the gateway's."""
        path = "/api/hubs/chat/groups/nobody/:send"
        for length, status in [(300_000, 202), (1 << 20, 202)]:
            answer = service.ask("POST", path, b"x" * length)
            check(answer.status == status, f"a body of {length} bytes is answered {answer.status} {answer.text}")
        answer = Service(self.door).ask("POST", path, b"x" * ((1 << 20) + 1))
        right = answer.status == 413 and answer.code != ""
        check(right, f"a body that is too long is answered {answer.status} {answer.text}")

    def rounds(self, service: Service, here: gateway.Gateway) -> str:
        """Requests and upgrades in turn: connections that the front has kept carry the one and then the other."""
        before, clients = metrics(here), []
        for number in range(ROUNDS):
            service.sends(f"message {number}")
            # Those who came before hear it.
            for client in clients:
                client.hears(f"message {number}".encode())
            clients.append(self.client())
            check(service.ask("HEAD", "/api/health", token=False).status == 200, "health is answered")
            answer = service.ask("POST", "/api/hubs/chat/:send", token=False)
            check(answer.status == 401, f"without a token it is answered {answer.status} {answer.text}")
        after = metrics(here)
        names = ["holdfast_accepted_total", 'holdfast_handshakes_total{outcome="handed"}']
        accepted, handed = (int(after[name] - before[name]) for name in names)
        check(accepted <= 2 * ROUNDS, f"connections are kept: {accepted} were accepted for {4 * ROUNDS} requests")
        # Of those that were handed to REST, the ones that are not with it any more.
        both = handed + ROUNDS - accepted
        check((both > 0) == self.kind.shares, f"{both} connections have carried REST and carry a WebSocket then")
        said = f"{ROUNDS} clients and {3 * ROUNDS} requests on {accepted} connections"
        return f"{said}, of which {both} carried REST and then a WebSocket"

    def long_heads(self) -> None:
        """A client whose head is nearly as long as the gateway takes it."""
        client = Client(self.door, pad=1)
        pad = (LONG_HEAD - client.asked) * 3 // 4
        client = self.client(pad=pad)
        check(abs(client.asked - LONG_HEAD) < 100, f"the head has {client.asked} bytes")
        client.talks()

    def reload(self) -> None:
        """The front reads its settings again: who is connected stays, or is told to come again."""
        if not self.kind.reload:
            return
        client = self.client()
        self.front.reload()
        if self.kind.keeps:
            # A cut would come by then.
            time.sleep(0.2)
            client.talks()
        else:
            # Caddy closes both sides, the gateway's without a mask, which is answered by 1002: whichever comes first.
            code = client.leaves()
            check(code in (1001, 1002), f"who is connected hears {code}")
        wait(lambda: Client(self.door).status == 101, "newcomers are let in again")

    def drain(self, here: list[gateway.Gateway]) -> None:
        """A gateway drains: its clients hear 1001; newcomers get 503, or the other gateway. Then it goes."""
        clients = [self.client() for _ in range(2 * len(here))]
        drained = http.client.HTTPConnection(here[0].admin, timeout=SECONDS)
        drained.request("POST", "/drain")
        check(drained.getresponse().status == 202, "the drain begins")
        if len(here) == 1:
            check([client.leaves() for client in clients] == [1001] * 2, "clients hear 1001")
            status = Client(self.door).status
            check(status == 503, f"newcomers get 503, not {status}")
            Service(self.door).sends("to nobody")
            here[0].process.terminate()
            here[0].process.wait(SECONDS)
            status = Client(self.door).status
            check(status == self.kind.gone, f"when the gateway has gone, newcomers get {self.kind.gone}, not {status}")
            return
        # Which ones were its own: those that hear it.
        codes = [self.leaves_or_stays(client) for client in clients]
        check(sorted(codes, key=str) == [1001, 1001, None, None], f"half of them hear 1001: {codes}")
        before = metrics(here[1])["holdfast_connections"]
        wait(lambda: Client(self.door).status == 101, "newcomers get to the other gateway")
        newcomers = [self.client() for _ in range(4)]
        check(metrics(here[1])["holdfast_connections"] >= before + len(newcomers), "the other gateway has them all")

    @staticmethod
    def leaves_or_stays(client: Client) -> int | None:
        client.socket.settimeout(2)
        try:
            return client.leaves()
        except TimeoutError:
            return None

    def logs(self) -> None:
        """The front's logs say who came, and have no token."""
        wait(lambda: SOURCE in self.front.said(), f"the front's log has {SOURCE}")
        for front in self.fronts:
            said = front.said()
            check(not any(secret in said for secret in self.secrets), "a token is in the front's log")
        check(self.kind.gateways > 1 or HUB in self.front.said(), "the front's log has the path")

    def addresses(self, name: str = "here*") -> set[str]:
        """The addresses of clients, as a gateway's access log has them."""
        lines = [line for path in self.folder.glob(f"{name}.access") for line in path.read_text().splitlines()]
        return {json.loads(line).get("address") for line in lines}

    def said(self) -> str:
        """The ends of all logs."""
        logs = [path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log"))]
        return "\n".join([*(front.said()[-2000:] for front in self.fronts), *logs])


def address(one: gateway.Gateway) -> str:
    return "127.0.0.1:" + re.search(r":(\d+)/", one.url)[1]


def metrics(one: gateway.Gateway) -> dict[str, float]:
    """The gateway's metrics by name."""
    shown = http.client.HTTPConnection(one.admin, timeout=SECONDS)
    shown.request("GET", "/metrics")
    lines = shown.getresponse().read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def wait(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)
