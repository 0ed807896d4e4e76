//! The kernel, and what of io_uring works.

use super::finding::{Change, Finding, Place, State, sysctl_of_host};
use super::host::{Host, Tried};
use super::subject::Subject;
use crate::settings::DriverChoice;

/// The oldest kernel whose io_uring will do.
const OLDEST: (u32, u32) = (5, 10);

pub(super) fn kernel(subject: &Subject<'_>) -> Option<Finding> {
    let release = subject.host.text("proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(|char: char| !char.is_ascii_digit()).map_while(|part| part.parse().ok());
    let version: (u32, u32) = (numbers.next()?, numbers.next()?);
    let is_old = version < OLDEST && subject.settings.driver != DriverChoice::Epoll;
    let state = if is_old { State::Note } else { State::Ok };
    let why = "Below Linux 5.10 there is no io_uring that the gateway can use; a newer kernel changes it.";
    Some(Finding::new("kernel", format!("Linux {release}"), why).marked(state, []))
}

pub(super) fn io_uring(subject: &Subject<'_>) -> Option<Finding> {
    let why = "On epoll all shards share the descriptors of the process, and an idle connection takes 20 bytes more.";
    let finding = |found| Finding::new("io_uring", found, why);
    Some(match &subject.host.uring {
        Tried::Works { .. } => finding("it is permitted, and works".to_owned()),
        Tried::Not => finding("not tried: the driver is epoll by the settings".to_owned()),
        Tried::Refused { is_forbidden, what } => {
            let state = match subject.settings.driver {
                DriverChoice::Auto | DriverChoice::Epoll => State::Warning,
                DriverChoice::Uring | DriverChoice::UringBaseline => State::Problem,
            };
            let host = subject.host;
            let (what, change) = if *is_forbidden { forbidden(host, what) } else { (what.clone(), vec![]) };
            finding(what).marked(state, change)
        }
    })
}

/// Who forbids it, as far as that can be seen.
fn forbidden(host: &Host, what: &str) -> (String, Vec<Change>) {
    if let Some(switch @ 1..) = host.sysctl("kernel/io_uring_disabled") {
        let found = format!("kernel.io_uring_disabled is {switch}, which forbids it to this process");
        return (found, vec![sysctl_of_host("kernel.io_uring_disabled", 0)]);
    }
    // 2 is a filter (proc_pid_status(5)).
    if host.status("Seccomp").as_deref() != Some("2") {
        return (what.to_owned(), Vec::new());
    }
    let found = "a seccomp filter of this process forbids or hides it".to_owned();
    let profile =
        "securityContext.seccompProfile: {type: Localhost, localhostProfile: holdfast/holdfast.json}";
    let change = [
        Change::new(Place::Systemd, "SystemCallFilter=@aio")
            .noting("beside the unit's other lines of SystemCallFilter, which list what is allowed"),
        Change::new(Place::Docker, "--security-opt seccomp=deploy/seccomp.json"),
        Change::new(Place::Kubernetes, profile)
            .noting("below /var/lib/kubelet/seccomp on the node, where deploy/kubernetes/seccomp puts it"),
    ];
    (found, change.into())
}

pub(super) fn features(subject: &Subject<'_>) -> Option<Finding> {
    let Tried::Works { off, .. } = &subject.host.uring else { return None };
    let why = "Each makes a connection or a message cheaper; newer kernels have more of them.";
    let finding = |found| Finding::new("io_uring_features", found, why);
    if subject.settings.driver == DriverChoice::UringBaseline {
        return Some(finding("only what Linux 5.10 has, by the settings".to_owned()));
    }
    if off.is_empty() {
        return Some(finding("all that the gateway can use".to_owned()));
    }
    let off: Vec<_> = off.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    Some(finding(format!("off: {}", off.join(", "))).marked(State::Note, []))
}
