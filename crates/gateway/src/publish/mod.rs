//! Messages for many: made once, and how far each has come.

mod prepared;
mod reach;

pub use prepared::Prepared;
pub use reach::{BROADCASTS_MAX, Broadcast, TooManyBroadcasts};
pub(crate) use reach::{OpenBroadcasts, Part, begin};
