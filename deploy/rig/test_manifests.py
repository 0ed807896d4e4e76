"""Tests of the rules for the Kubernetes manifests: each finds what it is for."""

import copy
import unittest

from rig import kubernetes, manifests

LABELS = {"app.kubernetes.io/name": "holdfast"}
PROBE = {"httpGet": {"path": "/healthz", "port": "admin"}, "periodSeconds": 5, "failureThreshold": 1}
CONTAINER = {
    "name": "holdfast",
    "ports": [{"name": "clients", "containerPort": 8085}, {"name": "admin", "containerPort": 9085}],
    "startupProbe": PROBE,
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "lifecycle": {"preStop": {"sleep": {"seconds": 10}}},
    "resources": {"requests": {"cpu": "1", "memory": "512Mi"}, "limits": {"memory": "512Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
}
POD = {
    "serviceAccountName": "holdfast",
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "terminationGracePeriodSeconds": 45,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "Localhost", "localhostProfile": "holdfast/holdfast.json"},
    },
    "topologySpreadConstraints": [{"topologyKey": "zone", "labelSelector": {"matchLabels": LABELS}}],
    "containers": [CONTAINER],
    "volumes": [{"name": "keys", "secret": {"secretName": "keys"}}],
}
SETTINGS = {
    "HOLDFAST_DRAIN_TIMEOUT": "30s",
    "HOLDFAST_CONNECTIONS_MAX": "50000",
    "HOLDFAST_ACCESS_KEY_FILE": "/keys/access-key",
}
METRIC = {"metric": {"name": "holdfast_connections"}, "target": {"averageValue": "35000"}}


def service(name: str, headless: bool, *ports: tuple[str, int]) -> dict:
    spec = {"selector": LABELS, "ports": [{"name": port, "port": at, "targetPort": port} for port, at in ports]}
    spec |= {"clusterIP": "None", "publishNotReadyAddresses": True} if headless else {}
    return resource("Service", spec, name, LABELS | ({"pods": "yes"} if headless else {}))


def resource(kind: str, spec: dict, name: str = "holdfast", labels: dict | None = None, **more: object) -> dict:
    return {"kind": kind, "metadata": {"name": name, "labels": labels or LABELS}, "spec": spec, **more}


def resources() -> list[dict]:
    template = {"metadata": {"labels": LABELS}, "spec": POD}
    deployment = {"selector": {"matchLabels": LABELS}, "minReadySeconds": 45, "template": template}
    scaler = {"scaleTargetRef": {"kind": "Deployment", "name": "holdfast"}, "minReplicas": 2}
    policy = {"podSelector": {"matchLabels": LABELS}, "policyTypes": ["Ingress", "Egress"]}
    policy["ingress"] = [{"ports": [{"port": "clients"}]}, {"from": [{}], "ports": [{"port": "admin"}]}]
    policy["egress"] = [{"to": [{"podSelector": {}}], "ports": [{"port": 53}]}]
    monitor = {"selector": {"matchLabels": {"pods": "yes"}}, "jobLabel": "app.kubernetes.io/name"}
    monitor["endpoints"] = [{"port": "admin"}]
    made = [
        resource("Deployment", deployment),
        resource("ConfigMap", {}, data=SETTINGS),
        service("holdfast", False, ("clients", 8085)),
        service("holdfast-pods", True, ("clients", 8085), ("admin", 9085)),
        resource("PodDisruptionBudget", {"selector": {"matchLabels": LABELS}, "maxUnavailable": 1}),
        resource("HorizontalPodAutoscaler", scaler | {"metrics": [{"pods": METRIC}]}),
        resource("NetworkPolicy", policy),
        resource("ServiceAccount", {}, automountServiceAccountToken=False),
        resource("ServiceMonitor", monitor),
        resource("PrometheusRule", {"groups": [{"name": "a", "rules": [{"alert": "A", "expr": "1"}]}]}),
    ]
    return copy.deepcopy(made)


def complaints(change=lambda found: None) -> list[str]:
    """What is said of the resources above, with a change."""
    found = manifests.Manifests(resources())
    change(found)
    return manifests.complaints(found, {8085, 9085})


class Rules(unittest.TestCase):
    def test_nothing_is_wrong_with_what_is_right(self):
        self.assertEqual(complaints(), [])

    def test_durations_and_sizes_are_read(self):
        self.assertEqual(manifests.seconds("1m30s"), 90)
        self.assertEqual(manifests.size("512Mi"), 512 << 20)
        for text in ("", "30", "s", "5 m"):
            self.assertRaises(ValueError, manifests.seconds, text)
        self.assertRaises(ValueError, manifests.size, "1G")

    def test_each_rule_finds_what_it_is_for(self):
        cases = {
            "grace of": lambda m: m.settings.update(HOLDFAST_DRAIN_TIMEOUT="31s"),
            "longer than the drain": lambda m: m.settings.update(HOLDFAST_DRAIN_SPREAD="30s"),
            "would drain together": lambda m: m.deployment["spec"].update(minReadySeconds=10),
            "less than progressDeadlineSeconds": lambda m: m.deployment["spec"].update(minReadySeconds=600),
            "has heard of it": lambda m: m.container["readinessProbe"].update(failureThreshold=3),
            "the image": lambda m: m.container["ports"].append({"name": "more", "containerPort": 1}),
            "is another one in the pod": lambda m: m.kind("Service")[0]["spec"]["ports"][0].update(port=80),
            "the admin server's port": lambda m: m.kind("Service")[0]["spec"].update(m.kind("Service")[1]["spec"])
            or m.kind("Service")[0]["spec"].pop("clusterIP"),
            "selects": lambda m: m.one("PodDisruptionBudget")["spec"]["selector"].update(matchLabels={"a": "b"}),
            "scales": lambda m: m.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"].update(name="x"),
            "is over": lambda m: m.settings.update(HOLDFAST_CONNECTIONS_MAX="40000"),
            "do not fit": lambda m: m.settings.update(HOLDFAST_CONNECTIONS_MAX="100000"),
            "takes back": lambda m: m.deployment["spec"].update(replicas=2),
            "every pod go": lambda m: m.one("PodDisruptionBudget")["spec"].update(maxUnavailable=2),
            "throttles": lambda m: m.container["resources"]["limits"].update(cpu="1"),
            "not the limit": lambda m: m.container["resources"]["requests"].update(memory="256Mi"),
            "hostNetwork": lambda m: m.pod.update(hostNetwork=True),
            "of a kind": lambda m: m.pod["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
            "privileged": lambda m: m.container["securityContext"].update(privileged=True),
            "allowPrivilegeEscalation": lambda m: m.container["securityContext"].pop("allowPrivilegeEscalation"),
            "capabilities are": lambda m: m.container["securityContext"].update(capabilities={"drop": ["NET_RAW"]}),
            "run as root": lambda m: m.pod["securityContext"].update(runAsNonRoot=False),
            "no seccomp": lambda m: m.pod["securityContext"].update(seccompProfile={"type": "Unconfined"}),
            "a port of the node": lambda m: m.container["ports"][0].update(hostPort=8085),
            "can be written to": lambda m: m.container["securityContext"].update(readOnlyRootFilesystem=False),
            "token of the cluster": lambda m: m.pod.pop("automountServiceAccountToken"),
            "look like settings": lambda m: m.pod.pop("enableServiceLinks"),
            "talk to everybody": lambda m: m.one("NetworkPolicy")["spec"]["egress"][0].pop("to"),
            "from everywhere": lambda m: m.one("NetworkPolicy")["spec"]["ingress"][1].pop("from"),
            "is in the ConfigMap": lambda m: m.settings.update(HOLDFAST_ACCESS_KEY="x"),
            "where nothing is mounted": lambda m: m.settings.update(HOLDFAST_ACCESS_KEY_FILE="/else"),
            "CREDENTIALS names /else": lambda m: m.settings.update(HOLDFAST_CLUSTER_CREDENTIALS="/else"),
            "a Secret is in the tree": lambda m: m.resources.append({"kind": "Secret", "metadata": {}}),
            "finds 0 Services": lambda m: m.kind("Service")[1]["metadata"]["labels"].pop("pods"),
            "will not be holdfast": lambda m: m.one("ServiceMonitor")["spec"].update(jobLabel="pods"),
            "hides pods": lambda m: m.kind("Service")[1]["spec"].pop("publishNotReadyAddresses"),
            "unknown field": lambda m: m.one("PrometheusRule")["spec"]["groups"][0]["rules"][0].update(forr="5m"),
        }
        for words, change in cases.items():
            with self.subTest(words):
                self.assertTrue(any(words in line for line in complaints(change)), complaints(change))

    def test_a_profile_loses_only_what_a_runtime_passes_over(self):
        rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
        profile = {"defaultAction": "SCMP_ACT_ERRNO", "archMap": [], "syscalls": [rule | {"comment": "why"}]}
        self.assertEqual(kubernetes.as_oci(profile), {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})


BUS_LABELS = {"app.kubernetes.io/name": "nats"}
BUS_CONF = """
users: [ { permissions: { publish: "hf1.prod.>" } } ]
routes: [ nats-route://nats-0.nats:6222, nats-route://nats-1.nats:6222 ]
"""
BUS_LIMITS = 'lame_duck_grace_period: "10s"\nlame_duck_duration: "30s"\n'


def bus_resources() -> list[dict]:
    """Two NATS servers for the gateways above."""
    pod = copy.deepcopy(POD) | {"terminationGracePeriodSeconds": 50}
    template = {"metadata": {"labels": BUS_LABELS}, "spec": pod}
    stateful = {"selector": {"matchLabels": BUS_LABELS}, "replicas": 2, "template": template}
    ports = [{"name": "clients", "port": 4222}, {"name": "routes", "port": 6222}]
    ingress = [{"from": [{"podSelector": {"matchLabels": LABELS}}], "ports": [{"port": "clients"}]}]
    policy = {"podSelector": {"matchLabels": BUS_LABELS}, "ingress": ingress}
    made = [
        resource("StatefulSet", stateful, "nats"),
        resource("Service", {"selector": BUS_LABELS, "ports": ports}, "nats"),
        resource("PodDisruptionBudget", {"selector": {"matchLabels": BUS_LABELS}, "maxUnavailable": 1}, "nats"),
        resource("NetworkPolicy", policy, "nats"),
        resource("ConfigMap", {}, "nats", data={"nats.conf": BUS_CONF, "limits.conf": BUS_LIMITS}),
    ]
    return copy.deepcopy(made)


def bus_complaints(change=lambda bus, gateways: None) -> list[str]:
    """What is said of them, with a change."""
    bus, gateways = {one["kind"]: one for one in bus_resources()}, manifests.Manifests(resources())
    gateways.settings |= {"HOLDFAST_CLUSTER": "tls://nats:4222", "HOLDFAST_CLUSTER_NAME": "prod"}
    gateways.one("NetworkPolicy")["spec"]["egress"].append({"to": [{"podSelector": {"matchLabels": BUS_LABELS}}]})
    change(bus, gateways)
    return manifests.bus_complaints(list(bus.values()), gateways)


class Bus(unittest.TestCase):
    def test_nothing_is_wrong_with_what_is_right(self):
        self.assertEqual(bus_complaints(), [])

    def test_each_rule_finds_what_it_is_for(self):
        def conf(bus: dict, name: str, old: str, new: str) -> None:
            data = bus["ConfigMap"]["data"]
            data[name] = data[name].replace(old, new)

        cases = {
            "Service selects": lambda bus, _: bus["Service"]["spec"].update(selector={"a": "b"}),
            "gateways look for": lambda _, own: own.settings.update(HOLDFAST_CLUSTER="tls://bus:4222"),
            "subjects of another cluster": lambda bus, _: conf(bus, "nats.conf", "hf1.prod", "hf1.test"),
            "other routes": lambda bus, _: bus["StatefulSet"]["spec"].update(replicas=3),
            "before its lame duck": lambda bus, _: conf(bus, "limits.conf", "30s", "60s"),
            "every server go": lambda bus, _: bus["PodDisruptionBudget"]["spec"].update(maxUnavailable=2),
            "may not talk to NATS": lambda _, own: own.one("NetworkPolicy")["spec"]["egress"].pop(),
            "others than gateways": lambda bus, _: bus["NetworkPolicy"]["spec"]["ingress"][0]["from"].append(
                {"podSelector": {"matchLabels": {}}}
            ),
            "may run as root": lambda bus, _: bus["StatefulSet"]["spec"]["template"]["spec"]["securityContext"].update(
                runAsNonRoot=False
            ),
        }
        for words, change in cases.items():
            with self.subTest(words):
                self.assertTrue(any(words in line for line in bus_complaints(change)), bus_complaints(change))


if __name__ == "__main__":
    unittest.main()
