"""What could be wrong without being seen: readers of /proc, medians, ratios, tokens, changed settings."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cost import figures, gateway, others, process  # noqa: E402


class Processes(unittest.TestCase):
    def proc(self, folder: str, *processes: tuple[int, str, int, dict[int, str]]) -> pathlib.Path:
        """A /proc of processes: number, name, parent, and schedstat of each thread."""
        root = pathlib.Path(folder)
        (root / "self").mkdir()
        for pid, name, parent, tasks in processes:
            for task, schedstat in tasks.items():
                (root / f"{pid}/task/{task}").mkdir(parents=True)
                (root / f"{pid}/task/{task}/schedstat").write_text(schedstat)
            (root / f"{pid}/stat").write_text(f"{pid} ({name}) S {parent} 7 7 0 -1\n")
        return root

    def test_the_time_of_all_threads_of_all_processes_is_added_up(self):
        with tempfile.TemporaryDirectory() as folder:
            proc = self.proc(folder, (1, "a", 0, {1: "130485 88031 2\n", 2: "5 0 1\n"}), (9, "b", 0, {9: "10 1 1\n"}))
            (proc / "9/task/10").mkdir()  # a thread that ends while it is looked at
            self.assertEqual(process.cpu([1, 9], proc), 130500)
            self.assertEqual(process.cpu([1], proc), 130490)

    def test_a_family_is_all_who_were_started_whatever_they_are_called(self):
        with tempfile.TemporaryDirectory() as folder:
            members = (5, "top", 1, {}), (6, "a ) S 1 (", 5, {}), (7, "grandchild", 6, {}), (8, "other", 1, {})
            root = self.proc(folder)
            for pid, name, parent, _ in members:
                (root / str(pid)).mkdir()
                (root / f"{pid}/stat").write_text(f"{pid} ({name}) S {parent} 7 7 0 -1\n")
            self.assertEqual(process.family(5, root), [5, 6, 7])
            self.assertEqual(process.family(8, root), [8])

    def test_this_process_has_used_its_cpu(self):
        self.assertGreater(process.cpu([os.getpid()]), 0)

    def test_what_is_said_is_heard_once_and_an_end_is_named(self):
        command = [sys.executable, "-c", "print('on 1'); print('on 2'); input()"]
        with process.Process(command) as said:
            self.assertEqual(said.hear(r"on (\d)")[1], "1")
            self.assertEqual(said.hear(r"on (\d)")[1], "2")
            said.say("\n")
            with self.assertRaisesRegex(process.Broken, "ended with 0"):
                said.hear("on 3")


class Figures(unittest.TestCase):
    def test_a_spread_is_the_median_and_both_ends(self):
        self.assertEqual(figures.spread([3, 1, 2, 10]), {"median": 2.5, "low": 1, "high": 10})

    def test_rounds_are_alternated_and_another_one_begins_each_time(self):
        ran = []
        contestants = {name: lambda name=name: ran.append(name) or len(ran) for name in "abc"}
        values = figures.alternate(contestants, 4)
        self.assertEqual("".join(ran), "abcbcacababc")
        self.assertEqual(values, {"a": [1, 6, 8, 10], "b": [2, 4, 9, 11], "c": [3, 5, 7, 12]})

    def test_who_cannot_run_is_left_out_and_the_others_go_on(self):
        def broken() -> float:
            raise figures.Unavailable("not installed")

        values = figures.alternate({"a": lambda: 1.0, "b": broken}, 2)
        self.assertEqual(values, {"a": [1.0, 1.0]})
        self.assertEqual(figures.compared(values, [("a", ("b",), 1.0)]), [])

    def test_ratios_are_taken_within_a_round(self):
        values = {"a": [3.0, 8.0], "b": [1.0, 2.0], "c": [2.0, 2.0]}
        self.assertEqual(figures.ratios(values, "a", ["b", "c"]), [1.0, 2.0])
        (met,) = figures.compared(values, [("a", ("b", "c"), 1.5)])
        self.assertTrue(met["met"])
        (missed,) = figures.compared(values, [("a", ("b", "c"), 1.49)])
        self.assertFalse(missed["met"])
        row = {"what": "a thing", "values": values, "ratios": [missed]}
        self.assertIn("a / (b + c): 1.50 (1.00 to 2.00), target 1.49: MISSED", figures.text(row))


class Tokens(unittest.TestCase):
    def test_a_token_is_signed_and_says_what_it_should(self):
        head, body, signature = gateway.token("http://a/b", sub="ann").split(".")
        decoded = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        self.assertEqual(json.loads(decoded(head))["alg"], "HS256")
        claims = json.loads(decoded(body))
        self.assertEqual((claims["aud"], claims["sub"]), ("http://a/b", "ann"))
        wanted = hmac.digest(gateway.KEY.encode(), f"{head}.{body}".encode(), hashlib.sha256)
        self.assertEqual(decoded(signature), wanted)


class Settings(unittest.TestCase):
    TEXT = "[a]\n# rundir=no\nrundir=/var\nport_offset=0\nother = 1\n"

    def test_values_are_changed_and_the_rest_is_kept(self):
        changed = others.changed_settings(self.TEXT, {"rundir": "/tmp", "other": 2})
        self.assertEqual(changed, "[a]\n# rundir=no\nrundir=/tmp\nport_offset=0\nother=2\n")

    def test_a_setting_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(figures.Unavailable, "port_ofset"):
            others.changed_settings(self.TEXT, {"port_ofset": 1})


if __name__ == "__main__":
    unittest.main()
