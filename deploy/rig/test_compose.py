"""Tests of the rules for compose.yaml: each finds what it is for."""

import copy
import unittest

from rig import compose

GATEWAY = {
    "image": "holdfast",
    "environment": {"HOLDFAST_DRAIN_TIMEOUT": "30s"},
    "stop_grace_period": "40s",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "read_only": True,
    "ports": [{"published": 8085, "target": 8085}, "127.0.0.1:9085:9085/tcp"],
}


def complaints(**changes: object) -> list[str]:
    return compose.complaints({"gateway": copy.deepcopy(GATEWAY) | changes})


class Rules(unittest.TestCase):
    def test_nothing_is_wrong_with_what_is_right(self):
        self.assertEqual(complaints(), [])

    def test_each_rule_finds_what_it_is_for(self):
        self.assertIn("not longer than a drain", complaints(stop_grace_period="30s")[0])
        self.assertIn("may swap", complaints(mem_limit="1g")[0])
        self.assertIn("keeps capabilities", complaints(cap_drop=[])[0])
        self.assertIn("new privileges", complaints(security_opt=[])[0])
        self.assertIn("can be written to", complaints(read_only=False)[0])
        self.assertIn("open to other machines", complaints(ports=["9085:9085"])[0])
        secret = GATEWAY["environment"] | {"HOLDFAST_ACCESS_KEY": "x"}
        self.assertIn("is no file of a secret", complaints(environment=secret)[0])

    def test_nodes_of_a_cluster_are_alike(self):
        one, other = (copy.deepcopy(GATEWAY) | {"ports": [f"127.0.0.1:{port}:9085/tcp"]} for port in (9085, 9086))
        self.assertEqual(compose.complaints({"gateway-1": one, "gateway-2": other}), [])
        other["environment"]["HOLDFAST_CLUSTER_NAME"] = "test"
        self.assertIn("other settings", compose.complaints({"gateway-1": one, "gateway-2": other})[0])

    def test_ports_are_read_in_both_forms(self):
        self.assertEqual(compose.published("127.0.0.1:3001:3000/tcp"), ("127.0.0.1", 3001))
        self.assertEqual(compose.published("80:8085"), ("0.0.0.0", 80))
        self.assertEqual(compose.published({"published": 8085, "target": 8085}), ("0.0.0.0", 8085))


if __name__ == "__main__":
    unittest.main()
