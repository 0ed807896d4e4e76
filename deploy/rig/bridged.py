"""A Docker engine with bridges, published ports and names, in a network namespace of its own.

Nothing of the host's network is touched, and nothing in it is reached: there is only loopback and what Docker makes.
"""

import contextlib
import ctypes
import os
import pathlib
from collections.abc import Iterator

from .engine import Engine

PACKAGES = {"dockerd": "docker.io", "ip": "iproute2", "iptables": "iptables"}
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class BridgedEngine(Engine):
    """As its base, but compose files run in it as they are."""

    def command(self) -> list[str]:
        """dockerd behind `unshare`, which it replaces: one process, so that it is ended as the base does."""
        words = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *self.daemon_command(), "--bip", "10.213.0.1/24"]
        return ["unshare", "--net", *words]

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Puts this thread into the engine's network: sockets that it opens meanwhile are there."""
        assert self.daemon is not None
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/proc/{self.daemon.pid}/ns/net", "rb") as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(home.fileno())

    def address(self, container: str, network: str) -> str:
        """A container's address in a network."""
        words = ["inspect", "--format", f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}', container]
        return self.docker(*words)

    def process(self, container: str) -> dict[str, str]:
        """What the kernel says of a container's process: the lines of its status."""
        number = self.docker("inspect", "--format", "{{.State.Pid}}", container)
        lines = pathlib.Path(f"/proc/{number}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def load(self, tar: pathlib.Path, name: str, *changes: str) -> None:
        """Imports a root as an image."""
        options = [word for change in changes for word in ("--change", change)]
        self.docker("import", *options, str(tar), name)


def enter(descriptor: int) -> None:
    """setns(2) of this thread."""
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
