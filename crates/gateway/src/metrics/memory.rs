//! Memory: of the process, of the kernel on our behalf, and per connection.

use super::{Facts, Registrar};
use crate::limits::cgroup::{self, Group};
use metrics::Gauge;

/// Kernel memory of one idle TCP connection in bytes, as measured by slab counts on Linux 6.18.
///
/// The socket (TCP, inode, file, directory entry, security) takes 3640; an armed poll of io_uring 256, a registration
/// with epoll 208; a direct descriptor 32 and its slot of 8, a descriptor of the process 8. Where there are direct
/// ones, those are counted for all, although the first connections keep normal ones.
pub fn documented_kernel_bytes(is_uring: bool, has_direct_descriptors: bool) -> u64 {
    const SOCKET: u64 = 3640;
    let wait = if is_uring { 256 } else { 208 };
    let descriptor = if has_direct_descriptors { 32 + 8 } else { 8 };
    SOCKET + wait + descriptor
}

/// Shows what does not change: the memory that is planned with, and who may have how much of it.
pub(super) fn show_plan(registrar: &Registrar, facts: &Facts) {
    if let Some(memory) = &facts.memory {
        let source = [("source", memory.source.label())];
        registrar.gauge("holdfast_memory_limit_bytes", &source).set(memory.bytes as f64);
    }
    for (part, bytes) in facts.plan.iter().flat_map(|plan| plan.parts()) {
        registrar.gauge("holdfast_memory_plan_bytes", &[("part", part)]).set(bytes as f64);
    }
}

/// Gauges of memory, and what they read when nothing was held.
#[derive(Debug)]
pub(super) struct Memory {
    kernel: Kernel,
    kernel_at_start: u64,
    rss_at_start: u64,
    process_rss: Gauge,
    resident: Gauge,
    kernel_bytes: Gauge,
    user_per_connection: Gauge,
    all_per_connection: Gauge,
}

impl Memory {
    /// `kernel_bytes_per_connection` is for estimates, where the process has no cgroup of its own.
    pub(super) fn new(registrar: &Registrar, kernel_bytes_per_connection: u64) -> Self {
        let per_connection =
            |scope| registrar.gauge("holdfast_memory_per_connection_bytes", &[("scope", scope)]);
        let kernel = Kernel::find(kernel_bytes_per_connection);
        Self {
            kernel_at_start: kernel.bytes(0),
            rss_at_start: rss_bytes(),
            process_rss: registrar.gauge("holdfast_memory_bytes", &[("part", "process_rss")]),
            resident: registrar.gauge("process_resident_memory_bytes", &[]),
            kernel_bytes: registrar.gauge("holdfast_memory_kernel_bytes", &[("source", kernel.source())]),
            user_per_connection: per_connection("user"),
            all_per_connection: per_connection("user_and_kernel"),
            kernel,
        }
    }

    pub(super) fn update(&self, connections: u64) {
        let (rss, kernel) = (rss_bytes(), self.kernel.bytes(connections));
        self.process_rss.set(rss as f64);
        self.resident.set(rss as f64);
        self.kernel_bytes.set(kernel as f64);
        let user = rss.saturating_sub(self.rss_at_start);
        let all = user + kernel.saturating_sub(self.kernel_at_start);
        self.user_per_connection.set(per_connection(user, connections));
        self.all_per_connection.set(per_connection(all, connections));
    }
}

fn per_connection(bytes: u64, connections: u64) -> f64 {
    if connections == 0 { 0.0 } else { bytes as f64 / connections as f64 }
}

/// Where the figure of kernel memory comes from. Never the machine's own figures, which count everybody's.
#[derive(Debug)]
enum Kernel {
    /// What our cgroup is charged with.
    Cgroup(Group),
    /// Connections times these bytes.
    Estimate(u64),
}

impl Kernel {
    fn find(bytes_per_connection: u64) -> Self {
        cgroup::own().map_or(Self::Estimate(bytes_per_connection), Self::Cgroup)
    }

    fn source(&self) -> &'static str {
        match self {
            Self::Cgroup(_) => "cgroup",
            Self::Estimate(_) => "estimate",
        }
    }

    fn bytes(&self, connections: u64) -> u64 {
        match self {
            Self::Cgroup(group) => group.kernel_bytes().unwrap_or(0),
            Self::Estimate(each) => connections * each,
        }
    }
}

/// Resident memory: field 2 of /proc/self/statm, in pages (proc_pid_statm(5)).
fn rss_bytes() -> u64 {
    let pages = || std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok();
    pages().unwrap_or(0) * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_connections_times_the_documented_bytes() {
        assert_eq!(documented_kernel_bytes(true, true), 3936);
        assert_eq!(documented_kernel_bytes(true, false), 3904);
        assert_eq!(documented_kernel_bytes(false, false), 3856);
        assert_eq!(Kernel::Estimate(3936).bytes(1000), 3_936_000);
    }

    #[test]
    fn a_cgroup_is_read_where_there_is_one() {
        let directory = tempfile::tempdir().expect("directory");
        std::fs::write(directory.path().join("memory.stat"), "kernel 70\nsock 30\n").expect("file");
        let kernel = Kernel::Cgroup(Group::at(directory.path()));
        assert_eq!((kernel.source(), kernel.bytes(5)), ("cgroup", 100));
    }

    #[test]
    fn bytes_per_connection_are_0_while_none_is_held() {
        assert_eq!(per_connection(500, 0), 0.0);
        assert_eq!(per_connection(500, 5), 100.0);
    }

    #[test]
    fn resident_memory_grows_with_memory_that_is_touched() {
        let before = rss_bytes();
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = rss_bytes();
        assert!(after >= before + (32 << 20), "{before} to {after}");
        drop(held);
    }
}
