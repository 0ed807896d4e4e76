//! What a client has said and is not dealt with.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_hub::Form;
use holdfast_proto::MessageKind;

use super::super::bytes::Share;
use super::super::gate::Permit;
use super::super::hubs::LiveHub;
use super::super::what::What;
use crate::counters::HubLimit;

/// The longest a client's messages may get while a service is being asked, in bytes with what each takes besides.
const HELD_BYTES_MAX: usize = 64 << 10;

/// What is not dealt with of a connection. It is there while something is.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// What a service is being asked about.
    pub(super) asked: Option<Asked>,
    held: VecDeque<(Held, Share)>,
    /// Of what is held.
    bytes: usize,
    pub(super) is_paused: bool,
    /// Something that it said was refused: it is told to come again, and not heard any more.
    pub(super) is_refused: bool,
    /// It is in the list of those that wait for room.
    pub(super) is_starved: bool,
    /// The rate that what is first would have passed, when it was tried last.
    pub(super) over: Option<HubLimit>,
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
    pub(super) form: Form,
    pub(super) user: Option<Box<str>>,
    pub(super) state: Option<Box<str>>,
    pub(super) subprotocol: Option<Arc<str>>,
    pub(super) traceparent: Option<Box<str>>,
}

impl About {
    /// A place for an event of its, if there is one.
    pub(super) fn place_for(&self, what: &What) -> Option<Permit> {
        self.hub.gate.event(self.len() + what.len())
    }

    /// Bytes of what may be long.
    pub(super) fn len(&self) -> usize {
        let len = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        len(&self.user) + len(&self.state)
    }
}

/// What came of something that was to be dealt with.
pub(super) enum Step {
    Done,
    /// A service is being asked.
    Asked(Asked),
    /// It would pass a rate now: it is still to be dealt with.
    Over(HubLimit),
    /// There is no room for it, and its hub does not let it wait.
    Refused,
    /// There is no room for it now: it is still to be dealt with.
    NoRoom,
}

impl Talk {
    /// A service is being asked, and nothing waits.
    pub(super) fn about(asked: Asked) -> Self {
        Self { asked: Some(asked), ..Self::default() }
    }

    /// Puts something behind what is held.
    pub(super) fn push(&mut self, held: Held, share: Share) {
        self.bytes += share.len();
        self.held.push_back((held, share));
    }

    /// Puts back what was first.
    pub(super) fn put_back(&mut self, held: Held, share: Share) {
        self.bytes += share.len();
        self.held.push_front((held, share));
    }

    /// Takes what is first.
    pub(super) fn pop(&mut self) -> Option<Held> {
        let (held, share) = self.held.pop_front()?;
        self.bytes -= share.len();
        Some(held)
    }

    /// Forgets the messages that are held. How many those were.
    pub(super) fn forget_messages(&mut self) -> usize {
        let before = self.held.len();
        self.held.retain(|(held, _)| !matches!(held, Held::Message(..)));
        self.bytes = self.held.iter().map(|(_, share)| share.len()).sum();
        before - self.held.len()
    }

    /// Bytes of what is held, with what each takes besides.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this is as much as is read of one client.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > HELD_BYTES_MAX
    }
}

impl Held {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Connected => 0,
            Self::Message(_, payload) => payload.len(),
            Self::Disconnected(reason) => reason.len(),
        }
    }
}
