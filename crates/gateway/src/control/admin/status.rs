//! `GET /status`: what was started, how far a drain is, and what each shard counts, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde::Serialize;

use super::started::Started;
use super::state::Shared;
use crate::control::Phase;
use crate::metrics::of_shard;

/// What `GET /status` answers.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    #[serde(flatten)]
    started: &'a Started,
    /// For how long.
    up_seconds: f64,
    /// Where a client connects.
    clients: Vec<String>,
    phase: &'static str,
    /// Open connections.
    connections: u64,
    /// What each shard counts, by the names and labels of the metrics.
    shards: Vec<BTreeMap<String, f64>>,
}

pub(super) async fn status(State(state): Shared, headers: HeaderMap) -> impl IntoResponse {
    let status = Status {
        started: &state.started,
        up_seconds: state.since.elapsed().as_secs_f64(),
        clients: state.started.clients(&headers),
        phase: match state.drainer.readiness().phase() {
            Phase::Starting => "starting",
            Phase::Accepting => "accepting",
            Phase::Draining => "draining",
            Phase::Ending => "ending",
        },
        connections: state.drainer.held(),
        shards: state.shards.iter().map(|shard| of_shard(Arc::as_ref(shard))).collect(),
    };
    // Numbers and texts: nothing of it fails.
    let json = serde_json::to_string(&status).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], json)
}
