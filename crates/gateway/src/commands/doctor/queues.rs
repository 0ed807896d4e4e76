//! Where newcomers wait before the gateway sees them.

use super::finding::{Finding, State, sysctl_of_network};
use super::subject::Subject;

const OF_ITSELF: &str = "the kubelet allows it by itself";
const ASKED: &str = "the kubelet must allow it";

pub(super) fn accept_queue(subject: &Subject<'_>) -> Option<Finding> {
    let most = subject.host.sysctl("net/core/somaxconn")?;
    let backlog = u64::from(subject.settings.backlog);
    let why = "The kernel cuts the gateway's queues at it when they are opened; where one is full, newcomers \
               wait seconds.";
    let finding = |found| Finding::new("accept_queue", found, why);
    if most >= backlog {
        return Some(finding(format!("net.core.somaxconn is {most}, backlog {backlog}")));
    }
    let found = format!("net.core.somaxconn is {most}, less than backlog ({backlog})");
    Some(finding(found).marked(State::Warning, sysctl_of_network("net.core.somaxconn", backlog, ASKED)))
}

/// Without cookies tcp_max_syn_backlog counts (net/ipv4/tcp_input.c, tcp_conn_request).
pub(super) fn syn_queue(subject: &Subject<'_>) -> Option<Finding> {
    let cookies = subject.host.sysctl("net/ipv4/tcp_syncookies")?;
    let why = "Without cookies a flood of SYNs fills the queue, and those who come then are not answered.";
    let queue = subject.host.sysctl("net/ipv4/tcp_max_syn_backlog");
    let finding = |found| Finding::new("syn_queue", found, why);
    if cookies > 0 {
        return Some(finding(format!(
            "net.ipv4.tcp_syncookies is {cookies}: a full queue turns nobody away"
        )));
    }
    let queue = queue.map_or_else(String::new, |queue| format!(", net.ipv4.tcp_max_syn_backlog {queue}"));
    let found = format!("net.ipv4.tcp_syncookies is 0{queue}");
    Some(finding(found).marked(State::Warning, sysctl_of_network("net.ipv4.tcp_syncookies", 1, OF_ITSELF)))
}
