//! What is counted around a node, besides what it counts itself.

use std::sync::atomic::{AtomicU64, AtomicUsize};

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Messages of other nodes that mean nothing here.
    pub(super) bad: AtomicU64,
    /// Those for which shards had no room for too long, or which no outbox takes.
    pub(super) dropped: AtomicU64,
    /// Those that wait for room, and their bytes.
    pub(super) waiting: AtomicUsize,
    pub(super) waiting_bytes: AtomicUsize,
    /// Nodes that have left.
    pub(super) goodbyes: AtomicU64,
    pub(super) silent: AtomicU64,
    /// Times that two nodes had one id.
    pub(super) twins: AtomicU64,
    /// Whether this process takes no newcomers, and how many connections it has, as of the last beat.
    pub(super) is_draining: std::sync::atomic::AtomicBool,
    pub(super) connections: AtomicU64,
}
