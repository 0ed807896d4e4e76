//! Who is told which hubs, users and groups have members.

use crate::hub::{Hub, Kind};

/// What has members: a hub, or a user or group of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Watched<'n> {
    /// The hub itself. Its members are its connections.
    Hub,
    /// A user or group, by its name.
    Named(Kind, &'n str),
}

/// Somebody who is told when a hub, a user or a group gets its first member in a shard, and when it has lost its last.
/// It is told only then, whoever comes and goes meanwhile.
///
/// It is told of the first before whoever joins is told that it has joined, and of the last after that one has gone:
/// what it believes to be empty is empty. What is there when [`Members`](crate::Members) are dropped it is not told of;
/// it is dropped with them.
pub trait Watcher: std::fmt::Debug + Send {
    /// It has a member now.
    fn begins(&mut self, hub: Hub, what: Watched<'_>);

    /// It has none any more.
    fn ends(&mut self, hub: Hub, what: Watched<'_>);
}
