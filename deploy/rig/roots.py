"""A clean Debian to install into: a folder with a root of its own, made by mmdebstrap."""

import os
import pathlib
import subprocess
import time

from .engine import Unavailable, run

SUITE = "bookworm"
PACKAGES = ["systemd", "systemd-sysv"]
# Old enough to be made anew: Debian mends packages.
SECONDS_MAX = 7 * 24 * 3600
# What dpkg and the loader keep for themselves, and logs.
STATE = ("var/lib/dpkg", "var/log", "var/cache", "var/lib/systemd", "etc/ld.so.cache")


def archive(work: pathlib.Path) -> pathlib.Path:
    """The root as a tar file, from the cache if it is not too old."""
    cached = work / f"{SUITE}.tar"
    if not cached.exists() or time.time() - cached.stat().st_mtime > SECONDS_MAX:
        work.mkdir(parents=True, exist_ok=True)
        print(f"making a clean {SUITE} by mmdebstrap (a minute or two)", flush=True)
        part = cached.with_suffix(".part.tar")
        part.unlink(missing_ok=True)
        run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(part)])
        part.rename(cached)
    return cached


class Root:
    """An unpacked root."""

    def __init__(self, folder: pathlib.Path, tar: pathlib.Path):
        self.path = folder
        folder.mkdir(parents=True)
        run(["tar", "--directory", str(folder), "--extract", "--numeric-owner", "--file", str(tar)])

    def run(self, *command: str) -> str:
        """Runs a command in it, in namespaces of its own and without a network; what it printed."""
        mount = f"--mount-proc={self.path}/proc"
        prefix = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", mount]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        done = subprocess.run(
            [*prefix, "chroot", str(self.path), *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise Unavailable(f"`{' '.join(command)}` in a clean root ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def take(self, file: pathlib.Path) -> str:
        """Copies a file into its /root; its path in there."""
        target = self.path / "root" / file.name
        target.write_bytes(file.read_bytes())
        return f"/root/{file.name}"

    def listing(self) -> set[str]:
        """Every path in it, but for what dpkg keeps for itself."""
        found = set()
        for folder, folders, files in os.walk(self.path):
            base = os.path.relpath(folder, self.path)
            found |= {os.path.normpath(os.path.join(base, name)) for name in [*folders, *files]}
        return {path for path in found if not path.startswith((*STATE, "root/", "proc/"))}
