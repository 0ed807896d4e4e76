//! How much memory the process may use, and who says so.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::{Resource, getrlimit};

use super::cgroup::{self, Group, Version};

/// The memory that is planned with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// So many bytes.
    pub bytes: u64,
    /// Who bounds it.
    pub source: Source,
}

/// Who bounds the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The machine has no more.
    Machine,
    /// A cgroup, its own or one above it: the file that says so.
    Cgroup(Version, PathBuf),
    /// RLIMIT_AS (`ulimit -v`, `LimitAS=`).
    AddressSpace,
    /// RLIMIT_DATA (`ulimit -d`, `LimitDATA=`).
    Data,
}

impl Source {
    /// Label `source` of `holdfast_memory_limit_bytes`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Cgroup(Version::V1, _) => "cgroup_v1",
            Self::Cgroup(Version::V2, _) => "cgroup_v2",
            Self::AddressSpace => "rlimit_as",
            Self::Data => "rlimit_data",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("the machine's"),
            Self::Cgroup(Version::V1, file) => write!(f, "cgroup version 1, {}", file.display()),
            Self::Cgroup(Version::V2, file) => write!(f, "cgroup version 2, {}", file.display()),
            Self::AddressSpace => f.write_str("RLIMIT_AS"),
            Self::Data => f.write_str("RLIMIT_DATA"),
        }
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory {} MiB ({})", self.bytes >> 20, self.source)
    }
}

/// The memory that this process may use: the least of the machine's, what its cgroups and those above them allow, and
/// its own limits. `None` where nothing can be read. Looked up once: plans are made at start.
pub fn memory_limit() -> Option<&'static MemoryLimit> {
    static LIMIT: OnceLock<Option<MemoryLimit>> = OnceLock::new();
    let rlimit = |resource| getrlimit(resource).current;
    LIMIT.get_or_init(|| limit_below(Path::new("/"), rlimit(Resource::As), rlimit(Resource::Data))).as_ref()
}

/// The same by the files below `root`, and by RLIMIT_AS and RLIMIT_DATA (getrlimit(2)).
pub(crate) fn limit_below(root: &Path, address_space: Option<u64>, data: Option<u64>) -> Option<MemoryLimit> {
    let own = [(address_space, Source::AddressSpace), (data, Source::Data)];
    let own = own.into_iter().filter_map(|(bytes, source)| Some(MemoryLimit { bytes: bytes?, source }));
    lowest(candidates(root).into_iter().chain(own))
}

impl MemoryLimit {
    /// How much the kernel may hold in either direction of a connection, where that counts toward the limit: with
    /// version 2 it does. As much as it likes where there is plenty.
    pub(crate) fn socket_buffer_bytes(&self) -> Option<usize> {
        const LEAST: u64 = 16 << 10;
        /// About what it takes at most by itself (tcp(7), tcp_wmem and tcp_rmem).
        const PLENTY: u64 = 2 << 20;
        let bytes = (self.bytes / 2048).max(LEAST);
        let counts = matches!(self.source, Source::Cgroup(Version::V2, _));
        usize::try_from(bytes).ok().filter(|_| counts && bytes < PLENTY)
    }
}

/// The lowest. Of equals the first: the most general.
fn lowest(limits: impl Iterator<Item = MemoryLimit>) -> Option<MemoryLimit> {
    limits.min_by_key(|limit| limit.bytes)
}

/// What the files below `root` say.
fn candidates(root: &Path) -> Vec<MemoryLimit> {
    let meminfo = cgroup::read(&root.join("proc/meminfo"));
    let machine = meminfo.and_then(|text| meminfo_total(&text));
    let machine = machine.map(|bytes| MemoryLimit { bytes, source: Source::Machine });
    machine.into_iter().chain(cgroup::groups(root).iter().flat_map(limits_of)).collect()
}

/// Above this a number means "unlimited": version 1 says so with 2^63 less a page.
const UNLIMITED: u64 = 1 << 60;

/// All limits that a cgroup is under.
fn limits_of(group: &Group) -> Vec<MemoryLimit> {
    let limit = |bytes: Option<u64>, file: PathBuf| {
        let source = Source::Cgroup(group.version, file);
        bytes.filter(|bytes| *bytes < UNLIMITED).map(|bytes| MemoryLimit { bytes, source })
    };
    let numbers: &[&str] = match group.version {
        // Past memory.high the kernel slows the process down until it stands still: a limit as well.
        Version::V2 => &["memory.max", "memory.high"],
        Version::V1 => &["memory.limit_in_bytes"],
    };
    let files = || group.with_those_above().flat_map(|at| numbers.iter().map(move |name| at.join(name)));
    let mut limits: Vec<_> = files().filter_map(|file| limit(cgroup::number(&file), file)).collect();
    if group.version == Version::V1 {
        // It knows of those above the mount too, which a container does not see.
        let file = group.directory.join("memory.stat");
        let all = cgroup::read(&file).and_then(|text| cgroup::field(&text, "hierarchical_memory_limit"));
        limits.extend(limit(all, file));
    }
    limits
}

/// `MemTotal:       24641232 kB` (proc_meminfo(5)); its "kB" are 1024 bytes.
fn meminfo_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests;
