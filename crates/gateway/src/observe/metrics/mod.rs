//! `/metrics`: what the shards count, summed when scraped, as Prometheus text.
//!
//! A shard only writes plain numbers of its own ([`Counters`]); nothing here costs anything per message. At a scrape
//! the sums go into handles of the `metrics` crate, which were resolved once, and `metrics-exporter-prometheus` writes
//! them. Histograms are written here: the exporter takes single values only, which for millions of turns between two
//! scrapes would be millions of calls and entries, while the buckets are counted already.

mod cluster;
mod facts;
mod hubs;
mod memory;
mod registrar;
mod shards;
mod table;
mod text;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

pub use facts::Facts;
pub use hubs::HubMetrics;
pub use memory::documented_kernel_bytes;
pub use shards::of_shard;
pub use table::{Family, Kind, TABLE, markdown_table};

use crate::counters::{Counters, HANDSHAKE_BOUNDS, TURN_BOUNDS};
use crate::logging;
use crate::observe::cluster::ClusterView;
use memory::Memory;
use registrar::Registrar;
use shards::{Sums, sum};

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    shards: Arc<[Arc<Counters>]>,
    prometheus: PrometheusHandle,
    feed: Mutex<Feed>,
    hubs: Option<HubMetrics>,
    cluster: Option<Arc<ClusterView>>,
}

/// What only the control side knows at a scrape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Whether the gateway drains.
    pub is_draining: bool,
    /// How many shards do not turn.
    pub shards_stuck: usize,
}

impl Metrics {
    /// Metrics of these shards. Call it when the shards are up and hold nothing yet: memory per connection is what the
    /// process uses more than now.
    pub fn new(shards: Arc<[Arc<Counters>]>, facts: &Facts) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let prometheus = recorder.handle();
        let feed = Mutex::new(Feed::new(Registrar::new(recorder), shards.len(), facts));
        Self { shards, prometheus, feed, hubs: None, cluster: None }
    }

    /// With what is counted of hubs.
    #[must_use]
    pub fn with_hubs(self, hubs: Option<HubMetrics>) -> Self {
        Self { hubs, ..self }
    }

    /// With what is counted of the cluster.
    #[must_use]
    pub fn with_cluster(self, cluster: Option<Arc<ClusterView>>) -> Self {
        Self { cluster, ..self }
    }

    /// Everything, in the Prometheus text format 0.0.4; families by name, so that two scrapes compare well.
    pub fn render(&self, now: Now) -> String {
        self.update(now);
        let mut blocks = text::blocks(&self.prometheus.render());
        let turns = text::merge(self.shards.iter().map(|shard| &shard.turn_duration));
        blocks.push(text::histogram("holdfast_turn_duration_seconds", &TURN_BOUNDS, &turns));
        let handshakes = text::merge(self.shards.iter().map(|shard| &shard.handshake_duration));
        blocks.push(text::histogram("holdfast_handshake_duration_seconds", &HANDSHAKE_BOUNDS, &handshakes));
        blocks.push(text::single("process_cpu_seconds_total", cpu_seconds()));
        blocks.extend(self.hubs.as_ref().map(HubMetrics::histograms));
        blocks.sort_unstable();
        blocks.concat()
    }

    fn update(&self, now: Now) {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        feed.update(&self.shards, now);
        if let Some(hubs) = &self.hubs {
            hubs.update(&feed.registrar);
        }
        if let Some(view) = &self.cluster {
            cluster::show(&feed.registrar, &view.look());
        }
    }
}

/// The handles, and what fills them.
#[derive(Debug)]
struct Feed {
    registrar: Registrar,
    sums: Sums,
    memory: Memory,
    draining: Gauge,
    stuck: Gauge,
    log_dropped: Counter,
    descriptors_max: Gauge,
}

impl Feed {
    fn new(registrar: Registrar, shards: usize, facts: &Facts) -> Self {
        registrar.build_info(&facts.driver).set(1.0);
        registrar.gauge("holdfast_shards", &[]).set(shards as f64);
        registrar.gauge("holdfast_connections_room", &[]).set(facts.room as f64);
        memory::show_plan(&registrar, facts);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        registrar
            .gauge("process_start_time_seconds", &[])
            .set((now.as_secs_f64() - running_seconds()).round());
        Self {
            sums: Sums::new(&registrar),
            memory: Memory::new(&registrar, facts.kernel_bytes_per_connection),
            draining: registrar.gauge("holdfast_draining", &[]),
            stuck: registrar.gauge("holdfast_shards_stuck", &[]),
            log_dropped: registrar.counter("holdfast_log_dropped_total", &[]),
            descriptors_max: registrar.gauge("process_max_fds", &[]),
            registrar,
        }
    }

    fn update(&mut self, shards: &[Arc<Counters>], now: Now) {
        self.sums.update(&self.registrar, shards);
        self.memory.update(sum(shards, Counters::held));
        self.draining.set(f64::from(u8::from(now.is_draining)));
        self.stuck.set(now.shards_stuck as f64);
        self.log_dropped.absolute(logging::dropped());
        self.descriptors_max.set(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) as f64);
    }
}

/// CPU time of all threads so far (clock_gettime(2), CLOCK_PROCESS_CPUTIME_ID).
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// How long ago the process began: field 22 of /proc/self/stat, in ticks since boot (proc_pid_stat(5)).
fn running_seconds() -> f64 {
    let begun = || {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name in field 2 may hold spaces; fields are counted from the one after its last parenthesis, number 3.
        let (_, rest) = stat.rsplit_once(") ")?;
        let ticks: f64 = rest.split(' ').nth(22 - 3)?.parse().ok()?;
        Some(ticks / rustix::param::clock_ticks_per_second() as f64)
    };
    let boot = clock_gettime(ClockId::Boottime);
    let now = boot.tv_sec as f64 + boot.tv_nsec as f64 / 1e9;
    begun().map_or(0.0, |begun| (now - begun).max(0.0))
}

#[cfg(test)]
mod tests;
