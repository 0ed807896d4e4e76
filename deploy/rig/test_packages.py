"""Tests of what writes and reads packages, without an engine."""

import dataclasses
import io
import json
import pathlib
import tarfile
import tempfile
import unittest

from rig import archive, debian, dockerfile, kernel, units
from rig.parts import Part, Row, Wrong, table

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# The head of a program for x86-64, as far as it is looked at.
PROGRAM = b"\x7fELF".ljust(18, b"\0") + (62).to_bytes(2, "little")


class Archive(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "holdfast").write_bytes(PROGRAM)
        (self.folder / "bill").write_text("{}")
        self.source = debian.Source(
            ROOT, self.folder / "holdfast", self.folder, 1_700_000_000, "1.2.3", self.folder / "bill"
        )

    def files(self, source: debian.Source) -> dict[str, bytes]:
        archive.write(source, self.folder / "image.tar")
        with tarfile.open(self.folder / "image.tar") as tar:
            return {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}

    def test_both_formats_name_the_same_blobs(self):
        files = self.files(self.source)
        manifest, bill = json.loads(files["index.json"])["manifests"]
        image = json.loads(files[archive.path(manifest)])
        (docker,) = json.loads(files["manifest.json"])
        self.assertEqual(docker["Config"], archive.path(image["config"]))
        self.assertEqual(docker["Layers"], [archive.path(layer) for layer in image["layers"]])
        self.assertEqual(docker["RepoTags"], ["holdfast:1.2.3"])
        self.assertEqual(json.loads(files[archive.path(bill)])["subject"]["digest"], manifest["digest"])

    def test_the_layer_has_the_binary_and_nothing_else(self):
        files = self.files(self.source)
        (docker,) = json.loads(files["manifest.json"])
        with tarfile.open(fileobj=io.BytesIO(files[docker["Layers"][0]])) as layer:
            (entry,) = layer.getmembers()
            self.assertEqual((entry.name, entry.mode, entry.uid, entry.gid), ("holdfast", 0o755, 0, 0))
            self.assertEqual(layer.extractfile(entry).read(), PROGRAM)

    def test_without_a_bill_there_is_one_manifest(self):
        files = self.files(dataclasses.replace(self.source, bill=None))
        self.assertEqual(len(json.loads(files["index.json"])["manifests"]), 1)


class Dockerfile(unittest.TestCase):
    def read(self, text: str) -> dict:
        with tempfile.NamedTemporaryFile("w", suffix=".Dockerfile") as file:
            file.write(text)
            file.flush()
            return dockerfile.settings(pathlib.Path(file.name), "runtime")

    def test_settings_of_one_stage_are_read(self):
        config = self.read(
            'FROM scratch AS runtime\nARG VERSION=7\nLABEL a="b c" \\\n  # a comment\n  v="${VERSION}"\n'
            'EXPOSE 1 2\nHEALTHCHECK --interval=2m --retries=3 CMD ["/x", "y"]\nFROM runtime AS other\nUSER 1\n'
        )
        self.assertEqual(config["Labels"], {"a": "b c", "v": "7"})
        self.assertEqual(config["ExposedPorts"], {"1/tcp": {}, "2/tcp": {}})
        self.assertEqual(
            config["Healthcheck"], {"Test": ["CMD", "/x", "y"], "Interval": 120_000_000_000, "Retries": 3}
        )
        self.assertNotIn("User", config)

    def test_an_instruction_that_is_not_understood_is_refused(self):
        with self.assertRaises(dockerfile.Unavailable):
            self.read("FROM scratch AS runtime\nVOLUME /x\n")


class Kernel(unittest.TestCase):
    EXPLAINED = "# why: a\n#   b\n# without it: c\n# source: d\n"

    def test_an_entry_has_what_is_said_of_it(self):
        first, second = kernel.parse(f"{self.EXPLAINED}fs.nr_open = 1\n\n# needs: module x\n#-net.x = 2\n")
        self.assertEqual((first.key, first.value, first.set, first.said["why"]), ("fs.nr_open", "1", True, "a b"))
        self.assertEqual((second.set, second.optional, second.said), (False, True, {"needs": "module x"}))
        self.assertEqual(kernel.problems(first), [])

    def test_what_is_missing_is_named(self):
        for text, said in [
            ("fs.nr_open = 1\n", "why"),
            (f"{self.EXPLAINED}fs.no_such_key = 1\n", "nothing says why"),
            (f"{self.EXPLAINED}# needs: luck\nfs.nr_open = 1\n", "luck"),
            (f"{self.EXPLAINED}# needs: module x\nfs.no_such_key = 1\n", "no minus"),
        ]:
            (entry,) = kernel.parse(text)
            self.assertIn(said, "; ".join(kernel.problems(entry)))

    def test_a_line_that_is_none_is_refused(self):
        with self.assertRaises(Wrong):
            kernel.parse("fs.nr_open=1\n")


class Units(unittest.TestCase):
    def test_a_call_that_only_one_of_both_has_is_named(self):
        profile = {"syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}
        with tempfile.NamedTemporaryFile("w") as unit:
            unit.write("SystemCallFilter=read write\n")
            unit.flush()
            with self.assertRaisesRegex(Wrong, "write"):
                units.compare_calls(pathlib.Path(unit.name), profile)


class Table(unittest.TestCase):
    def test_a_failure_is_one_line(self):
        part = Part("a part", "a tool", lambda _context: "")
        self.assertIn("FAILED: first", table([Row(part, "first\nfurther", True, 1.0)]))
        self.assertNotIn("further", table([Row(part, "first\nfurther", True, 1.0)]))


if __name__ == "__main__":
    unittest.main()
