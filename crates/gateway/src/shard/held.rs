//! What a shard holds for its connections, in all.

/// Bytes that a shard holds for its connections. Only [`queue`](super::queue) changes them.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// In all outboxes.
    pub(super) outboxes: usize,
    /// In sends that wait for their peers, and what the kernel may hold of those connections.
    pub(super) sends: usize,
    /// Of messages that are not whole.
    pub(super) partial: usize,
}
