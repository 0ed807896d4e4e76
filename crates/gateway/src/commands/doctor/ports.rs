//! What there is one of for each pair of addresses: tracked connections, and ports.

use super::finding::{Finding, State, sysctl_of_host, sysctl_of_network};
use super::subject::Subject;
use crate::settings::Hub;

/// Nothing is said where the module is not loaded.
pub(super) fn connection_tracking(subject: &Subject<'_>) -> Option<Finding> {
    let most = subject.host.sysctl("net/netfilter/nf_conntrack_max")?;
    let count = subject.host.sysctl("net/netfilter/nf_conntrack_count").unwrap_or(0);
    let connections = subject.outlook.connections();
    let why = "What tracks connections, a firewall or NAT, has an entry for each; where all are taken, \
               newcomers are dropped.";
    let finding = |found| Finding::new("connection_tracking", found, why);
    let found = format!("net.netfilter.nf_conntrack_max is {most}, {count} are tracked");
    // 0 is no limit.
    if most == 0 || most >= connections {
        return Some(finding(found));
    }
    let state = if count > 0 { State::Warning } else { State::Note };
    let wanted = connections.saturating_mul(2).next_power_of_two();
    let note = "on the host, once the module nf_conntrack is loaded: containers share it";
    let change = sysctl_of_host("net.netfilter.nf_conntrack_max", wanted).noting(note);
    Some(finding(format!("{found}, fewer than {connections} connections")).marked(state, [change]))
}

/// The widest range: no port below is free for all.
const WIDEST: (u64, u64) = (1024, 65_535);

pub(super) fn local_ports(subject: &Subject<'_>) -> Option<Finding> {
    let [first, last] = subject.host.sysctls::<2>("net/ipv4/ip_local_port_range")?;
    let ports = (last + 1).saturating_sub(first);
    let why = "Clients need none of them: they are for what connects from here, the gateway to services, a \
               proxy to it.";
    let finding = |found| Finding::new("local_ports", found, why);
    let found = format!("net.ipv4.ip_local_port_range has {ports} ports");
    let to_services = to_services(&subject.settings.hubs);
    let from_proxies =
        if subject.settings.trusted_proxies.is_empty() { 0 } else { subject.outlook.connections() };
    let (state, found) = match () {
        () if to_services > ports => (
            State::Warning,
            format!("{found}, and up to {to_services} requests to services may be under way"),
        ),
        () if from_proxies > ports => (
            State::Note,
            format!("{found}: a proxy on this host can bring so many clients to one address of ours"),
        ),
        () => return Some(finding(found)),
    };
    if (first, last) == WIDEST {
        let found = format!("{found}; there are no more, but more addresses or a Unix socket would do");
        return Some(finding(found).marked(state, []));
    }
    let range = format!("{} {}", WIDEST.0, WIDEST.1);
    let note = "list ports that are listened on in ip_local_reserved_ports";
    let mut change = sysctl_of_network("net.ipv4.ip_local_port_range", range, note);
    change[0].note = Some(note);
    Some(finding(found).marked(state, change))
}

/// Most requests under way to services, which may all be at one address.
fn to_services(hubs: &[Hub]) -> u64 {
    hubs.iter().map(|hub| hub.handlers.len() as u64 * u64::from(hub.settings.events_under_way_max)).sum()
}
