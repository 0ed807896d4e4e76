//! Hubs, and how much each has: as the metrics say it, so that no shard is asked.

use serde::Serialize;

use super::super::hubs::{Hubs, LiveHub};
use crate::counters::{Count, HubCounters};

/// What is shown of all.
#[derive(Debug, Serialize)]
pub(super) struct All {
    hubs: Vec<Row>,
}

/// What is shown of one. Users and groups count once for each shard.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    connections: u64,
    users: u64,
    groups: u64,
    memberships: u64,
    connects_waiting: u64,
    events_waiting: u64,
    events_under_way: u64,
}

pub(super) fn show(hubs: &Hubs) -> All {
    All { hubs: hubs.iter().map(|hub| row(hub)).collect() }
}

fn row(hub: &LiveHub) -> Row {
    let sum = |of: fn(&HubCounters) -> &Count| hub.counts.all().iter().map(|it| of(it).get()).sum();
    let (under_way, waiting) = hub.gate.events();
    Row {
        name: hub.name.clone(),
        connections: sum(|it| &it.connections),
        users: sum(|it| &it.users),
        groups: sum(|it| &it.groups),
        memberships: sum(|it| &it.members),
        connects_waiting: hub.gate.connects().into(),
        events_waiting: waiting,
        events_under_way: under_way,
    }
}
