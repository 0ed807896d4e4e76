"""Alternated rounds, medians, ratios."""

import statistics
import sys
from collections.abc import Callable, Iterable


def alternate(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Runs each contestant once in every round, another one first each time. One that cannot run is left out, and the
    reason said; what it has measured until then is left out too."""
    values: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name in rotated(list(contestants), number):
            if name not in values:
                continue
            try:
                values[name].append(contestants[name]())
                print(f"round {number + 1}: {name}: {values[name][-1]:.2f}", file=sys.stderr, flush=True)
            except Unavailable as error:
                print(f"LEFT OUT: {name}: {error}", flush=True)
                del values[name]
    return values


def rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


class Unavailable(Exception):
    """A contestant that cannot be had here; says why."""


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    values = list(values)
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratios(values: dict[str, list[float]], of: str, to: Iterable[str]) -> list[float] | None:
    """That of one contestant to the sum of others, round by round; None where one of them was left out."""
    names = [of, *to]
    if any(not values.get(name) for name in names):
        return None
    return [one / sum(others) for one, *others in zip(*(values[name] for name in names), strict=True)]


def compared(values: dict[str, list[float]], targets: list[tuple[str, tuple[str, ...], float]]) -> list[dict]:
    """Each ratio with its target: the contestant, those it is compared with, and the most the ratio may be."""
    found = []
    for of, to, most in targets:
        if each := ratios(values, of, to):
            ratio = spread(each)
            found.append({"of": of, "to": list(to), "target": most, "met": ratio["median"] <= most} | ratio)
    return found


def text(row: dict) -> str:
    """A measurement for people."""
    lines = [f"{row['what']} (microseconds of CPU)"]
    for name, values in row["values"].items():
        it = spread(values)
        lines.append(f"  {name:36} {it['median']:8.2f}  ({it['low']:.2f} to {it['high']:.2f})")
    for it in row["ratios"]:
        verdict = "met" if it["met"] else "MISSED"
        against = " + ".join(it["to"])
        shown = f"{it['median']:.2f} ({it['low']:.2f} to {it['high']:.2f})"
        lines.append(f"  {it['of']} / ({against}): {shown}, target {it['target']:g}: {verdict}")
    return "\n".join(lines)
