"""Web PubSub's own SDKs, through a front that sends services to one node and clients to the others."""

import asyncio
import contextlib
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import socket
import subprocess
import sys

from clients import Wrong, check, until
from node import Node
from shared import gateway, install
from world import Rig

HERE = pathlib.Path(__file__).resolve().parents[1]
# Gateways by the names that haproxy.cfg has for them, their ports there, and what there is in place of their ids.
PLACES = {"one": ("8081", ""), "two": ("8082", "000000000002"), "three": ("8083", "000000000003")}


def _program(path: str, name: str):
    """A program of another folder, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(HERE.parent / path))
    found = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = found
    loader.exec_module(found)
    return found


fronts = _program("proxies/fronts.py", "fronts")


@contextlib.contextmanager
def front(program: str, folder: pathlib.Path, port: int, nodes: dict[str, Node], ids: dict[str, str]):
    """HAProxy before these nodes."""
    words = [("bind 127.0.0.1:8080", f"bind 127.0.0.1:{port}")]
    for name, node in nodes.items():
        place, stand_in = PLACES[name]
        words.append((f"127.0.0.1:{place}", f"127.0.0.1:{node.port}"))
        words += [(stand_in, ids[name])] if stand_in else []
    config = folder / "haproxy.cfg"
    config.write_text(fronts.replaced((HERE / "haproxy.cfg").read_text(), words))
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-f", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def sdk_kit(rig: Rig) -> str:
    """The SDK kit, unchanged: /api to node 1, /client to nodes 2 and 3, by awps_connection_id to the node that knows
    it."""
    kit = _program("webpubsub/run", "webpubsub_run")
    program = install.debian_daemon("haproxy", "haproxy")
    halves = await asyncio.to_thread(kit.set_up, install.directory() / "webpubsub")
    said = [await _half(rig, kit, program, half) for half in halves]
    return "; ".join(said)


async def _half(rig: Rig, kit, program: str, half) -> str:
    service, port = gateway.free_port(), gateway.free_port()
    text = kit.SETTINGS.read_text().replace(f":{kit.SERVICE_PORT}/", f":{service}/")
    # What stands before its first table belongs to the whole; the hub of the kit is the only one.
    whole, _, tables = text.partition("[hub.")
    more = [f'endpoints = ["http://127.0.0.1:{port}", "http://127.0.0.1"]']
    more += [line for line in whole.splitlines() if line and not line.startswith("#")]
    async with rig.world(hubs=[], more=[*more, f"[hub.{tables}"]) as world:
        nodes = dict(zip(PLACES, world.nodes))
        ids = {name: (await node.cluster())["node"] for name, node in nodes.items()}
        with front(program, world.folder, port, nodes, ids):
            await until(lambda: _listens(port), "the front listens")
            environment = dict(
                os.environ,
                PYTHONDONTWRITEBYTECODE="1",
                WEBPUBSUB_KIT_UPSTREAM_PORT=str(service),
                # Each of three gateways asks the service whether it wants events.
                WEBPUBSUB_KIT_NOT_FRESH="1",
            )
            for name in ["http_proxy", "https_proxy", "all_proxy"]:
                environment.pop(name, None)
                environment.pop(name.upper(), None)
            command = [*half.command, f"http://127.0.0.1:{port}", world.key, kit.HUB]
            said, status = await asyncio.to_thread(kit.converse, command, half.folder, environment)
        passed, failed = kit.beginning(said, "ok      "), kit.beginning(said, "FAILED  ")
        count = f"{half.name}: {len(passed)} passed, {len(failed)} failed"
        if count not in said.splitlines() or not passed:
            raise Wrong(f"{half.name}: the checks did not run to their end ({status}):\n{said[-3000:]}")
        wrong = kit.compare(passed, failed, kit.missing(half.name, ""))
        check(not wrong, f"{half.name}: {wrong}")
        shares = [await _share(node) for node in world.nodes]
        check(shares[0] == 0 and all(shares[1:]), f"clients by node: {shares}")
        served = (world.folder / "haproxy.log").read_text(errors="replace")
        check(re.search(r"/api/\S* \d+ one", served), "services were served by the first node")
        return f"{count}, clients by node {shares}"


async def _share(node: Node) -> int:
    return (await node.metrics()).sum("holdfast_connections_opened_total")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False
