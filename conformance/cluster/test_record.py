"""Messages that must not be are found, and so is each that is lost."""

import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1])]

import record  # noqa: E402 (found by the path above)


def heard(*messages: tuple[str, str, int]) -> record.Listener:
    listener = record.Listener("one", {"all", "group"})
    for message in messages:
        listener.hear(record.text(*message, filling=3))
    return listener


class Listeners(unittest.TestCase):
    def test_what_rises_is_right_whatever_comes_between(self):
        listener = heard(("p", "all", 1), ("q", "all", 7), ("p", "group", 1), ("p", "all", 2), ("q", "all", 8))
        self.assertEqual((listener.problems, listener.count, sum(listener.gaps.values())), ([], 5, 0))

    def test_each_kind_of_wrong_message_is_found(self):
        for messages in ([("p", "all", 2), ("p", "all", 2)], [("p", "all", 2), ("p", "all", 1)], [("p", "other", 1)]):
            self.assertEqual(len(heard(*messages).problems), 1, messages)
        listener = heard()
        for message in ("", "a b", "a b c"):
            listener.hear(message)
        self.assertEqual(len(listener.problems), 3)

    def test_problems_do_not_fill_the_memory(self):
        self.assertEqual(len(heard(*[("p", "other", 1)] * 100).problems), 10)

    def test_the_first_of_a_publisher_has_nothing_missing_before_it(self):
        self.assertEqual(record.lost([heard(("p", "all", 5), ("p", "all", 6))]), {})

    def test_what_is_missing_is_lost(self):
        listener = heard(("p", "all", 5), ("p", "all", 8), ("p", "group", 1), ("p", "group", 3))
        self.assertEqual(record.lost([listener]), {("p", "all"): 2, ("p", "group"): 1})

    def test_who_has_missed_most_says_what_was_lost(self):
        late, early = heard(("p", "all", 8)), heard(("p", "all", 5), ("p", "all", 8))
        self.assertEqual(record.lost([late, early, early]), {("p", "all"): 2})
        self.assertEqual(record.lost([late]), {})


class Counters(unittest.TestCase):
    def test_a_loss_that_no_counter_has_seen_is_found(self):
        self.assertIsNone(record.uncounted(3, {"missed": 2, "away": 1}))
        self.assertIsNone(record.uncounted(0, {}))
        self.assertIn("3 were lost", record.uncounted(3, {"missed": 2}))


if __name__ == "__main__":
    unittest.main()
