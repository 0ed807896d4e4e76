//! Messages to clients, in each form in which they want them.

use bytes::Bytes;
use holdfast_hub::Form;
use holdfast_proto::MessageKind;
use holdfast_webpubsub::json::Outgoing;
use holdfast_webpubsub::{Data, DataKind};

use super::hubs::LiveHub;
use crate::{Forms, Prepared};

/// How a client without a subprotocol of ours is spoken to, whose messages are events.
pub(super) const SIMPLE: Form = Form(0);
/// The same, and its messages are published to a group.
pub(super) const PUBLISHER: Form = Form(1);
/// How a client with the JSON subprotocol is spoken to.
pub(super) const JSON: Form = Form(2);

/// Content for several clients of a hub.
pub(super) fn forms(hub: &LiveHub, data: Data<'_>, envelope: &Outgoing<'_>) -> Forms {
    let plain = plain(data);
    Forms::new([plain.clone(), plain, json(envelope)]).counted_in(hub.counts.deliveries())
}

/// Content as clients without a subprotocol of ours get it.
pub(super) fn plain(data: Data<'_>) -> Prepared {
    let kind = match data.kind {
        DataKind::Text | DataKind::Json => MessageKind::Text,
        DataKind::Binary | DataKind::Protobuf => MessageKind::Binary,
    };
    Prepared::new(kind, &[data.bytes])
}

/// A message of the JSON subprotocol.
pub(super) fn json(message: &Outgoing<'_>) -> Prepared {
    let mut text = Vec::new();
    message.write(&mut text);
    Prepared::new(MessageKind::Text, &[&text])
}

/// Content that is kept.
pub(super) fn keep(data: Data<'_>) -> (DataKind, Bytes) {
    (data.kind, Bytes::copy_from_slice(data.bytes))
}
