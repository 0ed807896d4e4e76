//! What is known of a connection besides what its shard knows, for whoever looks.

use std::sync::Arc;

/// A connection as its front knows it at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    pub(super) subprotocol: Option<Arc<str>>,
    /// The group to which its messages go.
    pub(super) publishes_to: Option<Arc<str>>,
    /// A service is being asked about it.
    pub(super) is_asked_about: bool,
    /// What it has said since, which waits.
    pub(super) held_bytes: usize,
}
