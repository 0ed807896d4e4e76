//! What was said and asked, as the simulation remembers it.

use std::time::Instant;

use crate::{ConnectionName, NodeId, QuestionId};

/// Whom something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    All,
    User(u8),
    Group(u8),
    Connection(ConnectionName),
}

/// A publication. Its number is its payload.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) from: usize,
    pub(super) cluster: usize,
    pub(super) hub: usize,
    pub(super) to: To,
    pub(super) excluded: Vec<ConnectionName>,
}

/// A connection that was meant when something was asked, at a node that was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) peer: usize,
    pub(super) node: NodeId,
    /// How often its node had left the asker's list.
    pub(super) lefts: u32,
    pub(super) connection: ConnectionName,
}

/// A question that waits.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) asker: usize,
    pub(super) question: QuestionId,
    pub(super) hub: usize,
    pub(super) to: To,
    /// The group that is to be joined, where one is.
    pub(super) group: Option<u8>,
    pub(super) holders: Vec<Holder>,
    pub(super) at: Instant,
}
