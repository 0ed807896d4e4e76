"""Compose: the file is valid, says what the documentation promises, and is started, all but Grafana."""

import json
import os
import pathlib
import shutil
import subprocess
import time

from . import bridged, image, pages, peer, substitutes, talk
from .bridged import BridgedEngine
from .engine import Unavailable, install, run
from .manifests import seconds
from .parts import Context
from .trials import Failed

PACKAGES = {"docker-compose": "docker-compose"} | bridged.PACKAGES | substitutes.PACKAGES
# What is copied beside one another, as in the repository.
NEEDED = ["deploy/compose", "deploy/monitoring", "deploy/seccomp.json", "examples/chat"]
STARTED = ["gateway", "chat", "prometheus"]
PUBLIC_PORTS = {("gateway", 8085)}
PROJECT = "holdfast"
# Two clients, whose goodbyes are spread over milliseconds.
DRAIN_SECONDS_MAX = 15
# As many descriptors as a small test machine permits.
NOFILE = "20000"


def started(context: Context) -> str:
    """All of it."""
    folder = context.folder("compose")
    (folder / "engine").mkdir()
    return check(context.root, folder, context.binary)


def check(root: pathlib.Path, directory: pathlib.Path, binary: pathlib.Path) -> str:
    """Everything; what was seen in a line. Raises Failed or Unavailable."""
    install(PACKAGES)
    folder = copy(root, directory / "tree")
    services = configuration(folder)
    wrong = [*complaints(services), *provisioning(folder, services)]
    if wrong:
        raise Failed("compose.yaml: " + "; ".join(wrong))
    with BridgedEngine(directory / "engine") as engine:
        images(engine, root, directory, binary, services)
        return start(engine, folder)


def copy(root: pathlib.Path, tree: pathlib.Path) -> pathlib.Path:
    """What compose.yaml needs, with secrets made as the documentation says; its folder."""
    for name in NEEDED:
        source, target = root / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    folder = tree / "deploy/compose"
    # A key file of whoever works here stays out.
    shutil.rmtree(folder / "secrets", ignore_errors=True)
    (folder / ".env").unlink(missing_ok=True)
    # The images and the start are `images` and `start` below.
    lines = [line for line in pages.commands(root / "docs/deploy.md", "Compose") if not line.startswith("docker")]
    run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], cwd=tree)
    if not (folder / "secrets/access-key").exists():
        raise Failed("the commands of docs/deploy.md make no secrets")
    return folder


def compose(folder: pathlib.Path, *words: str, engine: BridgedEngine | None = None) -> str:
    """One docker-compose command in the folder."""
    environment = {"COMPOSE_PROJECT_NAME": PROJECT, "NOFILE": NOFILE}
    if engine:
        environment |= {"DOCKER_HOST": engine.socket, "DOCKER_CONFIG": f"{engine.directory}/client"}
    return run(["docker-compose", *words], cwd=folder, environment=environment)


def configuration(folder: pathlib.Path) -> dict[str, dict]:
    """The services as compose understands the file."""
    text = compose(folder, "config")
    # docker-compose itself is Python with PyYAML.
    script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    done = subprocess.run(["/usr/bin/python3", "-c", script], input=text, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["services"]


def complaints(services: dict[str, dict]) -> list[str]:
    """What does not agree in the file."""
    gateway = services["gateway"]
    found = []
    drain, grace = seconds(gateway["environment"]["HOLDFAST_DRAIN_TIMEOUT"]), seconds(gateway["stop_grace_period"])
    if grace < drain + 5:
        found.append(f"stop_grace_period {grace:g} s is not longer than a drain of {drain:g} s")
    if gateway.get("mem_limit") != gateway.get("memswap_limit"):
        found.append("the gateway may swap")
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
    if ":" not in service["image"] and name != "gateway":
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
    engine: BridgedEngine, root: pathlib.Path, directory: pathlib.Path, binary: pathlib.Path, services: dict[str, dict]
) -> None:
    """The gateway's image as the Dockerfile builds it; the others' names with what Debian has."""
    image.build(engine, root, directory / "context", binary)
    engine.docker("tag", image.TAG, services["gateway"]["image"])
    for name, made in (("chat", substitutes.PYTHON), ("prometheus", substitutes.PROMETHEUS)):
        engine.load(substitutes.make(made, directory, name), services[name]["image"], *made.changes)


def start(engine: BridgedEngine, folder: pathlib.Path) -> str:
    """Up, a conversation, what Prometheus sees, and down: the gateway drains."""
    try:
        compose(folder, "up", "--detach", *STARTED, engine=engine)
        with engine.network():
            return converse(engine, folder)
    except (Failed, Unavailable, OSError, ValueError, EOFError) as error:
        logs = compose(folder, "logs", "--no-color", "--tail", "30", engine=engine)
        raise Failed(f"{error}\nthe containers said:\n{logs}") from error
    finally:
        compose(folder, "down", "--volumes", "--timeout", "1", engine=engine)


def converse(engine: BridgedEngine, folder: pathlib.Path) -> str:
    """Two people talk, through ports published on this machine; then the gateway is stopped."""
    gateway = compose(folder, "ps", "--quiet", "gateway", engine=engine).split()[-1]
    talk.until("the gateway is healthy", lambda: health(engine, gateway) == "healthy")
    talk.confined(engine.process(gateway))
    with (
        talk.enter(("127.0.0.1", 8085), ("127.0.0.1", 3000), "ann") as ann,
        talk.enter(("127.0.0.1", 8085), ("127.0.0.1", 3000), "bob") as bob,
    ):
        talk.say(ann, "ann", "hello")
        talk.until("Prometheus sees both", lambda: query("holdfast_connections") == 2, 60)
        rules = json.loads(ask("/api/v1/rules"))["data"]["groups"]
        bad = [rule["name"] for group in rules for rule in group["rules"] if rule["health"] == "err"]
        alerts = sum(rule["type"] == "alerting" for group in rules for rule in group["rules"])
        if bad or not alerts:
            raise Failed(f"{alerts} alerts; rules that cannot be evaluated: {bad}")
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
