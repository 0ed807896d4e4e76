#!/usr/bin/env python3
"""Draws architecture.svg and message.svg, which lie beside it; docs/idle-memory.svg is drawn by the bench.

Usage: docs/pictures/draw.py
"""

import pathlib
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from canvas import Sheet  # noqa: E402 (found by the path above)


# Six boxes beside each other.
BOX = 126
STEP = 142


def architecture() -> Sheet:
    sheet = Sheet(
        438,
        "The architecture of Holdfast",
        "Clients reach the shards of one process through the kernel's sockets. Each shard is a thread with a driver, a "
        "pool of buffers, a slab of records and its part of the hubs. The control side has the admin server, REST and "
        "events; it reaches shards by mailboxes, and they reach it by an inbox. Services speak HTTP with the control "
        "side. Below, the six crates and what each knows.",
    )
    sheet.box(12, 96, 120, 84, "clients", "browsers, phones,", "devices; mostly", "silent", kind="theirs")
    sheet.area(178, 12, 490, 272, "panel")
    sheet.text(190, 32, "holdfast: one process", "heading")
    shard(sheet)
    control(sheet)
    sheet.arrow((132, 132), (190, 132))
    sheet.arrow((190, 150), (132, 150))
    sheet.text(155, 124, "TCP", anchor="middle")
    sheet.box(724, 96, 124, 84, "services", "yours; HTTP in any", "language; they", "hold no connection", kind="theirs")
    sheet.arrow((656, 122), (724, 122))
    sheet.text(696, 114, "events", anchor="middle")
    sheet.arrow((724, 152), (656, 152))
    sheet.text(696, 168, "REST", anchor="middle")
    sheet.box(724, 208, 124, 60, "operators", "probes, Prometheus", "and a browser", kind="theirs")
    sheet.arrow((724, 240), (656, 240))
    crates(sheet)
    return sheet


def shard(sheet: Sheet) -> None:
    """The shards, of which one is shown from within."""
    sheet.area(190, 44, 276, 178, "ours")
    sheet.text(200, 62, "shard 0: a thread, nothing shared", "title")
    sheet.box(200, 72, 124, 66, "driver", "io_uring, or epoll")
    sheet.box(332, 72, 124, 66, "buffer pool", "lent to those who", "are ready")
    sheet.box(200, 146, 124, 66, "slab", "a record of 40 B", "per connection")
    sheet.box(332, 146, 124, 66, "application", "an echo, hubs, or", "one of your own")
    sheet.area(190, 230, 276, 44, "ours")
    sheet.text(200, 248, "shard 1, 2, ...", "title")
    sheet.text(200, 264, "the same again: one for each core")


def control(sheet: Sheet) -> None:
    """The control side, and how it and the shards reach each other."""
    sheet.area(532, 44, 124, 230, "ours")
    sheet.text(542, 62, "control side", "title")
    parts = {"events": "to services", "REST": "from services", "signals": "drains", "admin": "metrics, console"}
    for number, (title, line) in enumerate(parts.items()):
        sheet.box(540, 72 + 50 * number, 108, 44, title, line)
    sheet.arrow((532, 100), (466, 100))
    sheet.text(499, 93, "mailbox", anchor="middle")
    sheet.arrow((466, 170), (532, 170))
    sheet.text(499, 163, "inbox", anchor="middle")


def crates(sheet: Sheet) -> None:
    """The crates, each with what it knows."""
    sheet.text(12, 312, "Six crates, each of which knows as little as it can", "heading")
    known = [
        ("ring", "sockets, buffers,", "the kernel; all", "unsafe code"),
        ("proto", "HTTP upgrade,", "frames, messages;", "no I/O, no clock"),
        ("hub", "who is in which", "hub, group, user;", "pure"),
        ("webpubsub", "tokens, events,", "REST, the JSON", "subprotocol; pure"),
        ("upstream", "HTTP to services:", "addresses, retries,", "circuit breaker"),
        ("gateway", "shards, limits,", "admin, metrics;", "rests on the rest"),
    ]
    for number, (name, *lines) in enumerate(known):
        sheet.box(12 + STEP * number, 324, BOX, 74, name, *lines)
    idle = "An idle connection: its socket and one poll in the kernel, 40 bytes of record, 8 of the driver."
    sheet.text(12, 422, idle)


def message() -> Sheet:
    sheet = Sheet(
        474,
        "The life of a message",
        "Above: an idle connection becomes ready, is lent a buffer, is read once, its frame is unmasked where it lies, "
        "the application answers, the answer is framed in front of the payload and sent, and the buffer goes back. "
        "What the client does not take waits in its outbox. Middle: with a hub the message becomes an event, which the "
        "control side posts to a service; the answer comes back through the shard's mailbox. Below: a publication of a "
        "service waits in the line of each shard it is for, is framed once, and walks from connection to connection.",
    )
    sheet.text(12, 26, "Answered in place", "heading")
    steps = [
        ("idle", "one poll is armed;", "no buffer, no task,", "no timer"),
        ("ready", "lent a buffer of", "4 KiB, read once"),
        ("frames", "unmasked where", "they lie, checked"),
        ("application", "gets borrowed", "bytes, answers"),
        ("framed", "before the payload,", "in the same buffer"),
        ("sent", "taken whole, the", "buffer goes back"),
    ]
    row(sheet, 38, steps)
    sheet.area(12 + STEP, 120, 4 * STEP + BOX, 18, "band")
    lent = "the buffer is lent: from readiness to the end of the send, never across a wait"
    sheet.text(506, 133, lent, anchor="middle")
    sheet.box(582, 154, 266, 52, "outbox", "what a client does not take yet; past its", "bound: 1013, or the oldest go")
    sheet.arrow((784, 112), (784, 154))
    sheet.arrow((582, 180), (70, 180), (70, 112))
    sheet.text(84, 174, "when all has gone: one poll, 48 bytes and a socket again")

    sheet.text(12, 234, "With a hub: an event, and its answer", "heading")
    steps = [
        ("shard", "takes a place of", "its hub, or is not", "read from"),
        ("inbox", "one event of a", "client at a time"),
        ("control", "a signed POST, to", "the next address", "if one is down"),
        ("service", "what it answers is", "for the client"),
        ("mailbox", "back to the shard", "of that client"),
        ("shard", "sends it; then the", "next message"),
    ]
    row(sheet, 246, steps, theirs="service")

    sheet.text(12, 352, "From a service to many: a publication", "heading")
    steps = [
        ("service", "REST: to all, to a", "group, a user, one", "connection"),
        ("control", "checks the token;", "202 once all the", "shards have it"),
        ("line", "of each shard that", "it is for; framed", "once for all"),
        ("cursor", "256 connections or", "1 MiB a turn, in", "turns with others"),
        ("kernel", "takes it at once,", "no buffer needed;", "else: the outbox"),
        ("clients", "each once, in the", "order in which it", "was taken"),
    ]
    row(sheet, 364, steps, theirs="service clients")
    sheet.text(12, 462, "No shard waits for anybody: each queue has a bound, and an answer for when it is full.")
    return sheet


def row(sheet: Sheet, y: float, steps: list[tuple[str, ...]], theirs: str = "") -> None:
    """Steps from left to right."""
    for number, (title, *lines) in enumerate(steps):
        x = 12 + STEP * number
        sheet.box(x, y, BOX, 74, title, *lines, kind="theirs" if title in theirs.split() else "ours")
        if number:
            sheet.arrow((x - STEP + BOX, y + 37), (x, y + 37))


PICTURES = {"architecture.svg": architecture, "message.svg": message}


def main() -> None:
    for name, draw in PICTURES.items():
        (HERE / name).write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
