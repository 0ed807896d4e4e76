//! What the admin server answers. Unknown paths get 404, methods that a path does not have 405.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::task::spawn_blocking;

use super::console::console;
use super::state::{AdminState, Shared};
use super::status::{cluster, status};
use super::{broadcast, guard};
use crate::control::{NotDraining, Phase};
use crate::metrics::Now;

/// The content type of the Prometheus text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router(state: Arc<AdminState>) -> Router {
    let longest = DefaultBodyLimit::max(state.message_bytes_max);
    let shown = from_fn_with_state(Arc::clone(&state), only_with_token);
    // A layer of these paths, so that none of them is shown without it however it is written.
    let inside = state.inside.clone().map(|inside| inside.route_layer(shown)).unwrap_or_default();
    Router::new()
        .route("/", get(console))
        .route("/status", get(status))
        .route("/cluster", get(cluster))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/drain", get(drain).post(begin_drain).delete(end_drain))
        .route("/broadcast", post(broadcast::broadcast).layer(longest))
        .with_state(state)
        .merge(inside)
}

/// What is inside, for whoever has the token.
async fn only_with_token(State(state): Shared, request: Request, next: Next) -> Response {
    match guard::hidden(request.headers(), state.token.as_ref()) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    }
}

/// Files of the kernel are read for it, which may take a while under memory pressure: on a thread beside, since signals
/// are heard on this one.
async fn metrics(State(state): Shared) -> impl IntoResponse {
    let now = Now {
        is_draining: state.drainer.readiness().phase() >= Phase::Draining,
        shards_stuck: state.stuck().len(),
    };
    match spawn_blocking(move || state.metrics.render(now)).await {
        Ok(text) => Ok(([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text)),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// 200 while every shard turns: to be restarted otherwise.
async fn healthz(State(state): Shared) -> (StatusCode, String) {
    match state.stuck().first() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(longest) => (StatusCode::SERVICE_UNAVAILABLE, format!("{longest}\n")),
    }
}

/// 200 while new connections are welcome: to be left out of load balancing otherwise.
async fn readyz(State(state): Shared) -> (StatusCode, String) {
    let unready = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    match state.drainer.readiness().phase() {
        Phase::Draining | Phase::Ending => unready("draining"),
        phase => match (alone(&state), phase) {
            (Some(why), _) => unready(&why),
            (None, Phase::Starting) => unready("starting"),
            (None, _) => (StatusCode::OK, "ok\n".to_owned()),
        },
    }
}

/// Why a node of a cluster is not ready, as far as that is concerned.
fn alone(state: &AdminState) -> Option<String> {
    let status = state.cluster.as_ref()?.look();
    let why = match (status.ready, status.bus.connected, status.bus.last_error) {
        (true, ..) => return None,
        (false, true, _) => "waiting for the answers of the other nodes".to_owned(),
        (false, false, None) => "NATS is away".to_owned(),
        (false, false, Some(error)) => format!("NATS is away: {error}"),
    };
    Some(format!("not in the cluster: {why}"))
}

/// How far a drain is.
async fn drain(State(state): Shared) -> String {
    let left = state.drainer.held();
    match state.drainer.readiness().phase() {
        Phase::Starting | Phase::Accepting => format!("not draining, {left} connections\n"),
        Phase::Draining => format!("draining, {left} connections left\n"),
        Phase::Ending => format!("draining for the end, {left} connections left\n"),
    }
}

/// Begins a drain that can be taken back; one that is under way goes on.
async fn begin_drain(State(state): Shared) -> (StatusCode, String) {
    state.drainer.drain_and_stay();
    (StatusCode::ACCEPTED, drain(State(state)).await)
}

/// Takes it back: 409 where there is none, or the process is about to end.
async fn end_drain(State(state): Shared) -> (StatusCode, String) {
    match state.drainer.resume() {
        Ok(()) => (StatusCode::OK, drain(State(state)).await),
        Err(NotDraining(Phase::Ending)) => {
            (StatusCode::CONFLICT, "the drain is for the end and cannot be taken back\n".to_owned())
        }
        Err(NotDraining(_)) => (StatusCode::CONFLICT, "no drain is under way\n".to_owned()),
    }
}
