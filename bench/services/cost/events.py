"""What a client says, and a trivial service answers: CPU of the gateway for each."""

import os

from . import others
from .figures import compared
from .gateway import Gateway
from .process import Broken, Process, cpu, family, settled_cpu

EVENT, CLIENT, ECHO = "event and its answer", "bare hyper client", "echo of a message"
PUSHPIN = others.PUSHPIN_NAME
# Of more than a hundred at once that open, Pushpin refuses some.
CONNECTIONS, IN_FLIGHT, LEN = 64, 64, 64


def measure(rig, messages: int) -> dict:
    run = Run(rig, messages)
    contestants = {EVENT: run.event, CLIENT: run.client, ECHO: run.echo, PUSHPIN: run.pushpin}
    values = rig.alternate(contestants)
    targets = [(EVENT, (CLIENT, ECHO), 1.3), (EVENT, (PUSHPIN,), 0.2)]
    what = f"what a client says, answered by a service; {IN_FLIGHT} at once of {CONNECTIONS} clients"
    return {"what": what, "values": values, "ratios": compared(values, targets)}


class Run:
    def __init__(self, rig, messages: int):
        self.rig, self.messages = rig, messages
        # What the gateway sends, for the bare client to send.
        self.record = rig.folder("events") / "request"
        with Service(rig, self.record) as service, self.gateway(service) as gateway:
            rig.load("echo", *self.traffic("1s", count=1000), "--url", gateway.client())
        if not self.record.exists():
            raise Broken("the service has heard no event")

    def gateway(self, service: "Service") -> Gateway:
        return Gateway(self.rig, "--anonymous", "--upstream", f"http://127.0.0.1:{service.port}/events")

    def traffic(self, warmup: str, count: int | None = None) -> list:
        messages = count or self.messages
        shape = ["-c", CONNECTIONS, "-a", IN_FLIGHT, "-s", LEN]
        return ["--text", *shape, "--messages", messages, "--warmup", warmup, "--no-slabs"]

    def loaded(self, pid: int, url: str) -> float:
        report = self.rig.load("echo", *self.traffic("1s"), "--pid", pid, "--url", url)
        return report["server_cpu_ns_per_message"] / 1000

    def event(self) -> float:
        with Service(self.rig) as service, self.gateway(service) as gateway:
            return self.loaded(gateway.pid, gateway.client())

    def echo(self) -> float:
        with Gateway(self.rig, hub=False) as gateway:
            return self.loaded(gateway.pid, f"ws://127.0.0.1:{gateway.port}/")

    def client(self) -> float:
        with Service(self.rig) as service:
            load = ["client", self.record, f"127.0.0.1:{service.port}", IN_FLIGHT, self.messages, 200]
            with self.rig.bare(*load, measured=True) as client:
                client.hear("connected")
                before = cpu([client.pid])
                client.say(".")
                client.hear(r"done in \S+ s", 600)
                return (cpu([client.pid]) - before) / self.messages / 1000

    def pushpin(self) -> float:
        """All its processes, by fewer messages, since each takes long. Opening and closing connections is in it."""
        messages = max(self.messages // 10, 2000)
        with Service(self.rig) as service, others.Pushpin(self.rig, service.port) as pushpin:
            pids = family(pushpin.pid)
            before = cpu(pids)
            self.rig.load("echo", *self.traffic("0s", messages), "--url", pushpin.url)
            return (settled_cpu(pids) - before) / messages / 1000


class Service(Process):
    """Echoes what it is told."""

    def __init__(self, rig, record: os.PathLike | None = None):
        super().__init__([rig.bare_binary, "service", *([record] if record else [])], rig.load_cpu)

    def started(self) -> None:
        self.port = int(self.hear(r"http://127\.0\.0\.1:(\d+)/")[1])
