//! REST: what services ask for. [`calls`] carries it out, on the shards and on other nodes; [`list`] has pages.

mod calls;
mod list;

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use bytes::Bytes;
use holdfast_webpubsub::Endpoint;
use holdfast_webpubsub::rest::{Call, RestError, Route, route};
use holdfast_webpubsub::token::{Audiences, bearer, verify};

use super::clock::now_s;
use super::cluster::Cluster;
use super::deeds::Deeds;
use super::http::{Handler, Head, Response};
use super::hubs::{Hubs, LiveHub};
use crate::Handle;
use crate::counters::RestCounts;
use crate::quota::Bucket;

/// What `HEAD /api/health` is called in metrics.
const HEALTH: &str = "health";

/// Answers REST requests.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) handle: Handle,
    pub(super) hubs: Arc<Hubs>,
    /// Longest message that an outbox takes.
    pub(super) frame_bytes_max: usize,
    /// Requests in a second, where those are limited.
    pub(super) rate: Option<Bucket>,
    pub(super) counts: Arc<RestCounts>,
    /// The other nodes, if there are any.
    pub(super) cluster: Option<Arc<Cluster>>,
}

/// A request that may be carried out.
pub(super) enum Judged {
    Health,
    Call(Box<Asked>),
}

/// What is asked for.
pub(super) struct Asked {
    hub: Arc<LiveHub>,
    call: Call,
    content_type: Option<Vec<u8>>,
    /// By which name the gateway was asked.
    endpoint: Endpoint,
}

impl Handler for Rest {
    type Judged = Judged;

    fn judge(&self, head: &Head<'_>) -> Result<Judged, Response> {
        let mut name = "";
        self.admit(head, &mut name).map_err(|error| {
            tracing::debug!(address = ?head.address, status = error.status(), "a REST request was refused");
            self.counts.add(None, name, error.status());
            refusal(&error)
        })
    }

    fn refused(&self, judged: Option<&Judged>, answer: Response) -> Response {
        let (hub, name) = judged.map_or((None, ""), Judged::labels);
        self.counts.add(hub, name, answer.status);
        let said = String::from_utf8_lossy(&answer.body).trim_end().to_owned();
        let error = match answer.status {
            413 => RestError::too_large(said),
            503 => RestError::unavailable(said),
            status => RestError::new(status, "Error.BadRequest", said),
        };
        Response { close: answer.close, ..refusal(&error) }
    }

    async fn handle(&self, judged: Judged, body: Bytes) -> Response {
        let asked = match judged {
            Judged::Health => {
                self.counts.add(None, HEALTH, 200);
                return Response::new(200);
            }
            Judged::Call(asked) => asked,
        };
        let (hub, name, success) = (Arc::clone(&asked.hub), asked.call.name(), asked.call.success_status());
        let answer = Self::answer(success, self.call(*asked, &body).await);
        self.counts.add(Some(&hub.name), name, answer.status);
        answer
    }
}

impl Judged {
    /// The hub and the route, for metrics.
    fn labels(&self) -> (Option<&str>, &'static str) {
        match self {
            Self::Health => (None, HEALTH),
            Self::Call(asked) => (Some(&asked.hub.name), asked.call.name()),
        }
    }
}

impl Rest {
    fn deeds(&self) -> Deeds {
        Deeds { handle: self.handle.clone(), hubs: Arc::clone(&self.hubs) }
    }

    fn answer(success: u16, result: Result<Option<Vec<u8>>, RestError>) -> Response {
        match result {
            Ok(None) => Response::new(success),
            Ok(Some(json)) => {
                let answer = Response { body: json.into(), ..Response::new(success) };
                answer.with("Content-Type", "application/json; charset=utf-8")
            }
            Err(error) => refusal(&error),
        }
    }

    /// Says what may be asked for, and in `name` what is asked for as soon as that is known.
    fn admit(&self, head: &Head<'_>, name: &mut &'static str) -> Result<Judged, RestError> {
        let request = &head.request;
        if request.target().starts_with("/client/") {
            return Err(RestError::bad_request("Request", "clients connect here: ask for a WebSocket"));
        }
        let (hub, call) = match route(request.method, request.target())? {
            Route::Health => return Ok(Judged::Health),
            Route::Hub { hub, call } => (hub, call),
        };
        *name = call.name();
        if self.rate.as_ref().is_some_and(|rate| !rate.take()) {
            return Err(RestError::new(
                429,
                "Error.TooManyRequests",
                "there were too many requests in this second",
            ));
        }
        let text = |name: &str| request.header(name).and_then(|value| std::str::from_utf8(value).ok());
        let endpoints = self.hubs.endpoints(text("host").unwrap_or_default());
        let token = text(AUTHORIZATION.as_str()).and_then(bearer);
        let token =
            token.ok_or_else(|| RestError::unauthorized("a token is needed: Authorization: Bearer"))?;
        // Who has no key learns nothing, not even which hubs there are.
        let unauthorized = || RestError::unauthorized("the token is not good for this");
        let hub = self.hubs.find(&hub).ok_or_else(unauthorized)?;
        let config = hub.config();
        let keys = config.keys.as_ref().ok_or_else(unauthorized)?;
        let is_good = |endpoints: &[Endpoint]| {
            verify(token, keys, &Audiences::of_request(endpoints, request.target()), now_s())
        };
        // The name that the token has is the one by which the service reaches this gateway.
        let named = endpoints.iter().find(|endpoint| is_good(std::slice::from_ref(*endpoint)).is_ok());
        let endpoint = match named {
            Some(endpoint) => endpoint.clone(),
            None => {
                is_good(&endpoints).map_err(|error| RestError::unauthorized(error.to_string()))?;
                self.hubs.origin().clone()
            }
        };
        let content_type = request.header("content-type").map(<[u8]>::to_vec);
        Ok(Judged::Call(Box::new(Asked { hub: Arc::clone(hub), call, content_type, endpoint })))
    }
}

fn refusal(error: &RestError) -> Response {
    let mut answer = Response { body: error.body().into(), ..Response::new(error.status()) };
    answer =
        answer.with("Content-Type", "application/json; charset=utf-8").with("x-ms-error-code", error.code());
    if let Some(allow) = error.allow() {
        answer = answer.with("Allow", allow);
    }
    match error.status() {
        401 => answer.with("WWW-Authenticate", "Bearer"),
        429 | 503 => answer.with("Retry-After", "1"),
        _ => answer,
    }
}
