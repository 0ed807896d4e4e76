//! What a client has said and is not dealt with.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::MessageKind;

use super::super::hubs::LiveHub;

/// The longest a client's messages may get while a service is being asked, in bytes with what each takes besides.
pub(super) const HELD_BYTES_MAX: usize = 64 << 10;
/// What a message that is held takes besides its bytes.
const HELD_BYTES_EACH: usize = size_of::<Held>() + 32;

/// What is not dealt with of a connection. It is there while something is.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// What a service is being asked about.
    pub(super) asked: Option<Asked>,
    pub(super) held: VecDeque<Held>,
    /// Of what is held.
    pub(super) bytes: usize,
    pub(super) is_paused: bool,
    /// It is in the list of those that wait for room.
    pub(super) is_starved: bool,
    /// What was known of it, where it has ended.
    pub(super) gone: Option<About>,
}

/// What the answer of a service is for.
#[derive(Debug)]
pub(super) enum Asked {
    /// Nobody waits for it but what comes next.
    Nothing,
    /// A client without a subprotocol of ours.
    Simple,
    /// A client with the JSON subprotocol, and its ack id.
    Json(Option<u64>),
}

/// What waits.
#[derive(Debug)]
pub(super) enum Held {
    Connected,
    Message(MessageKind, Bytes),
    Disconnected(String),
}

/// What services are told of a connection.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) hub: Arc<LiveHub>,
    pub(super) user: Option<Box<str>>,
    pub(super) state: Option<Box<str>>,
    pub(super) subprotocol: Option<Arc<str>>,
    pub(super) traceparent: Option<Box<str>>,
}

/// What came of something that was to be dealt with.
pub(super) enum Step {
    Done,
    /// A service is being asked.
    Asked(Asked),
    /// There is no room for it now: it is still to be dealt with.
    NoRoom,
}

impl Held {
    pub(super) fn bytes(&self) -> usize {
        let len = match self {
            Self::Connected => 0,
            Self::Message(_, payload) => payload.len(),
            Self::Disconnected(reason) => reason.len(),
        };
        len + HELD_BYTES_EACH
    }
}
