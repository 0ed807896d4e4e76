"""Counters that are not what was counted are found: each is made wrong in turn."""

import collections
import pathlib
import sys
import types
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1])]

import counts  # noqa: E402 (found by the path above)

SHOWN = """
# HELP holdfast_accepted_total Sockets accepted.
holdfast_accepted_total 7
holdfast_connections_opened_total 4
holdfast_handshakes_total{outcome="101"} 5
holdfast_handshakes_total{outcome="403"} 1
holdfast_handshakes_total{outcome="closed"} 1
holdfast_recoveries_total{outcome="recovered"} 1
holdfast_recoveries_total{outcome="refused"} 1
holdfast_messages_received_total{kind="text"} 9
holdfast_connections_closed_total{reason="peer",code="1000"} 2
holdfast_connections_closed_total{reason="gone",code="none"} 1
holdfast_connections_closed_total{reason="unacknowledged",code="1008"} 1
holdfast_hub_events_total{hub="exact",event="connected",outcome="ok"} 4
holdfast_hub_events_total{hub="exact",event="user",outcome="ok"} 3
holdfast_hub_deliveries_total{hub="exact"} 20
holdfast_hub_deliveries_total{hub="rough"} 31
holdfast_rest_requests_total{hub="exact",route="send",status="202"} 6
holdfast_limited_total{limit="unacknowledged"} 1
"""


def world() -> types.SimpleNamespace:
    counted = {"opened": 4, "accepted": 7, "recovered": 1, "refused": 1, "said": 8, "perhaps said": 2, "stubborn": 1}
    shakes = {("handshakes", "101"): 5, ("handshakes", "403"): 1, ("handshakes", "closed"): 1}
    cut = frozenset({("gone", "none"), ("reset", "none")})
    peer, stubborn = frozenset({("peer", "1000")}), frozenset({("unacknowledged", "1008")})
    events = {("exact", "connected", "ok"): 4, ("exact", "user", "ok"): 3}
    return types.SimpleNamespace(
        counts=collections.Counter(counted | shakes),
        ends=[peer, peer, cut, stubborn],
        service=types.SimpleNamespace(counts=collections.Counter(events), repeats=0),
        rest=types.SimpleNamespace(counts=collections.Counter({("exact", "send", 202): 6})),
        book=types.SimpleNamespace(heard={"exact": 20, "rough": 30}, possible={"exact": 0, "rough": 2}),
    )


class Counters(unittest.TestCase):
    def test_nothing_is_found_where_all_agree(self):
        self.assertEqual(counts.differences(counts.Metrics(SHOWN), world()), [])

    def test_each_counter_that_is_one_too_few_or_many_is_found(self):
        # Of these a few more or less are right, since nobody can know.
        loose = {"holdfast_messages_received_total", 'holdfast_hub_deliveries_total{hub="rough"}'}
        for line in SHOWN.strip().splitlines()[1:]:
            name, _, value = line.rpartition(" ")
            by = 5 if any(name.startswith(it) for it in loose) else 1
            for wrong in (int(value) + by, int(value) - by):
                with self.subTest(name=name, wrong=wrong):
                    shown = counts.Metrics(SHOWN.replace(line, f"{name} {wrong}"))
                    self.assertNotEqual(counts.differences(shown, world()), [])

    def test_what_must_not_happen_is_found(self):
        for name in counts.NEVER:
            shown = counts.Metrics(f"{SHOWN}{name} 1\n")
            self.assertEqual(len(counts.differences(shown, world())), 1, name)

    def test_an_event_that_came_again_and_was_not_counted_is_found(self):
        twice = world()
        twice.service.repeats = 1
        self.assertEqual(len(counts.differences(counts.Metrics(SHOWN), twice)), 1)
        shown = counts.Metrics(f"{SHOWN}holdfast_hub_event_repeats_total 1\n")
        self.assertEqual(counts.differences(shown, twice), [])

    def test_what_is_left_is_found(self):
        for line in ["holdfast_connections_away 1", 'holdfast_hub_groups{hub="rough"} 1']:
            self.assertEqual(len(counts.left_over(counts.Metrics(f"{line}\n"))), 1)
        self.assertEqual(len(counts.left_over(counts.Metrics('holdfast_memory_bytes{part="events"} 64\n'))), 1)
        hub = {"name": "exact", "connections": 1, "users": 0}
        self.assertEqual(counts.inside({"hubs": [hub]}), ["exact has 1 connections"])


if __name__ == "__main__":
    unittest.main()
