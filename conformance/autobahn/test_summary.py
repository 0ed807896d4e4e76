"""Tests of the comparison: python3 -m unittest discover -s conformance/autobahn"""

import pathlib
import unittest

import summary
from summary import Allowed, Expected, Result

OK = Result("OK", "OK")
EXPECTED = Expected(
    {"1": 2, "12": 3}, [Allowed("1.2", "INFORMATIONAL", "undefined"), Allowed("12.*", "UNIMPLEMENTED", "later")]
)


class Summary(unittest.TestCase):
    def test_a_case_that_is_worse_than_stored_is_found(self):
        for result in [
            Result("FAILED", "OK"),
            Result("NON-STRICT", "OK"),
            Result("OK", "WRONG CODE"),
            Result("OK", "unheard of"),
        ]:
            self.assertEqual(len(summary.compare({"1.1": result}, EXPECTED).worse), 1, result)

    def test_what_is_stored_is_no_deviation_and_is_listed_with_its_reason(self):
        comparison = summary.compare(
            {"1.2": Result("INFORMATIONAL", "INFORMATIONAL"), "12.1.1": Result("UNIMPLEMENTED", "OK")}, EXPECTED
        )
        self.assertEqual((comparison.worse, comparison.better), ([], []))
        self.assertEqual(comparison.not_ok[0], "1.2: INFORMATIONAL (undefined)")

    def test_a_case_that_is_better_than_stored_is_no_failure(self):
        comparison = summary.compare({"12.1.1": OK}, EXPECTED)
        self.assertEqual((len(comparison.better), comparison.worse), (1, []))

    def test_an_exact_name_comes_before_a_pattern(self):
        both = Expected({}, [Allowed("12.*", "UNIMPLEMENTED", "later"), Allowed("12.1.1", "NON-STRICT", "why")])
        self.assertEqual(both.of("12.1.1").behavior, "NON-STRICT")

    def test_cases_that_did_not_run_are_missed(self):
        self.assertEqual(summary.missing(["1.*"], {"1.1": OK, "1.2": OK}, EXPECTED), [])
        self.assertEqual(len(summary.missing(["1.*"], {"1.1": OK}, EXPECTED)), 1)
        self.assertEqual(summary.missing(["12.1.1"], {"1.1": OK}, EXPECTED), ["12.1.1 did not run"])

    def test_cases_are_listed_as_the_suite_numbers_them(self):
        failed = {case: Result("FAILED", "OK") for case in ["1.10", "1.9", "1.1"]}
        self.assertEqual(
            [line.split(":")[0] for line in summary.compare(failed, EXPECTED).worse], ["1.1", "1.9", "1.10"]
        )

    def test_the_stored_summary_counts_517_cases_and_gives_reasons(self):
        expected = summary.stored(pathlib.Path(__file__).with_name("expected.json"))
        self.assertEqual(sum(expected.count_by_chapter.values()), 517)


if __name__ == "__main__":
    unittest.main()
