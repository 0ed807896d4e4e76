"""The gateway's counters and what everybody else has counted, held against each other."""

import collections

from shared.metrics import Metrics
from world import EXACT, ROUGH, World

# What is there only while something is going on.
GAUGES = [
    "holdfast_connections",
    "holdfast_connections_away",
    "holdfast_unacknowledged_messages",
    "holdfast_handshakes_open",
    "holdfast_broadcasts_open",
    "holdfast_hub_connections",
    "holdfast_hub_users",
    "holdfast_hub_groups",
    "holdfast_hub_group_members",
    "holdfast_hub_events_open",
]
PARTS = ["outboxes", "sends", "partial_messages", "publications", "events", "rest_bodies", "unacknowledged", "held"]
# What must not have happened at all.
NEVER = [
    "holdfast_accept_errors_total",
    "holdfast_handshakes_refused_early_total",
    "holdfast_messages_dropped_total",
    "holdfast_hub_limited_total",
    "holdfast_hub_dead_letters_lost_total",
]


def differences(metrics: Metrics, world: World) -> list[str]:
    """A sentence for each counter that is not what was counted."""
    return [
        *clients(metrics, world),
        *ends(metrics, world),
        *events(metrics, world),
        *deliveries(metrics, world),
        *rest(metrics, world),
        *limits(metrics, world),
    ]


def same(what: str, shown, counted) -> list[str]:
    return [] if shown == counted else [f"{what}: the gateway has {shown}, counted were {counted}"]


def clients(metrics: Metrics, world: World) -> list[str]:
    counts = world.counts
    shakes = {outcome: count for (outcome,), count in metrics.by("holdfast_handshakes_total", "outcome").items()}
    counted = {key[1]: count for key, count in counts.items() if key[0] == "handshakes" and count}
    recovered = {outcome: count for (outcome,), count in metrics.by("holdfast_recoveries_total", "outcome").items()}
    opened = metrics.sum("holdfast_connections_opened_total")
    received = metrics.sum("holdfast_messages_received_total", kind="text")
    least, most = counts["said"], counts["said"] + counts["perhaps said"]
    is_within = least <= received <= most
    return [
        *([] if is_within else [f"messages received: {received}, {least} to {most} were sent"]),
        *same("opened", opened, counts["opened"]),
        *same("accepted", metrics.sum("holdfast_accepted_total"), counts["accepted"]),
        *same("opening handshakes", shakes, counted),
        *same("recovered", recovered.get("recovered", 0), counts["recovered"]),
        *same("recoveries refused", recovered.get("refused", 0), counts["refused"]),
    ]


def ends(metrics: Metrics, world: World) -> list[str]:
    """Of each reason and code as many as had it for certain, and at most as many as may have had it."""
    shown = metrics.by("holdfast_connections_closed_total", "reason", "code")
    found = same("closed", sum(shown.values()), len(world.ends))
    sure = collections.Counter(next(iter(labels)) for labels in world.ends if len(labels) == 1)
    possible = collections.Counter(label for labels in world.ends for label in labels)
    for label in shown.keys() | possible.keys():
        if not sure[label] <= shown.get(label, 0) <= possible[label]:
            found.append(f"closed {label}: {shown.get(label, 0)}, counted were {sure[label]} to {possible[label]}")
    # Nobody can tell a reset from an end of stream, but all of them together have one reason or the other.
    for group in set(world.ends):
        if all(labels == group or not labels & group for labels in set(world.ends)):
            have = sum(shown.get(label, 0) for label in group)
            found += same(f"closed {sorted(group)}", have, world.ends.count(group))
    return found


def events(metrics: Metrics, world: World) -> list[str]:
    shown = metrics.by("holdfast_hub_events_total", "hub", "event", "outcome")
    found = []
    for key in shown.keys() | world.service.counts.keys():
        found += same(f"events {key}", shown.get(key, 0), world.service.counts[key])
    opened = sum(world.service.counts[hub, "connected", "ok"] for hub in (EXACT, ROUGH))
    return found + same("connected events", opened, world.counts["opened"])


def deliveries(metrics: Metrics, world: World) -> list[str]:
    """In the hub that everybody leaves in order all of them; in the other none that was heard is missing."""
    book, found = world.book, []
    shown = {hub: metrics.sum("holdfast_hub_deliveries_total", hub=hub) for hub in (EXACT, ROUGH)}
    found += same("deliveries of exact", shown[EXACT], book.heard[EXACT])
    least, most = book.heard[ROUGH], book.heard[ROUGH] + book.possible[ROUGH]
    if not least <= shown[ROUGH] <= most:
        found.append(f"deliveries of rough: {shown[ROUGH]}, not {least} to {most}")
    return found


def rest(metrics: Metrics, world: World) -> list[str]:
    shown = metrics.by("holdfast_rest_requests_total", "hub", "route", "status")
    counted = {(hub, call, str(status)): count for (hub, call, status), count in world.rest.counts.items()}
    keys = shown.keys() | counted.keys()
    return [line for key in sorted(keys) for line in same(f"REST {key}", shown.get(key, 0), counted.get(key, 0))]


def limits(metrics: Metrics, world: World) -> list[str]:
    shown = {limit: count for (limit,), count in metrics.by("holdfast_limited_total", "limit").items()}
    stubborn = shown.pop("unacknowledged", 0)
    found = same("limits", shown, {}) + same("not acknowledged", stubborn, world.counts["stubborn"])
    # Of what was sent again the first may not have arrived.
    repeats = "holdfast_hub_event_repeats_total"
    found += same(repeats, max(metrics.sum(repeats), world.service.repeats), metrics.sum(repeats))
    return found + [line for name in NEVER for line in same(name, metrics.sum(name), 0)]


def left_over(metrics: Metrics) -> list[str]:
    """What is not as empty as it was at the start."""
    found = [f"{name} is {metrics.sum(name)}" for name in GAUGES if metrics.sum(name)]
    parts = {part: metrics.sum("holdfast_memory_bytes", part=part) for part in PARTS}
    return found + [f"{part} hold {size} bytes" for part, size in parts.items() if size]


def inside(shown: dict) -> list[str]:
    """What the admin server still shows of a hub: every number is to be zero."""
    return [
        f"{hub['name']} has {count} {what}"
        for hub in shown["hubs"]
        for what, count in hub.items()
        if isinstance(count, int) and count
    ]
