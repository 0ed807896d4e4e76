//! Clients with the JSON subprotocol.

use holdfast_hub::Action;
use holdfast_webpubsub::Data;
use holdfast_webpubsub::json::{ErrorName, Message, Outgoing, parse};

use super::super::hubs::LiveHub;
use super::super::messages::json;
use super::super::note::Outcome;
use super::super::what::What;
use super::Front;
use super::publish::NotPublished;
use super::say::say;
use super::talk::{Asked, Step};
use crate::{ConnectionId, Context};

/// Why a request is not carried out.
type Problem = (ErrorName, &'static str);

const FORBIDDEN: Problem = (ErrorName::Forbidden, "no permission for this group");
const DUPLICATE: Problem = (ErrorName::Duplicate, "a request with this ackId was carried out before");
const TOO_LONG: Problem = (ErrorName::BadRequest, "the message is too long to be sent on");
const ALONE: Problem = (ErrorName::InternalServerError, "other nodes cannot be told this now");
const TOO_MANY: Problem = (ErrorName::BadRequest, "this would be one group too many");
const NO_SERVICE: Problem = (ErrorName::InternalServerError, "no service wants to hear this event");
const ANSWER_TOO_LONG: Problem =
    (ErrorName::InternalServerError, "the answer of the service is too long to be sent");
const NO_ANSWER: Problem = (ErrorName::InternalServerError, "the service did not answer");
const UNKNOWN: Problem = (ErrorName::BadRequest, "the type of this message is not known here");
const NO_INVOCATIONS: Problem = (ErrorName::BadRequest, "invocations are not served here");

impl Front {
    pub(super) fn on_json(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        hub: &LiveHub,
        payload: &[u8],
    ) -> Step {
        let text = std::str::from_utf8(payload);
        let Ok(message) = text.map_err(drop).and_then(|text| parse(text).map_err(drop)) else {
            context.close(id, 1007, "this is no message of the subprotocol");
            return Step::Done;
        };
        let done = match message {
            Message::Ping => {
                say(context, id, &Outgoing::Pong);
                return Step::Done;
            }
            Message::JoinGroup { group, ack_id } => {
                (ack_id, once(context, id, ack_id).and_then(|()| join(context, id, hub, &group)))
            }
            Message::LeaveGroup { group, ack_id } => {
                (ack_id, once(context, id, ack_id).and_then(|()| leave(context, id, &group)))
            }
            Message::SendToGroup { group, ack_id, no_echo, content, .. } => {
                let result = once(context, id, ack_id)
                    .map(|()| self.publish(context, id, hub, (group.into(), no_echo), content.data()));
                let result = match result {
                    Ok(Err(NotPublished::NoRoom)) => return Step::NoRoom,
                    Ok(Err(NotPublished::Over(limit))) => return Step::Over(limit),
                    Ok(Err(NotPublished::Forbidden)) => Err(FORBIDDEN),
                    Ok(Err(NotPublished::TooLong)) => Err(TOO_LONG),
                    Ok(Err(NotPublished::Alone)) => Err(ALONE),
                    Ok(Ok(())) => Ok(()),
                    Err(problem) => Err(problem),
                };
                (ack_id, result)
            }
            Message::Event { event, ack_id, content } => {
                if let Err(problem) = once(context, id, ack_id) {
                    acknowledge(context, id, ack_id, Err(problem));
                    return Step::Done;
                }
                if let Some(service) = hub.config().service_for(&event) {
                    let said = What::said(&event, content.data());
                    return self.ask(context, id, service, said, Asked::Json(ack_id));
                }
                match self.is_overheard(context, id, &event, content.data()) {
                    Ok(is_heard) => (ack_id, is_heard.then_some(()).ok_or(NO_SERVICE)),
                    Err(limit) => return Step::Over(limit),
                }
            }
            Message::Invoke { invocation_id } => {
                let (name, message) = NO_INVOCATIONS;
                say(context, id, &Outgoing::InvokeFailed { invocation_id: &invocation_id, name, message });
                return Step::Done;
            }
            Message::SequenceAck { sequence_id } => {
                context.acknowledge(id, sequence_id);
                return Step::Done;
            }
            Message::CancelInvocation => return Step::Done,
            Message::Unknown { ack_id } => (ack_id, Err(UNKNOWN)),
            Message::Bad { ack_id, why } => (ack_id, Err((ErrorName::BadRequest, why))),
        };
        acknowledge(context, id, done.0, done.1);
        Step::Done
    }
}

/// Whether a request is new: one with an ack id that was carried out before is not carried out again.
fn once(context: &mut Context<'_>, id: ConnectionId, ack_id: Option<u64>) -> Result<(), Problem> {
    let is_known =
        ack_id.is_some_and(|ack_id| context.members(|members, _| members.has_acked(id.key, ack_id)));
    if is_known { Err(DUPLICATE) } else { Ok(()) }
}

fn join(context: &mut Context<'_>, id: ConnectionId, hub: &LiveHub, group: &str) -> Result<(), Problem> {
    let shard = context.shard();
    context.members(|members, deliver| {
        if !members.may(id.key, Action::Join, group) {
            return Err(FORBIDDEN);
        }
        let joined = members.join(id.key, group, deliver).map(drop);
        joined.inspect_err(|too_many| hub.count_too_many(shard, *too_many)).map_err(|_| TOO_MANY)
    })
}

fn leave(context: &mut Context<'_>, id: ConnectionId, group: &str) -> Result<(), Problem> {
    context.members(|members, deliver| {
        if !members.may(id.key, Action::Join, group) {
            return Err(FORBIDDEN);
        }
        members.quit(id.key, group, deliver);
        Ok(())
    })
}

/// Tells a client what came of a request, if it wants to know.
fn acknowledge(
    context: &mut Context<'_>,
    id: ConnectionId,
    ack_id: Option<u64>,
    result: Result<(), Problem>,
) {
    let Some(ack_id) = ack_id else { return };
    match result {
        Ok(()) => {
            context.members(|members, _| members.note_ack(id.key, ack_id));
            say(context, id, &Outgoing::Ack { ack_id });
        }
        Err((name, message)) => say(context, id, &Outgoing::AckError { ack_id, name, message }),
    }
}

/// What a service says to what a client has said. Where that is longer in JSON than the `most` that an outbox takes, it
/// is no answer.
pub(super) fn answer(
    context: &mut Context<'_>,
    id: ConnectionId,
    ack_id: Option<u64>,
    outcome: &Outcome,
    most: usize,
) {
    let result = match outcome {
        Outcome::Answered { reply: Some((kind, bytes)), .. } => {
            let message = json(&Outgoing::FromServer { data: Data { kind: *kind, bytes } });
            if message.len() > most {
                Err(ANSWER_TOO_LONG)
            } else {
                context.send_prepared(id, &message);
                Ok(())
            }
        }
        Outcome::Answered { reply: None, .. } => Ok(()),
        Outcome::Heard => Ok(()),
        Outcome::Failed => Err(NO_ANSWER),
    };
    acknowledge(context, id, ack_id, result);
}

/// The event that a message is, with its name; none where it is something else.
pub(super) fn event_of(payload: &[u8]) -> Option<(String, What)> {
    match parse(std::str::from_utf8(payload).ok()?) {
        Ok(Message::Event { event, content, .. }) => {
            let what = What::said(&event, content.data());
            Some((event.into_owned(), what))
        }
        _ => None,
    }
}

/// Deals with what does not wait for its turn, if this is it: a ping, and what a reliable client has.
pub(super) fn answer_out_of_turn(context: &mut Context<'_>, id: ConnectionId, payload: &[u8]) -> bool {
    /// Anything longer is something else.
    const BYTES_MAX: usize = 128;
    let text = (payload.len() <= BYTES_MAX).then(|| std::str::from_utf8(payload).ok()).flatten();
    match text.map(parse) {
        Some(Ok(Message::Ping)) => say(context, id, &Outgoing::Pong),
        Some(Ok(Message::SequenceAck { sequence_id })) => context.acknowledge(id, sequence_id),
        _ => return false,
    }
    true
}
