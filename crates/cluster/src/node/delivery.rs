//! What a node hands to the gateway around it.

use crate::bus::Refused;
use crate::envelope::{Answer, Operation};
use crate::id::{ConnectionName, NodeId, QuestionId};
use crate::nodes::Change;
use crate::questions::{Outcome, Settled};

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The node.
    pub node: NodeId,
    /// Its question.
    pub question: QuestionId,
}

/// For whom something is on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// For these shards.
    Shards(Vec<u16>),
    /// For this connection, if it is still there.
    Connection(ConnectionName),
}

/// Something that another node wants of this one. It is done, in the order in which it comes; who asks is answered with
/// [`Node::answer`](super::Node::answer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<'m> {
    /// Whose wish.
    pub from: NodeId,
    /// The hub, by its place among those that this node serves.
    pub hub: u16,
    /// What.
    pub operation: Operation<'m>,
    /// For whom.
    pub to: Where,
    /// Who waits for an answer, if somebody does.
    pub asker: Option<Asker>,
}

/// What has become of a message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<'m> {
    /// It was for the node itself, for nobody, or it is not taken. It was counted.
    Nothing,
    /// It is for connections of this node.
    Deliver(Delivery<'m>),
    /// A page of a list has come. Its question is settled by it.
    Page(QuestionId, Answer<'m>),
}

/// What a question has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It waits. What becomes of it is [`Event::Settled`].
    Waiting(QuestionId),
    /// There is nobody to be asked.
    Settled(Outcome),
}

/// Why something was not asked: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// Who is there is not known: the bus was away until just now.
    Unheard,
    /// The bus has not taken it.
    Bus(Refused),
    /// Too many questions wait.
    TooMany,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The list of nodes has changed.
    Node(Change),
    /// A question is over.
    Settled(Settled),
    /// This node is ready: what others say from now on is heard here. These have not answered, though.
    Ready(Vec<NodeId>),
}
