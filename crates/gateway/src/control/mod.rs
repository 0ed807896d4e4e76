//! What looks after the shards while they serve: the admin server, signals, drains, on one thread.

pub mod admin;
mod drainer;
mod readiness;
mod signals;
mod thread;

pub use drainer::{Drainer, NotDraining};
pub use readiness::{Phase, Readiness};
pub use thread::Control;
