"""What can be read from the files as text: tests of alerts, links to the runbook, names of metrics."""

import pathlib
import re


def names(alerts: pathlib.Path) -> list[str]:
    return re.findall(r"- alert: (\w+)", alerts.read_text())


def untested(alerts: pathlib.Path, tests: pathlib.Path) -> list[str]:
    """Alerts without a test in which they fire, or without one in which they do not."""
    expected: dict[str, set[bool]] = {}
    pieces = re.split(r'ALERTS\{alertname="(\w+)", alertstate="firing"\}', tests.read_text())
    for name, rest in zip(pieces[1::2], pieces[2::2]):
        samples = re.search(r"exp_samples:(.*)", rest)
        if samples:
            expected.setdefault(name, set()).add(samples[1].strip() != "[]")
    wrong = []
    for name in names(alerts):
        seen = expected.get(name, set())
        wrong += [f"{tests.name} has no case in which {name} fires"] * (True not in seen)
        wrong += [f"{tests.name} has no case in which {name} does not fire"] * (False not in seen)
    return wrong


def links(alerts: pathlib.Path, runbook: pathlib.Path) -> list[str]:
    """Links of alerts that lead to no heading of the runbook, or begin as no other does."""
    text = alerts.read_text()
    urls = re.findall(r"runbook_url: (\S+)", text)
    headings = {anchor(line) for line in runbook.read_text().splitlines() if line.startswith("#")}
    wrong = [f"{url} leads to no heading of {runbook.name}" for url in urls if url.split("#")[-1] not in headings]
    bases = {url.split("#")[0].removesuffix(runbook.name) for url in urls}
    if len(bases) != 1:
        wrong.append(f"runbook_url has more than one base: {sorted(bases)}")
    if len(urls) != len(names(alerts)):
        wrong.append(f"{len(names(alerts))} alerts have {len(urls)} links to the runbook")
    return wrong


def entries(alerts: pathlib.Path, runbook: pathlib.Path, scenes: dict[str, str]) -> list[str]:
    """Alerts that the entry they lead to does not name, or whose scene it does not name as what checks it."""
    sections = {anchor(text.split("\n")[0]): text for text in runbook.read_text().split("\n## ")[1:]}
    leads = re.findall(r"- alert: (\w+).*?runbook_url: \S+#(\S+)", alerts.read_text(), re.DOTALL)
    wrong = []
    for name, heading in leads:
        section = sections.get(heading, "")
        checked = section.partition("**Checked by**")[2]
        wrong += [f"{runbook.name}#{heading} does not name {name}"] * (name not in section)
        if name in scenes and f"`{scenes[name]}`" not in checked:
            wrong.append(f"{runbook.name}#{heading} does not say that {scenes[name]} checks {name}")
    return wrong


def anchor(heading: str) -> str:
    """A heading's name in links."""
    kept = re.sub(r"[^\w \-]", "", heading.lstrip("#").strip().lower())
    return kept.replace(" ", "-")


def unknown_metrics(folder: pathlib.Path, page: pathlib.Path) -> list[str]:
    """Metrics that rules, alerts and dashboard name, and docs/metrics.md does not."""
    known = set(re.findall(r"^\| `(\w+)`", page.read_text(), re.MULTILINE))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count") if name.endswith("_seconds")}
    files = [folder / name for name in ("rules.yml", "alerts.yml", "grafana/holdfast.json")]
    wrong = []
    for file in files:
        used = set(re.findall(r"(?<![\w:])(holdfast_\w+|process_\w+_\w+)(?!\w*:)", file.read_text()))
        wrong += [f"{file.name} names {name}, which is no metric" for name in sorted(used - known - {"process_rss"})]
    return wrong
