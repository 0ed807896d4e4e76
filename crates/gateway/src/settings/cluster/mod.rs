//! The cluster that this gateway is a node of.

pub(super) mod check;
pub(super) mod kinds;
pub(super) mod url;

use std::path::PathBuf;

use super::Settings;
use kinds::{Away, ReadyWhen};

/// What the settings say of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// NATS servers, each as `nats://HOST:PORT` or `tls://HOST:PORT`, without a user or password.
    pub urls: Vec<String>,
    /// What the cluster is called: the same on each node.
    pub name: String,
    /// File with what a server is shown.
    pub credentials: Option<PathBuf>,
    /// File with authorities that are trusted besides the built-in ones.
    pub ca: Option<PathBuf>,
    /// Files with this node's certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether servers beyond this machine may be reached without TLS or without credentials.
    pub insecure: bool,
    /// What becomes of publications while the bus is away.
    pub away: Away,
    /// When the node is ready.
    pub ready: ReadyWhen,
    /// Most bytes that wait to be sent to the bus.
    pub queue_bytes: usize,
}

impl Settings {
    /// The cluster, if there is to be one.
    #[must_use]
    pub fn cluster(&self) -> Option<Cluster> {
        if self.cluster.is_empty() {
            return None;
        }
        Some(Cluster {
            urls: self.cluster.clone(),
            name: self.cluster_name.clone()?,
            credentials: self.cluster_credentials.clone(),
            ca: self.cluster_ca.clone(),
            certificate: self.cluster_certificate.clone(),
            insecure: self.cluster_insecure,
            away: self.cluster_away,
            ready: self.cluster_ready,
            queue_bytes: self.cluster_queue_bytes,
        })
    }
}
