"""A Docker engine of our own: own data, own socket, no network set up, ended when done."""

import os
import pathlib
import shutil
import subprocess
import time

START_SECONDS_MAX = 60


class Unavailable(Exception):
    """Something the check needs cannot be had; says what and what to do."""


def install(packages: dict[str, str]) -> None:
    """Installs by apt-get what is missing: command → Debian package."""
    missing = [package for command, package in packages.items() if not shutil.which(command)]
    if missing:
        apt_get(*missing)


def apt_get(*packages: str) -> None:
    """Installs Debian packages."""
    if not shutil.which("apt-get"):
        raise Unavailable(f"install {' '.join(packages)} first")
    print(f"installing {' '.join(packages)}", flush=True)
    run(["apt-get", "update"])
    run(["apt-get", "install", "-y", "--no-install-recommends", *packages])


def run(command: list[str], **options) -> str:
    """Runs a command and returns what it printed; raises with all of it when it fails."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    environment |= options.pop("environment", {})
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        **options,
    )
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class Engine:
    """dockerd in a directory, as a context manager."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.socket = f"unix://{directory}/docker.sock"
        self.log = directory / "dockerd.log"
        # The client of the same package as dockerd, whatever else is installed.
        self.client = "/usr/bin/docker" if pathlib.Path("/usr/bin/docker").exists() else "docker"
        self.daemon: subprocess.Popen | None = None

    def command(self) -> list[str]:
        """How dockerd is started: in the host's network, which it leaves alone."""
        network = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
        return [*self.daemon_command(), *network]

    def daemon_command(self) -> list[str]:
        """dockerd with its own data, socket and nothing said of networks."""
        own = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "dockerd.pid"}
        places = [word for flag, name in own.items() for word in (flag, f"{self.directory}/{name}")]
        return ["dockerd", *places, "-H", self.socket]

    def __enter__(self) -> "Engine":
        with self.log.open("wb") as log:
            self.daemon = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._docker(["version"]).returncode != 0:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise Unavailable("dockerd does not start:\n" + "\n".join(self.log.read_text().splitlines()[-15:]))
            time.sleep(0.1)
        return self

    def __exit__(self, *_error) -> None:
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(30)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        # The host's network namespace stays mounted there after containers that used it.
        mounted = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        for path in reversed([path for path in mounted if path.startswith(f"{self.directory}/")]):
            subprocess.run(["umount", path], check=False)

    def _docker(self, arguments: list[str]) -> subprocess.CompletedProcess:
        # The classic builder: it needs no plug-in, and BuildKit builds the same file.
        environment = dict(os.environ, DOCKER_BUILDKIT="0", DOCKER_CONFIG=f"{self.directory}/client")
        return subprocess.run(
            [self.client, "-H", self.socket, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def docker(self, *arguments: str) -> str:
        """One docker command; returns what it printed, raises when it fails."""
        done = self._docker(list(arguments))
        if done.returncode != 0:
            raise Unavailable(f"`docker {' '.join(arguments)}` ended with {done.returncode}:\n{done.stdout}")
        return done.stdout.strip()
