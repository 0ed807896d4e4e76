"""Kubernetes: kustomize builds the manifests, schemas and rules of our own accept them, and the pod is started.

No cluster can be had here. The pod's container is started by Docker with what its specification says: user, read-only
root, capabilities, seccomp as containerd reads the profile, memory, variables, key, ports. The installer of the profile
is started as well.
"""

import json
import math
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

from . import bridged, debian, image, manifests, nats, pages, peer, profiles, substitutes, talk, trials
from .bridged import BridgedEngine
from .engine import Unavailable, apt_get, install, run
from .parts import Context
from .trials import Failed

PACKAGES = bridged.PACKAGES | substitutes.PACKAGES
# kubectl has kustomize built in. The validator brings the schemas of the same version, and PyYAML.
REQUIREMENTS = pathlib.Path(__file__).with_name("kubernetes.txt")
MODELS = pathlib.Path(__file__).with_name("models")
FOLDER = "deploy/kubernetes"
BUILDS = {
    "base": f"{FOLDER}/base",
    "production": f"{FOLDER}/overlays/production",
    "cluster": f"{FOLDER}/overlays/cluster",
}
# Of these a pod is started.
STARTED = ["base", "production"]
# The oldest Kubernetes that the documentation promises: preStop by sleep.
OLDEST = "1.30"
OUTSIDE = ["--load-restrictor", "LoadRestrictionsNone"]
# The only ones that the validator does not know; their schemas come from npm.
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
PUBLIC = "chat.example.com"
NOFILE = 20000
# What a container runtime that takes profiles as the OCI's specification has them makes of one: the rest it ignores.
OCI_PROFILE = {"defaultAction", "defaultErrnoRet", "architectures", "flags", "syscalls"}
OCI_RULE = {"names", "action", "errnoRet", "args"}

Resources = list[dict]


def manifests_alone(context: Context) -> str:
    """Without starting anything."""
    return check(context.root, context.folder("kubernetes-manifests"), None, context.work)


def pods(context: Context) -> str:
    """All of it."""
    folder = context.folder("kubernetes")
    (folder / "engine").mkdir()
    return check(context.root, folder, context.binary, context.work)


def check(root: pathlib.Path, directory: pathlib.Path, binary: pathlib.Path | None, work: pathlib.Path) -> str:
    """Everything; what was seen in a line. Without a binary nothing is started. `work` keeps tools for the next time.
    Raises Failed or Unavailable."""
    tools = environment(work / "kubernetes")
    run([str(root / FOLDER / "rules"), "--check"])
    builds = {name: build(tools, root, folder) for name, folder in BUILDS.items()}
    for name in ("seccomp", "nats"):
        builds[name] = build(tools, root, f"{FOLDER}/{name}")
    for resources in builds.values():
        validate(tools, directory, resources)
    modelled = models(work / "models", [one for name in BUILDS for one in builds[name] if one["kind"] in CUSTOM])
    for name in BUILDS:
        wrong = manifests.complaints(manifests.Manifests(builds[name]), exposed(root))
        if wrong:
            raise Failed(f"{name}: " + "; ".join(wrong))
    profile(root, builds["seccomp"])
    released(root, builds["production"])
    documented(tools, root, directory, "docs/kubernetes.md", builds["production"])
    documented(tools, root, directory, "docs/cluster.md", builds["cluster"])
    wrong = manifests.bus_complaints(builds["nats"], manifests.Manifests(builds["cluster"]))
    if wrong:
        raise Failed("nats: " + "; ".join(wrong))
    nats.in_kubernetes(root, directory / "nats")
    adapter(tools, root)
    for resource in builds["base"]:
        if resource["kind"] == "PrometheusRule":
            check_rules(resource["spec"])
    count = sum(map(len, builds.values()))
    seen = f"{count} resources valid for Kubernetes {OLDEST} and {version()}, {modelled} for the Prometheus operator"
    if not binary:
        return f"{seen}; no container was started"
    install(PACKAGES)
    with BridgedEngine(directory / "engine") as engine:
        image.build(engine, root, directory / "context", binary)
        for name, made in (("python", substitutes.PYTHON), ("busybox", substitutes.BUSYBOX)):
            engine.load(substitutes.make(made, directory, name), f"holdfast-rig-{name}", *made.changes)
        installed = install_profile(engine, directory, builds["seccomp"])
        for name in STARTED:
            seen += f"; {name}: " + Pod(engine, root, directory / name, builds[name], installed).live()
    return seen


def environment(folder: pathlib.Path) -> pathlib.Path:
    """A virtual environment with the pinned tools, made where it is missing or has others; its folder of programs."""
    made = folder / "made-of.txt"
    if made.exists() and made.read_text() == REQUIREMENTS.read_text():
        return folder / "bin"
    try:
        run([sys.executable, "-m", "venv", "--clear", str(folder)])
    except Unavailable:
        apt_get("python3-venv")
        run([sys.executable, "-m", "venv", "--clear", str(folder)])
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", str(REQUIREMENTS)]
    run([str(folder / "bin/pip"), "install", *options])
    shutil.copy(REQUIREMENTS, made)
    return folder / "bin"


def version() -> str:
    """The Kubernetes version of the schemas."""
    pinned = dict(line.split("==") for line in REQUIREMENTS.read_text().split())
    return ".".join(pinned["kubernetes-validate"].split(".")[:2])


def build(tools: pathlib.Path, root: pathlib.Path, folder: str) -> Resources:
    """What kustomize makes of a folder."""
    options = OUTSIDE if folder.endswith(("/seccomp", "/nats")) else []
    return parse(tools, run([str(tools / "kubectl"), "kustomize", *options, str(root / folder)]))


def parse(tools: pathlib.Path, text: str) -> Resources:
    """The documents of a YAML text."""
    script = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)"
    words = [str(tools / "python"), "-c", script]
    return json.loads(subprocess.run(words, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout)


def validate(tools: pathlib.Path, directory: pathlib.Path, resources: Resources) -> None:
    """Kubernetes' own schemas, strictly: no field that is not known."""
    path = directory / "resources.yaml"
    path.write_text("\n---\n".join(json.dumps(one) for one in resources if one["kind"] not in CUSTOM))
    for release in (OLDEST, version()):
        run([str(tools / "kubernetes-validate"), "--kubernetes-version", release, "--strict", "--quiet", str(path)])


def models(folder: pathlib.Path, resources: Resources) -> int:
    """The Prometheus operator's schemas, by a package of npm; how many it has accepted."""
    lock, made = (MODELS / "package-lock.json").read_text(), folder / "made-of.json"
    if not made.exists() or made.read_text() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(MODELS / name, folder)
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder)
        made.write_text(lock)
    # Beside the packages, where its imports find them.
    shutil.copy(MODELS / "validate.mjs", folder)
    path = folder / "resources.json"
    path.write_text(json.dumps(resources))
    return int(run(["node", "validate.mjs", str(path)], cwd=folder))


def exposed(root: pathlib.Path) -> set[int]:
    """The ports of the image."""
    found = re.search(r"^EXPOSE (.*)$", (root / "deploy/Dockerfile").read_text(), re.MULTILINE)
    if not found:
        raise Failed("the Dockerfile exposes nothing")
    return {int(port) for port in found[1].split()}


def documented(
    tools: pathlib.Path, root: pathlib.Path, directory: pathlib.Path, page: str, resources: Resources
) -> None:
    """The commands of a page, without a cluster: what is applied is built, what is created is printed. The Secrets are
    those that pods ask for."""
    printed = {}
    place = directory / pathlib.Path(page).stem
    place.mkdir()
    (place / "deploy").symlink_to(root / "deploy")
    for command in pages.commands(root / page, "Kubernetes"):
        alone = command.removesuffix(" | kubectl apply -f -").replace("kubectl apply -k", "kubectl kustomize")
        alone += " --dry-run=client --output yaml" if alone.startswith("kubectl create") else ""
        path = f"{tools}:{os.environ['PATH']}"
        printed[command] = run(["bash", "-euo", "pipefail", "-c", alone], cwd=place, environment={"PATH": path})
    created = [parse(tools, text)[0] for command, text in printed.items() if "kubectl create" in command]
    secrets_made = {one["metadata"]["name"]: set(one["data"]) for one in created if one["kind"] == "Secret"}
    asked = manifests.Manifests(resources).files()
    for name, files in secrets_made.items():
        if name in asked and asked[name] != files:
            raise Failed(f"{page} creates a Secret {name} with {files}, and pods ask for {asked[name]}")
    if not secrets_made.keys() & asked.keys():
        raise Failed(f"{page} creates no Secret that the pod asks for")
    spaces = {one["metadata"].get("namespace") for one in created if one["kind"] != "Namespace"}
    if spaces != {resources[0]["metadata"].get("namespace", "holdfast")}:
        raise Failed(f"{page} creates things elsewhere: {spaces}")


def released(root: pathlib.Path, resources: Resources) -> None:
    """The overlay runs the image of this version."""
    _, tag = manifests.Manifests(resources).container["image"].rsplit(":", 1)
    if tag != debian.version(root):
        raise Failed(f"the production overlay has newTag {tag}, and Cargo.toml has version {debian.version(root)}")


def profile(root: pathlib.Path, resources: Resources) -> None:
    """The installer has our profile, and a runtime that ignores Docker's own fields understands the same."""
    (config,) = (one for one in resources if one["kind"] == "ConfigMap")
    text = config["data"]["holdfast.json"]
    if text != (root / "deploy/seccomp.json").read_text():
        raise Failed("the installer has another profile than deploy/seccomp.json")
    content = json.loads(text)
    # With conditions on capabilities or kernels a rule would hold always; with further architectures, calls of others
    # would be let in by Docker only.
    if set(content) - OCI_PROFILE - {"archMap"} or any(arch["subArchitectures"] for arch in content["archMap"]):
        raise Failed("deploy/seccomp.json has fields that only Docker understands")
    for rule in content["syscalls"]:
        if set(rule) - OCI_RULE - {"comment"}:
            raise Failed(f"only Docker understands a rule with {sorted(rule)}")


def as_oci(content: dict) -> dict:
    """The profile as containerd reads it: Docker's fields are passed over."""
    rules = [{key: value for key, value in rule.items() if key in OCI_RULE} for rule in content["syscalls"]]
    return {key: value for key, value in content.items() if key in OCI_PROFILE} | {"syscalls": rules}


def adapter(tools: pathlib.Path, root: pathlib.Path) -> None:
    """The adapter's query, filled in as it does, is one that Prometheus takes."""
    (values,) = parse(tools, (root / FOLDER / "prometheus-adapter.yaml").read_text())
    (rule,) = values["rules"]["custom"]
    filled = {"<<.Series>>": "holdfast_connections", "<<.GroupBy>>": "pod"}
    filled["<<.LabelMatchers>>"] = 'namespace="holdfast",pod=~"a|b"'
    query = rule["metricsQuery"]
    for placeholder, text in filled.items():
        query = query.replace(placeholder, text)
    rules = [{"record": f"a{number}", "expr": text} for number, text in enumerate((query, rule["seriesQuery"]))]
    check_rules({"groups": [{"name": "adapter", "rules": rules}]})


def check_rules(groups: dict) -> None:
    """promtool takes these rules; JSON is YAML."""
    install({"promtool": "prometheus"})
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump(groups, file)
        file.flush()
        run(["promtool", "check", "rules", file.name])


def install_profile(engine: BridgedEngine, directory: pathlib.Path, resources: Resources) -> pathlib.Path:
    """Runs the installer's container with what its specification says; the profile that it has put on the node."""
    (daemon,) = (one for one in resources if one["kind"] == "DaemonSet")
    (config,) = (one for one in resources if one["kind"] == "ConfigMap")
    (container,) = daemon["spec"]["template"]["spec"]["containers"]
    source, node = directory / "profile", directory / "node"
    source.mkdir()
    node.mkdir()
    for name, text in config["data"].items():
        (source / name).write_text(text)
    options = ["--detach", "--network", "none", *confinement(container, {})]
    options += ["--volume", f"{source}:/profile:ro", "--volume", f"{node}:/node"]
    name = engine.docker("run", *options, "holdfast-rig-busybox", *container["command"], *container["args"])
    target = node / "holdfast.json"
    try:
        talk.until("the installer has written the profile", target.exists)
        if target.read_text() != config["data"]["holdfast.json"] or target.stat().st_mode & 0o777 != 0o644:
            raise Failed("the installer has written another file")
        if engine.docker("inspect", "--format", "{{.State.Running}}", name) != "true":
            raise Failed("the installer does not stay")
    except Failed as error:
        raise Failed(f"{error}\nit said:\n{engine.docker('logs', name)}") from error
    finally:
        engine.docker("rm", "--force", name)
    return target


def confinement(container: dict, pod: dict) -> list[str]:
    """Security context and limits as options of docker run."""
    context = pod | container["securityContext"]
    user = context["runAsUser"]
    options = ["--user", f"{user}:{context.get('runAsGroup', user)}"]
    options += ["--group-add", str(context["fsGroup"])] if "fsGroup" in context else []
    options += ["--read-only"] if context["readOnlyRootFilesystem"] else []
    options += [] if context["allowPrivilegeEscalation"] else ["--security-opt", "no-new-privileges"]
    options += [word for name in context["capabilities"]["drop"] for word in ("--cap-drop", name)]
    memory = str(manifests.size(container["resources"]["limits"]["memory"]))
    return [*options, "--memory", memory, "--memory-swap", memory]


class Pod:
    """The pod of a build beside a chat, as containers on a network where they have the names that they have as
    Services."""

    def __init__(
        self,
        engine: BridgedEngine,
        root: pathlib.Path,
        directory: pathlib.Path,
        resources: Resources,
        seccomp: pathlib.Path,
    ):
        self.engine, self.root, self.directory = engine, root, directory
        self.manifests = manifests.Manifests(resources)
        self.network = directory.name
        directory.mkdir()
        # What a runtime reads that takes the profile by the OCI's specification.
        self.profile = directory / "seccomp.json"
        self.profile.write_text(json.dumps(as_oci(profiles.load(seccomp))))
        self.key = directory / "access-key"
        self.key.write_text(secrets.token_urlsafe(32) + "\n")
        # As the kubelet does by fsGroup and defaultMode.
        self.key.chmod(0o440)
        shutil.chown(self.key, 0, self.manifests.pod["securityContext"]["fsGroup"])

    def live(self) -> str:
        """Start, probes, a conversation, SIGTERM; what was seen."""
        engine = self.engine
        engine.docker("network", "create", self.network)
        chat = self.start_chat()
        gateway = self.start_gateway()
        try:
            with engine.network():
                return self.converse(gateway, engine.address(gateway, self.network), engine.address(chat, self.network))
        except (Failed, Unavailable, OSError, ValueError, EOFError) as error:
            raise Failed(f"{error}\nthe gateway said:\n{engine.docker('logs', gateway)}") from error
        finally:
            engine.docker("rm", "--force", gateway, chat)
            engine.docker("network", "rm", self.network)

    def start_chat(self) -> str:
        """The example service; the container's id."""
        endpoint = self.manifests.settings.get("HOLDFAST_ENDPOINTS", f"http://{PUBLIC}").split(",")[0]
        options = ["--detach", "--network", self.network, "--network-alias", "chat", "--init"]
        options += ["--volume", f"{self.root / 'examples/chat'}:/chat:ro", "--volume", f"{self.key}:/key:ro"]
        words = ["python3", "/chat/chat.py", "/key", "http://holdfast:8085", endpoint, "0.0.0.0"]
        return self.engine.docker("run", *options, "holdfast-rig-python", *words)

    def start_gateway(self) -> str:
        """The pod's container; its id."""
        container = self.manifests.container
        (mount,) = container["volumeMounts"]
        options = ["--detach", "--network", self.network, "--network-alias", "holdfast"]
        options += confinement(container, self.manifests.pod["securityContext"])
        options += ["--security-opt", f"seccomp={self.profile}", "--ulimit", f"nofile={NOFILE}:{NOFILE}"]
        options += ["--volume", f"{self.key}:{mount['mountPath']}/access-key:ro"]
        for name, value in self.variables().items():
            options += ["--env", f"{name}={value}"]
        return self.engine.docker("run", *options, image.TAG, *container.get("args", []))

    def variables(self) -> dict[str, str]:
        """The container's variables: those of the ConfigMap, and what is asked for of CPU."""
        values = dict(self.manifests.settings)
        for variable in self.manifests.container["env"]:
            reference = variable["valueFrom"]["resourceFieldRef"]["resource"]
            _, name = reference.split(".")
            values[variable["name"]] = str(math.ceil(float(self.manifests.container["resources"]["requests"][name])))
        # Otherwise as many descriptors would be needed as this machine does not permit.
        values["HOLDFAST_CONNECTIONS_MAX"] = str(min(int(values["HOLDFAST_CONNECTIONS_MAX"]), NOFILE // 2))
        return values

    def converse(self, gateway: str, address: str, chat: str) -> str:
        """Each probe, somebody who talks, and a drain within the time that the kubelet gives."""
        for probe in manifests.PROBES:
            asked = self.manifests.container[probe]["httpGet"]
            url = f"http://{address}:{self.manifests.port(asked['port'])}{asked['path']}"
            talk.until(f"{probe} {url}", lambda: peer.ask(url)[0] == 200)
        talk.confined(self.engine.process(gateway))
        said = self.engine.docker("logs", gateway)
        driver = json.loads(said.splitlines()[0]).get("driver", "") if said.startswith("{") else said
        if "io_uring" not in str(driver):
            raise Failed(f"the driver is {driver}")
        room = self.room(address)
        with talk.enter((address, self.manifests.port("clients")), (chat, 3000), "ann") as ann:
            talk.say(ann, "ann", "hello")
            self.tell_this_pod(address)
            started = time.monotonic()
            self.engine.docker("kill", "--signal", "TERM", gateway)
            talk.farewell(ann)
            grace = self.manifests.pod["terminationGracePeriodSeconds"]
            stop = self.manifests.container["lifecycle"]["preStop"]["sleep"]["seconds"]
            code = trials.wait_for_end(self.engine, gateway, grace - stop)
        if code != 0:
            raise Failed(f"ended with exit code {code} after SIGTERM")
        return f"io_uring, probes, a chat, memory for {room} connections, drained in {time.monotonic() - started:.0f} s"

    def tell_this_pod(self, address: str) -> None:
        """REST to the pod's own address, with a token for the last name in `endpoints`, or else for that address."""
        url = f"http://{address}:{self.manifests.port('clients')}"
        name = self.manifests.settings.get("HOLDFAST_ENDPOINTS", url).split(",")[-1]
        path = "/api/hubs/chat/:send"
        bearer = peer.token(self.key.read_text().strip(), name + path)
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "text/plain"}
        status, answer = peer.ask(url + path, "POST", b"to this pod", headers)
        if status != 202:
            raise Failed(f"REST with a token for {name} is answered {status} {answer}")

    def room(self, address: str) -> int:
        """For how many connections the gateway has planned memory, under the pod's limit: as many as it is to take."""
        _, text = peer.ask(f"http://{address}:{self.manifests.port('admin')}/metrics")
        limit = metric(text, r'holdfast_memory_limit_bytes{source="cgroup_v\d"}')
        if limit != manifests.size(self.manifests.container["resources"]["limits"]["memory"]):
            raise Failed(f"the gateway plans with {limit:g} bytes of memory")
        planned = metric(text, 'holdfast_memory_plan_bytes{part="connections"}')
        room = int(planned / manifests.BYTES_PER_CONNECTION)
        if room < int(self.manifests.setting("HOLDFAST_CONNECTIONS_MAX")):
            raise Failed(f"memory is planned for {room} connections only")
        return room


def metric(text: str, pattern: str) -> float:
    """The value of a metric."""
    found = re.search(rf"^{pattern} (\S+)$", text, re.MULTILINE)
    if not found:
        raise Failed(f"/metrics has no {pattern}")
    return float(found[1])
