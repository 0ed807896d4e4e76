//! Who comes, who has left, and how many there may be.

use crate::hub::{Form, Hub};
use crate::permission::Grants;

/// How many there may be of what in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections: keys are less than this.
    pub connections: u32,
    /// Groups that one connection is in.
    pub groups_per_connection: u16,
    /// Groups of all hubs together.
    pub groups: u32,
}

/// A connection that enters a hub. Whoever calls has checked its names.
#[derive(Clone, Debug, Default)]
pub struct Newcomer<'n> {
    /// The hub.
    pub hub: Hub,
    /// How it is spoken to.
    pub form: Form,
    /// Its user's id, if it has a user.
    pub user: Option<&'n str>,
    /// The groups it is in from the beginning. One that is named twice counts once.
    pub groups: &'n [&'n str],
    /// What it may do to groups.
    pub grants: Grants,
    /// What a service wants to have back with each event. The front bounds its size.
    pub state: Option<&'n str>,
}

/// What a connection was that has left its hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The hub.
    pub hub: Hub,
    /// How it was spoken to.
    pub form: Form,
    /// Its user's id.
    pub user: Option<Box<str>>,
    /// Its state.
    pub state: Option<Box<str>>,
}

/// One membership more would be more than [`Bounds`] allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMany {
    /// The connection is in as many groups as it may be.
    GroupsOfConnection,
    /// There are as many groups as there may be, and this would be a new one.
    Groups,
}

impl std::fmt::Display for TooMany {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::GroupsOfConnection => "the connection is in as many groups as it may be",
            Self::Groups => "there are as many groups as there may be",
        })
    }
}

impl std::error::Error for TooMany {}
