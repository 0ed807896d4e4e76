//! What the kernel holds of all TCP sockets together.

use super::finding::{Finding, State, sysctl_of_host, sysctl_of_network};
use super::subject::Subject;

pub(super) fn tcp_memory(subject: &Subject<'_>) -> Option<Finding> {
    let host = subject.host;
    // Only the host's own network namespace shows it.
    let [low, pressure, most] = host.sysctls::<3>("net/ipv4/tcp_mem")?;
    let used = used_pages(&host.text("proc/net/sockstat").unwrap_or_default()).unwrap_or(0);
    let why = "An idle connection takes none, one with anything unread or unsent a page; past the last the \
               kernel drops data.";
    let mib = |pages: u64| pages.saturating_mul(host.page_bytes) >> 20;
    let finding = |found| Finding::new("tcp_memory", found, why);
    let connections = subject.outlook.connections();
    let found = format!("net.ipv4.tcp_mem allows {most} pages ({} MiB), {used} are in use", mib(most));
    let (state, found) = match () {
        () if used >= pressure => {
            (State::Warning, format!("{found}, and from {pressure} on the kernel saves"))
        }
        () if most < connections => {
            (State::Note, format!("{found}: {connections} connections cannot all have something waiting"))
        }
        () => return Some(finding(found)),
    };
    let wanted = connections.max(used.saturating_mul(2)).max(most).next_power_of_two();
    let has_room =
        host.machine_bytes().is_some_and(|bytes| wanted.saturating_mul(host.page_bytes) <= bytes / 2);
    let values = format!("{} {} {wanted}", low.max(wanted / 2), pressure.max(wanted / 4 * 3));
    let change = has_room.then(|| sysctl_of_host("net.ipv4.tcp_mem", values));
    Some(finding(found).marked(state, change))
}

/// `TCP: inuse 27 orphan 0 tw 0 alloc 29 mem 3`
fn used_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
}

/// What the kernel itself sets it to at most (tcp(7)).
const SEND_BUFFER_MAX: u64 = 4 << 20;

pub(super) fn send_buffers(subject: &Subject<'_>) -> Option<Finding> {
    let [least, start, most] = subject.host.sysctls::<3>("net/ipv4/tcp_wmem")?;
    let why =
        "The kernel holds up to that for each client that stops reading, before outbox-bytes-max counts.";
    let finding = |found| Finding::new("send_buffers", found, why);
    let own = subject.outlook.memory.as_ref().and_then(|limit| limit.socket_buffer_bytes());
    if let Some(own) = own {
        let found = format!("the gateway lets the kernel hold {} KiB each way of a connection", own >> 10);
        return Some(finding(found));
    }
    let found = format!("net.ipv4.tcp_wmem ends at {most} bytes");
    if most <= SEND_BUFFER_MAX {
        return Some(finding(found));
    }
    let idle = most / subject.outlook.rung.kernel_bytes_per_connection();
    let found = format!("{found}: one client that stops reading may take the memory of {idle} idle ones");
    let values = format!("{least} {} {SEND_BUFFER_MAX}", start.min(SEND_BUFFER_MAX));
    let note = "the kubelet allows it by itself from Kubernetes 1.32 on";
    Some(finding(found).marked(State::Note, sysctl_of_network("net.ipv4.tcp_wmem", values, note)))
}

pub(super) fn orphans(subject: &Subject<'_>) -> Option<Finding> {
    let most = subject.host.sysctl("net/ipv4/tcp_max_orphans")?;
    let connections = subject.outlook.connections();
    let why = "Connections at the process's end are orphans until their clients answer; those past the limit \
               are reset.";
    let finding = |found| Finding::new("orphans", found, why);
    let found = format!("net.ipv4.tcp_max_orphans is {most}");
    if most >= connections {
        return Some(finding(found));
    }
    let wanted = connections.next_power_of_two();
    let found = format!("{found}, less than {connections} connections");
    Some(finding(found).marked(State::Note, [sysctl_of_host("net.ipv4.tcp_max_orphans", wanted)]))
}
