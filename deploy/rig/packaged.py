"""The package: the same bytes each time, clean for lintian; installed, upgraded, removed and purged in a clean root."""

import dataclasses
import hashlib
import os
import pathlib
import re
import selectors
import shutil
import signal
import subprocess
import time

from . import debian, peer
from .engine import run
from .parts import Context, Wrong
from .roots import Root, archive

# A day in another year, for the second of two builds.
OTHER_DAY = "2031-05-17 03:04:05"
SETTINGS = "etc/holdfast/holdfast.toml"
ADMINISTRATORS = '# Written by the administrator.\nlog = "info"\n'
START_SECONDS_MAX = 20


def source(context: Context) -> debian.Source:
    """What the package is made from here."""
    root = context.root
    return debian.Source(root, context.binary, context.manual, debian.time_of_commit(root), debian.version(root))


def check(context: Context) -> str:
    """Builds it twice, in two folders and on two days, and has lintian look at it."""
    first = debian.build(source(context), context.folder("package"))
    other = context.folder("package again, elsewhere")
    again(context, other)
    digests = {digest(first), digest(other / first.name)}
    if len(digests) != 1:
        raise Wrong("two builds differ")
    said = run(["lintian", "--fail-on", "error,warning", "--tag-display-limit", "0", str(first)])
    if "unused-override" in said:
        raise Wrong(f"lintian: {said}")
    return f"{first.stat().st_size / 2**20:.1f} MiB, built twice: {digests.pop()[:12]}; lintian has no error or warning"


def again(context: Context, output: pathlib.Path) -> None:
    """The command that people use, from a copy of its inputs, on another day, in another zone, with another umask."""
    inputs = output / "inputs"
    shutil.copytree(context.manual, inputs / "manual")
    shutil.copy(context.binary, inputs / "holdfast")
    environment = {"TZ": "Pacific/Chatham", "SOURCE_DATE_EPOCH": str(debian.time_of_commit(context.root))}
    command = [str(context.root / "deploy/package"), "--binary", "holdfast", "--manual", "manual", "--output", ".."]
    wrapped = ["faketime", OTHER_DAY, "sh", "-c", 'umask 077; exec "$@"', "sh", *command]
    run(wrapped, environment=environment, cwd=inputs)


def digest(path: pathlib.Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(context: Context) -> str:
    """A life in a clean root: install, start by hand, change a setting, upgrade, remove, purge."""
    folder = context.folder("installed")
    root = Root(folder / "root", archive(context.work))
    before = root.listing()
    first = debian.build(source(context), folder)
    root.run("dpkg", "--install", root.take(first))
    check_files(root, first)
    check_program(root)
    by_hand(root)
    settings = root.path / SETTINGS
    mine = settings.read_text(encoding="utf-8") + ADMINISTRATORS
    settings.write_text(mine, encoding="utf-8")
    root.run("dpkg", "--force-confold", "--install", root.take(newer(context, folder)))
    if settings.read_text(encoding="utf-8") != mine:
        raise Wrong(f"an upgrade changed {SETTINGS}")
    if not settings.with_name("holdfast.toml.dpkg-dist").exists():
        raise Wrong(f"an upgrade did not leave its own {SETTINGS} beside the administrator's")
    root.run("dpkg", "--remove", "holdfast")
    if settings.read_text(encoding="utf-8") != mine or (root.path / "usr/bin/holdfast").exists():
        raise Wrong("removed, it has left the program, or taken the settings")
    root.run("dpkg", "--purge", "holdfast")
    left = root.listing() ^ before
    if left:
        raise Wrong(f"purged, it has left or taken {sorted(left)}")
    count = len(packed_files(first))
    return f"{count} files installed; started by hand, upgraded with settings kept, removed, purged: nothing left"


def newer(context: Context, folder: pathlib.Path) -> pathlib.Path:
    """The next version of the package, whose settings file has changed too."""
    tree = folder / "next"
    shutil.copytree(context.root / "deploy", tree / "deploy")
    shutil.copy(context.root / "CHANGELOG.md", tree)
    with (tree / "deploy/debian/holdfast.toml").open("a", encoding="utf-8") as file:
        file.write("# A word of the next version.\n")
    made = source(context)
    return debian.build(dataclasses.replace(made, root=tree, version=f"{made.version}+next"), folder)


def packed_files(package: pathlib.Path) -> list[str]:
    """The files in a package."""
    lines = run(["dpkg-deb", "--contents", str(package)]).splitlines()
    return [line.split(" ./", 1)[1] for line in lines if not line.startswith("d")]


def check_files(root: Root, package: pathlib.Path) -> None:
    """Every file is there, has the sum that the package says, and belongs to root; the unit is not enabled."""
    root.run("dpkg", "--verify", "holdfast")
    for name in packed_files(package):
        # What the root leaves out: mmdebstrap's minbase keeps all documentation.
        state = (root.path / name).stat()
        if state.st_uid or state.st_gid or state.st_mode & 0o022:
            raise Wrong(f"{name} may be written by others than root")
    enabled = root.run("sh", "-c", "systemctl is-enabled holdfast.service || true").strip()
    if enabled != "disabled":
        raise Wrong(f"after the installation the unit is {enabled}")


def check_program(root: Root) -> None:
    """It says its version, and takes the settings that come with it, as an ordinary user."""
    version = root.run("holdfast", "--version").strip()
    packaged = root.run("dpkg-query", "--show", "--showformat", "${Version}", "holdfast")
    if version != f"holdfast {packaged.rsplit('-', 1)[0]}":
        raise Wrong(f"the program says {version}, the package {packaged}")
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    root.run(*ordinary, "holdfast", "check", "--config", f"/{SETTINGS}")


def by_hand(root: Root) -> None:
    """Started as an ordinary user, without systemd: a conversation, and the end by SIGTERM."""
    command = ["chroot", "--userspec=65534:65534", str(root.path), "/usr/bin/holdfast", "--config", f"/{SETTINGS}"]
    command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    # No HOLDFAST_* of the caller may change what is tested.
    environment = {"PATH": os.environ["PATH"]}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=environment, **pipes)
    try:
        host, port = bound(process)
        with peer.Peer((host, port)) as connection:
            connection.echo(peer.TEXT, b"hello")
        process.send_signal(signal.SIGTERM)
        code = process.wait(START_SECONDS_MAX)
        if code != 0:
            raise Wrong(f"started by hand it ended with {code} after SIGTERM")
    finally:
        process.kill()
        process.communicate()


def bound(process: subprocess.Popen) -> tuple[str, int]:
    """Where a gateway listens, by its start lines."""
    text, deadline = b"", time.monotonic() + START_SECONDS_MAX
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(process.stdout.fileno(), 4096)
            text += piece
            found = re.search(rb"websocket ws://([0-9.]+):(\d+)/", text)
            if found:
                return found[1].decode(), int(found[2])
            if not piece:
                break
    raise Wrong(f"started by hand it says {text.decode()!r}")
