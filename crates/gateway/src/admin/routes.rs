//! What the admin server answers. Unknown paths get 404, methods other than GET and HEAD 405.

use super::{AdminState, Phase};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use std::time::Instant;

/// The content type of the Prometheus text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

type Shared = State<Arc<AdminState>>;

pub(super) fn router(state: Arc<AdminState>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(state)
}

async fn metrics(State(state): Shared) -> impl IntoResponse {
    let text = state.metrics.render(state.readiness.phase() == Phase::Draining);
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text)
}

/// 200 while every shard turns: to be restarted otherwise.
async fn healthz(State(state): Shared) -> (StatusCode, String) {
    match state.health.check(&state.shards, Instant::now()) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(stuck) => (StatusCode::SERVICE_UNAVAILABLE, format!("{stuck}\n")),
    }
}

/// 200 while new connections are welcome: to be left out of load balancing otherwise.
async fn readyz(State(state): Shared) -> (StatusCode, &'static str) {
    match state.readiness.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Accepting => (StatusCode::OK, "ok\n"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}
