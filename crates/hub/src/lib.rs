//! Who is where, who may do what, and who is meant: hubs, users, groups, permissions, audiences and the line of what is
//! to be delivered. For one shard, without sockets and without a clock.
//!
//! [`Members`] is the whole of it. What it keeps for each connection is found by the connection's key, its place in the
//! slab of its shard. A front (a protocol that clients and services speak) decides what names, forms and publications
//! mean; here they are only compared and handed on.
#![forbid(unsafe_code)]

mod acks;
mod audience;
mod connections;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod hub;
mod interned;
mod line;
mod listing;
mod lists;
mod members;
#[cfg(test)]
mod model;
mod names;
mod permission;
mod planted;
mod pool;
mod receiver;
mod sets;
mod watch;

pub use acks::ACKS_REMEMBERED;
pub use audience::Audience;
pub use connections::{Bounds, Left, Newcomer, TooMany};
pub use hub::{Counts, Form, Hub, Kind};
pub use line::{Next, Progress, Publication, Tuning};
pub use listing::{Most, Names};
pub use members::{Members, Page};
pub use permission::{
    Action, BadPattern, Grants, NAMES_MAX, PATTERN_CHARS_MAX, PATTERN_STARS_MAX, PATTERNS_MAX, Pattern,
    Permitted, TooManyGrants,
};
pub use receiver::Receiver;
pub use watch::{Watched, Watcher};
