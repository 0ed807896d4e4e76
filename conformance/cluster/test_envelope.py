"""Envelopes written by hand are those that nodes write (crates/cluster/src/envelope has the table of places)."""

import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1])]

import envelope  # noqa: E402 (found by the path above)
from envelope import ALL, GROUP, USER  # noqa: E402


class Subjects(unittest.TestCase):
    def test_a_name_has_the_slot_that_every_release_gives_it(self):
        for kind, name, slot in [(GROUP, "room", "67"), (USER, "room", "a7"), (USER, "ann", "7d"), (GROUP, "é", "30")]:
            self.assertEqual(envelope.slot(kind, name), slot, name)

    def test_hubs_are_tokens(self):
        self.assertEqual(envelope.subject("prod", "Chat.a", ALL), "hf1.prod.h.chat=2Ea.all")
        self.assertEqual(envelope.subject("rig", "a", GROUP, "room"), "hf1.rig.h.a.67")


class Envelopes(unittest.TestCase):
    def test_everything_has_its_place(self):
        found = envelope.publication(0xAB, 7, "hub", (GROUP, b"room"), b"hello", fields=((200, b"x"),), question=9)
        self.assertEqual(found[:8], bytes([0xB5, 1, 1, 0, 0, 0, 0, 0]))
        self.assertEqual(found[8:32], bytes([0xAB, *[0] * 7, 7, *[0] * 7, 9, *[0] * 7]))
        self.assertEqual(found[32:48], bytes([3, 1, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]))
        self.assertEqual(found[48:], b"hubroom" + bytes([200, 1, 0]) + b"x" + b"hello")

    def test_a_head_is_read_as_it_is_written(self):
        head = envelope.Head(envelope.answer(5, 6, 7))
        read = (head.version, head.operation, head.node, head.question, head.counted(envelope.COUNT), head.payload)
        self.assertEqual(read, (1, envelope.ANSWER, 5, 6, 7, b""))
        self.assertIsNone(head.counted(envelope.REFUSAL))
        beat = envelope.Head(envelope.heartbeat(5, 1, 2, 3, hubs=b"\0" * 4))
        self.assertEqual((beat.hub, beat.counted(envelope.START), beat.fields[envelope.HUBS]), ("", 2, b"\0" * 4))

    def test_garbage_is_no_head(self):
        for message in (b"", b"\xb5" * 47, b"\0" * 48):
            with self.assertRaises(ValueError):
                envelope.Head(message)


if __name__ == "__main__":
    unittest.main()
