"""Facts about the dashboard's JSON that can be checked without Grafana, and the queries in it."""

import itertools
import json
import pathlib
import re

WIDTH = 24
VARIABLE = re.compile(r"\$\{?(\w+)")
BUILT_IN = {"__rate_interval", "__all"}


def faults(board: dict) -> list[str]:
    """What is wrong with it."""
    panels = board["panels"]
    found = [f"there is no {key}" for key in ("uid", "title", "schemaVersion", "templating") if not board.get(key)]
    ids = [panel["id"] for panel in panels]
    found += [f"panel id {one} is there {ids.count(one)} times" for one in sorted(set(ids)) if ids.count(one) > 1]
    for panel in panels:
        found += [f"{panel['title']}: {fault}" for fault in panel_faults(panel)]
    for one, other in itertools.combinations(panels, 2):
        if overlap(one["gridPos"], other["gridPos"]):
            found.append(f"{one['title']} and {other['title']} overlap")
    known = {variable["name"] for variable in board["templating"]["list"]}
    used = set(VARIABLE.findall(json.dumps(board))) - BUILT_IN
    found += [f"${name} is used and not there" for name in sorted(used - known)]
    found += [f"${name} is there and not used" for name in sorted(known - used)]
    return found


def panel_faults(panel: dict) -> list[str]:
    """What is wrong with one panel."""
    place = panel["gridPos"]
    found = []
    if place["x"] < 0 or place["x"] + place["w"] > WIDTH or min(place["w"], place["h"]) < 1:
        found.append(f"is outside of the grid: {place}")
    if panel["type"] == "row":
        return found
    if not panel.get("targets"):
        found.append("has no query")
    names = [target.get("refId") for target in panel.get("targets", [])]
    if len(set(names)) < len(names):
        found.append(f"has a refId twice: {names}")
    found += [f"query {target.get('refId')} is empty" for target in panel["targets"] if not target.get("expr")]
    if not panel.get("description"):
        found.append("has no description")
    if not panel["fieldConfig"]["defaults"].get("unit"):
        found.append("has no unit")
    steps = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
    if steps[0] is not None or steps[1:] != sorted(steps[1:]):
        found.append(f"has thresholds out of order: {steps}")
    return found


def overlap(one: dict, other: dict) -> bool:
    """Whether two places have a cell in common."""
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def queries(board: dict) -> list[tuple[str, str]]:
    """Each panel's queries, by title and refId, as they are in the file."""
    return [
        (f"{panel['title']} {target['refId']}", target["expr"])
        for panel in board["panels"]
        for target in panel.get("targets", [])
    ]


def variable_queries(board: dict) -> list[tuple[str, str, str]]:
    """Of variables that ask Prometheus: name, series and label of `label_values(series, label)`."""
    asked = [variable for variable in board["templating"]["list"] if variable["type"] == "query"]
    found = []
    for variable in asked:
        series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()
        found.append((variable["name"], series, label))
    return found


def chosen(expression: str, values: dict[str, str]) -> str:
    """An expression with these values in place of variables."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], expression)


def load(file: pathlib.Path) -> dict:
    return json.loads(file.read_text())
