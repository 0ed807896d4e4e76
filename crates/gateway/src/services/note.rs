//! What shards and the control side tell each other about services.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_webpubsub::{Data, DataKind};

use super::hubs::{LiveHub, Permit};
use super::messages::keep;
use super::service::Service;
use crate::{ConnectionId, Context, HandshakeId};

/// An event on its way to a service.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) hub: Arc<LiveHub>,
    pub(super) service: Arc<Service>,
    pub(super) connection: ConnectionId,
    pub(super) what: What,
    /// Tells it from all others of its connection, however often it is sent.
    pub(super) number: u64,
    pub(super) user: Option<Box<str>>,
    pub(super) subprotocol: Option<Arc<str>>,
    pub(super) state: Option<Box<str>>,
    pub(super) traceparent: Option<Box<str>>,
    /// Its place, free when this is dropped. A disconnected event without one is given up.
    pub(super) permit: Option<Permit>,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    /// Somebody wants to connect.
    Connect {
        handshake: HandshakeId,
        body: Bytes,
    },
    Connected,
    /// A client says something.
    Said {
        name: Box<str>,
        kind: DataKind,
        body: Bytes,
    },
    Disconnected {
        reason: String,
    },
}

impl What {
    /// A client says something, which is copied.
    pub(super) fn said(name: &str, data: Data<'_>) -> Self {
        let (kind, body) = keep(data);
        Self::Said { name: name.into(), kind, body }
    }
}

/// What a shard is told.
pub(super) enum Note {
    /// The answer to a connect event.
    Connect { handshake: HandshakeId, answer: Result<Accepted, Refused> },
    /// An event is over.
    Done { connection: ConnectionId, outcome: Outcome },
    /// Something to be done there.
    Run(Box<dyn FnOnce(&mut Context<'_>) + Send>),
}

/// What a service says to a client that may connect; each takes the place of what its token says.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    pub(super) user: Option<String>,
    pub(super) groups: Option<Vec<String>>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) subprotocol: Option<String>,
    pub(super) state: Option<String>,
}

/// What a client hears that may not connect.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) text: String,
}

/// What came of an event.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The service has heard it and wants nothing.
    Heard,
    /// The answer to what a client said.
    Answered { reply: Option<(DataKind, Bytes)>, state: Option<Box<str>> },
    /// The service did not answer, or nonsense.
    Failed,
}
