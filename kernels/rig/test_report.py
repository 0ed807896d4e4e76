"""Tests of report.py: python3 -m unittest discover -s kernels -t kernels"""

import unittest

from .guest import Boot
from .report import SHARED, read, table

RUNGS = ["uring", "epoll"]
CAPABILITIES = """@@ kernel 5.10.0
@@ begin capabilities 3.1
RUNG uring: one-shot accept | off: multishot accept: Invalid argument
RUNG epoll: edge-triggered

@@ end capabilities 0 3.2
"""
TESTS = """@@ begin ring/tests/driver 3.3

running 4 tests
test uring::a_reset_frees_the_slot ... {outcome}
test tests::epoll::a_reset_frees_the_slot ... ok
test pool::the_last_buffer_is_lent_first - should panic ... ok
test epoll::needs_root ... ignored, why

test result: {verdict}. {passed} passed; {failed} failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s


@@ end ring/tests/driver {status} 3.9
"""
PASSED = TESTS.format(outcome="ok", verdict="ok", passed=3, failed=0, status=0)
DONE = "@@ done\n"


def result(output: str, **options):
    return read("5.10", Boot("5.10.1", output, 4.0, options.pop("timed_out", False)), RUNGS, **options)


class Report(unittest.TestCase):
    def test_a_clean_boot_has_no_problems_and_counts_by_rung(self):
        seen = result(CAPABILITIES + PASSED + DONE)
        self.assertEqual(seen.problems(), [])
        self.assertEqual(seen.count("uring", "passed"), 1)
        self.assertEqual(seen.count("epoll", "ignored"), 1)
        self.assertEqual(seen.count(SHARED, "passed"), 1)
        self.assertRegex(table([seen]), r"5\.10 \(5\.10\.1\) +uring +1 +0 +0 +one-shot accept\n")
        self.assertIn("uring does without multishot accept: Invalid argument", table([seen]))

    def test_carriage_returns_of_a_terminal_do_not_matter(self):
        self.assertEqual(result((CAPABILITIES + PASSED + DONE).replace("\n", "\r\n")).problems(), [])

    def test_a_failed_test_is_named(self):
        failed = TESTS.format(outcome="FAILED", verdict="FAILED", passed=2, failed=1, status=101)
        self.assertIn(
            "ring/tests/driver uring::a_reset_frees_the_slot", result(CAPABILITIES + failed + DONE).problems()[0]
        )

    def test_a_rung_without_tests_fails_unless_filtered(self):
        without = PASSED.replace("uring::", "other::")
        self.assertIn("no test ran on rung uring", result(CAPABILITIES + without + DONE).problems()[0])
        self.assertEqual(result(CAPABILITIES + without + DONE, filtered=True).problems(), [])

    def test_a_unit_test_in_a_module_called_uring_is_not_the_rungs(self):
        units = PASSED.replace("ring/tests/driver", "ring/src")
        self.assertEqual(result(CAPABILITIES + units + DONE).count(SHARED, "passed"), 3)

    def test_a_filter_that_matches_nothing_fails(self):
        self.assertEqual(len(result(CAPABILITIES + DONE, filtered=True).problems()), len(RUNGS))

    def test_missing_capabilities_fail(self):
        self.assertEqual(len(result(PASSED + DONE).problems()), len(RUNGS) + 1)

    def test_a_rung_that_the_start_up_trial_refuses_fails(self):
        refused = CAPABILITIES.replace("one-shot accept", "refused: a send does not end")
        self.assertIn("rung uring refused: a send does not end", result(refused + PASSED + DONE).problems()[0])

    def test_a_program_that_crashes_fails(self):
        crashed = PASSED.replace("test result: ok.", "").replace(
            "@@ end ring/tests/driver 0", "@@ end ring/tests/driver 139"
        )
        self.assertIn("ended early with status 139", result(CAPABILITIES + crashed + DONE).problems()[0])

    def test_garbled_output_fails(self):
        garbled = PASSED.replace("reset_frees_the_slot ... ok", "reset_frees_the_slot ... [ 4.2] oops ok", 1)
        self.assertIn("but libtest says", result(CAPABILITIES + garbled + DONE).problems()[0])

    def test_a_test_that_runs_its_binary_again_counts_once(self):
        child = "running 1 test\ntest pool::the_last_buffer_is_lent_first ... ok\n\n"
        child += "test result: ok. 1 passed; 0 failed; 0 ignored\n\n"
        nested = PASSED.replace("test tests::epoll", child + "test tests::epoll")
        self.assertEqual(result(CAPABILITIES + nested + DONE).problems(), [])

    def test_a_child_may_run_what_a_filter_leaves_out(self):
        child = "running 1 test\ntest pool::peers ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n\n"
        nested = CAPABILITIES + PASSED.replace("test tests::epoll", child + "test tests::epoll") + DONE
        self.assertEqual(result(nested, filtered=True).problems(), [])
        self.assertIn("but libtest says", result(nested).problems()[0])

    def test_a_child_that_fails_fails_the_run(self):
        child = "test child ... FAILED\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored\n\n"
        nested = PASSED.replace("test tests::epoll", child + "test tests::epoll")
        self.assertIn("ring/tests/driver child", result(CAPABILITIES + nested + DONE).problems()[0])

    def test_a_bad_exit_status_after_good_tests_fails(self):
        leaked = PASSED.replace("@@ end ring/tests/driver 0", "@@ end ring/tests/driver 134")
        self.assertIn("ended with status 134", result(CAPABILITIES + leaked + DONE).problems()[0])

    def test_a_guest_that_stops_names_what_was_running(self):
        cut = CAPABILITIES + PASSED.split("running")[0]
        self.assertIn("stopped during ring/tests/driver", result(cut).problems()[0])

    def test_a_kernel_that_never_starts_fails(self):
        self.assertIn("did not boot", result("", timed_out=True).problems()[1])


if __name__ == "__main__":
    unittest.main()
