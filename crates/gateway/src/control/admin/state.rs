//! What the admin server shows, and what it can do.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;

use super::health::{Health, Stuck};
use super::started::Started;
use crate::cluster::ClusterView;
use crate::control::drainer::Drainer;
use crate::counters::Counters;
use crate::handle::Handle;
use crate::metrics::{Facts, HubMetrics, Metrics};
use crate::settings::Secret;

/// How handlers get it.
pub(super) type Shared = State<Arc<AdminState>>;

/// What the admin server shows, and what it can do.
#[derive(Debug)]
pub struct AdminState {
    pub(super) handle: Handle,
    pub(super) shards: Arc<[Arc<Counters>]>,
    pub(super) drainer: Arc<Drainer>,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) message_bytes_max: usize,
    pub(super) started: Started,
    /// Since when.
    pub(super) since: Instant,
    /// With which whoever is elsewhere may change something.
    pub(super) token: Option<Secret>,
    /// What is shown with the token alone.
    pub(super) inside: Option<Router>,
    /// The cluster, where this is a node of one.
    pub(super) cluster: Option<Arc<ClusterView>>,
}

impl AdminState {
    /// The state of these shards, which `handle` reaches. Call it when the shards are up and hold nothing yet (see
    /// [`Metrics::new`]).
    pub fn new(handle: Handle, shards: Arc<[Arc<Counters>]>, drainer: Arc<Drainer>, facts: &Facts) -> Self {
        let metrics = Metrics::new(Arc::clone(&shards), facts);
        let since = Instant::now();
        let health = Health::new(&shards, since);
        Self {
            handle,
            shards,
            drainer,
            metrics,
            health,
            message_bytes_max: facts.message_bytes_max,
            started: Started::default(),
            since,
            token: None,
            inside: None,
            cluster: None,
        }
    }

    /// The shards that do not turn, the one that has stood longest first.
    pub(super) fn stuck(&self) -> Vec<Stuck> {
        self.health.stuck(&self.shards, Instant::now())
    }

    /// Shows what is counted of hubs.
    #[must_use]
    pub fn with_hubs(self, hubs: Option<HubMetrics>) -> Self {
        Self { metrics: self.metrics.with_hubs(hubs), ..self }
    }

    /// Shows the cluster that this is a node of.
    #[must_use]
    pub fn with_cluster(self, cluster: Option<ClusterView>) -> Self {
        let cluster = cluster.map(Arc::new);
        Self { metrics: self.metrics.with_cluster(cluster.clone()), cluster, ..self }
    }

    /// Shows what was started.
    #[must_use]
    pub fn with_start(self, started: Started) -> Self {
        Self { started, ..self }
    }

    /// Shows this to whoever has the token, and to nobody else, on this machine either.
    #[must_use]
    pub fn with_inside(self, inside: Option<Router>) -> Self {
        Self { inside, ..self }
    }

    /// Lets whoever is elsewhere and shows this change something.
    #[must_use]
    pub fn with_token(self, token: Option<Secret>) -> Self {
        Self { token, ..self }
    }
}
