//! What makes one of many nodes: what they say to each other over a bus, who is there, who is asked and who has
//! answered, and for whom something is. No sockets, no clock: messages that came go in, what is to be done comes out.
//! Whatever comes from the bus is bounded and refused with a count, never with a panic.
//!
//! What is promised: a message comes at most once to each node; from one node to one target (all of a hub, a user, a
//! group, a connection) in the order in which that node has published it; never to another hub, to another cluster, to
//! its publisher, or to those who are left out. What is lost is counted where it is seen. That nobody is there is said
//! only if every node of the list has said so.
//!
//! - [`subject`]: by which way a message goes. [`envelope`]: what it says.
//! - [`numbers`]: what is late, doubled or missing. [`nodes`]: who is there. [`questions`]: who is asked.
//!   [`names`]: for whom something is, on this node. [`barrier`]: when a node hears all that is said.
//! - [`bus`]: what carries messages; [`bus::simulated`] is one for tests.
//! - [`Node`]: all of these together.
#![forbid(unsafe_code)]

pub mod barrier;
pub mod bus;
pub mod envelope;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod id;
pub mod names;
mod node;
pub mod nodes;
pub mod numbers;
mod planted;
pub mod questions;
#[cfg(test)]
mod simulation;
pub mod subject;

pub use id::{ConnectionName, NodeId, QuestionId};
pub use node::{Asked, Asker, Counts, Delivery, Event, Heard, Identity, Node, NotAsked, Where};
