"""What a boot showed: tests by rung, capabilities, and everything that counts as a failure."""

import collections
import dataclasses
import re

from .guest import CAPABILITIES_LABEL, Boot

# Tests that are no rung's: those inside the sources, such as the buffer pool's, whatever their module is called, and
# integration tests outside the modules of the rungs.
SHARED = "(no rung)"
# How the capability report says that a rung does not work at all; each of these kernels has all rungs.
REFUSED = "refused"
OUTCOMES = {"ok": "passed", "FAILED": "failed", "ignored": "ignored"}
TEST = re.compile(r"^test (?P<name>\S+)(?: - should panic)? \.\.\. (?P<outcome>ok|FAILED|ignored)\b", re.MULTILINE)
SUMMARY = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE)
SECTION = re.compile(
    r"^@@ begin (?P<label>\S+) (?P<begin>\S+)\n(?P<text>.*?)^@@ end (?P=label) (?P<status>\d+) (?P<end>\S+)$",
    re.MULTILINE | re.DOTALL,
)


@dataclasses.dataclass
class Result:
    """One kernel's part of the table."""

    series: str
    boot: Boot
    rungs: list[str]
    filtered: bool
    capabilities: dict[str, str] = dataclasses.field(default_factory=dict)
    counts: dict[str, collections.Counter] = dataclasses.field(default_factory=dict)
    broken: list[str] = dataclasses.field(default_factory=list)

    def count(self, rung: str, outcome: str) -> int:
        """Tests of the rung that ended so: passed, failed or ignored."""
        return self.counts.get(rung, collections.Counter())[outcome]

    def summary(self) -> str:
        """One line after the boot."""
        total = sum(self.counts.values(), collections.Counter())
        return (
            f"{self.series}: {total['passed']} passed, {total['failed']} failed, {total['ignored']} ignored "
            f"in {self.boot.seconds:.0f} s"
        )

    def problems(self) -> list[str]:
        """Why this kernel fails the run; empty when it passed."""
        found = list(self.broken)
        idle = [rung for rung in self.rungs if not self.count(rung, "passed") + self.count(rung, "failed")]
        if not self.filtered or idle == self.rungs:
            found += [f"no test ran on rung {rung}" for rung in idle]
        found += [f"no capabilities reported for rung {rung}" for rung in self.rungs if rung not in self.capabilities]
        refused = [(rung, why) for rung, why in self.capabilities.items() if why.startswith(REFUSED)]
        found += [f"rung {rung} {why}" for rung, why in refused]
        return [f"{self.series} ({self.boot.version}): {problem}" for problem in found]


def read(series: str, boot: Boot, rungs: list[str], filtered: bool = False) -> Result:
    """Reads what the guest printed. A filtered run need not have a test on every rung, but on one."""
    result = Result(series, boot, rungs, filtered)
    output = boot.output.replace("\r\n", "\n")
    if boot.timed_out:
        result.broken.append(f"not finished after {boot.seconds:.0f} s")
    if "@@ kernel " not in output:
        result.broken.append("did not boot")
    elif "@@ done" not in output:
        result.broken.append(f"stopped during {last_begun(output)}")
    for section in SECTION.finditer(output):
        if section["label"] == CAPABILITIES_LABEL:
            read_capabilities(result, section)
        else:
            read_tests(result, section)
    return result


def last_begun(output: str) -> str:
    """The program that was running when the guest stopped."""
    begun = re.findall(r"^@@ begin (\S+)", output, re.MULTILINE)
    return begun[-1] if begun else "start-up"


def read_capabilities(result: Result, section: re.Match) -> None:
    """Lines `RUNG name: capabilities`; a name may be spelt with - or _."""
    for name, found in re.findall(r"^RUNG ([\w-]+): *(.*)$", section["text"], re.MULTILINE):
        result.capabilities[name.replace("-", "_")] = found.strip()
    if section["status"] != "0":
        result.broken.append(f"the capability report ended with status {section['status']}")


def read_tests(result: Result, section: re.Match) -> None:
    """Counts each test under its rung, and checks the count against libtest's own.

    A test may run its own binary again as a child, which says the same lines on the same output: a test counts once,
    by its name, and the last summary is the parent's.
    """
    outcomes: dict[str, str] = {}
    for test in TEST.finditer(section["text"]):
        if outcomes.get(test["name"]) != "failed":
            outcomes[test["name"]] = OUTCOMES[test["outcome"]]
    for name, outcome in outcomes.items():
        result.counts.setdefault(rung_of(result, section["label"], name), collections.Counter())[outcome] += 1
        if outcome == "failed":
            result.broken.append(f"{section['label']} {name}")
    seen = collections.Counter(outcomes.values())
    summaries = list(SUMMARY.finditer(section["text"]))
    if not summaries:
        result.broken.append(f"{section['label']} ended early with status {section['status']}")
    elif not agree(result, [seen[outcome] for outcome in OUTCOMES.values()], summaries[-1]):
        result.broken.append(f"{section['label']}: {dict(seen)} read, but libtest says `{summaries[-1][0]}`")
    elif section["status"] != "0" and not seen["failed"]:
        result.broken.append(f"{section['label']} ended with status {section['status']}")


def agree(result: Result, seen: list[int], summary: re.Match) -> bool:
    """Whether as many were read as libtest counts. In a filtered run the parent may have left out what a child ran."""
    counted = [int(number) for number in summary.groups()]
    more = result.filtered and seen[0] > counted[0]
    return seen[1:] == counted[1:] if more else seen == counted


def rung_of(result: Result, label: str, test: str) -> str:
    """The rung whose module the test is in."""
    if "/tests/" not in label:
        return SHARED
    return next((part for part in test.split("::") if part in result.rungs), SHARED)


def table(results: list[Result]) -> str:
    """Kernel, rung, tests passed, failed and ignored, capabilities found; then what is off there, and why."""
    rows = [("kernel", "rung", "passed", "failed", "ignored", "capabilities")]
    off = []
    for result in results:
        kernel = f"{result.series} ({result.boot.version})"
        for rung in [*result.rungs, *([SHARED] if SHARED in result.counts else [])]:
            numbers = [str(result.count(rung, outcome)) for outcome in OUTCOMES.values()]
            found, _, missing = result.capabilities.get(rung, "").partition(" | off: ")
            rows.append((kernel, rung, *numbers, found))
            off += [f"{kernel} {rung} does without {missing}"] if missing else []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, *off])
