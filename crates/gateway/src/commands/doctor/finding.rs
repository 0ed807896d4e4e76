//! What was found, and the line that changes it.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// It costs something.
    Warning,
    /// It keeps the settings from working.
    Problem,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Stable: scripts look for it.
    pub(super) name: &'static str,
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// Why it matters.
    pub(super) why: &'static str,
    /// Any of these changes it.
    pub(super) change: Vec<Change>,
}

impl Finding {
    /// One that is fine.
    pub(super) fn new(name: &'static str, found: String, why: &'static str) -> Self {
        Self { name, state: State::Ok, found, why, change: Vec::new() }
    }

    /// One that is not, and what to do about it where something can be done.
    pub(super) fn marked(self, state: State, change: impl IntoIterator<Item = Change>) -> Self {
        Self { state, change: change.into_iter().collect(), ..self }
    }
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    /// A line of the unit, or of another file of systemd's.
    Systemd,
    /// An option of `docker run`.
    Docker,
    /// A field of the pod or its container.
    Kubernetes,
    /// A line of a file in /etc/sysctl.d.
    Sysctl,
    /// A line of the gateway's settings file.
    Settings,
}

impl Place {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Docker => "Docker",
            Self::Kubernetes => "Kubernetes",
            Self::Sysctl => "sysctl",
            Self::Settings => "settings",
        }
    }
}

/// A line to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) place: Place,
    pub(super) line: String,
    /// Where it goes, or what else it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
}

impl Change {
    pub(super) fn new(place: Place, line: impl Into<String>) -> Self {
        Self { place, line: line.into(), note: None }
    }

    pub(super) fn noting(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// A limit of the process (setrlimit(2)), by the names that systemd and Docker have for it. A pod has no field for it:
/// its containers inherit it of their runtime.
pub(super) fn rlimit(unit: &str, docker: &str, value: u64) -> [Change; 3] {
    let line = format!("{unit}={value}");
    [
        Change::new(Place::Systemd, line.clone()),
        Change::new(Place::Docker, format!("--ulimit {docker}={value}:{value}")),
        Change::new(Place::Kubernetes, line)
            .noting("in the unit of the node's container runtime: pods have no field for it"),
    ]
}

/// A sysctl that there is one of for the whole host.
pub(super) fn sysctl_of_host(name: &str, value: impl std::fmt::Display) -> Change {
    Change::new(Place::Sysctl, format!("{name} = {value}")).noting("on the host: containers share it")
}

/// A sysctl that each network namespace has its own of.
pub(super) fn sysctl_of_network(
    name: &str,
    value: impl std::fmt::Display,
    of_kubelet: &'static str,
) -> [Change; 3] {
    let pod = format!("securityContext.sysctls: [{{name: {name}, value: \"{value}\"}}]");
    [
        Change::new(Place::Sysctl, format!("{name} = {value}")),
        Change::new(Place::Docker, format!("--sysctl {name}=\"{value}\""))
            .noting("not with --network host, which has the host's"),
        Change::new(Place::Kubernetes, pod).noting(of_kubelet),
    ]
}
