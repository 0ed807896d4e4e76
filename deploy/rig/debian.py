"""The Debian package, by dpkg-deb: what is in it, and how it is written the same each time."""

import dataclasses
import email.utils
import gzip
import os
import pathlib
import shutil
import subprocess
import tomllib

from .engine import Unavailable, run

# Machine in the ELF header → Debian's name of the architecture.
ARCHITECTURES = {62: "amd64", 183: "arm64"}
REVISION = 1
DOC = "usr/share/doc/holdfast"
UNITS = "usr/lib/systemd/system"
SYSCTL = "usr/lib/sysctl.d"
COMPLETIONS = {
    "holdfast.bash": "usr/share/bash-completion/completions/holdfast",
    "_holdfast": "usr/share/zsh/vendor-completions/_holdfast",
    "holdfast.fish": "usr/share/fish/vendor_completions.d/holdfast.fish",
}
SCRIPTS = ["postinst", "prerm", "postrm"]


@dataclasses.dataclass(frozen=True)
class Source:
    """What a package is made from. `manual` has man pages and completions; `bill` is the bill of materials, if any.
    `time` is that of the commit, `version` that of Cargo.toml unless it is to be another."""

    root: pathlib.Path
    binary: pathlib.Path
    manual: pathlib.Path
    time: int
    version: str
    bill: pathlib.Path | None = None


def version(root: pathlib.Path) -> str:
    """The workspace's version."""
    return tomllib.loads((root / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]


def time_of_commit(root: pathlib.Path) -> int:
    """When the commit was made, in seconds: SOURCE_DATE_EPOCH, if that is set."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or run(["git", "log", "-1", "--format=%ct"], cwd=root))


def architecture(binary: pathlib.Path) -> str:
    """Debian's name of what the binary runs on."""
    with binary.open("rb") as file:
        header = file.read(20)
    machine = int.from_bytes(header[18:20], "little")
    if header[:4] != b"\x7fELF" or machine not in ARCHITECTURES:
        raise Unavailable(f"{binary} is no program for {' or '.join(ARCHITECTURES.values())}")
    return ARCHITECTURES[machine]


def build(source: Source, output: pathlib.Path) -> pathlib.Path:
    """Writes the package into the folder `output`; returns its file."""
    full = f"{source.version}-{REVISION}"
    kind = architecture(source.binary)
    file = output / f"holdfast_{full}_{kind}.deb"
    tree = output / f".{file.stem}"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    try:
        fill(tree, source)
        control(tree, source, {"@VERSION@": full, "@ARCHITECTURE@": kind})
        settle(tree, source.time)
        pack(tree, file, source.time)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    return file


def fill(tree: pathlib.Path, source: Source) -> None:
    """The files that are installed."""
    deploy = source.root / "deploy"
    put(tree / "usr/bin/holdfast", source.binary.read_bytes(), 0o755)
    put(tree / UNITS / "holdfast.service", (deploy / "systemd/holdfast.service").read_bytes())
    put(tree / SYSCTL / "60-holdfast.conf", (deploy / "sysctl/60-holdfast.conf").read_bytes())
    put(tree / "etc/holdfast/holdfast.toml", (deploy / "debian/holdfast.toml").read_bytes())
    put(tree / "usr/share/lintian/overrides/holdfast", (deploy / "debian/lintian-overrides").read_bytes())
    for path in [deploy / "holdfast.example.toml", *sorted(deploy.glob("systemd/*.conf"))]:
        put(tree / DOC / "examples" / path.name, path.read_bytes())
    put(tree / DOC / "copyright", (deploy / "debian/copyright").read_bytes())
    put(tree / DOC / "changelog.gz", zipped((source.root / "CHANGELOG.md").read_bytes()))
    if source.bill:
        put(tree / DOC / "holdfast.cdx.json.gz", zipped(source.bill.read_bytes()))
    pages = sorted(source.manual.glob("*.1"))
    if not pages or any(not (source.manual / name).exists() for name in COMPLETIONS):
        raise Unavailable(f"{source.manual} lacks man pages or completions: deploy/release makes them")
    for page in pages:
        put(tree / f"usr/share/man/man1/{page.name}.gz", zipped(page.read_bytes()))
    for name, place in COMPLETIONS.items():
        put(tree / place, (source.manual / name).read_bytes())


def control(tree: pathlib.Path, source: Source, values: dict[str, str]) -> None:
    """The changelog, and what dpkg reads."""
    folder = source.root / "deploy/debian"
    values = values | {"@DATE@": email.utils.formatdate(source.time)}
    put(tree / DOC / "changelog.Debian.gz", zipped(filled(folder / "changelog", values).encode()))
    size = sum(-(-path.stat().st_size // 1024) if path.is_file() else 1 for path in tree.rglob("*"))
    sums = [f"{run(['md5sum', str(path)]).split()[0]}  {path.relative_to(tree)}" for path in files(tree)]
    put(tree / "DEBIAN/control", filled(folder / "control", values | {"@INSTALLED_SIZE@": str(size)}).encode())
    put(tree / "DEBIAN/conffiles", (folder / "conffiles").read_bytes())
    put(tree / "DEBIAN/md5sums", "".join(f"{line}\n" for line in sums if "  etc/" not in line).encode())
    for name in SCRIPTS:
        put(tree / "DEBIAN" / name, (folder / name).read_bytes(), 0o755)


def put(path: pathlib.Path, content: bytes, mode: int = 0o644) -> None:
    """Writes a file, and the folders to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def filled(template: pathlib.Path, values: dict[str, str]) -> str:
    """A template with its values."""
    text = template.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def zipped(content: bytes) -> bytes:
    """As gzip -9n has it: no name and no time."""
    return gzip.compress(content, 9, mtime=0)


def files(tree: pathlib.Path) -> list[pathlib.Path]:
    """All files below a folder, in order."""
    return sorted(path for path in tree.rglob("*") if path.is_file())


def settle(tree: pathlib.Path, time: int) -> None:
    """One time for everything, and modes that no umask decides."""
    for path in [tree, *tree.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (time, time))


def pack(tree: pathlib.Path, file: pathlib.Path, time: int) -> None:
    """dpkg-deb, with one thread: what xz writes depends on their number."""
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--threads-max=1", "--build", str(tree), str(file)]
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(time), LC_ALL="C")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
