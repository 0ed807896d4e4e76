"""The settings of a stage of a Dockerfile, as the configuration of an image has them."""

import json
import pathlib
import re
import shlex

from .engine import Unavailable

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def settings(path: pathlib.Path, stage: str) -> dict:
    """What the instructions of a stage say, under the names of Docker's `config`."""
    config, arguments = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}, {}
    for word, rest in instructions(path, stage):
        rest = re.sub(r"\$\{(\w+)\}", lambda name: arguments.get(name[1], name[0]), rest)
        if word == "ARG":
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "LABEL":
            config.setdefault("Labels", {}).update(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "ENV":
            config["Env"] += shlex.split(rest)
        elif word == "EXPOSE":
            config["ExposedPorts"] = {f"{port}/tcp": {} for port in rest.split()}
        elif word == "STOPSIGNAL":
            config["StopSignal"] = rest
        elif word == "USER":
            config["User"] = rest
        elif word == "ENTRYPOINT":
            config["Entrypoint"] = json.loads(rest)
        elif word == "HEALTHCHECK":
            config["Healthcheck"] = healthcheck(rest)
        else:
            raise Unavailable(f"{path}: {word} in stage {stage} is not understood")
    return config


def instructions(path: pathlib.Path, stage: str) -> list[tuple[str, str]]:
    """Name and rest of each instruction of a stage."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]
    start = next((at for at, line in enumerate(lines) if line.endswith(f" AS {stage}")), None)
    if start is None:
        raise Unavailable(f"{path} has no stage {stage}")
    found = []
    for line in lines[start + 1 :]:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            break
        found.append((word, rest.strip()))
    return found


def healthcheck(text: str) -> dict:
    """Options and command of a HEALTHCHECK, with times in nanoseconds."""
    options, command = text.split(" CMD ", 1)
    given = dict(option.removeprefix("--").split("=", 1) for option in options.split())
    names = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
    found = {names[name]: nanoseconds(given[name]) for name in names if name in given}
    return {"Test": ["CMD", *json.loads(command)], **found, "Retries": int(given["retries"])}


def nanoseconds(text: str) -> int:
    """A time such as 30s."""
    number, unit = re.fullmatch(r"(\d+)(\D+)", text).groups()
    return int(int(number) * SECONDS[unit] * 1_000_000_000)
