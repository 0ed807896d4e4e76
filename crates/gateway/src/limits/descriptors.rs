//! Room in the process's descriptor table, made before anybody waits for it.

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::fcntl_dupfd_cloexec;

/// Makes the process's descriptor table large enough for `count` descriptors (8 bytes of kernel memory each).
///
/// The kernel doubles the table when an accept finds it full, and in a process with several threads each doubling
/// waits for all CPUs to leave their read-side sections (`expand_fdtable` calls `synchronize_rcu`): the shard stands
/// still for 10 to 40 ms each time, at 256, 512, 1,024 connections and so on, just when everybody connects at once.
/// Where the kernel refuses, the table grows as it always did.
pub(crate) fn make_room(count: u64) {
    let Some(highest) = count.checked_sub(1).and_then(|highest| i32::try_from(highest).ok()) else { return };
    if let Ok(any) = eventfd(0, EventfdFlags::CLOEXEC) {
        drop(fcntl_dupfd_cloexec(&any, highest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries of the table, which the kernel rounds up to a power of two.
    fn table() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("of this process");
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).expect("since Linux 2.4");
        size.trim().parse().expect("a number")
    }

    #[test]
    fn the_table_holds_as_many_as_were_asked_for() {
        make_room(0);
        let before = table();
        make_room(before + 1);
        assert!(table() > before);
        // More than the process may have: nothing happens.
        make_room(u64::MAX);
        make_room(1 << 31);
    }
}
