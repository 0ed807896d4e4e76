"""Services of their own processes, and what the gateway shows: what all trials need."""

import collections
import json
import pathlib
import re
import signal
import subprocess
import sys
import urllib.request

import clients
from shared import gateway

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20


class Wrong(Exception):
    """Something is not as it should be."""


class Service:
    """The service of a hub, a process of its own."""

    def __init__(self, hub: str, folder: pathlib.Path, delay: float = 0):
        self.hub, self.delay = hub, delay
        self.port, self.file = gateway.free_port(), folder / f"{hub}.heard"
        self.letters = folder / f"{hub}.letters"
        self.file.touch()
        self.process = None

    def start(self) -> None:
        command = [sys.executable, str(HERE / "service.py"), str(self.port), str(self.file), str(self.delay)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        check(self.process.stdout.readline() == b"ready\n", "the service starts")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def hurry(self) -> None:
        """From now on it answers at once."""
        self.signal(signal.SIGUSR1)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def heard(self, kind: str) -> list[list[str]]:
        """Id, connection and body of each event of this kind, as often as it was heard."""
        lines = (line.split(" ", 3) for line in self.file.read_text().splitlines())
        return [line[1:] for line in lines if line[0] == kind]

    def written(self) -> list[str]:
        """Connections of dead letters."""
        return [json.loads(line)["connection"] for line in self.letters.read_text().splitlines()]

    def table(self, more: str = "") -> str:
        return (
            f'[hub.{self.hub}]\nanonymous = true\ndead-letters = "{self.letters}"\n{more}\n'
            f'[[hub.{self.hub}.handler]]\nurl = "http://127.0.0.1:{self.port}/events"\n'
        )


class Metrics:
    """What the gateway shows."""

    def __init__(self, address: str):
        self.address = address

    def read(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def events(self, hub: str, event: str) -> dict[str, int]:
        found = {}
        for name, value in self.read().items():
            if match := re.match(rf'holdfast_hub_events_total{{hub="{hub}",event="{event}",outcome="(\w+)"}}', name):
                found[match[1]] = int(value)
        return found


def check(is_so: bool, what: str) -> None:
    if not is_so:
        raise Wrong(what)


def check_clients(talking: list[clients.Client]) -> tuple[int, int]:
    """Every message was answered, and nobody was closed. How many were taken, and how many failed."""
    problems = [problem for client in talking for problem in client.problems]
    check(not problems, f"{len(problems)} problems, such as {problems[:3]}")
    unanswered = sum(len(client.waiting) for client in talking)
    check(unanswered == 0, f"{unanswered} messages have no answer")
    outcomes = collections.Counter(outcome for client in talking for outcome in client.outcomes.values())
    taken = outcomes.pop(None, 0)
    return taken, sum(outcomes.values())


def check_heard(talking: list[clients.Client], service: Service) -> None:
    """What was taken the service has heard once, in order; what failed, once at most."""
    heard = collections.defaultdict(list)
    for _, connection, body in service.heard("user.said"):
        heard[connection].append(int(body))
    for client in talking:
        numbers = heard[client.identity]
        check(numbers == sorted(set(numbers)), f"{client.identity} was heard out of order or twice: {numbers}")
        lost = [number for number, error in client.outcomes.items() if error is None and number not in numbers]
        check(not lost, f"{client.identity}: {lost} were taken and not heard")
