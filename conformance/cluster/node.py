"""One gateway of a cluster: started, killed, stopped, drained; what it shows, and REST on it."""

import asyncio
import http.client
import json
import pathlib
import re
import signal

from shared import gateway, rest
from shared.metrics import Metrics

SECONDS = 20
TOKEN = "the-token-of-the-rig-for-its-admin-servers"


class Node:
    """A gateway with hubs. Each start is another node, with ports of its own."""

    def __init__(self, name: str, binary: pathlib.Path, rung: str, folder: pathlib.Path, key: str, settings: list[str]):
        self.name, self.binary, self.rung, self.key = name, binary, rung, key
        self.config, self.log = folder / f"{name}.toml", folder / f"{name}.log"
        (folder / "key").write_text(key)
        (folder / "token").write_text(TOKEN)
        own = [f'access-key-file = "{folder}/key"', f'admin-token-file = "{folder}/token"', "shards = 2"]
        self.config.write_text("\n".join([*own, *settings]) + "\n")
        self.gateway: gateway.Gateway | None = None
        self.starts = 0
        self.logs: list[pathlib.Path] = []

    def start(self) -> None:
        self.starts += 1
        log = self.log.with_suffix(f".{self.starts}.log")
        self.logs.append(log)
        one = gateway.Gateway(self.binary, self.rung, log, "--config", str(self.config))
        self.gateway = one.__enter__()
        self.port = int(re.search(r":(\d+)/", one.url)[1])
        self.rest = rest.Rest(self.port, self.key, 64)
        # The endpoint that clients name, too.
        self.rest.host = "127.0.0.1"

    async def begin(self) -> "Node":
        await asyncio.to_thread(self.start)
        return self

    @property
    def pid(self) -> int:
        return self.gateway.process.pid

    def is_alive(self) -> bool:
        return self.gateway is not None and self.gateway.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.gateway.process.send_signal(number)

    def stop(self) -> None:
        """It stands still."""
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """By SIGKILL; nothing where it has gone."""
        if self.gateway:
            self.gateway.process.kill()
            self.gateway.process.wait()
            self.gateway.process.stdout.close()
            self.gateway = None

    async def end(self, seconds: float = 45) -> int:
        """By SIGTERM: its exit code."""
        self.signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.gateway.process.wait, seconds)
        self.kill()
        return code

    def said(self) -> str:
        """All of its logs."""
        return "".join(log.read_text(errors="replace") for log in self.logs)

    def admin(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        asked = http.client.HTTPConnection(self.gateway.admin, timeout=SECONDS)
        try:
            asked.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = asked.getresponse()
            return answer.status, answer.read()
        finally:
            asked.close()

    async def is_ready(self) -> bool:
        status, _ = await asyncio.to_thread(self.admin, "/readyz")
        return status == 200

    async def metrics(self) -> Metrics:
        return await asyncio.to_thread(Metrics.read, self.gateway.admin)

    async def count(self, name: str, **labels: str) -> int:
        """A metric of the cluster: `missed_total` of holdfast_cluster_missed_total."""
        return (await self.metrics()).sum(f"holdfast_cluster_{name}", **labels)

    async def cluster(self) -> dict:
        status, body = await asyncio.to_thread(self.admin, "/cluster")
        if status != 200:
            raise gateway.Broken(f"{self.name}: /cluster answers {status}")
        return json.loads(body)

    def resident(self) -> int:
        """Bytes of memory."""
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * 4096

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    async def ask(self, method: str, hub: str, path: str, query=(), body: bytes = b"", kind="application/json") -> int:
        """A REST request: its status."""
        return (await self.rest.ask("", method, hub, path, query, body, kind))[0]

    async def send(self, hub: str, to: str, text: str, query=()) -> int:
        """Sends a text: to all (""), "/groups/G", "/users/U", "/connections/C"."""
        return await self.ask("POST", hub, f"{to}/:send", query, text.encode(), "text/plain")
