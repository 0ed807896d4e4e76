//! How many bytes of events there may be at least.

/// So many of the longest messages fit into what events have, at least.
pub(crate) const EVENT_MESSAGES_MIN: usize = 4;
