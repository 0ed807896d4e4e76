"""A message to one connection over REST: CPU of the gateway for each."""

import json

from .figures import compared
from .gateway import Gateway, Reader
from .process import Process, cpu, settled_cpu

REST, ROUTE, HANDLE = "REST send to one connection", "bare axum route", "send by the handle"
CONNECTIONS, LEN = 32, 64
# Its header has two bytes.
FRAME = 2 + LEN
# On a busy machine the client may not read for a while, which is not what is measured.
PATIENT = ["--outbox-bytes-max", "64MiB", "--send-timeout", "5m"]


def measure(rig, messages: int) -> dict:
    run = Run(rig, messages)
    values = rig.alternate({REST: run.rest, ROUTE: run.route, HANDLE: run.handle})
    what = f"a REST send to one connection, {CONNECTIONS} at once"
    return {"what": what, "values": values, "ratios": compared(values, [(REST, (ROUTE, HANDLE), 1.5)])}


class Run:
    def __init__(self, rig, messages: int):
        self.rig, self.messages = rig, messages
        # Of the last run over REST, which comes first; the handle is then used as often in a second.
        self.seconds = 0.0

    def request(self, port: int, path: str, headers: dict[str, str]) -> object:
        file = self.rig.folder("rest") / "request"
        headers = {"host": f"127.0.0.1:{port}", "content-type": "text/plain"} | headers
        lines = "".join(f"{name}: {value}\n" for name, value in headers.items())
        file.write_text(f"{path}\n{lines}\n{'x' * LEN}")
        return file

    def load(self, pid: int, port: int, request: object) -> float:
        """CPU time of that process for each request."""
        arguments = ["client", request, f"127.0.0.1:{port}", CONNECTIONS, self.messages, 202]
        with self.rig.bare(*arguments, measured=False) as client:
            client.hear("connected")
            before = cpu([pid])
            client.say(".")
            self.seconds = float(client.hear(r"done in (\S+) s", 600)[1])
            return (settled_cpu([pid]) - before) / self.messages / 1000

    def rest(self) -> float:
        with Gateway(self.rig, *PATIENT) as gateway:
            path = gateway.client(**{"webpubsub.group": "one"}).partition(str(gateway.port))[2]
            with Reader(gateway.port, path) as reader:
                (member,) = json.loads(gateway.ask("groups/one/connections"))["value"]
                path, access = gateway.api(f"connections/{member['connectionId']}/:send")
                request = self.request(gateway.port, path, {"authorization": f"Bearer {access}"})
                spent = self.load(gateway.pid, gateway.port, request)
                reader.wait_for(FRAME * self.messages)
                self.rest_seconds = self.seconds
                return spent

    def route(self) -> float:
        with self.rig.bare("route", measured=True) as route:
            port = int(route.hear(r"http://127\.0\.0\.1:(\d+)/")[1])
            path = f"/api/hubs/chat/connections/{'0' * 32}/:send"
            return self.load(route.pid, port, self.request(port, path, {"authorization": f"Bearer {'x' * 200}"}))

    def handle(self) -> float:
        """As many in a second as over REST, as many at once; a sleep for each such burst is in it."""
        seconds = getattr(self, "rest_seconds", None) or self.messages / 20_000
        pause = int(seconds * 1e6 * CONNECTIONS / self.messages)
        command = [self.rig.handle_binary, "--listen", "127.0.0.1:0", "--admin", "off", "--shards", 1, *PATIENT]
        with Process([*command, "--driver", self.rig.driver], self.rig.server_cpu) as gateway:
            port = int(gateway.hear(r"ws://127\.0\.0\.1:(\d+)/")[1])
            with Reader(port, "/") as reader:
                gateway.say(f"{CONNECTIONS} {CONNECTIONS} 0\n")
                gateway.hear("sent")
                reader.wait_for(FRAME * CONNECTIONS)
                before = settled_cpu([gateway.pid])
                gateway.say(f"{self.messages} {CONNECTIONS} {pause}\n")
                gateway.hear("sent", 600)
                reader.wait_for(FRAME * (CONNECTIONS + self.messages))
                return (settled_cpu([gateway.pid]) - before) / self.messages / 1000
