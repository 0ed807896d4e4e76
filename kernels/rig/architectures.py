"""What the rig must know of each architecture: how it is compiled for, what emulates it, which kernels there are."""

import dataclasses
import platform


@dataclasses.dataclass(frozen=True)
class Architecture:
    """One architecture, by the name that `uname -m` has for it."""

    name: str
    # Where its kernels and results are, below `target/kernels`.
    folder: str
    # Debian's name for it, and Rust's target.
    debian: str
    target: str
    # Debian's packages for other machines than this: its compiler and its C library.
    cross: list[str]
    # QEMU: Debian's package, the machine, two serial ports written to files, how instructions are run.
    emulator_package: str
    machine: list[str]
    ports: list[str]
    accelerators: dict[str, list[str]]
    # The guest's names for the ports: kernel messages and stderr, results.
    console: str
    results: str
    # Series → name of its signed image packages. The `-unsigned` twins hold the same kernel and are left alone;
    # 6.1 is also built for bullseye, with `deb11` in its name, which these patterns leave alone too.
    kernels: dict[str, str]
    # What is booted when no series is named.
    default: list[str]

    @property
    def emulator(self) -> str:
        """QEMU's command."""
        return f"qemu-system-{self.name}"

    @property
    def compiler(self) -> str:
        """The C compiler that other machines link with."""
        return f"{self.name}-linux-gnu-gcc"

    @property
    def is_foreign(self) -> bool:
        """Whether this machine is another."""
        return platform.machine() != self.name


def kernels(debian: str) -> dict[str, str]:
    """Debian's cloud kernels of an architecture."""
    return {
        "5.10": rf"linux-image-5\.10\.0-\d+-cloud-{debian}",
        "6.1": rf"linux-image-6\.1\.0-\d+-cloud-{debian}",
        "6.12": rf"linux-image-6\.12\.\d+\+deb12\S*-cloud-{debian}(?<!-unsigned)",
    }


ARCHITECTURES = {
    "x86_64": Architecture(
        name="x86_64",
        folder="",
        debian="amd64",
        target="x86_64-unknown-linux-gnu",
        cross=["gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"],
        emulator_package="qemu-system-x86",
        machine=["-machine", "q35"],
        ports=["-serial", "file:{console}", "-serial", "file:{results}"],
        # TCG runs both virtual CPUs on one host thread: with a thread each, QEMU 7.2 loses instructions that the
        # kernel patches at run time, and now and then a boot dies of `Oops: int3`. Five-level page tables would only
        # cost time.
        accelerators={
            "tcg": ["-accel", "tcg,thread=single", "-cpu", "max,la57=off"],
            "kvm": ["-accel", "kvm", "-cpu", "host"],
        },
        console="ttyS0",
        results="ttyS1",
        kernels=kernels("amd64"),
        default=["5.10", "6.1", "6.12"],
    ),
    "aarch64": Architecture(
        name="aarch64",
        folder="aarch64",
        debian="arm64",
        target="aarch64-unknown-linux-gnu",
        cross=["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        emulator_package="qemu-system-arm",
        machine=["-machine", "virt,gic-version=3"],
        # This machine has one port of its own; the second is on PCI.
        ports=[
            *["-serial", "file:{console}"],
            *["-chardev", "file,id=results,path={results}", "-device", "pci-serial,chardev=results"],
        ],
        # A server's CPU, with the atomic instructions (LSE) that Rust's library chooses at run time. `max` would also
        # sign pointers, which costs more than it shows.
        accelerators={
            "tcg": ["-accel", "tcg,thread=multi", "-cpu", "neoverse-n1"],
            "kvm": ["-accel", "kvm", "-cpu", "host"],
        },
        console="ttyAMA0",
        results="ttyS0",
        # Of 5.10 the security archive lists later packages for arm64, but has them no more: that of bullseye itself.
        kernels=kernels("arm64") | {"5.10": r"linux-image-5\.10\.0-3[0-2]-cloud-arm64"},
        default=["6.12"],
    ),
}
