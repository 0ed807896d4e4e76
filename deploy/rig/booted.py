"""A root with systemd as its process 1, in namespaces of its own: units start there as on a host."""

import os
import pathlib
import shutil
import subprocess
import time

from .engine import Unavailable
from .roots import Root

START_SECONDS_MAX = 60
# Nothing of these belongs into namespaces: devices, terminals, other networks.
MASKED = ["systemd-udevd.service", "systemd-networkd.service", "systemd-resolved.service", "systemd-logind.service"]
MASKED += ["systemd-timesyncd.service", "systemd-journald-audit.socket", "console-getty.service", "getty.target"]
# Runs as the first process of the new namespaces; $1 is the root.
ENTER = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir -p dev/pts dev/shm .outside
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
pivot_root . .outside
cd /
umount -l /.outside
rmdir /.outside
# On a host systemd does this itself; without it no service sees its credentials.
mount --make-rshared /
exec env -i container=holdfast PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --log-target=journal --show-status=no systemd.unit=multi-user.target
"""


class Booted:
    """A running systemd, as a context manager. `process` is its process as seen from here."""

    def __init__(self, root: Root, log: pathlib.Path):
        self.root = root
        self.log = log
        self.process = 0
        self.outer: subprocess.Popen | None = None
        self.group = cgroup2() / f"holdfast-check-{os.getpid()}"

    def __enter__(self) -> "Booted":
        for unit in MASKED:
            link = self.root.path / "etc/systemd/system" / unit
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
        self.group.mkdir()
        spaces = ["--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup"]
        command = ["unshare", "--fork", "--kill-child", *spaces, "sh", "-c", ENTER, "sh", str(self.root.path)]
        # Into the group first: what is the root of the new cgroup namespace is where the process was.
        join = ["sh", "-c", 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"', "sh", str(self.group)]
        with self.log.open("wb") as log:
            self.outer = subprocess.Popen([*join, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait()
        except Unavailable:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error) -> None:
        if self.outer is not None:
            # With the first process of a namespace of processes, all of them go.
            self.outer.kill()
            self.outer.wait()
        deadline = time.monotonic() + 10
        while self.group.exists() and time.monotonic() < deadline:
            for folder in sorted((path for path in self.group.rglob("*") if path.is_dir()), reverse=True):
                remove(folder)
            remove(self.group)
            time.sleep(0.1)
        shutil.rmtree(self.root.path / ".outside", ignore_errors=True)

    def run(self, *command: str, fails: bool = False) -> str:
        """Runs a command beside systemd; what it printed. It must end with 0 unless it `fails`."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.process), "--all", "--", *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if (done.returncode != 0) != fails:
            raise Unavailable(f"`{' '.join(command)}` beside systemd ended with {done.returncode}:\n{done.stdout}")
        return done.stdout.strip()

    def seen(self, path: str) -> pathlib.Path:
        """A path in there, as it is reached from here."""
        return pathlib.Path(f"/proc/{self.process}/root") / path.lstrip("/")

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", unit, "--property", name, "--value")

    def _wait(self) -> None:
        """Until systemd says that all has started."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self.outer.poll() is None:
            children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
            self.process = int(children[0]) if children else 0
            if self.process:
                try:
                    if self.run("systemctl", "is-system-running", "--wait") == "running":
                        return
                except Unavailable:
                    # Not there yet, or degraded: what has failed is said below.
                    pass
            time.sleep(0.2)
        raise Unavailable(f"systemd does not start in namespaces of its own:\n{self.log.read_text(errors='replace')}")


def cgroup2() -> pathlib.Path:
    """Where version 2 of cgroups is mounted."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return pathlib.Path(place)
    raise Unavailable("no cgroup version 2 is mounted here, and systemd needs it")


def remove(folder: pathlib.Path) -> None:
    """Removes a group that may still have a process in it, which is then tried again."""
    try:
        folder.rmdir()
    except OSError:
        pass
