"""Roots for images that no registry is asked for: packages of Debian, taken apart by mmdebstrap without installing."""

import dataclasses
import pathlib
import re
import tarfile

from .engine import run

SUITE = "bookworm"
PACKAGES = {"mmdebstrap": "mmdebstrap"}


@dataclasses.dataclass(frozen=True)
class Root:
    """What an image has: packages, which of their files (a pattern), empty folders with their owner, how it starts."""

    packages: tuple[str, ...]
    keep: str
    folders: tuple[tuple[str, int], ...] = ()
    changes: tuple[str, ...] = ()


LIBRARIES = r"lib|lib64|bin|usr|usr/bin|(usr/)?lib(64)?/.*(\.so[.\d]*)"
PYTHON = Root(
    ("python3-minimal", "libpython3.11-stdlib"), LIBRARIES + r"|usr/bin/python3[.\d]*|usr/lib/python3.*|etc/.*"
)
PROMETHEUS = Root(
    ("prometheus",),
    LIBRARIES + r"|usr/bin/prometheus|etc/ssl.*",
    (("prometheus", 65534), ("etc/prometheus", 0), ("tmp", 65534)),
    ('ENTRYPOINT ["/usr/bin/prometheus"]', "WORKDIR /prometheus"),
)
NATS = Root(
    ("nats-server",),
    LIBRARIES + r"|usr/sbin(/nats-server)?",
    (("etc/nats", 0),),
    ('ENTRYPOINT ["/usr/sbin/nats-server"]',),
)
HAPROXY = Root(
    ("haproxy",),
    LIBRARIES + r"|usr/sbin(/haproxy)?",
    (("usr/local/etc/haproxy", 0),),
    ('ENTRYPOINT ["/usr/sbin/haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]',),
)
BUSYBOX = Root(("busybox-static",), r"bin/busybox", (("bin", 0),))


def make(root: Root, directory: pathlib.Path, name: str) -> pathlib.Path:
    """Makes a root as a tar; returns where it is."""
    whole, kept = directory / f"{name}-whole.tar", directory / f"{name}.tar"
    run(["mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(root.packages)}", SUITE, str(whole)])
    pattern = re.compile(root.keep)
    with tarfile.open(whole) as source, tarfile.open(kept, "w") as target:
        for member in source:
            path = member.name.removeprefix("./")
            if pattern.fullmatch(path):
                target.addfile(member, source.extractfile(member) if member.isreg() else None)
        for folder, owner in root.folders:
            target.addfile(entry(folder, tarfile.DIRTYPE, owner))
        if root is BUSYBOX:
            for command in ("sh", "cp", "chmod", "mv", "sleep"):
                target.addfile(entry(f"bin/{command}", tarfile.SYMTYPE, 0, "busybox"))
    whole.unlink()
    return kept


def entry(path: str, kind: bytes, owner: int, link: str = "") -> tarfile.TarInfo:
    """A folder or a symbolic link."""
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.uid, info.gid, info.linkname = kind, 0o755, owner, owner, link
    return info
