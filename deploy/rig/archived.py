"""The image's archive: the same bytes each time, small enough, and what engines make of it."""

import dataclasses
import json
import pathlib
import shutil

from . import archive, debian, dockerfile, image, packaged, profiles, trials
from .engine import Engine, run
from .parts import Context, Wrong

# Megabytes, compressed and unpacked.
SIZE_MAX = 20_000_000
LOADED = [trials.Trial("allowed", "", "io_uring"), trials.Trial("EPERM", "", "epoll")]
EXAMPLE_BILL = '{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[]}\n'


def check(context: Context) -> str:
    """Writes it twice, in two folders and on two days; looks at its size and its parts."""
    made, first = write(context, context.folder("archive"))
    other = context.folder("archive again, elsewhere")
    inputs = other / "inputs"
    inputs.mkdir()
    shutil.copy(context.binary, inputs / "holdfast")
    (inputs / "bill").write_text(EXAMPLE_BILL)
    environment = {"TZ": "Pacific/Chatham", "SOURCE_DATE_EPOCH": str(debian.time_of_commit(context.root))}
    command = [str(context.root / "deploy/oci"), "--binary", "holdfast", "--bill", "bill", "--output", "../image.tar"]
    wrapped = ["faketime", packaged.OTHER_DAY, "sh", "-c", 'umask 077; exec "$@"', "sh", *command]
    run(wrapped, environment=environment, cwd=inputs)
    if packaged.digest(first) != packaged.digest(other / "image.tar"):
        raise Wrong("two archives of one binary differ")
    size = first.stat().st_size
    if context.release and max(size, made.unpacked) > SIZE_MAX:
        raise Wrong(f"{size / 1e6:.1f} MB, {made.unpacked / 1e6:.1f} MB unpacked: more than {SIZE_MAX / 1e6:.0f} MB")
    check_version(context.root)
    digest = made.manifest.removeprefix("sha256:")[:12]
    return f"{size / 1e6:.1f} MB, {made.unpacked / 1e6:.1f} MB unpacked, written twice: {digest}"


def write(context: Context, folder: pathlib.Path) -> tuple[archive.Made, pathlib.Path]:
    """Writes it with a bill of materials; what was made, and the file."""
    (folder / "bill").write_text(EXAMPLE_BILL)
    source = dataclasses.replace(packaged.source(context), bill=folder / "bill")
    return archive.write(source, folder / "image.tar"), folder / "image.tar"


def check_version(root: pathlib.Path) -> None:
    """The Dockerfile labels the image with the version of Cargo.toml."""
    said = dockerfile.settings(root / "deploy/Dockerfile", "runtime")["Labels"]["org.opencontainers.image.version"]
    if said != debian.version(root):
        raise Wrong(f"the Dockerfile says version {said}, Cargo.toml {debian.version(root)}")


def load(context: Context) -> str:
    """Loads it into the engine, compares it with the image that the engine has built, and runs it."""
    made, file = write(context, context.folder("archive to load"))
    docker = context.docker
    docker.docker("load", "--input", str(file))
    tag = f"{archive.NAME}:{debian.version(context.root)}"
    if docker.docker("image", "inspect", "--format", "{{.Id}}", tag) != made.image:
        raise Wrong("loaded, the image has another id")
    image.check_configuration(docker, context.root, tag)
    skopeo(file, made, context.directory)
    containerd(docker, file, made, tag)
    files = profiles.write(context.folder("archive profiles"), context.root / "deploy/seccomp.json")
    for trial in LOADED:
        trials.attempt(docker, tag, files, trial, trials.USER)
    short = made.image.removeprefix("sha256:")[:12]
    return f"loaded with id {short}, by skopeo and containerd too; runs on io_uring and epoll"


def skopeo(file: pathlib.Path, made: archive.Made, directory: pathlib.Path) -> None:
    """Another reader, of the layout: it checks each digest, and finds the manifest and Docker's settings in it."""
    # With the bill there are two manifests; the tag names the image's.
    index = json.loads(run(["tar", "--extract", "--to-stdout", "--file", str(file), "index.json"]))
    name = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
    target = directory / "skopeo"
    run(["skopeo", "copy", "--insecure-policy", f"oci-archive:{file}:{name}", f"dir:{target}"])
    if packaged.digest(target / "manifest.json") != made.manifest.removeprefix("sha256:"):
        raise Wrong("skopeo reads another manifest")


def containerd(docker: Engine, file: pathlib.Path, made: archive.Made, tag: str) -> None:
    """What Kubernetes has below it, also a reader of the layout: all blobs are there, under the right name."""
    command = ["ctr", "--address", f"{docker.directory}/exec/containerd/containerd.sock", "images"]
    run([*command, "import", str(file)])
    lines = [line.split() for line in run([*command, "check"]).splitlines()]
    name = f"docker.io/library/{tag}"
    if not any(line[0] == name and line[2] == made.manifest and line[3] == "complete" for line in lines[1:]):
        raise Wrong(f"containerd has not imported {name} with manifest {made.manifest}")
