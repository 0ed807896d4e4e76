//! Clients without a subprotocol of ours: their messages are events, or go to one group.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_hub::Action;
use holdfast_proto::MessageKind;
use holdfast_webpubsub::json::Outgoing;
use holdfast_webpubsub::{Data, DataKind};

use super::super::hubs::LiveHub;
use super::super::messages::{forms, longest, plain};
use super::super::note::Outcome;
use super::Front;
use super::talk::{Asked, Held, Step};
use crate::{Audience, ConnectionId, Context};

/// The event that a message is.
const EVENT: &str = "message";

impl Front {
    pub(super) fn on_simple(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        hub: &Arc<LiveHub>,
        kind: MessageKind,
        payload: Bytes,
    ) -> Step {
        let publishes_to = self.extras.get(&id.key).and_then(|extra| extra.publishes_to.clone());
        if let Some((group, no_echo)) = publishes_to {
            return self.publish_simple(context, id, hub, (&group, no_echo), kind, payload);
        }
        let Some(service) = hub.config().service_for(EVENT) else {
            context.close(id, 1011, "no service wants to hear this");
            return Step::Done;
        };
        let content = (data_kind(kind), payload.clone());
        match self.ask(context, id, hub, service, EVENT, content) {
            true => Step::Asked(Asked::Simple),
            false => Step::NoRoom(Held::Message(kind, payload)),
        }
    }

    fn publish_simple(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        hub: &Arc<LiveHub>,
        (group, no_echo): (&Arc<str>, bool),
        kind: MessageKind,
        payload: Bytes,
    ) -> Step {
        if !context.members(|members, _| members.may(id.key, Action::Publish, group)) {
            context.close(id, 1008, "no permission to publish to this group");
            return Step::Done;
        }
        let user = context.members(|members, _| members.user(id.key).map(str::to_owned));
        let data = Data { kind: data_kind(kind), bytes: &payload };
        let envelope = Outgoing::FromGroup { group, data, from_user: user.as_deref() };
        if longest(data, &envelope) > self.frame_bytes_max {
            context.close(id, 1009, "this message is too long to be sent on");
            return Step::Done;
        }
        let excluded = if no_echo { vec![id] } else { Vec::new() };
        let to = Audience::Group(hub.index, Arc::clone(group));
        match context.publish(&to, &excluded, &forms(data, &envelope)) {
            Ok(_) => Step::Done,
            Err(_) => Step::NoRoom(Held::Message(kind, payload)),
        }
    }
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
