"""Statically linked test binaries, as cargo names them."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess

from .architectures import Architecture


class Failed(Exception):
    """The build failed, or did not yield what the rig needs."""


@dataclasses.dataclass(frozen=True)
class Program:
    """An executable, the name it has in the report, and the directory cargo would run it in."""

    label: str
    path: pathlib.Path
    directory: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Suite:
    """Everything that goes into the guest: what prints capabilities, what is run, and what those start in turn."""

    capabilities: Program
    tests: list[Program]
    helpers: list[Program]


def target_directory(root: pathlib.Path) -> pathlib.Path:
    """Cargo's target directory of the workspace."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"cargo metadata failed:\n{done.stderr}")
    return pathlib.Path(json.loads(done.stdout)["target_directory"])


def suite(
    root: pathlib.Path,
    architecture: Architecture,
    packages: list[str],
    targets: dict[str, list[str]],
    capabilities: tuple[str, str],
) -> Suite:
    """Builds all test targets of the packages, the named test targets of others, and the capability report."""
    package, example = capabilities
    found: dict[pathlib.Path, tuple[str, Program]] = {}
    found |= compile_(root, architecture, "build", ["-p", package, "--example", example])
    for name in packages:
        found |= compile_(root, architecture, "test", ["-p", name, "--tests"])
    for name, tests in targets.items():
        named = [word for test in tests for word in ("--test", test)]
        found |= compile_(root, architecture, "test", ["-p", name, *named])
    report = next((program for kind, program in found.values() if kind == "example" and program.label == example), None)
    if report is None:
        raise Failed(f"cargo built no example `{example}` of {package}")
    return Suite(
        report, [p for kind, p in found.values() if kind == "test"], [p for kind, p in found.values() if kind == "bin"]
    )


def compile_(
    root: pathlib.Path, architecture: Architecture, command: str, arguments: list[str]
) -> dict[pathlib.Path, tuple[str, Program]]:
    """Runs cargo, and returns path → (test, bin or example; program) of every executable it names."""
    line = [
        "cargo",
        command,
        "--message-format=json-render-diagnostics",
        "--profile",
        "test",
        "--target",
        architecture.target,
        *arguments,
    ]
    if command == "test":
        line.append("--no-run")
    done = subprocess.run(line, cwd=root, env=environment(architecture), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"`{' '.join(line)}` failed")
    messages = [json.loads(text) for text in done.stdout.splitlines()]
    artifacts = [m for m in messages if m["reason"] == "compiler-artifact" and m["executable"]]
    return dict(program(artifact) for artifact in artifacts)


def environment(architecture: Architecture) -> dict[str, str]:
    """What cargo is told. Static, so that nothing but the kernel is the guest's; no debug information, which would be
    most of the initramfs."""
    found = dict(os.environ, RUSTFLAGS="-C target-feature=+crt-static", CARGO_PROFILE_TEST_DEBUG="0")
    if architecture.is_foreign:
        name = architecture.target.replace("-", "_").upper()
        # C sources need no word: they find the compiler of this name.
        found[f"CARGO_TARGET_{name}_LINKER"] = architecture.compiler
    return found


def install_library(root: pathlib.Path, target: str) -> None:
    """Rust's own library for the target, by rustup where it is missing."""
    found = subprocess.run(["rustc", "--print", "sysroot"], cwd=root, capture_output=True, text=True)
    if found.returncode != 0:
        raise Failed(f"rustc does not run:\n{found.stderr}")
    if (pathlib.Path(found.stdout.strip()) / "lib/rustlib" / target / "lib").is_dir():
        return
    if not shutil.which("rustup"):
        raise Failed(f"Rust has no library for {target} here, and there is no rustup to add it")
    added = subprocess.run(["rustup", "target", "add", target], cwd=root, stdin=subprocess.DEVNULL)
    if added.returncode != 0:
        raise Failed(f"`rustup target add {target}` failed")


def program(artifact: dict) -> tuple[pathlib.Path, tuple[str, Program]]:
    """Reads one of cargo's messages."""
    path = pathlib.Path(artifact["executable"])
    package = pathlib.Path(artifact["manifest_path"]).parent
    kind = "test" if artifact["profile"]["test"] else artifact["target"]["kind"][0]
    name = artifact["target"]["name"]
    if kind == "test":
        # Tests inside the sources, or a file of the package's `tests` folder.
        name = f"{package.name}/tests/{name}" if "test" in artifact["target"]["kind"] else f"{package.name}/src"
    return path, (kind, Program(name, path, package))
