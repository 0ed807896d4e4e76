//! Messages to clients, in each form in which they want them.

use holdfast_hub::Form;
use holdfast_proto::MessageKind;
use holdfast_webpubsub::json::{NUMBERED, Outgoing, RELIABLE_SUBPROTOCOL, SEQUENCE_ID, SUBPROTOCOL};
use holdfast_webpubsub::{Data, DataKind};

use super::hubs::LiveHub;
use crate::publish::Numbering;
use crate::{Forms, Prepared};

/// How a client without a subprotocol of ours is spoken to, whose messages are events.
pub(super) const SIMPLE: Form = Form(0);
/// The same, and its messages are published to a group.
pub(super) const PUBLISHER: Form = Form(1);
/// How a client with the JSON subprotocol is spoken to.
pub(super) const JSON: Form = Form(2);
/// The same, and it is reliable: what it hears is what the others hear, and numbered.
pub(super) const RELIABLE: Form = Form(3);

/// Where a reliable client's messages have their numbers.
static NUMBERING: Numbering = Numbering { at: NUMBERED.len(), before: SEQUENCE_ID, after: "," };

/// Whether a client is spoken to in JSON.
pub(super) fn is_json(form: Form) -> bool {
    matches!(form, JSON | RELIABLE)
}

/// How a client is spoken to that has agreed on this subprotocol, if it is one of ours.
pub(super) fn form_of(subprotocol: &str) -> Option<Form> {
    match subprotocol {
        SUBPROTOCOL => Some(JSON),
        RELIABLE_SUBPROTOCOL => Some(RELIABLE),
        _ => None,
    }
}

/// The subprotocol of those who are spoken to like this.
pub(super) fn subprotocol_of(form: Form) -> Option<&'static str> {
    match form {
        JSON => Some(SUBPROTOCOL),
        RELIABLE => Some(RELIABLE_SUBPROTOCOL),
        _ => None,
    }
}

/// Content for several clients of a hub. Reliable ones share the last form.
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
    match message {
        Outgoing::FromGroup { .. } | Outgoing::FromServer { .. } => Prepared::numbered(&[&text], &NUMBERING),
        _ => Prepared::new(MessageKind::Text, &[&text]),
    }
}
