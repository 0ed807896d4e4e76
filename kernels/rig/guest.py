"""One boot: an initramfs with the suite in it, and QEMU around it."""

import dataclasses
import pathlib
import shutil
import subprocess
import time

from .architectures import Architecture
from .build import Program, Suite
from .packages import Kernel

MEMORY = "2G"
CPUS = 2
# A test binary that hangs is killed, and the next one runs.
BINARY_SECONDS_MAX = 600
CAPABILITIES_LABEL = "capabilities"


@dataclasses.dataclass(frozen=True)
class Boot:
    """What the guest said."""

    version: str
    output: str
    seconds: float
    timed_out: bool


def initramfs(
    staging: pathlib.Path,
    architecture: Architecture,
    busybox: pathlib.Path,
    suite: Suite,
    only: str,
    parts: dict[str, str],
    environment: dict[str, str],
) -> pathlib.Path:
    """Packs busybox, init and the programs, each at the path cargo gave it: tests find the binaries they start by that.

    `only` limits the tests to names that contain it; empty means all, or those of a label that `parts` names.
    """
    shutil.rmtree(staging, ignore_errors=True)
    for folder in ["bin", "dev", "etc", "proc", "sys", "tmp", "suite"]:
        (staging / folder).mkdir(parents=True)
    copy(busybox, staging / "bin/busybox")
    copy(pathlib.Path(__file__).with_name("init.sh"), staging / "init")
    (staging / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\ntester:x:1000:1000::/tmp:/bin/sh\n")
    (staging / "etc/group").write_text("root:x:0:\ntester:x:1000:\n")
    (staging / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for program in [suite.capabilities, *suite.tests, *suite.helpers]:
        copy(program.path, inside(staging, program.path))
        inside(staging, program.directory).mkdir(parents=True, exist_ok=True)
    report = dataclasses.replace(suite.capabilities, label=CAPABILITIES_LABEL)
    lines = [line(report, "")] + [line(test, only or parts.get(test.label, "")) for test in suite.tests]
    (staging / "suite/list").write_text("".join(lines))
    exported = environment | {"RUST_TEST_THREADS": CPUS, "RUST_BACKTRACE": 1, "TMPDIR": "/tmp", "HOME": "/tmp"}
    (staging / "suite/environment").write_text(
        f"RESULTS=/dev/{architecture.results} BINARY_SECONDS_MAX={BINARY_SECONDS_MAX}\n"
        f"export {' '.join(f'{name}={value}' for name, value in exported.items())}\n"
    )
    return pack(staging)


def line(program: Program, arguments: str) -> str:
    """One line of the list that init reads."""
    return f"{program.label} {program.directory} {program.path} {arguments}\n"


def inside(staging: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
    """An absolute path as it is in the guest."""
    return staging / path.relative_to("/")


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies an executable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)


def pack(staging: pathlib.Path) -> pathlib.Path:
    """Writes the tree as a cpio archive, owned by root, uncompressed: unpacking costs more than reading here."""
    names = sorted(str(path.relative_to(staging)) for path in staging.rglob("*"))
    archive = staging.with_suffix(".cpio")
    with archive.open("wb") as output:
        command = ["cpio", "--create", "--format=newc", "--owner=+0:+0", "--quiet"]
        subprocess.run(command, cwd=staging, input="\n".join(names).encode(), stdout=output, check=True)
    return archive


def boot(
    architecture: Architecture,
    kernel: Kernel,
    archive: pathlib.Path,
    output: pathlib.Path,
    accel: str,
    seconds_max: int,
) -> Boot:
    """Boots the kernel and waits until it powers itself off. Results and console are in output.results and .console."""
    results, console = output.with_name(f"{output.name}.results"), output.with_name(f"{output.name}.console")
    results.unlink(missing_ok=True)
    command = [
        architecture.emulator,
        *architecture.machine,
        *architecture.accelerators[accel],
        "-smp",
        str(CPUS),
        "-m",
        MEMORY,
        "-nodefaults",
        "-display",
        "none",
        "-no-reboot",
        *(word.format(console=console, results=results) for word in architecture.ports),
        "-kernel",
        str(kernel.vmlinuz),
        "-initrd",
        str(archive),
        "-append",
        f"console={architecture.console} quiet panic=-1 rdinit=/init mitigations=off",
    ]
    started = time.monotonic()
    timed_out = False
    emulator = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        emulator.wait(seconds_max)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        emulator.kill()
        said, _ = emulator.communicate()
    if said:
        print(said.decode(errors="replace").rstrip())
    text = results.read_text(errors="replace") if results.exists() else ""
    return Boot(kernel.version, text, time.monotonic() - started, timed_out)
