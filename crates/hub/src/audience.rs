//! Who is meant by a publication.

use crate::connections::Connections;
use crate::hub::{Hub, Kind};

/// Those for whom something is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience<'n> {
    /// All connections of the shard, in a hub or not.
    Everyone,
    /// All connections of a hub.
    Hub(Hub),
    /// The members of a group.
    Group(Hub, &'n str),
    /// The connections of a user.
    User(Hub, &'n str),
    /// One connection, by its key, in a hub or not.
    One(u32),
}

/// An audience as the line keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Everyone,
    Hub(Hub),
    /// A set. It may be gone, and its number another set's: none of that one's members lacks what was published before
    /// it was made.
    Set(u32),
    One(u32),
}

impl Target {
    /// Who is meant now. None: nobody.
    pub(crate) fn of(audience: Audience<'_>, connections: &Connections) -> Option<Self> {
        match audience {
            Audience::Everyone => (connections.end() > 0).then_some(Self::Everyone),
            Audience::Hub(hub) => (connections.counts(hub).connections > 0).then_some(Self::Hub(hub)),
            Audience::Group(hub, name) => connections.sets().find(hub, Kind::Group, name).map(Self::Set),
            Audience::User(hub, name) => connections.sets().find(hub, Kind::User, name).map(Self::Set),
            Audience::One(key) => (key < connections.end()).then_some(Self::One(key)),
        }
    }

    /// How many have to be looked at to reach all.
    pub(crate) fn extent(self, connections: &Connections) -> u32 {
        match self {
            Self::Everyone | Self::Hub(_) => connections.end(),
            Self::Set(set) => connections.set_len(set),
            Self::One(_) => 1,
        }
    }

    /// Whether a connection is meant now.
    pub(crate) fn has(self, key: u32, connections: &Connections) -> bool {
        match self {
            Self::Everyone => true,
            Self::Hub(hub) => connections.is_in_hub(key, hub),
            Self::Set(set) => connections.is_in_set(key, set),
            Self::One(one) => one == key,
        }
    }
}
