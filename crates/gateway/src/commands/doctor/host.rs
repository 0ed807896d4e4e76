//! What is known of a host: its files, and what only system calls tell.

use std::path::{Path, PathBuf};

use holdfast_ring::{Capabilities, Refusal, Trial};
use rustix::process::{Resource, getrlimit};

use crate::limits::cgroup::{self, Version};
use crate::limits::{MemoryLimit, limit_below, raise_descriptor_limit};
use crate::settings::DriverChoice;
use crate::start::Rung;

/// A host, as a process on it sees it.
#[derive(Debug)]
pub(super) struct Host {
    /// Below it is what is read: `/`, but in tests.
    pub(super) root: PathBuf,
    /// Soft RLIMIT_NOFILE at start.
    pub(super) descriptors_at_start: u64,
    /// What the gateway has raised it to.
    pub(super) descriptors: u64,
    /// Soft RLIMIT_MEMLOCK; `None` where there is none, as of the two that follow.
    pub(super) locked_bytes: Option<u64>,
    /// RLIMIT_AS.
    pub(super) address_space_bytes: Option<u64>,
    /// RLIMIT_DATA.
    pub(super) data_bytes: Option<u64>,
    /// Bytes of a page.
    pub(super) page_bytes: u64,
    /// What came of trying io_uring.
    pub(super) uring: Tried,
}

/// What came of trying io_uring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// It works, with these features.
    Works {
        capabilities: Capabilities,
        /// Those that do not work, and why.
        off: Vec<(&'static str, String)>,
    },
    /// It does not work.
    Refused {
        /// Whether it is forbidden, or hidden, rather than broken.
        is_forbidden: bool,
        what: String,
    },
    /// The settings do not want it.
    Not,
}

impl Tried {
    fn here(driver: DriverChoice) -> Self {
        let trial = match driver {
            DriverChoice::Epoll => return Self::Not,
            DriverChoice::UringBaseline => Trial::run(true),
            DriverChoice::Auto | DriverChoice::Uring => Trial::run(false),
        };
        match trial {
            Ok(Trial { capabilities, off, .. }) => Self::Works { capabilities, off },
            Err(refusal) => Self::refused(&refusal),
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        use rustix::io::Errno;
        let is_forbidden =
            refusal.errno.is_some_and(|errno| [Errno::PERM, Errno::ACCESS, Errno::NOSYS].contains(&errno));
        Self::Refused { is_forbidden, what: refusal.to_string() }
    }
}

/// A capability (capabilities(7)), by the number of its bit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Privilege {
    LockMemory = 14,
    Administrate = 21,
}

impl Host {
    /// The one that this process is on.
    pub(super) fn here(driver: DriverChoice) -> Self {
        // As the gateway does: whether it may be raised is seen only by doing it.
        let descriptors = raise_descriptor_limit();
        let soft = |resource| getrlimit(resource).current;
        Self {
            root: "/".into(),
            descriptors_at_start: descriptors.was,
            descriptors: descriptors.now,
            locked_bytes: soft(Resource::Memlock),
            address_space_bytes: soft(Resource::As),
            data_bytes: soft(Resource::Data),
            page_bytes: rustix::param::page_size() as u64,
            uring: Tried::here(driver),
        }
    }

    /// The driver that a gateway would use.
    pub(super) fn rung(&self) -> Rung {
        match &self.uring {
            Tried::Works { capabilities, .. } => Rung::Uring(*capabilities),
            Tried::Refused { .. } | Tried::Not => Rung::Epoll,
        }
    }

    /// The memory that may be used.
    pub(super) fn memory(&self) -> Option<MemoryLimit> {
        limit_below(&self.root, self.address_space_bytes, self.data_bytes)
    }

    /// The memory of the machine.
    pub(super) fn machine_bytes(&self) -> Option<u64> {
        let meminfo = self.text("proc/meminfo")?;
        let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// How many CPUs' time its cgroups allow, in hundredths.
    pub(super) fn cpu_hundredths(&self) -> Option<u64> {
        let of = |(version, directory): (Version, &Path)| {
            let (quota, period) = match version {
                Version::V1 => {
                    let number = |name| cgroup::number(&directory.join(name));
                    (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
                }
                Version::V2 => {
                    let text = cgroup::read(&directory.join("cpu.max"))?;
                    let (quota, period) = text.trim().split_once(' ')?;
                    // "max" is none.
                    (quota.parse().ok()?, period.parse().ok()?)
                }
            };
            (quota * 100_u64).checked_div(period)
        };
        let groups = cgroup::groups_with(&self.root, "cpu");
        let all = groups.iter().flat_map(|group| group.with_those_above().map(|it| (group.version, it)));
        all.filter_map(of).min()
    }

    /// How many CPUs it may run on.
    pub(super) fn cpus(&self) -> Option<u64> {
        let list = self.status("Cpus_allowed_list")?;
        let count = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(last.trim().parse::<u64>().ok()?.checked_sub(first.trim().parse().ok()?)? + 1)
        };
        list.split(',').map(count).sum()
    }

    /// A file's text, without blanks at its ends.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        cgroup::read(&self.root.join(path)).map(|text| text.trim().to_owned())
    }

    /// A sysctl with one number, by its path: `net/core/somaxconn`.
    pub(super) fn sysctl(&self, name: &str) -> Option<u64> {
        self.text(&format!("proc/sys/{name}"))?.parse().ok()
    }

    /// A sysctl with several.
    pub(super) fn sysctls<const N: usize>(&self, name: &str) -> Option<[u64; N]> {
        let text = self.text(&format!("proc/sys/{name}"))?;
        let numbers: Vec<_> = text.split_whitespace().map_while(|word| word.parse().ok()).collect();
        numbers.try_into().ok()
    }

    /// A field of this process's status (proc_pid_status(5)).
    pub(super) fn status(&self, field: &str) -> Option<String> {
        let status = self.text("proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    }

    /// Whether it has this capability.
    pub(super) fn may(&self, privilege: Privilege) -> bool {
        // In a user namespace of its own it is worth nothing to the kernel's limits (user_namespaces(7)).
        let is_of_host = self.text("proc/self/uid_map").is_none_or(|map| map.ends_with("4294967295"));
        let held = self.status("CapEff").and_then(|bits| u64::from_str_radix(&bits, 16).ok());
        is_of_host && held.is_some_and(|bits| bits & (1 << (privilege as u32)) != 0)
    }
}
