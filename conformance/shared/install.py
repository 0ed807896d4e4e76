"""Tools for the tests, installed below cargo's target directory in pinned versions."""

import hashlib
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Unavailable(Exception):
    """A tool cannot be had; says what and what to do."""


def directory() -> pathlib.Path:
    """Where the tools live: `conformance` below cargo's target directory."""
    done = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        raise Unavailable("`cargo metadata` failed")
    return pathlib.Path(json.loads(done.stdout)["target_directory"]) / "conformance"


def run(*command: str | pathlib.Path, **options) -> str:
    """Runs a command and returns what it printed; raises with all of it when it fails."""
    words = [str(word) for word in command]
    options.setdefault("env", dict(os.environ))
    options["env"] |= {"DEBIAN_FRONTEND": "noninteractive", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, **options
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{words[0]} is not installed") from error
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(words)}` failed:\n{done.stdout}")
    return done.stdout


def cached(folder: pathlib.Path, recipe: str, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """`folder`, filled by `make` unless it was filled by the same recipe before."""
    stamp = folder / ".made-by"
    wanted = hashlib.sha256(recipe.encode()).hexdigest() + "\n"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        # Written last: what was cut off is not taken for a whole one.
        stamp.write_text(wanted)
    return folder


def virtual_environment(folder: pathlib.Path, requirements: pathlib.Path) -> pathlib.Path:
    """A virtual environment of this Python with the packages of a requirements file; returns its interpreter."""
    python = folder / "bin/python"

    def make(folder: pathlib.Path) -> None:
        print(f"installing {', '.join(requirements.read_text().split())} into {folder}", flush=True)
        if not importlib.util.find_spec("ensurepip"):
            debian_package("python3-venv")
        run(sys.executable, "-m", "venv", folder)
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", requirements)

    cached(folder, f"{sys.version} {folder} {requirements.read_text()}", make)
    return python


def node_modules(folder: pathlib.Path, source: pathlib.Path) -> pathlib.Path:
    """The packages of `source`'s package-lock.json; returns the node_modules directory."""

    def make(folder: pathlib.Path) -> None:
        print(f"installing {', '.join(json.loads(files[0].read_text())['dependencies'])} into {folder}", flush=True)
        for file in files:
            shutil.copy(file, folder)
        run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)

    files = [source / "package.json", source / "package-lock.json"]
    cached(folder, "".join(file.read_text() for file in files), make)
    return folder / "node_modules"


def cargo_binary(folder: pathlib.Path, package: str, version: str, *flags: str) -> pathlib.Path:
    """A binary of a published crate, built once. Flags are cargo's."""

    def make(folder: pathlib.Path) -> None:
        print(f"building {package} {version} into {folder} (some minutes)", flush=True)
        environment = dict(os.environ, CARGO_TARGET_DIR=str(folder / "build"))
        run("cargo", "install", package, "--version", version, "--root", folder, *flags, env=environment)
        shutil.rmtree(folder / "build")

    cached(folder, f"{package} {version} {flags}", make)
    return folder / "bin" / package


def debian_package(package: str) -> None:
    """Installs a package, as root on Debian."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Unavailable(f"install {package} first (as root on Debian, this does it itself)")
    print(f"installing {package} by apt-get", flush=True)
    lock = ["-o", "DPkg::Lock::Timeout=600"]
    run("apt-get", *lock, "update")
    run("apt-get", *lock, "install", "--yes", "--no-install-recommends", package)


def debian_daemon(package: str, program: str) -> str:
    """Where a daemon's program is; installs its package where it is missing, and leaves no service of it behind."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    if not shutil.which(program, path=path):
        # No service of a package is to be started by its installation.
        os.environ["RUNLEVEL"] = "1"
        try:
            debian_package(package)
        finally:
            del os.environ["RUNLEVEL"]
        stop_service(package)
    return str(shutil.which(program, path=path))


def stop_service(package: str) -> None:
    """Where one has been started or would be at the next boot nonetheless."""
    commands = [["systemctl", "disable", "--now", package]] if pathlib.Path("/run/systemd/system").exists() else []
    if shutil.which("service") and pathlib.Path(f"/etc/init.d/{package}").exists():
        commands.append(["service", package, "stop"])
    for command in commands:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
