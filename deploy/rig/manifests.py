"""What must hold in the Kubernetes manifests and no schema says: times, ports, selectors, security, numbers.

Everything here is given resources as kustomize has built them, parsed, and returns complaints.
"""

import re
from collections.abc import Iterator

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
# Time that stopping a container takes besides the drain.
SPARE_SECONDS_MIN = 5
# Of connections-max; above it newcomers would find no room until a new pod is ready.
TARGET_SHARE_MAX = 0.8
# A connection: kernel socket, record, driver; more than what the gateway reckons itself with every side table.
BYTES_PER_CONNECTION = 4600
# The share of the memory plan for connections (docs/memory.md), and what the process needs first.
CONNECTIONS_SHARE, BASE_BYTES, SHARD_BYTES = 40 / 64, 8 << 20, 4 << 20
BINARY_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}

# Pod Security Standards, restricted: the kinds of volumes, and what a container may add.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
CAPABILITIES = {"NET_BIND_SERVICE"}
SECCOMP_TYPES = {"RuntimeDefault", "Localhost"}

Resource = dict
Complaints = Iterator[str]


def seconds(text: str) -> float:
    """A duration of the settings, such as 1m30s."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"`{text}` is no duration")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def size(text: str) -> int:
    """A quantity of memory, such as 512Mi."""
    found = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", text)
    if not found:
        raise ValueError(f"`{text}` is no size in Ki, Mi or Gi")
    return int(found[1]) * BINARY_UNITS[found[2]]


class Manifests:
    """The resources of one build. `kind` finds them, `one` the only one of its kind."""

    def __init__(self, resources: list[Resource]):
        self.resources = resources
        self.deployment = self.one("Deployment")
        self.template = self.deployment["spec"]["template"]
        self.pod = self.template["spec"]
        self.container = self.pod["containers"][0]
        self.settings = {name: str(value) for name, value in self.one("ConfigMap")["data"].items()}

    def kind(self, kind: str) -> list[Resource]:
        """All resources of a kind."""
        return [resource for resource in self.resources if resource["kind"] == kind]

    def one(self, kind: str) -> Resource:
        """The only resource of a kind."""
        found = self.kind(kind)
        if len(found) != 1:
            raise ValueError(f"there are {len(found)} of {kind}, expected one")
        return found[0]

    def setting(self, name: str) -> str:
        """A setting by its variable's name."""
        if name not in self.settings:
            raise ValueError(f"the ConfigMap has no {name}")
        return self.settings[name]

    def files(self) -> dict[str, set[str]]:
        """The files of Secrets that the settings name, by Secret."""
        mounts = {mount["name"]: mount["mountPath"] for mount in self.container["volumeMounts"]}
        found = {}
        for volume in self.pod["volumes"]:
            place = mounts[volume["name"]] + "/"
            named = {value.removeprefix(place) for value in self.settings.values() if value.startswith(place)}
            found[volume["secret"]["secretName"]] = named
        return found

    def port(self, name: str | int) -> int:
        """A port of the container by its name."""
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        if name not in ports:
            raise ValueError(f"the container has no port {name}, only {sorted(ports)}")
        return ports[name]


def complaints(manifests: Manifests, exposed: set[int]) -> list[str]:
    """All that is wrong. `exposed` are the ports of the image."""
    found = [*times(manifests), *ports(manifests, exposed), *selectors(manifests), *numbers(manifests)]
    found += [*restricted(manifests.pod), *confined(manifests), *secrets(manifests), *monitors(manifests)]
    return found


def times(manifests: Manifests) -> Complaints:
    """preStop, the drain and what the kubelet gives them agree; a rollout waits for a drain."""
    grace = manifests.pod["terminationGracePeriodSeconds"]
    stop = manifests.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = seconds(manifests.setting("HOLDFAST_DRAIN_TIMEOUT"))
    if grace < stop + drain + SPARE_SECONDS_MIN:
        yield f"grace of {grace} s is less than preStop {stop} s, drain {drain:g} s and {SPARE_SECONDS_MIN} s to spare"
    spread = manifests.settings.get("HOLDFAST_DRAIN_SPREAD")
    if spread and seconds(spread) >= drain:
        yield f"a drain's goodbyes take {spread}, longer than the drain"
    ready = manifests.deployment["spec"]["minReadySeconds"]
    if ready < grace:
        yield f"minReadySeconds {ready} is less than the grace of {grace} s: pods of a rollout would drain together"
    if ready >= manifests.deployment["spec"].get("progressDeadlineSeconds", 600):
        yield "minReadySeconds must be less than progressDeadlineSeconds"
    unready = manifests.container["readinessProbe"]
    if stop < unready["periodSeconds"] * unready["failureThreshold"]:
        yield "preStop ends before a balancer that asks as often as the readiness probe has heard of it"


def ports(manifests: Manifests, exposed: set[int]) -> Complaints:
    """Ports are those of the image; whatever names one names one that is there."""
    own = {port["containerPort"] for port in manifests.container["ports"]}
    if own != exposed:
        yield f"the container has ports {sorted(own)}, the image {sorted(exposed)}"
    named = [manifests.container[probe]["httpGet"]["port"] for probe in PROBES]
    for service in manifests.kind("Service"):
        for port in service["spec"]["ports"]:
            named.append(port["targetPort"])
            if port["port"] != manifests.port(port["targetPort"]):
                yield f"{service['metadata']['name']}: port {port['port']} is another one in the pod"
    named += [port["port"] for rule in manifests.one("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]
    for name in named:
        if name not in {port["name"] for port in manifests.container["ports"]}:
            yield f"nothing in the pod is called port {name}"
    for probe in PROBES:
        if manifests.container[probe]["httpGet"]["port"] != "admin":
            yield f"{probe} does not ask the admin server"
    if any(port["name"] == "admin" for port in public_service(manifests)["spec"]["ports"]):
        yield "the Service for clients has the admin server's port"


PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def public_service(manifests: Manifests) -> Resource:
    """The Service that is not headless."""
    return next(service for service in manifests.kind("Service") if service["spec"].get("clusterIP") != "None")


def selectors(manifests: Manifests) -> Complaints:
    """Whatever selects pods selects ours."""
    labels = manifests.template["metadata"]["labels"].items()
    chosen = {"Deployment": manifests.deployment["spec"]["selector"]["matchLabels"]}
    for service in manifests.kind("Service"):
        chosen[f"Service {service['metadata']['name']}"] = service["spec"]["selector"]
    chosen["PodDisruptionBudget"] = manifests.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    chosen["NetworkPolicy"] = manifests.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    for constraint in manifests.pod["topologySpreadConstraints"]:
        chosen[f"spread over {constraint['topologyKey']}"] = constraint["labelSelector"]["matchLabels"]
    for what, wanted in chosen.items():
        if not wanted or not wanted.items() <= labels:
            yield f"{what} selects {wanted}, not the pod's labels"
    target = manifests.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    if (target["kind"], target["name"]) != ("Deployment", manifests.deployment["metadata"]["name"]):
        yield f"the autoscaler scales {target}"
    if manifests.pod["serviceAccountName"] != manifests.one("ServiceAccount")["metadata"]["name"]:
        yield "the pod's ServiceAccount is not the one that is there"
    namespaces = {resource["metadata"].get("namespace") for resource in manifests.resources}
    own = {space["metadata"]["name"] for space in manifests.kind("Namespace")}
    if own and namespaces - {None} != own:
        yield f"the Namespace is {own}, resources are in {namespaces}"


def numbers(manifests: Manifests) -> Complaints:
    """The autoscaler's target, the most connections and the memory follow from each other."""
    scaler = manifests.one("HorizontalPodAutoscaler")["spec"]
    metric = scaler["metrics"][0]["pods"]
    most = int(manifests.setting("HOLDFAST_CONNECTIONS_MAX"))
    if metric["metric"]["name"] != "holdfast_connections":
        yield f"the autoscaler goes by {metric['metric']['name']}"
    target = int(metric["target"]["averageValue"])
    if target > TARGET_SHARE_MAX * most:
        yield f"the autoscaler's target {target} is over {TARGET_SHARE_MAX:.0%} of {most} connections"
    if "replicas" in manifests.deployment["spec"]:
        yield "`replicas` is set, which takes back what the autoscaler does"
    if scaler["minReplicas"] <= manifests.one("PodDisruptionBudget")["spec"]["maxUnavailable"]:
        yield "the disruption budget lets every pod go at a time"
    limit = manifests.container["resources"]
    if limit["limits"]["memory"] != limit["requests"]["memory"]:
        yield "memory asked for is not the limit that the gateway plans with"
    if "cpu" in limit["limits"]:
        yield "a limit of CPU throttles a shard with all its connections"
    rest = size(limit["limits"]["memory"]) - BASE_BYTES - int(limit["requests"]["cpu"]) * SHARD_BYTES
    if most * BYTES_PER_CONNECTION > rest * CONNECTIONS_SHARE:
        yield f"{most} connections do not fit {limit['limits']['memory']}"


def restricted(pod: Resource) -> Complaints:
    """Pod Security Standards, level restricted, as far as it concerns Linux."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{name} is set"
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']} is of a kind that is not permitted"
    context = pod.get("securityContext", {})
    if context.get("sysctls"):
        yield "the pod sets sysctls"
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        yield from (f"{container['name']}: {what}" for what in restricted_container(container, context))


def restricted_container(container: Resource, pod: Resource) -> Complaints:
    """The same of one container; `pod` is the pod's security context, whose fields count where it has none."""
    own = container.get("securityContext", {})
    context = pod | own
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is not Default"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or not set(capabilities.get("add", [])) <= CAPABILITIES:
        yield f"capabilities are {capabilities}"
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") not in SECCOMP_TYPES:
        yield "no seccomp profile"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "takes a port of the node"
    if any(container.get(probe, {}).get("httpGet", {}).get("host") for probe in PROBES):
        yield "a probe asks another host"


def confined(manifests: Manifests) -> Complaints:
    """What we promise beyond the standard."""
    own = manifests.container["securityContext"]
    context = manifests.pod["securityContext"]
    if own.get("readOnlyRootFilesystem") is not True:
        yield "the root file system can be written to"
    if (context.get("runAsUser"), context.get("runAsGroup")) != (65532, 65532):
        yield "the user is not the image's"
    if context["seccompProfile"].get("localhostProfile") != "holdfast/holdfast.json":
        yield "the seccomp profile is not the one that the installer puts on nodes"
    if manifests.pod.get("automountServiceAccountToken") is not False:
        yield "the pod gets a token of the cluster"
    if manifests.one("ServiceAccount").get("automountServiceAccountToken") is not False:
        yield "the ServiceAccount gives out tokens"
    if manifests.pod.get("enableServiceLinks") is not False:
        yield "Services become variables that look like settings"
    policy = manifests.one("NetworkPolicy")["spec"]
    if set(policy["policyTypes"]) != {"Ingress", "Egress"} or not policy["egress"]:
        yield "the NetworkPolicy leaves a direction open"
    open_ports = {port["port"] for rule in policy["ingress"] if not rule.get("from") for port in rule["ports"]}
    if open_ports != {"clients"}:
        yield f"from everywhere one reaches {open_ports}"
    if any(not rule.get("to") or not rule.get("ports") for rule in policy["egress"]):
        yield "the gateway may talk to everybody, or to every port"


def secrets(manifests: Manifests) -> Complaints:
    """Keys come from a Secret that is made elsewhere."""
    if manifests.kind("Secret"):
        yield "a Secret is in the tree"
    for name in manifests.settings:
        if re.search(r"KEY|TOKEN|PASSWORD|SECRET", name) and not name.endswith("_FILE"):
            yield f"{name} is in the ConfigMap"
    mounts = [mount["mountPath"] for mount in manifests.container["volumeMounts"]]
    for name, value in manifests.settings.items():
        if name.endswith(FILES) and not any(value.startswith(f"{mount}/") for mount in mounts):
            yield f"{name} names {value}, where nothing is mounted"


# Settings that name files.
FILES = ("_FILE", "_CREDENTIALS", "_CA")


def bus_complaints(resources: list[Resource], gateways: Manifests) -> list[str]:
    """All that is wrong with the NATS servers of these gateways."""
    kinds = {resource["kind"]: resource for resource in resources}
    stateful, service, policy = kinds["StatefulSet"], kinds["Service"], kinds["NetworkPolicy"]
    pod = stateful["spec"]["template"]["spec"]
    found = list(restricted(pod))
    labels = stateful["spec"]["template"]["metadata"]["labels"].items()
    for what, chosen in (
        ("StatefulSet", stateful["spec"]["selector"]["matchLabels"]),
        ("Service", service["spec"]["selector"]),
        ("PodDisruptionBudget", kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]),
        ("NetworkPolicy", policy["spec"]["podSelector"]["matchLabels"]),
    ):
        if not chosen or not chosen.items() <= labels:
            found.append(f"{what} selects {chosen}, not the pod's labels")
    name, text = service["metadata"]["name"], kinds["ConfigMap"]["data"]["nats.conf"]
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    if gateways.setting("HOLDFAST_CLUSTER") != f"tls://{name}:{ports['clients']}":
        found.append(f"gateways look for {gateways.setting('HOLDFAST_CLUSTER')}")
    if f'"hf1.{gateways.setting("HOLDFAST_CLUSTER_NAME")}.>"' not in text:
        found.append("nats.conf permits the subjects of another cluster")
    servers = [f"{name}-{number}.{name}" for number in range(stateful["spec"]["replicas"])]
    routes = {f"nats-route://{server}:{ports['routes']}" for server in servers}
    if set(re.findall(r"nats-route://[^\s,\]]+", text)) != routes:
        found.append(f"nats.conf has other routes than {sorted(routes)}")
    limits = kinds["ConfigMap"]["data"]["limits.conf"]
    duration = sum(int(part) for part in re.findall(r'^lame_duck_\w+: "(\d+)s"$', limits, re.MULTILINE))
    if pod["terminationGracePeriodSeconds"] < duration:
        found.append(f"a server is killed before its lame duck of {duration} s is over")
    if stateful["spec"]["replicas"] <= kinds["PodDisruptionBudget"]["spec"]["maxUnavailable"]:
        found.append("the disruption budget lets every server go at a time")
    egress = gateways.one("NetworkPolicy")["spec"]["egress"]
    doors = [rule["to"][0].get("podSelector", {}).get("matchLabels") for rule in egress]
    if dict(labels) not in doors:
        found.append("gateways may not talk to NATS")
    own = gateways.template["metadata"]["labels"]
    if [one["podSelector"]["matchLabels"] for one in policy["spec"]["ingress"][0]["from"]] != [own]:
        found.append("others than gateways may talk to NATS")
    return found


def monitors(manifests: Manifests) -> Complaints:
    """The ServiceMonitor finds one Service, by which each pod is scraped under the name that the alerts ask for."""
    spec = manifests.one("ServiceMonitor")["spec"]
    wanted = spec["selector"]["matchLabels"].items()
    found = [service for service in manifests.kind("Service") if wanted <= service["metadata"]["labels"].items()]
    if len(found) != 1:
        yield f"the ServiceMonitor finds {len(found)} Services"
        return
    if found[0]["spec"].get("clusterIP") != "None" or not found[0]["spec"].get("publishNotReadyAddresses"):
        yield "the Service that is scraped hides pods"
    if found[0]["metadata"]["labels"].get(spec["jobLabel"]) != "holdfast":
        yield "the label job will not be holdfast"
    ports = {port["name"] for port in found[0]["spec"]["ports"]}
    if [endpoint["port"] for endpoint in spec["endpoints"]] != ["admin"] or "admin" not in ports:
        yield "the ServiceMonitor does not scrape the admin server"
    yield from (f"{name}: unknown field {field}" for name, field in unknown_fields(manifests))


# The fields in use of the Prometheus operator's resources; a cluster drops what it does not know without a word.
FIELDS = {
    "ServiceMonitor": {
        "": {"endpoints", "jobLabel", "sampleLimit", "selector"},
        "endpoints": {"interval", "path", "port", "scrapeTimeout"},
    },
    "PrometheusRule": {"": {"groups"}, "groups": {"name", "interval", "rules"}},
}
RULE = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}


def unknown_fields(manifests: Manifests) -> Iterator[tuple[str, str]]:
    """Fields of ServiceMonitor and PrometheusRule that are not known: resource and field."""
    for kind, levels in FIELDS.items():
        for resource in manifests.kind(kind):
            name, spec = resource["metadata"]["name"], resource["spec"]
            yield from ((name, field) for field in set(spec) - levels[""])
            for list_name in set(levels) - {""}:
                for entry in spec[list_name]:
                    yield from ((name, field) for field in set(entry) - levels[list_name])
                    rules = entry.get("rules", [])
                    yield from ((name, field) for rule in rules for field in set(rule) - RULE)
