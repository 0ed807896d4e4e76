"""A Prometheus of our own: the settings that ship, with other targets and at another pace."""

import json
import math
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

# Where Debian puts daemons; not everybody's PATH has it.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin"
START_SECONDS = 20
# What $__rate_interval is where a scrape takes place each second.
RATE_INTERVAL = "30s"


class Failed(Exception):
    """Prometheus or promtool says no."""


def tool(*words: str | pathlib.Path) -> str:
    """What promtool prints; raises when it finds fault."""
    command = ["promtool", *map(str, words)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, PATH=PATH)
    )
    if done.returncode != 0:
        raise Failed(f"`{' '.join(command)}`:\n{done.stdout}")
    return done.stdout


def settings(shipped: pathlib.Path, targets: dict[str, str]) -> str:
    """The settings that ship, scraping each second, with these targets by the name that becomes their instance."""
    lists = "".join(
        f'\n      - targets: ["{address}"]\n        labels: {{ instance: {name} }}' for name, address in targets.items()
    )
    changes = {
        "scrape_interval: 15s": "scrape_interval: 1s",
        "scrape_timeout: 5s": "scrape_timeout: 1s",
        "evaluation_interval: 15s": "evaluation_interval: 1s",
        "- rules.yml": f"- {shipped.parent}/rules.yml",
        "- alerts.yml": f"- {shipped.parent}/alerts.yml",
        '\n      - targets: ["127.0.0.1:9085"]': lists,
    }
    text = shipped.read_text()
    for old, new in changes.items():
        if text.count(old) != 1:
            raise Failed(f"{shipped.name} has no line, or more than one, with: {old.strip()}")
        text = text.replace(old, new)
    return text


class Prometheus:
    """One running Prometheus, as a context manager."""

    def __init__(self, folder: pathlib.Path, port: int, config: str):
        self.folder, self.address, self.config = folder, f"127.0.0.1:{port}", config
        self.log = folder / "prometheus.log"

    def __enter__(self) -> "Prometheus":
        file = self.folder / "prometheus.yml"
        file.write_text(self.config)
        command = [
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--log.level=warn",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ, PATH=PATH)
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise Failed(f"Prometheus does not start:\n{self.log.read_text()}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_error) -> None:
        self.process.kill()
        self.process.wait()

    def _is_ready(self) -> bool:
        try:
            with opener().open(f"http://{self.address}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path: str, **parameters: str) -> object:
        """`data` of an answer of the HTTP API."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with opener().open(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                said = json.load(error)
            raise Failed(f"{said['errorType']}: {said['error']}") from error

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series that an expression gives now: labels and values, those that are no number left out."""
        found = self.ask("query", query=expression)
        series = found["result"] if found["resultType"] == "vector" else []
        return [(one["metric"], float(one["value"][1])) for one in series if math.isfinite(float(one["value"][1]))]

    def rules(self, kind: str) -> list[dict]:
        """Its rules, `alert` or `record`, with their query, health and last error."""
        return [rule for group in self.ask("rules", type=kind)["groups"] for rule in group["rules"]]


def opener() -> urllib.request.OpenerDirector:
    """Without a proxy: everything here is on loopback."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
