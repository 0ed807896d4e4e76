//! What looks after the shards while they serve: the admin server, signals, drains.

pub mod admin;
mod drainer;
mod readiness;
mod signals;

pub use drainer::{Drainer, NotDraining};
pub use readiness::{Phase, Readiness};
pub use signals::Signals;
