"""An image as one tar file, without an engine: OCI's image layout, and Docker's manifest.json beside it.

Engines that know the layout take index.json; Docker before version 25 takes manifest.json. Both name the same blobs.
"""

import dataclasses
import datetime
import gzip
import hashlib
import io
import json
import pathlib
import tarfile

from . import debian, dockerfile

NAME = "holdfast"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
BILL = "application/vnd.cyclonedx+json"


@dataclasses.dataclass(frozen=True)
class Made:
    """What was written: the image's id, the digest of its manifest, the layer's bytes as they are unpacked."""

    image: str
    manifest: str
    unpacked: int


class Blobs:
    """Blobs by their digests."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def add(self, kind: str, content: bytes) -> dict:
        """Adds a blob; its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        self.content[digest] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    def add_json(self, kind: str, document: dict) -> dict:
        """The same for a document."""
        return self.add(kind, packed(document))


def write(source: debian.Source, output: pathlib.Path) -> Made:
    """Writes the archive to the file `output`."""
    blobs = Blobs()
    layer = tar({NAME: (source.binary.read_bytes(), 0o755)}, source.time)
    layer_blob = blobs.add(LAYER, gzip.compress(layer, 9, mtime=0))
    config_blob = blobs.add_json(CONFIG, configuration(source, f"sha256:{hashlib.sha256(layer).hexdigest()}"))
    head = {"schemaVersion": 2, "mediaType": MANIFEST}
    manifest = blobs.add_json(MANIFEST, head | {"config": config_blob, "layers": [layer_blob]})
    listed = [manifest | {"platform": platform(source), "annotations": names(source.version)}]
    if source.bill:
        listed.append(blobs.add_json(MANIFEST, head | bill(blobs, source, manifest)) | {"artifactType": BILL})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
    docker = [{"Config": path(config_blob), "RepoTags": [f"{NAME}:{source.version}"], "Layers": [path(layer_blob)]}]
    files = {
        "oci-layout": packed({"imageLayoutVersion": "1.0.0"}),
        "index.json": packed(index),
        "manifest.json": packed(docker),
    }
    files |= {f"blobs/sha256/{digest}": blobs.content[digest] for digest in sorted(blobs.content)}
    output.write_bytes(tar({name: (content, 0o644) for name, content in files.items()}, source.time))
    return Made(config_blob["digest"], manifest["digest"], len(layer))


def configuration(source: debian.Source, layer: str) -> dict:
    """The image's configuration, with the Dockerfile's settings. Healthcheck is Docker's own; others pass over it."""
    created = datetime.datetime.fromtimestamp(source.time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "created": created,
        **platform(source),
        "config": dockerfile.settings(source.root / "deploy/Dockerfile", "runtime"),
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": [{"created": created, "created_by": "COPY holdfast /holdfast"}],
    }


def platform(source: debian.Source) -> dict:
    """What it runs on; Debian and OCI name architectures alike."""
    return {"architecture": debian.architecture(source.binary), "os": "linux"}


def names(version: str) -> dict:
    """By what name engines keep it."""
    full = f"docker.io/library/{NAME}:{version}"
    return {"io.containerd.image.name": full, "org.opencontainers.image.ref.name": version}


def bill(blobs: Blobs, source: debian.Source, subject: dict) -> dict:
    """The bill of materials as a referrer of the image: a manifest of its own whose subject is the image's."""
    title = {"org.opencontainers.image.title": f"{NAME}-{source.version}.cdx.json"}
    content = blobs.add(BILL, source.bill.read_bytes()) | {"annotations": title}
    return {"artifactType": BILL, "config": blobs.add(EMPTY, b"{}"), "layers": [content], "subject": subject}


def path(descriptor: dict) -> str:
    """Where a blob is in the archive."""
    return "blobs/" + descriptor["digest"].replace(":", "/")


def packed(document: dict | list) -> bytes:
    """JSON, written the same each time."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def tar(files: dict[str, tuple[bytes, int]], time: int) -> bytes:
    """A tar file of these files and the folders to them, owned by root, all of one time."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in sorted({str(parent) for name in files for parent in pathlib.PurePath(name).parents} - {"."}):
            archive.addfile(member(folder, time, 0o755, tarfile.DIRTYPE))
        for name, (content, mode) in files.items():
            entry = member(name, time, mode, tarfile.REGTYPE)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def member(name: str, time: int, mode: int, kind: bytes) -> tarfile.TarInfo:
    """The head of one entry."""
    entry = tarfile.TarInfo(name)
    entry.mtime, entry.mode, entry.type = time, mode, kind
    return entry
