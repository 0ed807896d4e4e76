"""Numbered messages: what must never be, and what was lost on the way from one node to another. Pure.

A publisher numbers what it says to each target: 1, 2, 3, one after the other has been taken. So whoever is a target
must hear these numbers rising, each once. What is missing between two that it has heard was lost.
"""

import collections
import functools


def text(publisher: str, target: str, number: int, filling: int = 0) -> str:
    """A message, as it is sent. Neither name has a blank in it."""
    return f"{publisher} {target} {number} {'x' * filling}"


@functools.lru_cache(4096)
def parts(message: str) -> tuple[tuple[str, str], int]:
    """Its way, which is the publisher and the target, and its number. The same message comes to many."""
    publisher, target, number, *_ = message.split(" ", 3)
    return (publisher, target), int(number)


class Listener:
    """What one connection has heard. `targets` are those that it belongs to."""

    __slots__ = ("name", "targets", "last", "gaps", "count", "problems")

    def __init__(self, name: str, targets: set[str]):
        self.name, self.targets = name, targets
        # By publisher and target: the last number; how many are missing before it.
        self.last: dict[tuple[str, str], int] = {}
        self.gaps: collections.Counter[tuple[str, str]] = collections.Counter()
        self.count = 0
        self.problems: list[str] = []

    def hear(self, message: str) -> None:
        try:
            way, number = parts(message)
        except ValueError:
            return self.wrong(f"heard {message[:60]!r}, which nobody has said")
        self.count += 1
        if way[1] not in self.targets:
            return self.wrong(f"heard {' '.join(way)} {number}, which is not for it")
        last = self.last.get(way)
        if last is not None and number <= last:
            return self.wrong(f"heard {' '.join(way)} {number} {'twice' if number == last else 'after'} {last}")
        if last is not None and number > last + 1:
            self.gaps[way] += number - last - 1
        self.last[way] = number

    def wrong(self, what: str) -> None:
        if len(self.problems) < 10:
            self.problems.append(f"{self.name} {what}")


def lost(listeners: list[Listener]) -> dict[tuple[str, str], int]:
    """How many were lost by publisher and target, as that listener of a node saw it who has missed most. Who came later
    than others has missed less; apart from that, all of a node's should have missed the same."""
    most: dict[tuple[str, str], int] = {}
    for listener in listeners:
        for way, count in listener.gaps.items():
            most[way] = max(most.get(way, 0), count)
    return most


def uncounted(missing: int, counters: dict[str, int]) -> str | None:
    """What is wrong where more were lost than all counters together have seen."""
    counted = sum(counters.values())
    return f"{missing} were lost, and {counted} are counted: {counters}" if missing > counted else None
