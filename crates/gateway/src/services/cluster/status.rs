//! What there is to see of a cluster.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use holdfast_cluster::nodes::Other;
use holdfast_cluster::{Counts, NodeId};

use super::carrier::Standing;
use super::node::Cluster;
use crate::cluster::{BusStatus, ClusterCounts, ClusterStatus, Left, NodeStatus, Unsent, Waiting};

impl Cluster {
    /// The cluster as it is now.
    pub(in crate::services) fn status(&self) -> ClusterStatus {
        let now = Instant::now();
        let state = self.state();
        let standing = state.wire.standing();
        let (ready, connected) = (self.is_ready(&state), state.wire.is_here());
        let mut nodes: Vec<_> = state.node.nodes().iter().map(|(node, other)| of(node, other, now)).collect();
        let (counts, questions_open) = (state.node.counts(), state.node.questions().len() as u64);
        drop(state);
        nodes.insert(0, self.own_status(now));
        ClusterStatus {
            name: self.settings.name.clone(),
            node: self.own.to_string(),
            ready,
            bus: self.bus_status(&standing, connected, now),
            nodes,
            counts: self.counts(counts, &standing),
            names: self.names.len() as u64,
            questions_open,
            waiting: Waiting {
                messages: self.tally.waiting.load(Relaxed) as u64,
                bytes: self.tally.waiting_bytes.load(Relaxed) as u64,
            },
        }
    }

    fn own_status(&self, now: Instant) -> NodeStatus {
        NodeStatus {
            node: self.own.to_string(),
            own: true,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            connections: self.tally.connections.load(Relaxed),
            draining: self.tally.is_draining.load(Relaxed),
            since_seconds: now.saturating_duration_since(self.since).as_secs_f64(),
            heard_seconds_ago: 0.0,
        }
    }

    fn bus_status(&self, standing: &Standing, connected: bool, now: Instant) -> BusStatus {
        let since = standing.since.unwrap_or(self.since);
        BusStatus {
            connected,
            server: standing.server.clone(),
            since_seconds: now.saturating_duration_since(since).as_secs_f64(),
            connects: standing.connects,
            last_error: standing.error.clone(),
            queue_bytes: standing.queue_bytes as u64,
            queue_bytes_max: self.settings.queue_bytes as u64,
        }
    }

    fn counts(&self, counts: Counts, standing: &Standing) -> ClusterCounts {
        let tally = &self.tally;
        ClusterCounts {
            published: counts.published,
            // What waited for a server that was lost was not sent either.
            unsent: Unsent {
                away: counts.away + standing.unsent,
                full: counts.full,
                too_large: counts.too_large,
            },
            received: counts.received,
            for_nobody: counts.for_nobody,
            for_no_node: counts.nowhere,
            missed: counts.missed,
            late: counts.late,
            own: counts.own,
            garbage: counts.garbage + tally.bad.load(Relaxed),
            unknown: counts.unknown,
            crowded: counts.crowded,
            dropped: tally.dropped.load(Relaxed) + standing.dropped,
            unanswered: counts.unanswered,
            left: Left { goodbye: tally.goodbyes.load(Relaxed), silent: tally.silent.load(Relaxed) },
            twins: tally.twins.load(Relaxed),
        }
    }
}

fn of(node: NodeId, other: &Other, now: Instant) -> NodeStatus {
    let ago = |then: Instant| now.saturating_duration_since(then).as_secs_f64();
    NodeStatus {
        node: node.to_string(),
        own: false,
        release: other.release.to_string(),
        connections: other.connections,
        draining: other.is_draining,
        since_seconds: ago(other.since),
        heard_seconds_ago: ago(other.heard),
    }
}
