//! What is counted of the cluster, when it is scraped.

use super::registrar::Registrar;
use crate::counters::{ClusterCounters, Kind};
use crate::observe::cluster::ClusterStatus;

/// Shows the cluster as it is now.
pub(super) fn show(registrar: &Registrar, status: &ClusterStatus) {
    // The cluster's name is one of the settings.
    let nodes = registrar.gauge("holdfast_cluster_nodes", &[("cluster", &status.name)]);
    nodes.set(status.nodes.len() as f64);
    let counters = ClusterCounters::default();
    take(&counters, status);
    for sample in ClusterCounters::samples(|counters: &ClusterCounters| counters) {
        let (family, value) = (sample.family, (sample.read)(&counters));
        let labels: Vec<_> = family.labels.iter().copied().zip(sample.values.iter().copied()).collect();
        match family.kind {
            Kind::Counter => registrar.counter(family.name, &labels).absolute(value),
            _ => registrar.gauge(family.name, &labels).set(value as f64),
        }
    }
}

fn take(counters: &ClusterCounters, status: &ClusterStatus) {
    let (counts, bus) = (&status.counts, &status.bus);
    let values = [
        (&counters.connected, u64::from(bus.connected)),
        (&counters.ready, u64::from(status.ready)),
        (&counters.left_goodbye, counts.left.goodbye),
        (&counters.left_silent, counts.left.silent),
        (&counters.twins, counts.twins),
        (&counters.connects, bus.connects),
        (&counters.published, counts.published),
        (&counters.unsent_away, counts.unsent.away),
        (&counters.unsent_full, counts.unsent.full),
        (&counters.unsent_too_large, counts.unsent.too_large),
        (&counters.received, counts.received),
        (&counters.for_nobody, counts.for_nobody),
        (&counters.for_no_node, counts.for_no_node),
        (&counters.missed, counts.missed),
        (&counters.late, counts.late),
        (&counters.own, counts.own),
        (&counters.garbage, counts.garbage),
        (&counters.unknown, counts.unknown),
        (&counters.crowded, counts.crowded),
        (&counters.dropped, counts.dropped),
        (&counters.waiting_bytes, status.waiting.bytes),
        (&counters.queue_bytes, bus.queue_bytes),
        (&counters.names, status.names),
        (&counters.questions_open, status.questions_open),
        (&counters.unanswered, counts.unanswered),
    ];
    values.into_iter().for_each(|(counter, value)| counter.set(value));
}
