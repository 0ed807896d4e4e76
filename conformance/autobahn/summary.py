"""What the suite found, compared with what is stored."""

import collections
import dataclasses
import fnmatch
import json
import pathlib

# From best to worst. What the suite says beside these (FAILED, WRONG CODE, UNCLEAN, FAILED BY CLIENT ...) is worst.
BEHAVIORS = ["OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "FAILED"]


def grade(behavior: str) -> int:
    """How bad a behaviour is; 0 is best."""
    return BEHAVIORS.index(behavior) if behavior in BEHAVIORS else len(BEHAVIORS) - 1


@dataclasses.dataclass(frozen=True)
class Result:
    """What the suite says about one case: of the messages, and of the closing handshake."""

    behavior: str
    closing: str

    def worst(self) -> str:
        """The worse of the two, as one of BEHAVIORS."""
        return BEHAVIORS[max(grade(self.behavior), grade(self.closing))]

    def __str__(self) -> str:
        return self.behavior if self.behavior == self.closing else f"{self.behavior}, closing handshake {self.closing}"


@dataclasses.dataclass(frozen=True)
class Allowed:
    """A case, or a pattern of cases, that need not be OK, and why."""

    cases: str
    behavior: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Expected:
    """The stored summary: how many cases each chapter has, and which need not be OK."""

    count_by_chapter: dict[str, int]
    not_ok: list[Allowed]

    def of(self, case: str) -> Allowed:
        """What is expected of a case. An exact name comes before a pattern."""
        fitting = [allowed for allowed in self.not_ok if fnmatch.fnmatchcase(case, allowed.cases)]
        fitting.sort(key=lambda allowed: allowed.cases != case)
        return fitting[0] if fitting else Allowed(case, "OK", "")


def stored(path: pathlib.Path) -> Expected:
    """Reads the stored summary. Each case that is not OK needs a reason in it."""
    text = json.loads(path.read_text())
    not_ok = [Allowed(**entry) for entry in text["not_ok"]]
    for allowed in not_ok:
        if allowed.behavior not in BEHAVIORS[1:] or not allowed.reason.strip():
            raise ValueError(f"{path}: {allowed.cases} needs a behavior of {', '.join(BEHAVIORS[1:])}, and a reason")
    return Expected(text["count_by_chapter"], not_ok)


def results(index: dict[str, dict]) -> dict[str, Result]:
    """Case → result, from one agent of the suite's own index.json."""
    return {case: Result(entry["behavior"], entry["behaviorClose"]) for case, entry in index.items()}


def missing(wanted: list[str], found: dict[str, Result], expected: Expected) -> list[str]:
    """Complaints about cases that should have run and did not. `wanted` names chapters (`9.*`) and single cases."""
    count = collections.Counter(case.split(".")[0] for case in found)
    chapters = [pattern.removesuffix(".*") for pattern in wanted if pattern.endswith(".*") and pattern.count(".") == 1]
    complaints = [
        f"{chapter}.*: {count[chapter]} of {expected.count_by_chapter[chapter]} cases ran"
        for chapter in chapters
        if count[chapter] != expected.count_by_chapter[chapter]
    ]
    return complaints + [f"{case} did not run" for case in wanted if "*" not in case and case not in found]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Lines for people: cases that are not OK (one line for each kind), those worse than stored, those better."""

    not_ok: list[str]
    worse: list[str]
    better: list[str]


def compare(found: dict[str, Result], expected: Expected) -> Comparison:
    """Holds each result against the stored one."""
    comparison = Comparison([], [], [])
    kinds: dict[str, list[str]] = collections.defaultdict(list)
    for case, result in sorted(found.items(), key=lambda item: key(item[0])):
        allowed = expected.of(case)
        difference = grade(result.worst()) - grade(allowed.behavior)
        if difference > 0:
            comparison.worse.append(f"{case}: {result}; expected: {allowed.behavior}")
        if difference < 0:
            comparison.better.append(f"{case}: {result}; expected: {allowed.behavior}")
        if result.worst() != "OK":
            kinds[f"{result}" + (f" ({allowed.reason})" if difference <= 0 else "")].append(case)
    comparison.not_ok.extend(f"{' '.join(cases)}: {kind}" for kind, cases in kinds.items())
    return comparison


def key(case: str) -> list[int]:
    """Orders cases as the suite numbers them."""
    return [int(number) for number in case.split(".")]


def table(by_rung: dict[str, dict[str, Result]]) -> str:
    """Counts: one line for each rung."""
    lines = [f"{'rung':15} {'cases':>5}" + "".join(f"{behavior:>15}" for behavior in BEHAVIORS)]
    for rung, found in by_rung.items():
        count = collections.Counter(result.worst() for result in found.values())
        lines.append(f"{rung:15} {len(found):5}" + "".join(f"{count[behavior]:15}" for behavior in BEHAVIORS))
    return "\n".join(lines)
