"""Compose: the files are valid, say what the documentation promises, and are started, all but Grafana."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable

from . import bridged, image, pages, peer, substitutes, talk
from .bridged import BridgedEngine
from .engine import Unavailable, install, run
from .manifests import seconds
from .parts import Context
from .trials import Failed

PACKAGES = {"docker-compose": "docker-compose"} | bridged.PACKAGES | substitutes.PACKAGES
# What is copied beside one another, as in the repository.
NEEDED = ["deploy/compose", "deploy/monitoring", "deploy/nats", "deploy/seccomp.json", "examples/chat"]
PUBLIC_PORTS = {("gateway", 8085), ("balancer", 8085)}
PROJECT = "holdfast"
# Two clients, whose goodbyes are spread over milliseconds.
DRAIN_SECONDS_MAX = 15
# As many descriptors as a small test machine permits.
NOFILE = "20000"


@dataclasses.dataclass(frozen=True)
class File:
    """A file of compose: where it is explained, what is started of it, and whose images have Debian's programs."""

    name: str
    page: str
    started: tuple[str, ...]
    substituted: dict[str, substitutes.Root]


ALONE = File(
    "compose.yaml",
    "docs/deploy.md",
    ("gateway", "chat", "prometheus"),
    {"chat": substitutes.PYTHON, "prometheus": substitutes.PROMETHEUS},
)
CLUSTER = File(
    "cluster.yaml",
    "docs/cluster.md",
    ("gateway-1", "gateway-2", "gateway-3", "nats", "balancer", "chat", "prometheus"),
    ALONE.substituted | {"nats": substitutes.NATS, "balancer": substitutes.HAPROXY},
)
# Where the admin servers of the three are published.
ADMINS = {f"gateway-{number}": 9084 + number for number in (1, 2, 3)}


def started(context: Context) -> str:
    """The gateway alone."""
    folder = context.folder("compose")
    return check(context.root, folder, context.binary, ALONE, converse)


def cluster(context: Context) -> str:
    """Three of them."""
    folder = context.folder("compose-cluster")
    return check(context.root, folder, context.binary, CLUSTER, converse_among_nodes)


def check(
    root: pathlib.Path,
    directory: pathlib.Path,
    binary: pathlib.Path,
    file: File,
    talks: Callable[["Project"], str],
) -> str:
    """Everything; what was seen in a line. Raises Failed or Unavailable."""
    install(PACKAGES)
    project = Project(copy(root, directory / "tree", file), file)
    services = project.configuration()
    wrong = complaints(services) + (provisioning(project.folder, services) if "grafana" in services else [])
    if wrong:
        raise Failed(f"{file.name}: " + "; ".join(wrong))
    (directory / "engine").mkdir()
    with BridgedEngine(directory / "engine") as engine:
        project.engine = engine
        images(engine, root, directory, binary, services, file)
        return start(project, talks)


def copy(root: pathlib.Path, tree: pathlib.Path, file: File) -> pathlib.Path:
    """What the file needs, with secrets made as the documentation says; its folder."""
    for name in NEEDED:
        source, target = root / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    folder = tree / "deploy/compose"
    # A key file of whoever works here stays out.
    shutil.rmtree(folder / "secrets", ignore_errors=True)
    (folder / ".env").unlink(missing_ok=True)
    # The images and the start are `images` and `start` below.
    lines = [line for line in pages.commands(root / file.page, "Compose") if not line.startswith("docker")]
    run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], cwd=tree)
    if not (folder / "secrets/access-key").exists():
        raise Failed(f"the commands of {file.page} make no secrets")
    return folder


class Project:
    """A file of compose in its folder, and the engine in which it runs, once there is one."""

    def __init__(self, folder: pathlib.Path, file: File):
        self.folder, self.file = folder, file
        self.engine: BridgedEngine | None = None

    def compose(self, *words: str) -> str:
        """One docker-compose command."""
        environment = {"COMPOSE_PROJECT_NAME": PROJECT, "NOFILE": NOFILE}
        if self.engine:
            environment |= {"DOCKER_HOST": self.engine.socket, "DOCKER_CONFIG": f"{self.engine.directory}/client"}
        words = ("docker-compose", "--file", self.file.name, *words)
        return run(list(words), cwd=self.folder, environment=environment)

    def container(self, service: str) -> str:
        """A service's container."""
        return self.compose("ps", "--quiet", service).split()[-1]

    def configuration(self) -> dict[str, dict]:
        """The services as compose understands the file."""
        text = self.compose("config")
        # docker-compose itself is Python with PyYAML.
        words = ["/usr/bin/python3", "-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"]
        done = subprocess.run(words, input=text, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)["services"]


def complaints(services: dict[str, dict]) -> list[str]:
    """What does not agree in the file."""
    found = []
    gateways = {name: service for name, service in services.items() if name.startswith("gateway")}
    for name, gateway in gateways.items():
        drain, grace = seconds(gateway["environment"]["HOLDFAST_DRAIN_TIMEOUT"]), seconds(gateway["stop_grace_period"])
        if grace < drain + 5:
            found.append(f"{name}: stop_grace_period {grace:g} s is not longer than a drain of {drain:g} s")
        if gateway.get("mem_limit") != gateway.get("memswap_limit"):
            found.append(f"{name} may swap")
    own = {json.dumps({**gateway, "ports": None}, sort_keys=True) for gateway in gateways.values()}
    if len(own) > 1:
        found.append("nodes of one cluster have other settings than each other")
    for name, service in services.items():
        found += [f"{name}: {what}" for what in service_complaints(name, service)]
    return found


def service_complaints(name: str, service: dict) -> list[str]:
    """What one service may not do."""
    found = [] if service.get("cap_drop") == ["ALL"] else ["keeps capabilities"]
    if "no-new-privileges" not in service.get("security_opt", []):
        found.append("may get new privileges")
    # Grafana's image writes to places of its own.
    if not service.get("read_only") and name != "grafana":
        found.append("its root can be written to")
    if ":" not in service["image"] and not name.startswith("gateway"):
        found.append(f"image {service['image']} has no version")
    for address, port in map(published, service.get("ports", [])):
        if address != "127.0.0.1" and (name, port) not in PUBLIC_PORTS:
            found.append(f"port {port} is open to other machines")
    for key, value in service.get("environment", {}).items():
        if "PASSWORD" in key or key.endswith("_KEY"):
            found += [] if str(value).startswith("/run/secrets/") else [f"{key} is no file of a secret"]
    return found


def published(port: str | dict) -> tuple[str, int]:
    """Address and port of the host."""
    if isinstance(port, dict):
        return port.get("host_ip", "0.0.0.0"), int(port["published"])
    words = port.split("/")[0].rsplit(":", 2)
    return (words[0] if len(words) == 3 else "0.0.0.0"), int(words[-2])


def provisioning(folder: pathlib.Path, services: dict[str, dict]) -> list[str]:
    """Grafana, which is not started: files are mounted where its provisioning looks, and its data source is there."""
    grafana, monitoring = services["grafana"], folder.parent / "monitoring"
    mounts = dict(reversed(volume.split(":")[:2]) for volume in grafana["volumes"])
    dashboards = (monitoring / "grafana/provisioning/dashboards/holdfast.yml").read_text()
    source = (monitoring / "grafana/provisioning/datasources/prometheus.yml").read_text()
    place = next(target for target in mounts if target.endswith("/holdfast.json"))
    found = []
    if f"path: {place.rsplit('/', 1)[0]}\n" not in dashboards:
        found.append(f"grafana does not look for dashboards where {place} is")
    if "/etc/grafana/provisioning" not in mounts:
        found.append("grafana has no provisioning")
    if "${PROMETHEUS_ADDRESS}" not in source or "PROMETHEUS_ADDRESS" not in grafana["environment"]:
        found.append("grafana's data source has another address than PROMETHEUS_ADDRESS")
    found += [f"{path} is not there" for path in mounts.values() if path.startswith("/") and not os.path.exists(path)]
    return found


def images(
    engine: BridgedEngine,
    root: pathlib.Path,
    directory: pathlib.Path,
    binary: pathlib.Path,
    services: dict[str, dict],
    file: File,
) -> None:
    """The gateway's image as the Dockerfile builds it; the others' names with what Debian has."""
    image.build(engine, root, directory / "context", binary)
    for image_of in {service["image"] for name, service in services.items() if name.startswith("gateway")}:
        engine.docker("tag", image.TAG, image_of)
    for name, made in file.substituted.items():
        engine.load(substitutes.make(made, directory, name), services[name]["image"], *made.changes)


def start(project: Project, talks: Callable[[Project], str]) -> str:
    """Up, what is said and seen, and down."""
    try:
        project.compose("up", "--detach", *project.file.started)
        with project.engine.network():
            return talks(project)
    except (Failed, Unavailable, OSError, ValueError, EOFError) as error:
        logs = project.compose("logs", "--no-color", "--tail", "30")
        raise Failed(f"{error}\nthe containers said:\n{logs}") from error
    finally:
        project.compose("down", "--volumes", "--timeout", "1")


def converse(project: Project) -> str:
    """Two people talk, through ports published on this machine; Prometheus sees it; then the gateway is stopped."""
    engine, gateway = project.engine, project.container("gateway")
    talk.until("the gateway is healthy", lambda: health(engine, gateway) == "healthy")
    talk.confined(engine.process(gateway))
    with (
        talk.enter(("127.0.0.1", 8085), ("127.0.0.1", 3000), "ann") as ann,
        talk.enter(("127.0.0.1", 8085), ("127.0.0.1", 3000), "bob") as bob,
    ):
        talk.say(ann, "ann", "hello")
        talk.until("Prometheus sees both", lambda: query("holdfast_connections") == 2, 60)
        alerts = alerts_loaded()
        started = time.monotonic()
        process = subprocess.Popen([engine.client, "-H", engine.socket, "stop", gateway], stdout=subprocess.DEVNULL)
        talk.farewell(ann)
        talk.farewell(bob)
        process.wait()
        took = time.monotonic() - started
    if took > DRAIN_SECONDS_MAX:
        raise Failed(f"a drain of two clients took {took:.0f} s")
    code = engine.docker("inspect", "--format", "{{.State.ExitCode}}", gateway)
    if code != "0":
        raise Failed(f"the gateway ended with {code} after docker stop")
    return f"healthy, two clients talk through the chat, scraped, {alerts} alerts loaded, drained in {took:.0f} s"


def converse_among_nodes(project: Project) -> str:
    """Two people on two nodes talk; a node drains, and NATS goes and comes back, and they talk again."""
    engine = project.engine
    for name in ADMINS:
        gateway = project.container(name)
        talk.until(f"{name} is healthy", lambda: health(engine, gateway) == "healthy")
        talk.confined(engine.process(gateway))
        talk.until(f"{name} hears three nodes", lambda: len(seen_by(name)["nodes"]) == 3)
    front, chat = ("127.0.0.1", 8085), ("127.0.0.1", 3000)
    with talk.enter(front, chat, "ann") as ann, talk.enter(front, chat, "bob") as bob:
        talk.until("they are on two nodes", lambda: sorted(held().values()) == [0, 1, 1])
        talk.say(ann, "ann", "hello")
        talk.hear(bob, "ann", "hello")
        talk.until("Prometheus sees three nodes", lambda: query("min(holdfast_cluster_nodes)") == 3, 60)
        alerts = alerts_loaded()
        engine.docker("stop", project.container("nats"))
        talk.until("all know that NATS is away", lambda: not any(connected()))
        engine.docker("start", project.container("nats"))
        talk.until("NATS is back", lambda: all(connected()))
        talk.until("three nodes again", lambda: len(seen_by("gateway-1")["nodes"]) == 3)
        talk.say(bob, "bob", "NATS is back")
        talk.hear(ann, "bob", "NATS is back")
        (empty, *_) = (name for name, connections in held().items() if connections == 0)
        engine.docker("stop", project.container(empty))
        others = [name for name in ADMINS if name != empty]
        talk.until("two nodes are left", lambda: all(len(seen_by(name)["nodes"]) == 2 for name in others))
        if any(seen_by(name)["counts"]["left"]["goodbye"] != 1 for name in others):
            raise Failed(f"{empty} has said no goodbye")
        talk.say(ann, "ann", "one less")
        talk.hear(bob, "ann", "one less")
    return f"three nodes, clients on two of them talk, NATS goes and comes back, a node leaves, {alerts} alerts loaded"


def seen_by(name: str) -> dict:
    """The cluster as a gateway sees it."""
    status, body = peer.ask(f"http://127.0.0.1:{ADMINS[name]}/cluster")
    if status != 200:
        raise Failed(f"/cluster of {name} answered {status} {body}")
    return json.loads(body)


def held() -> dict[str, int]:
    """Connections of each gateway, as it says itself."""
    return {name: next(one["connections"] for one in seen_by(name)["nodes"] if one["own"]) for name in ADMINS}


def connected() -> list[bool]:
    return [seen_by(name)["bus"]["connected"] for name in ADMINS]


def alerts_loaded() -> int:
    """How many alerts Prometheus has; all of its rules can be evaluated."""
    rules = json.loads(ask("/api/v1/rules"))["data"]["groups"]
    bad = [rule["name"] for group in rules for rule in group["rules"] if rule["health"] == "err"]
    alerts = sum(rule["type"] == "alerting" for group in rules for rule in group["rules"])
    if bad or not alerts:
        raise Failed(f"{alerts} alerts; rules that cannot be evaluated: {bad}")
    return alerts


def health(engine: BridgedEngine, container: str) -> str:
    """What the container's health check says."""
    return engine.docker("inspect", "--format", "{{.State.Health.Status}}", container)


def ask(path: str) -> str:
    """An answer of Prometheus."""
    status, body = peer.ask(f"http://127.0.0.1:9090{path}")
    if status != 200:
        raise Failed(f"Prometheus answered {status} {body}")
    return body


def query(expression: str) -> float:
    """The only value of an expression."""
    (found,) = json.loads(ask(f"/api/v1/query?query={expression}"))["data"]["result"]
    return float(found["value"][1])
