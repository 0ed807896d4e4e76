"""The book finds what it is there to find: each defect is planted, and a course without one has no problem."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import book  # noqa: E402 (found by the path above)


class Course(unittest.TestCase):
    """Ann is in a group from its beginning; ten messages are published to it."""

    def setUp(self):
        self.book = book.Book()
        self.ann = self.book.connect(1, "hub", "ann")
        self.book.opened(self.ann, ["room"])

    def publish(self, audience=("group", "room"), **more) -> book.Publication:
        message = self.book.publish("bob", "hub", audience, **more)
        self.book.taken(message)
        return message

    def end(self) -> list[str]:
        self.book.gone(self.ann)
        self.book.settle(self.ann)
        return self.book.problems

    def hear(self, *numbers: int) -> None:
        for number in numbers:
            self.book.hear(self.ann, number)

    def test_nothing_is_wrong_where_all_is_heard_in_order(self):
        sent = [self.publish().number for _ in range(10)]
        self.hear(*sent)
        self.assertEqual(self.end(), [])
        self.assertEqual((self.book.heard["hub"], self.book.possible["hub"]), (10, 0))

    def test_a_lost_message_is_found(self):
        self.publish(), self.publish(), self.publish()
        self.hear(1, 3)
        self.assertEqual([message.number for message in self.book.missing(self.ann)], [2])
        self.assertIn("has not heard 2", self.end()[0])

    def test_a_doubled_message_is_found(self):
        self.publish()
        self.hear(1, 1)
        self.assertIn("heard 1 twice", self.end()[0])

    def test_two_messages_of_one_publisher_in_the_wrong_order_are_found(self):
        # Neither was taken when the other was sent: only that one publisher sent both tells their order.
        messages = [self.book.publish("bob", "hub", ("group", "room")) for _ in range(2)]
        self.hear(2, 1)
        for message in messages:
            self.book.taken(message)
        self.assertIn("after a later one of bob", self.end()[0])

    def test_a_message_that_comes_after_what_was_sent_when_it_was_taken_is_found(self):
        self.publish()
        later = self.book.publish(None, "hub", ("all", None))
        self.book.taken(later)
        self.hear(2, 1)
        self.assertIn("after what was sent when that was taken", self.end()[0])

    def test_a_message_that_nobody_published_is_found(self):
        self.hear(7)
        self.assertIn("nobody has published", self.end()[0])

    def test_what_is_for_others_is_found(self):
        others = [
            self.publish(("group", "other")).number,
            self.publish(("user", "bob")).number,
            self.publish(("connection", 2)).number,
            self.publish(left_out={1}).number,
            self.publish(("all", None), chosen=book.is_user("bob")).number,
            self.publish(("all", None), chosen=book.other_than(book.is_in("room"))).number,
        ]
        foreign = self.book.publish("bob", "another hub", ("all", None))
        self.hear(*others, foreign.number)
        self.assertEqual(len(self.end()), 7)

    def test_filters_choose(self):
        both = book.both(book.begins_with("a"), book.is_in("room"))
        for chosen in [both, book.either(book.is_user("bob"), book.is_in("room")), book.is_user("bob", "ann")]:
            self.publish(("all", None), chosen=chosen)
        self.assertEqual(len(self.end()), 3)

    def test_what_is_published_while_one_joins_or_leaves_may_be_heard_and_need_not_be(self):
        for is_heard in [True, False]:
            self.setUp()
            span = self.book.join(self.ann, "other")
            self.publish(("group", "other"))
            self.book.joined(span)
            left = self.book.leave(self.ann, "room")
            self.publish()
            self.book.left(left)
            self.hear(*([1, 2] if is_heard else []))
            self.assertEqual(self.end(), [])
            self.assertEqual(self.book.possible["hub"], 0 if is_heard else 2)

    def test_what_is_published_after_a_join_and_before_a_leave_must_be_heard_and_nothing_else_may(self):
        before = self.publish(("group", "other")).number
        self.book.joined(self.book.join(self.ann, "other"))
        self.publish(("group", "other"))
        self.book.left(self.book.leave(self.ann, "other"))
        after = self.publish(("group", "other")).number
        self.hear(before, after)
        self.assertEqual(len(self.end()), 3)

    def test_who_is_cut_may_miss_the_end_and_nothing_before_it(self):
        numbers = [self.publish().number for _ in range(4)]
        self.ann.is_cut = True
        self.hear(numbers[0], numbers[2])
        problems = self.end()
        self.assertEqual(len(problems), 1)
        self.assertIn("has not heard 2", problems[0])
        self.assertEqual(self.book.possible["hub"], 2)

    def test_what_a_publisher_never_knew_of_need_not_be_heard(self):
        message = self.book.publish("bob", "hub", ("group", "room"))
        self.book.lost_sight_of(message)
        self.publish()
        self.hear(2)
        self.assertEqual(self.end(), [])


if __name__ == "__main__":
    unittest.main()
