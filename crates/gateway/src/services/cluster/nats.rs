//! NATS as the bus.

use std::time::Duration;

use holdfast_cluster::NodeId;
use holdfast_cluster::envelope::OVERHEAD_MAX;
use holdfast_cluster::subject::{ClusterName, Subjects};
use holdfast_nats::{Credentials, NatsBus, Options};

use super::carrier::{Carrier, Coming, Standing};
use crate::settings::{Cluster, Settings};

impl Carrier for NatsBus {
    fn come(&self) -> Coming {
        let bus = self.clone();
        Box::pin(async move { bus.come().await })
    }

    fn end(&self, within: Duration) -> Coming {
        let bus = self.clone();
        Box::pin(async move { bus.end(within).await })
    }

    fn standing(&self) -> Standing {
        let status = self.status();
        Standing {
            server: status.server,
            since: status.since,
            connects: status.counts.sessions,
            queue_bytes: status.queue_bytes,
            unsent: status.counts.lost,
            dropped: status.counts.dropped,
            error: status.last_error,
        }
    }
}

/// What NATS is told of a node: whom it reaches and how. Who it is and to what it listens is added when that is known.
///
/// # Errors
/// What is to be mended, in one sentence.
pub(in crate::services) fn options(settings: &Settings, cluster: &Cluster) -> Result<Options, String> {
    let credentials = cluster.credentials.as_deref().map(Credentials::read).transpose();
    let name = ClusterName::parse(&cluster.name).ok_or("the cluster's name is none")?;
    let subjects = Subjects::of(&name);
    let options = Options {
        urls: cluster.urls.clone(),
        client_name: format!("holdfast {}", cluster.name),
        credentials: credentials.map_err(|error| error.to_string())?,
        ca: cluster.ca.clone(),
        certificate: cluster.certificate.clone(),
        insecure: cluster.insecure,
        queue_bytes: cluster.queue_bytes,
        subjects: Vec::new(),
        probe: subjects.node(NodeId::new(0)),
        message_max: settings.message_bytes_max + OVERHEAD_MAX,
    };
    options.check().map_err(|error| error.to_string())?;
    Ok(options)
}
