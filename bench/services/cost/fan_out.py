"""A message to a group: CPU for each delivery."""

from . import others
from .figures import Unavailable, compared
from .gateway import Gateway

GROUP = "all"
LEN = 64
ENVELOPE = '"from":"group","group":"all","dataType":"text","data":"{text}"}'
CLIENTS = {
    "group, simple clients": ["--hears", "{text}"],
    "group, JSON clients": ["--protocol", "json.webpubsub.azure.v1", "--hears", '{"type":"message",' + ENVELOPE],
}
RELIABLE = [
    *("--protocol", "json.reliable.webpubsub.azure.v1"),
    *("--hears", '{"type":"message","sequenceId":{number},' + ENVELOPE),
]
ACKNOWLEDGE = ["--says", '{"type":"sequenceAck","sequenceId":{number}}', "--says-every"]
# The SDKs acknowledge by time, once for all that has come since; a hundred in a burst is much for that, one is least.
CLIENTS["group, reliable clients, 1 ack for 10"] = [*RELIABLE, *ACKNOWLEDGE, "10"]
CLIENTS["group, reliable clients, 1 ack for 1"] = [*RELIABLE, *ACKNOWLEDGE, "1"]
BROADCAST, NCHAN, NATS = "broadcast", others.NCHAN_NAME, others.NATS_NAME
# What a JSON client hears is longer: the same for all, for comparison.
BROADCAST_LONG = "broadcast as long as a JSON message"


def measure(rig, clients: int, messages: int) -> dict:
    # A process holds no more descriptors than its limit allows; a ring has a table of its own.
    shards = -(-clients // 18_000)
    run = Run(rig, clients, messages, shards)
    contestants = {BROADCAST: lambda: run.broadcast(LEN)}
    contestants[BROADCAST_LONG] = lambda: run.broadcast(len(CLIENTS["group, JSON clients"][-1]) - len("{text}") + LEN)
    for name, speech in CLIENTS.items():
        contestants[name] = lambda speech=speech: run.group(speech)
    contestants |= {NCHAN: run.nchan, NATS: run.nats}
    simple, json, reliable, each = CLIENTS
    targets = [(simple, (BROADCAST,), 1.05), (json, (BROADCAST,), 1.05), (json, (BROADCAST_LONG,), 1.05)]
    targets += [(reliable, (BROADCAST,), 1.5), (each, (BROADCAST,), 1.5)]
    targets += [(name, (other,), 1.0) for name in (simple, json) for other in (NCHAN, NATS)]
    values = rig.alternate(contestants)
    what = f"a message to a group of {clients}, for each delivery"
    return {"what": what, "shards": shards, "values": values, "ratios": compared(values, targets)}


class Run:
    def __init__(self, rig, clients: int, messages: int, shards: int):
        self.rig, self.clients, self.messages, self.shards = rig, clients, messages, shards

    def fan_out(self, pid: int, url: str, *arguments) -> float:
        # Whatever a server says first is over before the first message.
        counts = ["-n", self.clients, "--rounds", self.messages, "--settle", "4s"]
        report = self.rig.load("fan-out", *counts, "--pid", pid, "--url", url, *arguments)
        # What else runs on the machine can only add to it.
        return min(it["cpu_nanoseconds_each"] for it in report["rounds"]) / 1000

    def broadcast(self, length: int) -> float:
        with Gateway(self.rig, hub=False, shards=self.shards) as gateway:
            url = f"ws://127.0.0.1:{gateway.port}/"
            return self.fan_out(gateway.pid, url, "--admin", gateway.admin, "-s", length)

    def group(self, speech: list[str]) -> float:
        with Gateway(self.rig, shards=self.shards) as gateway:
            path, access = gateway.api(f"groups/{GROUP}/:send")
            post = ["--post", f"http://127.0.0.1:{gateway.port}{path}", "--header", f"Authorization: Bearer {access}"]
            url = gateway.client(**{"webpubsub.group": GROUP})
            return self.fan_out(
                *(gateway.pid, url, *post, "--header", "Content-Type: text/plain", "-s", LEN),
                *("--admin", gateway.admin, *speech),
            )

    def nchan(self) -> float:
        self.check_count()
        with others.Nchan(self.rig) as nchan:
            post = ["--post", nchan.publish, "--header", "Content-Type: text/plain"]
            return self.fan_out(nchan.pid, nchan.url, *post, "-s", LEN, "--hears", "{text}")

    def nats(self) -> float:
        self.check_count()
        hello = 'CONNECT {"verbose":false,"pedantic":false}\r\nSUB all 1\r\n'
        hears = f"MSG all 1 {LEN}\r\n{{text}}\r\n"
        with others.Nats(self.rig) as nats:
            speech = ["--hello", hello, "--hears", hears]
            return self.fan_out(nats.pid, nats.url, "--nats", nats.publish, "-s", LEN, *speech)

    def check_count(self) -> None:
        if self.clients > others.MOST:
            raise Unavailable(f"one process holds no more than {others.MOST} connections here")
