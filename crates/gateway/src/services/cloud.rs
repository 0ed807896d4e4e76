//! An event as services and listeners hear it: headers and a body.

use bytes::Bytes;
use holdfast_webpubsub::event::{CONNECTED_BODY, Event, EventKind, disconnected_body};
use holdfast_webpubsub::token::Keys;

use super::clock::now_s;
use super::what::What;
use crate::{ConnectionId, Names};

/// Headers and body.
#[derive(Debug)]
pub(super) struct Cloud {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// The event's name.
    pub(super) name: Box<str>,
}

/// Of whom it tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'a> {
    /// The name of its hub, and the keys by which what is said is signed.
    pub(super) hub: &'a str,
    pub(super) keys: Option<&'a Keys>,
    /// By which name the gateway is known.
    pub(super) origin: &'a str,
    pub(super) connection: ConnectionId,
    /// Tells it from all others of its connection.
    pub(super) number: u64,
    pub(super) user: Option<&'a str>,
    pub(super) subprotocol: Option<&'a str>,
    pub(super) state: Option<&'a str>,
    pub(super) traceparent: Option<&'a str>,
}

impl Cloud {
    pub(super) fn new(of: Of<'_>, what: &What, names: &Names) -> Self {
        let (kind, body) = match what {
            What::Connect { body, .. } => (EventKind::Connect, body.clone()),
            What::Connected => (EventKind::Connected, Bytes::from_static(CONNECTED_BODY)),
            What::Said { name, kind, body } => (EventKind::User { name, kind: *kind }, body.clone()),
            What::Disconnected { reason } => (EventKind::Disconnected, disconnected_body(reason).into()),
        };
        let name = match kind {
            EventKind::Connect => "connect",
            EventKind::Connected => "connected",
            EventKind::Disconnected => "disconnected",
            EventKind::User { name, .. } => name,
        };
        let (connection, number) = (names.name(of.connection).to_string(), of.number.to_string());
        let event = Event {
            kind,
            hub: of.hub,
            connection_id: &connection,
            id: &number,
            time_s: now_s(),
            user: of.user,
            subprotocol: of.subprotocol,
            state: of.state,
            traceparent: of.traceparent,
            origin: of.origin,
        };
        let headers = event.headers(of.keys);
        Self { headers, body, name: name.into() }
    }
}
