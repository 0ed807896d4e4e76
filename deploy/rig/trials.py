"""What each container is put through, on the image as an operator runs it."""

import dataclasses
import json
import pathlib
import re
import struct
import time
import urllib.parse

from . import peer
from .engine import Engine, Unavailable

# The image's own.
USER = 65532
START_SECONDS_MAX = 30
DRAIN_SECONDS_MAX = 10
# A panic and a signal give higher ones.
REFUSAL_CODES = range(1, 100)
# As many descriptors as a small test machine permits; 8 MiB of locked memory is the default of many container engines.
LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "memlock=8388608:8388608"]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One way to run the image. `driver` is a flag, or empty; `expected` is the driver that the start line must name,
    or empty when the gateway must refuse to start."""

    profile: str
    driver: str
    expected: str
    privileges: bool = False

    def name(self) -> str:
        """As in the table."""
        extra = ", without no-new-privileges" if self.privileges else ""
        return f"io_uring {'allowed' if self.profile == 'allowed' else 'blocked by ' + self.profile}{extra}"


TRIALS = [
    Trial("allowed", "", "io_uring"),
    Trial("EPERM", "", "epoll"),
    Trial("ENOSYS", "", "epoll"),
    Trial("allowed", "uring", "io_uring"),
    Trial("allowed", "uring-baseline", "io_uring"),
    Trial("allowed", "epoll", "epoll"),
    Trial("EPERM", "uring", ""),
    Trial("ENOSYS", "uring", ""),
    Trial("allowed", "", "io_uring", privileges=True),
]


class Failed(Exception):
    """The container did not do what it should."""


def attempt(engine: Engine, image: str, profiles: dict[str, pathlib.Path], trial: Trial, user: int) -> str:
    """Runs one trial as this user; returns what was seen, raises Failed with the container's own words."""
    options = ["--detach", "--network", "host", "--cap-drop", "ALL", "--read-only", *LIMITS]
    options += ["--security-opt", f"seccomp={profiles[trial.profile]}"]
    options += [] if trial.privileges else ["--security-opt", "no-new-privileges"]
    options += [] if user == USER else ["--user", f"{user}:{user}"]
    options += ["--env", "HOLDFAST_LISTEN=127.0.0.1:0", "--env", "HOLDFAST_ADMIN=127.0.0.1:0"]
    options += ["--env", f"HOLDFAST_DRAIN_TIMEOUT={DRAIN_SECONDS_MAX}s"]
    container = engine.docker("run", *options, image, *flags(trial)).splitlines()[-1]
    try:
        return converse(engine, container, trial, user) if trial.expected else refuse(engine, container)
    except (Failed, Unavailable, OSError, ValueError, EOFError) as error:
        raise Failed(f"{error}\nthe container said:\n{engine.docker('logs', container)}") from error
    finally:
        engine.docker("rm", "--force", container)


def flags(trial: Trial) -> list[str]:
    """What the gateway of a trial is started with."""
    return ["--driver", trial.driver] if trial.driver else []


def converse(engine: Engine, container: str, trial: Trial, user: int) -> str:
    """Start line, an ordinary user's confinement, a conversation, admin, and a drain that ends with 0."""
    said = wait_for(engine, container, r"websocket (ws://\S+) · admin (http://\S+)")
    driver = said_driver(said.string)
    if not driver.startswith(trial.expected):
        raise Failed(f"the start line names driver `{driver}`, expected {trial.expected}")
    reason = fallback_reason(said.string)
    if (trial.expected == "epoll" and not trial.driver) != (reason is not None):
        raise Failed(f"reason for epoll: {reason}")
    check_process(engine, container, trial, user)
    check_doctor(engine, container, driver, flags(trial))
    url = urllib.parse.urlsplit(said[1])
    with peer.Peer((url.hostname, url.port)) as connection:
        connection.echo(peer.TEXT, b"hello")
        connection.echo(peer.BINARY, bytes(range(256)) * 400)
        check_admin(said[2])
        check_drain(engine, container, connection)
    seen = f"{driver.split(' (')[0]}; hello, 100 KiB, /metrics, /readyz, 1001 and exit code 0"
    return f"{seen}; {reason}" if reason else seen


def refuse(engine: Engine, container: str) -> str:
    """Where io_uring was asked for and is blocked: a sentence that names the setting, and an exit code of its own."""
    code = wait_for_end(engine, container, START_SECONDS_MAX)
    said = engine.docker("logs", container)
    if code not in REFUSAL_CODES or "seccomp" not in said or "panicked" in said:
        raise Failed(f"did not refuse to start with a clear sentence, exit code {code}")
    return f"refuses with exit code {code}: {said.splitlines()[-1]}"


def wait_for(engine: Engine, container: str, pattern: str) -> re.Match:
    """Waits until the container has said something that matches; the match's string is all it has said."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        found = re.search(pattern, engine.docker("logs", container))
        if found:
            return found
        if engine.docker("inspect", "--format", "{{.State.Running}}", container) != "true":
            raise Failed("ended at once")
        if time.monotonic() > deadline:
            raise Failed(f"nothing like `{pattern}` after {START_SECONDS_MAX} s")
        time.sleep(0.1)


def wait_for_end(engine: Engine, container: str, seconds_max: int) -> int:
    """Waits until the container has ended; its exit code."""
    deadline = time.monotonic() + seconds_max
    while engine.docker("inspect", "--format", "{{.State.Running}}", container) == "true":
        if time.monotonic() > deadline:
            raise Failed(f"still running after {seconds_max} s")
        time.sleep(0.1)
    return int(engine.docker("inspect", "--format", "{{.State.ExitCode}}", container))


def said_driver(text: str) -> str:
    """The driver in the start line."""
    found = re.search(r"^holdfast \S+ · driver (.*?) · \d+ shard", text, re.MULTILINE)
    if not found:
        raise Failed("no start line")
    return found[1]


def fallback_reason(text: str) -> str | None:
    """The one line that says why not io_uring."""
    lines = [line for line in text.splitlines() if "using epoll" in line]
    if len(lines) > 1:
        raise Failed("the reason for epoll is given more than once")
    return lines[0].strip() if lines else None


def check_process(engine: Engine, container: str, trial: Trial, user: int) -> None:
    """The process has the user, capabilities, filter and limits that were asked for."""
    process = pathlib.Path("/proc") / engine.docker("inspect", "--format", "{{.State.Pid}}", container)
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    wanted = {
        "Uid": f"{user}",
        "Gid": f"{user}",
        "CapEff": "0" * 16,
        "Seccomp": "2",
        "NoNewPrivs": str(int(not trial.privileges)),
    }
    for name, value in wanted.items():
        if status[name].split()[0] != value:
            raise Failed(f"the process has {name} {status[name]}, expected {value}")
    memlock = re.search(r"Max locked memory +(\d+)", (process / "limits").read_text())
    if not memlock or memlock[1] != "8388608":
        raise Failed("the process may lock more memory than 8 MiB")


def check_doctor(engine: Engine, container: str, driver: str, options: list[str]) -> None:
    """The doctor in the container, with the gateway's flags, finds the same driver, and nothing that keeps it from
    working."""
    found = json.loads(engine.docker("exec", container, "/holdfast", "doctor", "--json", *options))
    if found["driver"]["description"] != driver:
        raise Failed(f"the doctor names driver `{found['driver']['description']}`, the start line `{driver}`")
    if found["state"] == "problem" or not found["room"]:
        raise Failed(f"the doctor found a problem: {found}")


def check_admin(url: str) -> None:
    """Metrics count the connection that is open; ready."""
    status, text = peer.ask(urllib.parse.urljoin(url, "/metrics"))
    held = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(r"holdfast_connections[ {]", line)]
    if status != 200 or sum(held) != 1:
        raise Failed(f"/metrics answered {status}, holdfast_connections {held}")
    status, _ = peer.ask(urllib.parse.urljoin(url, "/readyz"))
    if status != 200:
        raise Failed(f"/readyz answered {status}")


def check_drain(engine: Engine, container: str, connection: peer.Peer) -> None:
    """SIGTERM with a connection open: close code 1001, and exit code 0 within the drain timeout."""
    engine.docker("kill", "--signal", "TERM", container)
    opcode, payload = connection.receive()
    if opcode != peer.CLOSE or payload[:2] != struct.pack("!H", 1001):
        raise Failed(f"after SIGTERM: opcode {opcode}, {payload!r}, expected a close frame with 1001")
    connection.send(peer.CLOSE, payload[:2])
    code = wait_for_end(engine, container, DRAIN_SECONDS_MAX)
    if code != 0:
        raise Failed(f"ended with exit code {code} after SIGTERM")


def drain_and_undo(engine: Engine, container: str, port: int) -> None:
    """A drain by the program in the container, which stays, and is taken back."""
    for command, expected in ((["drain", "--no-wait"], 503), (["drain", "--undo"], 200)):
        engine.docker("exec", container, "/holdfast", *command)
        status, _ = peer.ask(f"http://127.0.0.1:{port}/readyz")
        if status != expected:
            raise Failed(f"after {' '.join(command)} /readyz answered {status}, not {expected}")


def health(engine: Engine, image: str, profiles: dict[str, pathlib.Path], port: int) -> str:
    """The image's health check, as confined as the gateway: healthy, unhealthy while it stands still, healthy again."""
    options = ["--detach", "--network", "host", "--cap-drop", "ALL", "--read-only", *LIMITS]
    options += ["--security-opt", f"seccomp={profiles['allowed']}", "--security-opt", "no-new-privileges"]
    options += ["--env", "HOLDFAST_LISTEN=127.0.0.1:0", "--env", f"HOLDFAST_ADMIN=127.0.0.1:{port}"]
    # The image's own command, more often.
    options += ["--health-interval", "1s", "--health-timeout", "1s", "--health-retries", "1"]
    container = engine.docker("run", *options, image).splitlines()[-1]
    try:
        wait_for_health(engine, container, "healthy")
        drain_and_undo(engine, container, port)
        engine.docker("kill", "--signal", "STOP", container)
        wait_for_health(engine, container, "unhealthy")
        engine.docker("kill", "--signal", "CONT", container)
        wait_for_health(engine, container, "healthy")
    finally:
        engine.docker("rm", "--force", container)
    return "healthy, unhealthy while stopped, healthy again"


def wait_for_health(engine: Engine, container: str, wanted: str) -> None:
    """Waits until the engine says so of the container."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while engine.docker("inspect", "--format", "{{.State.Health.Status}}", container) != wanted:
        if time.monotonic() > deadline:
            seen = engine.docker("inspect", "--format", "{{json .State.Health}}", container)
            raise Failed(f"the container does not become {wanted}: {seen}")
        time.sleep(0.2)
