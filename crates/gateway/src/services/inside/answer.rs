//! What is answered: JSON, or a status and a sentence.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer.
pub(super) type Answer = Result<Response, Refused>;

/// A status and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) StatusCode, pub(super) &'static str);

pub(super) const NO_HUB: Refused = Refused(StatusCode::NOT_FOUND, "there is no such hub\n");
pub(super) const NOBODY: Refused = Refused(StatusCode::NOT_FOUND, "nobody is there\n");
pub(super) const NO_CONNECTION: Refused =
    Refused(StatusCode::NOT_FOUND, "there is no such connection in a hub\n");
pub(super) const BAD_PAGE: Refused = Refused(
    StatusCode::BAD_REQUEST,
    "limit is 1 to 1000, and from what next has: nothing else is known here\n",
);
pub(super) const NO_ANSWER: Refused =
    Refused(StatusCode::SERVICE_UNAVAILABLE, "a shard does not answer: /healthz says which, if it stands\n");
pub(super) const TOO_MANY: Refused =
    Refused(StatusCode::SERVICE_UNAVAILABLE, "others look too: please try again later\n");

/// What is shown, as JSON.
pub(super) fn json(shown: &impl Serialize) -> Answer {
    // Numbers and texts: nothing of it fails.
    let text = serde_json::to_string(shown).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
