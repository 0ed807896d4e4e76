//! One hub on many nodes: what is published here reaches the clients of the others, and what a service asks of one node
//! is asked of all.
//!
//! [`node`] is shared by all who publish or ask: REST, and clients on their shards. [`thread`] hears what others want,
//! and [`delivery`] does it; [`line`] has what shards have no room for, [`reply`] what is answered. [`carrier`] is the
//! bus, [`asking`] who waits for answers, [`words`] what things are called, [`planned`] how it all begins.

mod asking;
mod carrier;
mod delivery;
mod line;
mod look;
mod nats;
mod node;
mod planned;
#[cfg(feature = "simulated")]
mod pretended;
mod reply;
mod status;
mod tally;
mod thread;
pub(super) mod words;

pub(crate) use look::look;
pub(super) use node::{Cluster, NotPublished};
pub(super) use planned::Planned;
pub(super) use thread::Ending;
pub(crate) use thread::Surroundings;
