"""Tests of the bill of materials, without cargo."""

import copy
import hashlib
import pathlib
import tempfile
import unittest

from rig import bill

TREE = """\
0holdfast v0.2.0 (/source/crates/gateway)
1bytes v1.12.0
1holdfast-ring v0.2.0 (/source/crates/ring)
2bytes v1.12.0
1serde v1.0.229
2serde_derive v1.0.229 (proc-macro)
"""
LICENSES = {"holdfast": "Apache-2.0", "holdfast-ring": "Apache-2.0", "bytes": "MIT", "serde": "MIT/Apache-2.0"}
LICENSES |= {"serde_derive": "MIT OR Apache-2.0"}


def metadata() -> dict:
    versions = {name: version for name, version in bill.graph(TREE)}
    packages = [{"name": name, "version": versions[name], "license": text} for name, text in LICENSES.items()]
    return {"packages": packages}


def lock() -> str:
    text = ""
    for name, version in bill.graph(TREE):
        text += f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
        if not name.startswith("holdfast"):
            text += f'source = "{bill.CRATES_IO}"\nchecksum = "{hashlib.sha256(name.encode()).hexdigest()}"\n'
    return text


class Bill(unittest.TestCase):
    def setUp(self):
        self.edges = bill.graph(TREE)
        with tempfile.NamedTemporaryFile() as binary:
            binary.write(b"a program")
            binary.flush()
            path = pathlib.Path(binary.name)
            self.bill = bill.bill(self.edges, metadata(), lock(), path, "2026-11-27T00:00:00Z")

    def test_edges_follow_the_depth(self):
        bytes_, ring = ("bytes", "1.12.0"), ("holdfast-ring", "0.2.0")
        self.assertEqual(next(iter(self.edges)), ("holdfast", "0.2.0"))
        self.assertEqual(self.edges[("holdfast", "0.2.0")], {bytes_, ring, ("serde", "1.0.229")})
        self.assertEqual(self.edges[ring], {bytes_})
        self.assertEqual(self.edges[bytes_], set())

    def test_what_is_no_tree_is_refused(self):
        with self.assertRaises(ValueError):
            bill.graph("error: no such package\n")

    def test_each_crate_has_licence_and_checksum(self):
        self.assertEqual(bill.problems(self.bill, self.edges), [])
        serde = next(entry for entry in self.bill["components"] if entry["name"] == "serde")
        self.assertEqual(serde["licenses"], [{"expression": "MIT OR Apache-2.0"}])
        self.assertEqual(serde["purl"], "pkg:cargo/serde@1.0.229")

    def test_what_is_missing_is_named(self):
        for damage, said in [
            (lambda it: it["components"].pop(0), "bytes"),
            (lambda it: it["components"][0].pop("licenses"), "no licence"),
            (lambda it: it["components"][0].pop("hashes"), "bytes has no checksum"),
            (lambda it: it["dependencies"][0]["dependsOn"].append("pkg:cargo/x@1"), "pkg:cargo/x@1"),
        ]:
            damaged = copy.deepcopy(self.bill)
            damage(damaged)
            self.assertIn(said, "\n".join(bill.problems(damaged, self.edges)))


if __name__ == "__main__":
    unittest.main()
