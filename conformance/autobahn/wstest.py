"""wstest, the Autobahn|Testsuite's command, with the CPython 2.7 that it needs."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

from shared import install

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
# The last series of virtualenv that makes environments for Python 2.7, and what it stands on.
VIRTUALENV = HERE / "requirements-virtualenv.txt"
# Debian 11 is the last release with Python 2.7. Its libraries of these versions are in no later one.
DEBIAN_PACKAGES = [
    "python2.7-minimal",
    "libpython2.7-minimal",
    "libpython2.7-stdlib",
    "libpython2.7-dev",
    "libssl1.1",
    "libffi7",
]


@dataclasses.dataclass(frozen=True)
class Python2:
    """An interpreter, and the variables it needs: to find its libraries, and to compile against its headers."""

    path: pathlib.Path
    environment: dict[str, str]

    def works(self) -> bool:
        """Whether it starts and has what an installation needs."""
        code = "import ssl, ctypes, zlib, sys; sys.exit(sys.version_info[:2] != (2, 7))"
        try:
            done = subprocess.run([self.path, "-c", code], env=os.environ | self.environment, capture_output=True)
        except OSError:
            return False
        return done.returncode == 0


@dataclasses.dataclass(frozen=True)
class Wstest:
    """The installed command: `[*command, arguments]`, run in `environment`."""

    command: list[str]
    environment: dict[str, str]


def installed(tools: pathlib.Path) -> Wstest:
    """Installs it below `tools` unless it is there."""
    python = python2(tools)
    environment = os.environ | python.environment
    folder = tools / "wstest"

    def make(folder: pathlib.Path) -> None:
        print(f"installing wstest into {folder}, with {python.path}", flush=True)
        builder = install.virtual_environment(folder / "virtualenv", VIRTUALENV)
        # A data directory of its own: the user's may hold seeds of other versions.
        data = folder / "data"
        install.run(
            builder,
            "-m",
            "virtualenv",
            "--quiet",
            "--app-data",
            data,
            "--python",
            python.path,
            folder / "venv",
            env=environment,
        )
        pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-warn-script-location"]
        install.run(*pip, "--requirement", REQUIREMENTS, env=environment)

    recipe = f"{VIRTUALENV.read_text()} {python} {folder} {REQUIREMENTS.read_text()}"
    install.cached(folder, recipe, make)
    return Wstest([str(folder / "venv/bin/python"), str(folder / "venv/bin/wstest")], environment)


def python2(tools: pathlib.Path) -> Python2:
    """The machine's own, one that pyenv made, or Debian 11's unpacked below `tools`."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    candidates = sorted(pyenv.glob("versions/2.7*/bin/python2.7"), reverse=True)
    if own := shutil.which("python2.7"):
        candidates.append(pathlib.Path(own))
    for path in candidates:
        # Headers too: a package without a wheel is compiled.
        if (path.resolve().parent.parent / "include/python2.7/Python.h").exists() and (
            python := Python2(path, {})
        ).works():
            return python
    return debian_python2(tools / "python2.7")


def debian_python2(folder: pathlib.Path) -> Python2:
    """Debian 11's packages, unpacked in a folder of their own, from the mirror that this machine uses."""
    sys.path.append(str(install.ROOT / "kernels"))
    from rig import packages  # The rig for old kernels knows how to read a foreign suite.

    def make(folder: pathlib.Path) -> None:
        print(f"unpacking Debian 11's Python 2.7 into {folder}", flush=True)
        lists = folder / "apt"
        (lists / "lists/partial").mkdir(parents=True)
        (lists / "cache/archives/partial").mkdir(parents=True)
        (lists / "status").touch()
        main, security = packages.mirrors()
        signed = f"deb [signed-by={packages.KEYRING}]"
        (lists / "sources.list").write_text(
            f"{signed} {main} bullseye main\n{signed} {security} bullseye-security main\n"
        )
        (lists / "apt.conf").write_text(packages.apt_config(lists))
        apt = ["apt-get", "-c", lists / "apt.conf"]
        install.run(*apt, "update", "--error-on=any")
        install.run(*apt, "download", *DEBIAN_PACKAGES, cwd=lists)
        for deb in lists.glob("*.deb"):
            install.run("dpkg-deb", "-x", deb, folder)
        shutil.rmtree(lists)

    try:
        install.cached(folder, f"{DEBIAN_PACKAGES} {folder}", make)
    except packages.Unavailable as error:
        raise install.Unavailable(
            f"Python 2.7, which wstest needs, is not here, and Debian's cannot be had: {error}"
        ) from error
    headers = folder / "usr/include"
    python = Python2(
        folder / "usr/bin/python2.7",
        {"LD_LIBRARY_PATH": str(folder / "usr/lib/x86_64-linux-gnu"), "CFLAGS": f"-I{headers} -I{headers}/python2.7"},
    )
    if not python.works():
        raise install.Unavailable(f"{python.path} does not work: remove {folder} to have it unpacked anew")
    return python
