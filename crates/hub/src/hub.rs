//! Small things that everything here names: a hub, a form, a kind of sets, and what is counted for a hub.

/// A hub, by its index in the settings. Users, groups and connections of one are unknown in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hub(pub u8);

/// How a connection is spoken to. The front decides what the numbers mean; [`Form::default`] is also that of
/// connections that are in no hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Form(pub u8);

/// What a named set of connections is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// All connections of a hub with the same user id.
    User,
    /// Those who joined it.
    Group,
}

/// What a hub has in this shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections.
    pub connections: u32,
    /// Users: names that at least one connection has.
    pub users: u32,
    /// Groups: names with at least one member.
    pub groups: u32,
    /// Memberships in groups: a connection in three groups counts three times.
    pub members: u64,
}
