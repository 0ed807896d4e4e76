"""Each trial says what it tries, and each of the README's is there."""

import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import trials  # noqa: E402 (found by the path above)
from talk import Plan  # noqa: E402


class Table(unittest.TestCase):
    def test_each_trial_has_a_name_of_its_own_and_a_sentence(self):
        table = trials.table()
        self.assertGreater(len(table), 20)
        for name, trial in table.items():
            self.assertTrue(trial.says.endswith("."), name)

    def test_the_readme_names_each_trial_and_no_other(self):
        text = (HERE / "README.md").read_text()
        named = set(re.findall(r"^\|[^|]*\|((?: `\w+`,?)+) \|", text, re.M))
        found = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
        self.assertEqual(found, set(trials.table()))


class Plans(unittest.TestCase):
    def test_every_target_has_clients(self):
        plan = Plan(groups=5, users=7, to_all=0.1, to_groups=0.4)
        targets = {"all"} | {target for at in range(35) for target in [plan.of(at)[0], *plan.of(at)[1]]}
        self.assertEqual(targets, set(plan.paths()))


if __name__ == "__main__":
    unittest.main()
