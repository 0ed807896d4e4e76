//! An event as a request.

use bytes::Bytes;
use holdfast_upstream::{Outcome as Posted, Repeat};
use holdfast_webpubsub::event::{CONNECTED_BODY, Event as Cloud, EventKind, disconnected_body};

use super::super::clock::now_s;
use super::super::hubs::Hubs;
use super::super::note::{Event, What};
use crate::Handle;

/// Sends an event to its service.
pub(super) async fn post(event: &Event, handle: &Handle, hubs: &Hubs) -> Posted {
    let (kind, body, repeat) = match &event.what {
        What::Connect { body, .. } => (EventKind::Connect, body.clone(), Repeat::UnlessSent),
        What::Connected => (EventKind::Connected, Bytes::from_static(CONNECTED_BODY), Repeat::Always),
        What::Said { name, kind, body } => {
            (EventKind::User { name, kind: *kind }, body.clone(), Repeat::UnlessSent)
        }
        What::Disconnected { reason } => {
            (EventKind::Disconnected, disconnected_body(reason).into(), Repeat::Always)
        }
    };
    let name = match kind {
        EventKind::Connect => "connect",
        EventKind::Connected => "connected",
        EventKind::Disconnected => "disconnected",
        EventKind::User { name, .. } => name,
    };
    let (connection, number) = (handle.names().name(event.connection).to_string(), event.number.to_string());
    let cloud = Cloud {
        kind,
        hub: &event.hub.name,
        connection_id: &connection,
        id: &number,
        time_s: now_s(),
        user: event.user.as_deref(),
        subprotocol: event.subprotocol.as_deref(),
        state: event.state.as_deref(),
        traceparent: event.traceparent.as_deref(),
        origin: hubs.origin().host(),
    };
    let config = event.hub.config();
    let headers = || event.service.headers(cloud.headers(config.keys.as_ref()));
    let values = [("hub", &*event.hub.name), ("event", name)];
    event.service.endpoint().post(&values, headers, body, repeat).await
}
