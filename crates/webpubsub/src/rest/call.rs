//! What may be asked for.

use crate::role::Action;

/// Most members of a group in one page of a list, and as many as there are if nothing is said.
pub const PAGE_SIZE_MAX: u16 = 200;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Whether anybody is there. Needs no token.
    Health,
    /// Something of one hub.
    Hub {
        /// The hub, as it was written. That there is one is not known here.
        hub: String,
        /// What.
        call: Call,
    },
}

/// Whom a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All connections of the hub.
    All,
    /// The members of this group.
    Group(String),
    /// The connections of this user.
    User(String),
    /// The connection with this id, which may be any text.
    Connection(String),
}

/// Who is put into groups and taken out of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The connections of this user.
    User(String),
    /// The connection with this id, which may be any text.
    Connection(String),
}

/// What a service asks for. Groups have valid names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Send the body, which [`payload`](super::payload) reads.
    Send {
        /// To whom.
        to: Target,
        /// Ids of connections that are left out.
        excluded: Vec<String>,
        /// An expression that chooses among them.
        filter: Option<String>,
        /// How many seconds it may wait for being delivered; 0 where nothing is said.
        ttl_s: u16,
    },
    /// Close connections.
    Close {
        /// Whose.
        of: Target,
        /// Ids of connections that are left out.
        excluded: Vec<String>,
        /// What they are told.
        reason: Option<String>,
    },
    /// Whether there is a connection: of this id, of this user, in this group.
    Exists {
        /// Whom.
        what: Target,
    },
    /// Put into a group. 404 for a connection that is not there, and for a user without one.
    Join {
        /// Who.
        who: Who,
        /// Into which.
        group: String,
    },
    /// Take out of a group, or of all of them.
    Leave {
        /// Who.
        who: Who,
        /// Out of which; of all where there is none.
        group: Option<String>,
    },
    /// A page of the list of a group's members.
    List {
        /// Which group.
        group: String,
        /// Most members of the page, 1 to [`PAGE_SIZE_MAX`].
        page_size: u16,
        /// Most members of all pages from this one on.
        top: Option<u32>,
        /// Where the page begins, as [`NextPage`](super::NextPage) said it.
        continuation: Option<String>,
    },
    /// Put connections of the hub into the groups that the body names, or take them out:
    /// [`GroupsBody`](super::GroupsBody).
    ChangeGroups {
        /// Into, not out of.
        join: bool,
    },
    /// Give a connection a permission.
    Grant(Permit),
    /// Take a permission from a connection.
    Revoke(Permit),
    /// Whether a connection has a permission: 404 if not.
    Check(Permit),
    /// Make a token for a client.
    GenerateToken {
        /// The user, if there is one.
        user: Option<String>,
        /// What the client may do.
        roles: Vec<String>,
        /// The groups that it is in from the start.
        groups: Vec<String>,
        /// How long it is good.
        minutes: u32,
    },
}

/// One permission of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Whose: the id of a connection, which may be any text.
    pub connection: String,
    /// What may be done.
    pub action: Action,
    /// With which group; with all where there is none.
    pub group: Option<String>,
}

impl Call {
    /// The HTTP status that says it was done. Another one is an error to the SDKs.
    #[must_use]
    pub fn success_status(&self) -> u16 {
        match self {
            Self::Send { .. } => 202,
            Self::Close { .. } | Self::Leave { .. } | Self::Revoke(_) => 204,
            Self::Exists { .. }
            | Self::Join { .. }
            | Self::List { .. }
            | Self::ChangeGroups { .. }
            | Self::Grant(_)
            | Self::Check(_)
            | Self::GenerateToken { .. } => 200,
        }
    }

    /// What it is called in metrics: one of few words, whatever a request says.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Send { .. } => "send",
            Self::Close { .. } => "close",
            Self::Exists { .. } => "exists",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::List { .. } => "list",
            Self::ChangeGroups { .. } => "change-groups",
            Self::Grant(_) => "grant",
            Self::Revoke(_) => "revoke",
            Self::Check(_) => "check",
            Self::GenerateToken { .. } => "generate-token",
        }
    }
}
