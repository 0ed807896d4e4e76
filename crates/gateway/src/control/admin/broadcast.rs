//! `POST /broadcast`: the body is a message to every connection.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use tokio::time::timeout;

use super::state::Shared;
use crate::{MessageKind, Prepared};

/// How long an answer waits for the end of the broadcast: it is to come within
/// [`CONVERSATION_MAX`](super::CONVERSATION_MAX).
const OVER_MAX: Duration = Duration::from_secs(8);

type Answer = (StatusCode, [(header::HeaderName, &'static str); 1], String);

const TEXT: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// 200 when it was handed to everybody, 202 when that is taking long: it goes on all the same. `handed` is how many
/// connections it was handed to so far, `left_in_outboxes` for how many of them it had to wait.
pub(super) async fn broadcast(
    State(state): Shared,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let message = match message(query.as_deref(), &headers, &body) {
        Ok(message) => message,
        Err((status, text)) => return (status, TEXT, format!("{text}\n")),
    };
    let broadcast = match state.handle.send_to_all(&message) {
        Ok(broadcast) => broadcast,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n")),
    };
    let is_over = timeout(OVER_MAX, broadcast.over()).await.is_ok();
    let (handed, left) = (broadcast.handed(), broadcast.left());
    let status = if is_over { StatusCode::OK } else { StatusCode::ACCEPTED };
    let json = format!("{{\"handed\":{handed},\"left_in_outboxes\":{left},\"over\":{is_over}}}\n");
    (status, JSON, json)
}

/// The message of a request.
fn message(
    query: Option<&str>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Prepared, (StatusCode, &'static str)> {
    let kind = match query {
        Some("kind=text") => MessageKind::Text,
        Some("kind=binary") => MessageKind::Binary,
        Some(_) => return Err((StatusCode::BAD_REQUEST, "kind is text or binary")),
        None => kind_of(headers).ok_or((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "say what it is: ?kind=text or ?kind=binary, or a Content-Type of text/*, application/json or \
             application/octet-stream",
        ))?,
    };
    // RFC 6455 8.1: a peer would have to fail the connection.
    if kind == MessageKind::Text && std::str::from_utf8(body).is_err() {
        return Err((StatusCode::BAD_REQUEST, "a text message must be UTF-8"));
    }
    Ok(Prepared::new(kind, &[body]))
}

/// What the content type says; binary where there is none.
fn kind_of(headers: &HeaderMap) -> Option<MessageKind> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Some(MessageKind::Binary) };
    let essence = value.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/octet-stream" => Some(MessageKind::Binary),
        "application/json" => Some(MessageKind::Text),
        text if text.starts_with("text/") => Some(MessageKind::Text),
        _ => None,
    }
}
