//! What shards and the control side tell each other about services.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_webpubsub::DataKind;
use holdfast_webpubsub::token::Claims;

use super::clock::now_s;
use super::gate::Permit;
use super::glance::Glance;
use super::hubs::LiveHub;
use super::identity::Unverified;
use super::letters::Letter;
use super::service::Service;
use super::what::What;
use crate::{ConnectionId, Context, HandshakeId, Names};

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
    /// Its place, free when this is dropped.
    pub(super) _place: Option<Permit>,
}

impl Event {
    /// A dead letter, if it is a disconnected event that no service has heard.
    pub(super) fn letter(&self, names: &Names, origin: &str) -> Option<Letter> {
        let What::Disconnected { reason } = &self.what else { return None };
        Some(Letter {
            time: now_s(),
            hub: self.hub.name.clone(),
            connection: names.name(self.connection).to_string(),
            id: self.number.to_string(),
            user: self.user.clone(),
            state: self.state.clone(),
            reason: reason.clone(),
            origin: origin.to_owned(),
        })
    }
}

/// What is done with what is known of a connection.
pub(super) type Look = dyn FnOnce(&mut Context<'_>, Glance) + Send;

/// What a shard is told.
pub(super) enum Note {
    /// The answer to a connect event.
    Connect { handshake: HandshakeId, answer: Result<Accepted, Refused> },
    /// What a token says that was verified elsewhere; its place is free when this is dropped.
    Verified { handshake: HandshakeId, result: Result<Claims, Unverified>, _place: Permit },
    /// An event is over.
    Done { connection: ConnectionId, outcome: Outcome },
    /// Something to be done there.
    Run(Box<dyn FnOnce(&mut Context<'_>) + Send>),
    /// Somebody looks at a connection.
    Look { connection: ConnectionId, look: Box<Look> },
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
