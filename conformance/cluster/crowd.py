"""Thousands of clients of one node, a process of their own, and what they have heard.

Usage: crowd.py, with one order of JSON a line on standard input; each is answered by a line.
"""

import asyncio
import contextlib
import json
import pathlib
import resource
import subprocess
import sys
import types

sys.dont_write_bytecode = True
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]

import talk  # noqa: E402 (found by the path above)

ANSWER_SECONDS = 300


class Crowd:
    """The process, as others see it. `name` is that of the start of a node that it has come to."""

    def __init__(self):
        command = [sys.executable, str(pathlib.Path(__file__).resolve())]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lock = asyncio.Lock()

    async def order(self, do: str, **more) -> dict:
        async with self.lock:
            return await asyncio.wait_for(asyncio.to_thread(self._order, {"do": do} | more), ANSWER_SECONDS)

    def _order(self, order: dict) -> dict:
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or '{"problems": ["a process of clients has ended"]}')

    async def open(self, node, count: int, plan: talk.Plan) -> None:
        where = {"name": node.name, "starts": node.starts, "port": node.port, "key": node.key}
        answer = await self.order("open", node=where, count=count, plan=vars(plan))
        if answer.get("opened") != count:
            raise ConnectionError(f"{answer} of {count} clients have come to {node.name}")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Process:
    """The process itself."""

    def __init__(self):
        self.audience: talk.Audience | None = None

    async def open(self, node: dict, count: int, plan: dict) -> dict:
        self.audience = talk.Audience(types.SimpleNamespace(**node), count, talk.Plan(**plan))
        with contextlib.suppress(Exception):
            await self.audience.open()
        return {"opened": sum(client.socket.status.done() and not client.is_closed for client in self.audience.clients)}

    async def report(self) -> dict:
        audience = self.audience
        codes = [client.code for client in audience.clients if client.is_closed]
        return {
            "problems": audience.problems()[:20],
            "lost": audience.lost(),
            "ways": len({way for listener in audience.listeners for way in listener.last}),
            "heard": sum(listener.count for listener in audience.listeners),
            "closed": {str(code): codes.count(code) for code in set(codes)},
        }

    async def has(self, publishers: dict[str, dict[str, int]]) -> dict:
        """Of which of these it has not heard the last."""
        return {"waits": [name for name, said in publishers.items() if not self.audience.has(name, said)]}

    async def leave(self) -> dict:
        self.audience.leave()
        return {}


async def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    process, loop = Process(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        answer = await getattr(process, order.pop("do"))(**order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
