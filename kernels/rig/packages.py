"""Kernels and busybox from Debian's packages, without touching the machine's own package lists."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

from .architectures import Architecture

MAIN_SUITES = ["bullseye", "bookworm", "bookworm-backports"]
SECURITY_SUITES = ["bullseye-security", "bookworm-security"]
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Unavailable(Exception):
    """Something this rig needs cannot be had; says what and what to do."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel image on disk, and the version of its package."""

    version: str
    vmlinuz: pathlib.Path


def install_tools(architecture: Architecture) -> None:
    """Installs QEMU, cpio and, for another machine than this, its compiler and C library, where they are missing."""
    needed = {architecture.emulator: architecture.emulator_package, "cpio": "cpio", "dpkg-deb": "dpkg"}
    missing = [package for command, package in needed.items() if not shutil.which(command)]
    if architecture.is_foreign and not links(architecture.compiler):
        missing += architecture.cross
    if not missing:
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Unavailable(f"install {' '.join(missing)} first (run as root on Debian, this does it itself)")
    print(f"installing {' '.join(missing)}", flush=True)
    quiet(["apt-get", "update"])
    quiet(["apt-get", "install", "-y", "--no-install-recommends", *missing])


def links(compiler: str) -> bool:
    """Whether the compiler is there, and the static C library that it finds."""
    if not shutil.which(compiler):
        return False
    return pathlib.Path(quiet([compiler, "--print-file-name=libc.a"]).strip()).is_absolute()


def quiet(command: list[str], **options) -> str:
    """Runs a command and returns what it printed; raises with all of it when it fails."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


class Store:
    """Downloaded packages in one directory, with package lists of its own for suites the machine does not use."""

    def __init__(self, directory: pathlib.Path, architecture: Architecture, update: bool):
        self.directory = directory
        self.architecture = architecture
        self.update = update
        self.config = directory / "apt.conf"
        self.listed = False

    def kernel(self, series: str) -> Kernel:
        """The newest kernel of the series, or the cached one unless an update was asked for."""
        cache = self.directory / series
        if self.update or not (cache / "version").exists():
            self._download_kernel(series, cache)
        return Kernel((cache / "version").read_text().strip(), cache / "vmlinuz")

    def busybox(self) -> pathlib.Path:
        """A statically linked busybox."""
        cached = self.directory / "busybox"
        if self.update or not cached.exists():
            self._list_packages()
            tree = self._unpack("busybox-static")
            shutil.copy2(next(tree.glob("**/bin/busybox")), cached)
            shutil.rmtree(tree)
        return cached

    def _download_kernel(self, series: str, cache: pathlib.Path) -> None:
        self._list_packages()
        names = self._apt("apt-cache", "pkgnames", "linux-image-").split()
        found = [name for name in names if re.fullmatch(self.architecture.kernels[series], name)]
        if not found:
            suites = ", ".join(MAIN_SUITES + SECURITY_SUITES)
            raise Unavailable(f"no {self.architecture.debian} kernel package of series {series} in suites {suites}")
        newest = max(found, key=version_key)
        version = re.search(r"^Version: (\S+)", self._apt("apt-cache", "show", newest), re.MULTILINE)
        tree = self._unpack(newest)
        image = next(tree.glob("boot/vmlinuz-*"), None)
        if image is None:
            raise Unavailable(f"package {newest} holds no boot/vmlinuz")
        cache.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, cache / "vmlinuz")
        shutil.rmtree(tree)
        # Written last: a download that was cut off is not taken for a cached kernel.
        (cache / "version").write_text(f"{version.group(1) if version else newest}\n")

    def _unpack(self, package: str) -> pathlib.Path:
        print(f"downloading {package}", flush=True)
        for old in self.directory.glob(f"{package}_*.deb"):
            old.unlink()
        self._apt("apt-get", "download", package)
        deb = next(self.directory.glob(f"{package}_*.deb"), None)
        if deb is None:
            raise Unavailable(f"apt-get downloaded no file for {package}")
        tree = self.directory / f"{package}.tree"
        shutil.rmtree(tree, ignore_errors=True)
        quiet(["dpkg-deb", "-x", str(deb), str(tree)])
        return tree

    def _list_packages(self) -> None:
        """Fetches the package lists of the suites, once per run."""
        if self.listed:
            return
        if not KEYRING.exists():
            raise Unavailable(f"{KEYRING} is missing: install debian-archive-keyring")
        for folder in ["lists/partial", "cache/archives/partial"]:
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        main, security = mirrors()
        lines = [f"deb [signed-by={KEYRING}] {main} {suite} main" for suite in MAIN_SUITES]
        lines += [f"deb [signed-by={KEYRING}] {security} {suite} main" for suite in SECURITY_SUITES]
        (self.directory / "sources.list").write_text("\n".join(lines) + "\n")
        self.config.write_text(apt_config(self.directory, self.architecture.debian))
        print("fetching package lists", flush=True)
        self._apt("apt-get", "update", "--error-on=any")
        self.listed = True

    def _apt(self, command: str, *arguments: str) -> str:
        return quiet([command, "-c", str(self.config), *arguments], cwd=self.directory)


def version_key(name: str) -> list[int]:
    """Orders package names of one series by the numbers in them."""
    return [int(number) for number in re.findall(r"\d+", name)]


def apt_config(directory: pathlib.Path, architecture: str) -> str:
    """Settings that keep apt inside the directory. Old suites are past their Valid-Until; signatures still count."""
    return f"""Dir::State::lists "{directory}/lists";
Dir::State::status "{directory}/status";
Dir::Cache "{directory}/cache";
Dir::Etc::sourcelist "{directory}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def mirrors() -> tuple[str, str]:
    """The Debian mirror and the security mirror that the machine's own sources name."""
    uris = quiet(["apt-get", "update", "--print-uris"])
    pairs = re.findall(r"'(\S+?)/dists/([^/']+)(?:/updates)?/InRelease'", uris)
    main = [uri for uri, suite in pairs if re.search(r"/debian$", uri) and "security" not in suite]
    security = [uri for uri, _ in pairs if re.search(r"/debian-security$", uri)]
    if not main or not security:
        raise Unavailable(
            "this machine's apt sources name no Debian mirror with a security mirror: "
            "add them (deb822 or sources.list), since kernels are taken from the same place"
        )
    return main[0], security[0]
