//! What is counted of the cluster. It is counted elsewhere, by one thread, and taken over at each scrape.

use super::count::Count;
use super::declare::{Family, Kind, Sample, counters};

counters! {
    /// What a node of a cluster shows.
    ClusterCounters;

    family(
        Gauge,
        "holdfast_cluster_connected",
        &[],
        "1 while NATS is there: all subscriptions are in force, and it is heard. Otherwise 0.",
    ) {
        /// Gauge: whether the bus is there.
        connected,
    };
    family(
        Gauge,
        "holdfast_cluster_ready",
        &[],
        "1 while this node is ready as far as the cluster is concerned (cluster-ready), otherwise 0.",
    ) {
        /// Gauge: whether it is ready.
        ready,
    };
    family(
        Gauge,
        "holdfast_cluster_nodes",
        &["cluster"],
        "Nodes of the cluster that this node hears, itself included, by the cluster's name.",
    );
    family(
        Counter,
        "holdfast_cluster_nodes_left_total",
        &["how"],
        "Nodes that have left: goodbye at the end of their drain, or silent, having died or being out of reach.",
    ) {
        /// Nodes that have said goodbye.
        left_goodbye ("goodbye"),
        /// Nodes that were not heard any more.
        left_silent ("silent"),
    };
    family(
        Counter,
        "holdfast_cluster_twins_total",
        &[],
        "Times two nodes had the same id. What they say is mixed up: restart one of them.",
    ) {
        /// Nodes with another's id.
        twins,
    };
    family(Counter, "holdfast_cluster_connects_total", &[], "Connections made to NATS.") {
        /// Connections made to the bus.
        connects,
    };
    family(
        Counter,
        "holdfast_cluster_published_total",
        &[],
        "Messages to other nodes that were given to NATS: to hubs, and to single nodes.",
    ) {
        /// Messages that the bus has taken.
        published,
    };
    family(
        Counter,
        "holdfast_cluster_unsent_total",
        &["reason"],
        "Messages that other nodes did not get since they were not sent: away (NATS was), full (cluster-queue-bytes) \
         or too_large (for its max_payload).",
    ) {
        /// The bus was away.
        unsent_away ("away"),
        /// Too much waited for it.
        unsent_full ("full"),
        /// It takes none so long.
        unsent_too_large ("too_large"),
    };
    family(Counter, "holdfast_cluster_received_total", &[], "Messages of other nodes that were taken.") {
        /// Messages of other nodes.
        received,
    };
    family(
        Counter,
        "holdfast_cluster_for_nobody_total",
        &[],
        "Of holdfast_cluster_received_total, those for users and groups that have nobody on this node.",
    ) {
        /// Those for nobody here.
        for_nobody,
    };
    family(
        Counter,
        "holdfast_cluster_for_no_node_total",
        &[],
        "Messages that were not sent since they were for a connection of a node that is not there: it has ended, or \
         this node does not know of it yet.",
    ) {
        /// Those for no node.
        for_no_node,
    };
    family(
        Counter,
        "holdfast_cluster_missed_total",
        &[],
        "Messages of other nodes that did not come, by the gaps in their numbers.",
    ) {
        /// Messages that did not come.
        missed,
    };
    family(
        Counter,
        "holdfast_cluster_late_total",
        &[],
        "Messages of other nodes that came twice or behind later ones, and were dropped.",
    ) {
        /// Messages that came too late.
        late,
    };
    family(Counter, "holdfast_cluster_own_total", &[], "Messages of this node that came back, and were dropped.") {
        /// Messages that came back.
        own,
    };
    family(
        Counter,
        "holdfast_cluster_garbage_total",
        &[],
        "What came from NATS and was written by no release, or came by a way that is not its own.",
    ) {
        /// What is none.
        garbage,
    };
    family(
        Counter,
        "holdfast_cluster_unknown_total",
        &[],
        "Messages of a later release that this one does not know.",
    ) {
        /// Messages of a later release.
        unknown,
    };
    family(
        Counter,
        "holdfast_cluster_crowded_total",
        &[],
        "Messages of nodes beyond the 64 that a node hears beside itself.",
    ) {
        /// Messages of too many nodes.
        crowded,
    };
    family(
        Counter,
        "holdfast_cluster_dropped_total",
        &[],
        "Messages of other nodes that were dropped since a shard had no room for them for too long.",
    ) {
        /// Messages that shards had no room for.
        dropped,
    };
    family(
        Gauge,
        "holdfast_cluster_waiting_bytes",
        &[],
        "Bytes of messages of other nodes that wait for room in a shard.",
    ) {
        /// Gauge: bytes that wait for shards.
        waiting_bytes,
    };
    family(
        Gauge,
        "holdfast_cluster_queue_bytes",
        &[],
        "Bytes that wait to be sent to NATS; at most cluster-queue-bytes.",
    ) {
        /// Gauge: bytes that wait for the bus.
        queue_bytes,
    };
    family(Gauge, "holdfast_cluster_names", &[], "Users and groups with members on this node, all hubs together.") {
        /// Gauge: names with members here.
        names,
    };
    family(
        Gauge,
        "holdfast_cluster_questions_open",
        &[],
        "Questions to other nodes that wait for answers: whether somebody is there, and what must be everywhere.",
    ) {
        /// Gauge: questions that wait.
        questions_open,
    };
    family(
        Counter,
        "holdfast_cluster_unanswered_total",
        &[],
        "Questions that a node did not answer in time. Whoever asked by REST got 503.",
    ) {
        /// Answers that did not come.
        unanswered,
    };
}
