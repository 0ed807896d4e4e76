//! What services answer to events.

use holdfast_upstream::Outcome as Posted;
use holdfast_webpubsub::event::{Answer, ConnectAnswer, UserAnswer};

use super::super::hubs::Hubs;
use super::super::note::{Accepted, Event, Outcome, Refused};
use super::super::what::keep;
use crate::counters::EventOutcome;

/// The parts of an answer that matter.
fn read(answer: &holdfast_upstream::Answer) -> Answer<'_> {
    let header = |name| answer.headers.get(name).map(axum::http::HeaderValue::as_bytes);
    Answer {
        status: answer.status,
        content_type: header("content-type"),
        state: header("ce-connectionstate"),
        body: &answer.body,
    }
}

/// What a service says to a client that wants to connect.
pub(super) fn admitted(
    event: &Event,
    posted: Posted,
    hubs: &Hubs,
) -> (EventOutcome, Result<Accepted, Refused>) {
    let failed = |why: &dyn std::fmt::Display| {
        tracing::warn!(hub = event.hub.name, %why, "a connect event failed");
        let text = "the service could not be asked".to_owned();
        (EventOutcome::Failed, Err(Refused { status: 500, text }))
    };
    let answer = match posted.result {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    match ConnectAnswer::read(&read(&answer)) {
        ConnectAnswer::Accept { state: Some(state), .. } if state.len() > hubs.state_bytes_max => {
            failed(&"the state is longer than state-bytes-max")
        }
        ConnectAnswer::Accept { user, groups, roles, subprotocol, state } => {
            (EventOutcome::Ok, Ok(Accepted { user, groups, roles, subprotocol, state }))
        }
        ConnectAnswer::Refuse { status, text } => (EventOutcome::Refused, Err(Refused { status, text })),
        ConnectAnswer::Failed(failure) => failed(&failure),
    }
}

/// What a service says to what a client has said.
pub(super) fn answered(event: &Event, posted: &Posted, hubs: &Hubs) -> Outcome {
    let answer = match &posted.result {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(hub = event.hub.name, %error, "an event failed");
            return Outcome::Failed;
        }
    };
    match UserAnswer::read(&read(answer)) {
        UserAnswer::Done { state: Some(state), .. } if state.len() > hubs.state_bytes_max => {
            tracing::warn!(
                hub = event.hub.name,
                "the state that a service set is longer than state-bytes-max"
            );
            Outcome::Failed
        }
        UserAnswer::Done { reply, state } => {
            Outcome::Answered { reply: reply.map(keep), state: state.map(Into::into) }
        }
        UserAnswer::Failed(failure) => {
            tracing::warn!(hub = event.hub.name, %failure, "the answer to an event is not good");
            Outcome::Failed
        }
    }
}
