//! What a node may want of others. The words are those of the REST calls that it carries out for a service.

use super::list::{Excluded, Groups, Hubs};
use crate::id::ConnectionName;
use crate::subject::{Named, Slot};

/// Whom something is about, in a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target<'m> {
    /// All connections of the hub.
    All,
    /// The connections of this user.
    User(&'m str),
    /// The members of this group.
    Group(&'m str),
    /// The connection with this name.
    Connection(ConnectionName),
}

impl Target<'_> {
    /// What it names in a hub, and the name; nothing for a connection, which is told by its node.
    #[must_use]
    pub fn named(&self) -> Option<(Named, &str)> {
        match *self {
            Self::All => Some((Named::Hub, "")),
            Self::User(name) => Some((Named::User, name)),
            Self::Group(name) => Some((Named::Group, name)),
            Self::Connection(_) => None,
        }
    }

    /// By which slot of the hub it is reached; none for a connection.
    #[must_use]
    pub fn slot(&self) -> Option<Slot> {
        self.named().map(|(named, name)| Slot::of(named, name))
    }
}

/// What content is. Whether it is that is not looked at here: most of what comes is for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataKind {
    /// UTF-8.
    Text,
    /// One JSON value.
    Json,
    /// Any bytes.
    Binary,
    /// Any bytes that are a protobuf message to those who exchange them.
    Protobuf,
}

/// Who publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender<'m> {
    /// A service, over REST.
    Service,
    /// A client, of this user if it has one.
    Client(Option<&'m str>),
}

/// Content, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication<'m> {
    /// To whom.
    pub to: Target<'m>,
    /// Who is left out. A client that wants no echo is one of them.
    pub excluded: Excluded<'m>,
    /// An expression that chooses among them.
    pub filter: Option<&'m str>,
    /// Who says it.
    pub sender: Sender<'m>,
    /// What the payload is.
    pub kind: DataKind,
    /// The content itself.
    pub payload: &'m [u8],
}

/// What a client may do with groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Join and leave.
    JoinLeave,
    /// Publish.
    Send,
}

/// What is done with a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is given.
    Grant,
    /// It is taken.
    Revoke,
    /// It is asked for.
    Check,
}

/// What a node says of itself, each two seconds, and at once when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat<'m> {
    /// Of this start of the process, at random: two nodes with the same id have two.
    pub start: u64,
    /// The release that it runs.
    pub release: &'m str,
    /// How many connections it has.
    pub connections: u64,
    /// How many numbers it has given out: 0 for one that has just begun.
    pub published: u64,
    /// Whether it takes no newcomers any more.
    pub is_draining: bool,
    /// The hubs that it serves. Where it does not say, it may serve any.
    pub hubs: Option<Hubs<'m>>,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It would be one group or one permission too many.
    TooMany,
    /// The node can't now.
    Unavailable,
    /// The node does not know what is asked: it runs another release.
    Unsupported,
}

/// What a node says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// It was done to so many connections, or so many there are.
    Count(u32),
    /// It was not done.
    Refused(Refusal),
}

/// An answer, with what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'m> {
    /// What.
    pub said: Said,
    /// Where a list goes on; none at its end.
    pub place: Option<&'m str>,
    /// A page of a list: [`Members`](super::Members).
    pub payload: &'m [u8],
}

/// What is wanted. Groups in it are not empty; whether they are names of groups is not looked at here, nor what a
/// filter means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'m> {
    /// Content for connections.
    Publish(Publication<'m>),
    /// Close connections.
    Close {
        /// Whose.
        of: Target<'m>,
        /// Who is left out.
        excluded: Excluded<'m>,
        /// What they are told.
        reason: Option<&'m str>,
    },
    /// How many connections there are.
    Exists {
        /// Of whom.
        what: Target<'m>,
    },
    /// Put into a group.
    Join {
        /// Who: a user or a connection.
        who: Target<'m>,
        /// Into which.
        group: &'m str,
    },
    /// Take out of a group, or of all of them.
    Leave {
        /// Who: a user or a connection.
        who: Target<'m>,
        /// Out of which; of all where there is none.
        group: Option<&'m str>,
    },
    /// Put connections of the hub into groups, or take them out.
    ChangeGroups {
        /// Into, not out of.
        join: bool,
        /// Which groups.
        groups: Groups<'m>,
        /// An expression that chooses connections; all are meant without.
        filter: Option<&'m str>,
    },
    /// Something about what a connection may do.
    Permission {
        /// What.
        change: Change,
        /// Whose.
        connection: ConnectionName,
        /// To do what.
        action: Action,
        /// With which group; with all where there is none.
        group: Option<&'m str>,
    },
    /// A page of the list of a group's members on one node.
    List {
        /// Which group.
        group: &'m str,
        /// Most members of the page.
        size: u16,
        /// Where it begins, as the answer before said it; at the start where there is none.
        place: Option<&'m str>,
    },
    /// A node is there.
    Heartbeat(Heartbeat<'m>),
    /// A node has no connections any more and goes.
    Goodbye,
    /// What a node says to a question.
    Answer(Answer<'m>),
}

impl<'m> Operation<'m> {
    /// Whom it is about, where it is about somebody in a hub.
    #[must_use]
    pub fn target(&self) -> Option<Target<'m>> {
        match *self {
            Self::Publish(Publication { to: target, .. })
            | Self::Close { of: target, .. }
            | Self::Exists { what: target }
            | Self::Join { who: target, .. }
            | Self::Leave { who: target, .. } => Some(target),
            Self::ChangeGroups { .. } => Some(Target::All),
            Self::Permission { connection, .. } => Some(Target::Connection(connection)),
            Self::List { group, .. } => Some(Target::Group(group)),
            Self::Heartbeat(_) | Self::Goodbye | Self::Answer(_) => None,
        }
    }

    /// What it is called in metrics and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => "publish",
            Self::Close { .. } => "close",
            Self::Exists { .. } => "exists",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::ChangeGroups { .. } => "change-groups",
            Self::Permission { .. } => "permission",
            Self::List { .. } => "list",
            Self::Heartbeat(_) => "heartbeat",
            Self::Goodbye => "goodbye",
            Self::Answer(_) => "answer",
        }
    }
}
