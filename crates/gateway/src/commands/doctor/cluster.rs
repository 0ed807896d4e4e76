//! What a node of a cluster takes besides.

use super::finding::{Change, Finding, Place, State};
use super::subject::Subject;
use crate::limits::plan::WHOLE;

const MIB: u64 = 1 << 20;
/// What waits for NATS, what has come from it, and what waits for a shard.
const QUEUES: u64 = 3;

/// Nothing is said where there is no cluster.
pub(super) fn queues(subject: &Subject<'_>) -> Option<Finding> {
    let cluster = subject.settings.cluster()?;
    let limit = subject.outlook.memory.as_ref()?;
    let why = "The memory plan does not count them: they fill while NATS, the way to it or a shard is slow.";
    let bytes = QUEUES * cluster.queue_bytes as u64;
    let found = format!("queues of the cluster take up to {} MiB", bytes.div_ceil(MIB));
    let finding = |found| Finding::new("cluster_queues", found, why);
    // As much as two of the plan's shares.
    let most = limit.bytes / WHOLE * 2;
    if bytes <= most {
        return Some(finding(found));
    }
    let found = format!("{found}, more than a thirty-second of the memory ({} MiB)", most / MIB);
    let least = (subject.settings.message_bytes_max as u64 + (64 << 10)).div_ceil(MIB);
    let fits = (most / QUEUES / MIB).max(least);
    let change = (fits * MIB < cluster.queue_bytes as u64)
        .then(|| Change::new(Place::Settings, format!("cluster-queue-bytes = \"{fits}MiB\"")));
    Some(finding(found).marked(State::Warning, change))
}
