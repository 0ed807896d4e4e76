//! What clients say.

use std::borrow::Cow;

use crate::data::{Data, DataKind};

/// Most seconds that a message may be told to wait for being delivered.
pub const TTL_S_MAX: u16 = 300;

/// A message's content, borrowed where it lay in the message as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// What the bytes are.
    pub kind: DataKind,
    /// Text without its quotes and escapes, JSON as it came, base64 decoded.
    pub bytes: Cow<'a, [u8]>,
}

impl Content<'_> {
    /// The same, borrowed.
    #[must_use]
    pub fn data(&self) -> Data<'_> {
        Data { kind: self.kind, bytes: &self.bytes }
    }
}

/// What a client says. `ack_id` is there where the client wants to know whether it was done. Names are valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Be a member of a group from now on.
    JoinGroup {
        /// Its name.
        group: Cow<'a, str>,
        /// To be answered.
        ack_id: Option<u64>,
    },
    /// Be no member any more.
    LeaveGroup {
        /// Its name.
        group: Cow<'a, str>,
        /// To be answered.
        ack_id: Option<u64>,
    },
    /// Publish to a group.
    SendToGroup {
        /// Its name.
        group: Cow<'a, str>,
        /// To be answered.
        ack_id: Option<u64>,
        /// Whether the sender is left out.
        no_echo: bool,
        /// How many seconds it may wait for being delivered, at most [`TTL_S_MAX`]; 0 where nothing is said.
        ttl_s: u16,
        /// What is published.
        content: Content<'a>,
    },
    /// An event for the service.
    Event {
        /// Its name.
        event: Cow<'a, str>,
        /// To be answered.
        ack_id: Option<u64>,
        /// What comes with it.
        content: Content<'a>,
    },
    /// To be answered by [`Outgoing::Pong`](super::Outgoing::Pong).
    Ping,
    /// Of reliable clients: all messages up to this one have come.
    SequenceAck {
        /// The greatest.
        sequence_id: u64,
    },
    /// An event whose answer is for this call alone. Never done: to be answered by
    /// [`Outgoing::InvokeFailed`](super::Outgoing::InvokeFailed).
    Invoke {
        /// What the client calls it.
        invocation_id: Cow<'a, str>,
    },
    /// Such a call is given up. Nothing to do.
    CancelInvocation,
    /// A message of a type that is not known here.
    Unknown {
        /// To be answered.
        ack_id: Option<u64>,
    },
    /// A message of a known form that asks for what is not possible: not to be done, an error if there is an `ack_id`,
    /// else nothing. The connection stays.
    Bad {
        /// To be answered.
        ack_id: Option<u64>,
        /// What is wrong, as a sentence for the client's programmer.
        why: &'static str,
    },
}
