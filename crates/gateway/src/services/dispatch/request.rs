//! An event as a request.

use holdfast_upstream::{Outcome as Posted, Repeat};

use super::super::cloud::{Cloud, Of};
use super::super::hubs::Hubs;
use super::super::note::Event;
use super::super::what::What;
use crate::Handle;

/// Sends an event to its service.
pub(super) async fn post(event: &Event, handle: &Handle, hubs: &Hubs) -> Posted {
    let repeat = match &event.what {
        What::Connect { .. } | What::Said { .. } => Repeat::UnlessSent,
        What::Connected | What::Disconnected { .. } => Repeat::Always,
    };
    let config = event.hub.config();
    let of = Of {
        hub: &event.hub.name,
        keys: config.keys.as_ref(),
        origin: hubs.origin().host(),
        connection: event.connection,
        number: event.number,
        user: event.user.as_deref(),
        subprotocol: event.subprotocol.as_deref(),
        state: event.state.as_deref(),
        traceparent: event.traceparent.as_deref(),
    };
    let cloud = Cloud::new(of, &event.what, handle.names());
    event.service.post(&event.hub.name, &event.what, cloud, repeat).await
}
