//! How a drain goes.

use std::time::Duration;

/// How to drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainPlan {
    /// Over how long the goodbyes are spread.
    pub spread: Duration,
    /// Whether the shards end when all connections have. If not they go on to answer 503, until
    /// [`Handle::resume`](crate::Handle::resume) or a drain for the end.
    pub ends: bool,
}
