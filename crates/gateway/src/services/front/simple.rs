//! Clients without a subprotocol of ours: their messages are events, or go to one group.

use holdfast_proto::MessageKind;
use holdfast_webpubsub::{Data, DataKind};

use super::super::hubs::LiveHub;
use super::super::messages::plain;
use super::super::note::Outcome;
use super::super::what::What;
use super::Front;
use super::publish::NotPublished;
use super::talk::{Asked, Step};
use crate::{ConnectionId, Context};

/// The event that a message is.
const EVENT: &str = "message";

impl Front {
    pub(super) fn on_simple(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        hub: &LiveHub,
        kind: MessageKind,
        payload: &[u8],
    ) -> Step {
        let data = Data { kind: data_kind(kind), bytes: payload };
        let publishes_to = self.extras.get(&id.key).and_then(|extra| extra.publishes_to.clone());
        if let Some(publishes_to) = publishes_to {
            let (code, why) = match self.publish(context, id, hub, publishes_to, data) {
                Ok(()) => return Step::Done,
                Err(NotPublished::NoRoom) => return Step::NoRoom,
                Err(NotPublished::Over(limit)) => return Step::Over(limit),
                Err(NotPublished::Forbidden) => (1008, "no permission to publish to this group"),
                Err(NotPublished::TooLong) => (1009, "this message is too long to be sent on"),
                Err(NotPublished::Alone) => {
                    (1013, "other nodes cannot be told this now, please try again later")
                }
            };
            context.close(id, code, why);
            return Step::Done;
        }
        let Some(service) = hub.config().service_for(EVENT) else {
            match self.is_overheard(context, id, EVENT, data) {
                Ok(true) => {}
                Ok(false) => drop(context.close(id, 1011, "no service wants to hear this")),
                Err(limit) => return Step::Over(limit),
            }
            return Step::Done;
        };
        self.ask(context, id, service, What::said(EVENT, data), Asked::Simple)
    }
}

/// The event that a message is, with its name.
pub(super) fn event_of(kind: MessageKind, payload: &[u8]) -> (String, What) {
    (EVENT.to_owned(), What::said(EVENT, Data { kind: data_kind(kind), bytes: payload }))
}

/// What a service says to what a client has said.
pub(super) fn answer(context: &mut Context<'_>, id: ConnectionId, outcome: &Outcome) {
    match outcome {
        Outcome::Answered { reply: Some((kind, bytes)), .. } => {
            context.send_prepared(id, &plain(Data { kind: *kind, bytes }));
        }
        Outcome::Answered { reply: None, .. } | Outcome::Heard => {}
        Outcome::Failed => {
            context.close(id, 1011, "the service did not answer");
        }
    }
}

fn data_kind(kind: MessageKind) -> DataKind {
    match kind {
        MessageKind::Text => DataKind::Text,
        MessageKind::Binary => DataKind::Binary,
    }
}
