//! Whether NATS can be reached and lets a node in: for whoever checks settings before a start.

use std::time::{Duration, Instant};

use holdfast_cluster::NodeId;
use holdfast_cluster::subject::{ClusterName, Subjects};
use holdfast_nats::NatsBus;
use tokio::time::timeout;

use super::nats;
use super::node::random;
use crate::settings::Settings;

/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects to NATS as a node of these settings does, says nothing, and goes: what is there, or what is wrong, in one
/// sentence. None where there is no cluster.
pub(crate) async fn look(settings: &Settings) -> Option<Result<String, String>> {
    let cluster = settings.cluster()?;
    Some(try_it(settings, &cluster).await)
}

async fn try_it(settings: &Settings, cluster: &crate::settings::Cluster) -> Result<String, String> {
    let mut options = nats::options(settings, cluster)?;
    let name = ClusterName::parse(&cluster.name).ok_or("its name is none")?;
    // The subjects of a node that nobody has heard of.
    let (subjects, node) = (Subjects::of(&name), NodeId::new(random()));
    options.subjects = subjects.of_node(node, settings.hubs.iter().map(|hub| hub.name.as_str()));
    options.probe = subjects.node(node);
    let largest = options.message_max;
    let began = Instant::now();
    let bus = NatsBus::start(&options).map_err(|error| error.to_string())?;
    let here = async {
        while bus.status().session.is_none() {
            bus.come().await;
        }
    };
    let is_here = timeout(PATIENCE, here).await.is_ok();
    let (status, took) = (bus.status(), began.elapsed().as_millis());
    bus.end(Duration::ZERO).await;
    if is_here {
        let server = status.server.unwrap_or_default();
        return Ok(format!("{server} lets this node in, after {took} ms; messages of {largest} bytes fit"));
    }
    let none = || format!("no server has answered within {} s", PATIENCE.as_secs());
    Err(status.last_error.unwrap_or_else(none))
}
