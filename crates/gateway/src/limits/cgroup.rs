//! What the process's own cgroup says (version 2; Documentation/admin-guide/cgroup-v2.rst in the kernel's tree).

use std::path::{Path, PathBuf};

/// The directory of this process's cgroup, where it is not the root: only then are the figures in it our own.
pub(crate) fn own() -> Option<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let directory = directory(&text, Path::new("/sys/fs/cgroup"))?;
    // The root has no memory.current. A container sees its own cgroup as "/", which is not the root and has one.
    directory.join("memory.current").exists().then_some(directory)
}

/// The line of version 2 is `0::/path` (cgroups(7)); those of version 1 name a hierarchy other than 0.
fn directory(proc_self_cgroup: &str, mount: &Path) -> Option<PathBuf> {
    let path = proc_self_cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(mount.join(path))
}

/// The lowest memory.max of this process's cgroup and those above it, in bytes.
pub(crate) fn memory_max() -> Option<u64> {
    let own = own()?;
    let limits =
        own.ancestors().filter_map(|directory| std::fs::read_to_string(directory.join("memory.max")).ok());
    limits.filter_map(|text| text.trim().parse().ok()).min()
}

/// Kernel memory that this cgroup is charged with, in bytes.
pub(crate) fn kernel_bytes(directory: &Path) -> Option<u64> {
    parse_kernel_bytes(&std::fs::read_to_string(directory.join("memory.stat")).ok()?)
}

/// `kernel` (Linux 5.18 and newer; slabs are part of it) or `slab`, and `sock`: the buffers of sockets.
fn parse_kernel_bytes(memory_stat: &str) -> Option<u64> {
    let field = |name: &str| {
        let line = memory_stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<u64>().ok())
    };
    Some(field("kernel").or_else(|| field("slab"))? + field("sock").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_that_of_version_2() {
        let mixed = "4:memory:/old\n0::/system.slice/holdfast.service\n";
        let mount = Path::new("/sys/fs/cgroup");
        assert_eq!(directory(mixed, mount), Some("/sys/fs/cgroup/system.slice/holdfast.service".into()));
        assert_eq!(directory("4:memory:/old\n", mount), None);
        assert_eq!(directory("0::/\n", mount), Some("/sys/fs/cgroup/".into()));
    }

    #[test]
    fn kernel_memory_is_kernel_or_slab_plus_sock() {
        let new = "anon 1\nkernel 5000\nkernel_stack 9\nsock 300\nslab 4000\n";
        assert_eq!(parse_kernel_bytes(new), Some(5300));
        let old = "anon 1\nkernel_stack 9\nsock 300\nslab 4000\nslab_reclaimable 7\n";
        assert_eq!(parse_kernel_bytes(old), Some(4300));
        assert_eq!(parse_kernel_bytes("anon 1\n"), None);
    }
}
