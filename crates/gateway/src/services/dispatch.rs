//! Events on their way to services, on the control side.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use holdfast_upstream::{Outcome as Posted, Repeat};
use holdfast_webpubsub::event::{
    Answer, CONNECTED_BODY, ConnectAnswer, Event as Cloud, EventKind, UserAnswer, disconnected_body,
};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::clock::now_s;
use super::hubs::Hubs;
use super::messages::keep;
use super::note::{Accepted, Event, Note, Outcome, Refused, What};
use crate::Handle;

/// Sends events for as long as shards have some. How many there are is bounded where they are made.
pub(super) async fn run(mut events: UnboundedReceiver<Event>, handle: Handle, hubs: Arc<Hubs>) {
    while let Some(event) = events.recv().await {
        let (handle, hubs) = (handle.clone(), Arc::clone(&hubs));
        tokio::spawn(async move { deliver(event, &handle, &hubs).await });
    }
}

async fn deliver(event: Event, handle: &Handle, hubs: &Hubs) {
    // Who wants to connect has places of its own, and does not wait behind those who talk.
    let _slot = match &event.what {
        What::Connect { .. } => None,
        What::Disconnected { .. } if event.permit.is_none() => return give_up(&event, handle, hubs).await,
        _ => Arc::clone(&event.hub.gate.under_way).acquire_owned().await.ok(),
    };
    event.service.ask(&event.hub.name, hubs.origin()).await;
    let posted = post(&event, handle, hubs).await;
    let connection = event.connection;
    let note = match event.what {
        What::Connect { handshake, .. } => {
            Note::Connect { handshake, answer: admitted(&event, posted, hubs) }
        }
        What::Connected => Note::Done { connection, outcome: Outcome::Heard },
        What::Said { .. } => Note::Done { connection, outcome: answered(&event, &posted, hubs) },
        What::Disconnected { .. } => {
            if !posted.result.is_ok_and(|answer| answer.is_success()) {
                give_up(&event, handle, hubs).await;
            }
            return;
        }
    };
    // Free before the shard hears of it, which may have the next one waiting.
    let shard = connection.shard;
    drop(event);
    let _ = handle.tell(shard, Box::new(note));
}

/// A disconnected event will not be heard: it is counted, and written down if settings say where.
async fn give_up(event: &Event, handle: &Handle, hubs: &Hubs) {
    event.hub.counts.given_up.fetch_add(1, Relaxed);
    let Some(path) = event.hub.config().dead_letters.clone() else { return };
    let What::Disconnected { reason } = &event.what else { return };
    let letter = DeadLetter {
        time: now_s(),
        hub: &event.hub.name,
        connection: handle.names().name(event.connection).to_string(),
        id: event.number.to_string(),
        user: event.user.as_deref(),
        state: event.state.as_deref(),
        reason,
        origin: hubs.origin().host(),
    };
    let Ok(mut line) = serde_json::to_vec(&letter) else { return };
    line.push(b'\n');
    let written = tokio::task::spawn_blocking(move || append(&path, &line)).await;
    if let Ok(Err(error)) = written {
        tracing::error!(%error, hub = event.hub.name, "a dead letter cannot be written");
    }
}

/// One write, so that lines of several writers stay whole.
fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    File::options().create(true).append(true).open(path)?.write_all(line)
}

/// A line of the dead-letter file.
#[derive(Serialize)]
struct DeadLetter<'a> {
    /// Seconds since 1970 at which it was given up.
    time: u64,
    hub: &'a str,
    connection: String,
    /// As `ce-id` would have said.
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    reason: &'a str,
    origin: &'a str,
}

async fn post(event: &Event, handle: &Handle, hubs: &Hubs) -> Posted {
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
    let headers = event.service.headers(cloud.headers(event.hub.config().keys.as_ref()));
    let values = [("hub", &*event.hub.name), ("event", name)];
    event.service.endpoint().post(&values, &headers, body, repeat).await
}

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

fn admitted(event: &Event, posted: Posted, hubs: &Hubs) -> Result<Accepted, Refused> {
    let failed = |why: &dyn std::fmt::Display| {
        tracing::warn!(hub = event.hub.name, %why, "a connect event failed");
        Err(Refused { status: 500, text: "the service could not be asked".to_owned() })
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
            Ok(Accepted { user, groups, roles, subprotocol, state })
        }
        ConnectAnswer::Refuse { status, text } => Err(Refused { status, text }),
        ConnectAnswer::Failed(failure) => failed(&failure),
    }
}

fn answered(event: &Event, posted: &Posted, hubs: &Hubs) -> Outcome {
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
