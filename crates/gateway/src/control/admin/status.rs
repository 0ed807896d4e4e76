//! `GET /status`: what was started, how far a drain is, and what each shard counts, as JSON. `GET /cluster`: the other
//! nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::started::Started;
use super::state::Shared;
use crate::cluster::{ClusterStatus, ClusterView};
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
    /// The cluster as this node sees it, where it is a node of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterStatus>,
    /// What each shard counts, by the names and labels of the metrics.
    shards: Vec<BTreeMap<String, f64>>,
}

pub(super) async fn status(State(state): Shared, headers: HeaderMap) -> Response {
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
        cluster: state.cluster.as_deref().map(ClusterView::look),
        shards: state.shards.iter().map(|shard| of_shard(Arc::as_ref(shard))).collect(),
    };
    json(&status)
}

/// `GET /cluster`: who is there, and how the bus is.
pub(super) async fn cluster(State(state): Shared) -> Response {
    match &state.cluster {
        Some(view) => json(&view.look()),
        None => {
            let why = "this gateway is a node of no cluster: set cluster and cluster-name\n";
            (StatusCode::NOT_FOUND, why).into_response()
        }
    }
}

fn json(shown: &impl Serialize) -> Response {
    // Numbers and texts: nothing of it fails.
    let json = serde_json::to_string(shown).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], json).into_response()
}
