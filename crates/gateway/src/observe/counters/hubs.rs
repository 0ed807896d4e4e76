//! What is counted of hubs, by name of the hub: those of the settings, never what clients choose.
//!
//! Each shard and the control side have counters of their own for each hub, each written by one thread, as those of
//! shards are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::count::Count;
use super::declare::{Family, Kind, Sample, counters};
use super::histogram::Histogram;
use super::labels::{EventKind, EventOutcome, HubLimit, TokenOutcome};

/// Upper bounds in seconds of the buckets of an event's histogram.
pub const EVENT_BOUNDS: [f64; 12] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 30.0];

counters! {
    /// What one thread counts of one hub.
    HubCounters;

    family(Gauge, "holdfast_hub_connections", &["hub"], "Open connections of a hub.") {
        /// Gauge: open connections.
        connections,
    };
    family(
        Gauge,
        "holdfast_hub_users",
        &["hub"],
        "Users of a hub with a connection. A user with connections on several shards counts once for each shard.",
    ) {
        /// Gauge: users with a connection of this shard.
        users,
    };
    family(
        Gauge,
        "holdfast_hub_groups",
        &["hub"],
        "Groups of a hub with a member. A group with members on several shards counts once for each shard.",
    ) {
        /// Gauge: groups with a member of this shard.
        groups,
    };
    family(Gauge, "holdfast_hub_group_members", &["hub"], "Memberships of connections in groups of a hub.") {
        /// Gauge: memberships.
        members,
    };
    family(
        Counter,
        "holdfast_hub_deliveries_total",
        &["hub"],
        "Messages handed to a connection of a hub: published to all, a group or a user, or sent to it by REST.",
    ) {
        /// Messages handed to connections.
        deliveries,
    };
    family(
        Counter,
        "holdfast_hub_events_total",
        &["hub", "event", "outcome"],
        "Events of a hub that are over, by outcome. ok: the service took it; refused: it said no to a client that \
         wants to connect; failed: it gave no usable answer in time; full: there was no room to wait for it.",
    ) holds {
        /// Events by kind and outcome.
        events: [[Count; EventOutcome::COUNT]; EventKind::COUNT],
    };
    family(
        Counter,
        "holdfast_hub_event_repeats_total",
        &["hub"],
        "Requests to services of a hub that were sent again, to the same address or to the next.",
    ) {
        /// Attempts beyond the first.
        repeats,
    };
    family(
        Histogram,
        "holdfast_hub_event_duration_seconds",
        &["hub"],
        "Time from the first attempt to send an event to its outcome, repeats included.",
    ) holds {
        /// Time of an event.
        event_duration: Histogram<12> = Histogram::new(EVENT_BOUNDS),
    };
    family(
        Counter,
        "holdfast_hub_limited_total",
        &["hub", "limit"],
        "Times a limit of a hub was applied, by limit (docs/limits.md). Whoever waits for a rate counts once for each \
         message that waits.",
    ) holds {
        /// By limit.
        limited: [Count; HubLimit::COUNT],
    };
    family(
        Gauge,
        "holdfast_hub_events_open",
        &["hub", "state"],
        "Events of a hub that are not over: connect (clients that wait to be let in), waiting (for their turn) and \
         under_way.",
    ) {
        /// Gauge: connect events.
        connects_open ("connect"),
        /// Gauge: other events that wait.
        events_waiting ("waiting"),
        /// Gauge: other events that are under way.
        events_under_way ("under_way"),
    };
    family(
        Counter,
        "holdfast_hub_identity_tokens_total",
        &["hub", "outcome"],
        "Tokens of a hub's identity provider, by what became of them: ok, or why not. unavailable: its keys could not \
         be had; full: there was no room to wait; gone: its client left first.",
    ) holds {
        /// Tokens by outcome.
        tokens: [Count; TokenOutcome::COUNT],
    };
    family(
        Gauge,
        "holdfast_hub_identity_tokens_open",
        &["hub"],
        "Tokens of a hub's identity provider that are being verified, or wait for keys.",
    ) {
        /// Gauge: tokens that wait to be verified.
        tokens_open,
    };
    family(
        Counter,
        "holdfast_hub_identity_fetches_total",
        &["hub", "outcome"],
        "Fetches of the keys of a hub's identity provider: ok, or failed, so that those before stayed.",
    ) {
        /// Fetches that brought keys.
        key_fetches_ok ("ok"),
        /// Those that did not.
        key_fetches_failed ("failed"),
    };
    family(
        Gauge,
        "holdfast_hub_identity_keys",
        &["hub"],
        "Keys of a hub's identity provider that are good.",
    ) {
        /// Gauge: keys that are good.
        provider_keys,
    };
    family(
        Gauge,
        "holdfast_hub_identity_keys_age_seconds",
        &["hub"],
        "Time since the keys of a hub's identity provider were fetched; if never, since that was first tried.",
    ) {
        /// Gauge: their age in seconds.
        provider_keys_age,
    };
    family(
        Gauge,
        "holdfast_hub_upstreams",
        &["hub", "state"],
        "Addresses of a hub's services, by state of their circuit breaker: closed (in use), open (left alone for a \
         while) or half_open (about to be tried).",
    ) {
        /// Gauge: addresses in use.
        upstreams_closed ("closed"),
        /// Gauge: addresses that are left alone.
        upstreams_open ("open"),
        /// Gauge: addresses that are tried next.
        upstreams_half_open ("half_open"),
    };
    family(
        Counter,
        "holdfast_hub_listener_events_total",
        &["hub", "outcome"],
        "Events for a hub's listeners, by what became of them. ok: handed to a server of NATS; lost: they waited when \
         it was lost; away: there was none; full: no room to wait; too_large: longer than it takes.",
    ) {
        /// Handed to a server.
        listener_events_ok ("ok"),
        /// Lost with the connection.
        listener_events_lost ("lost"),
        /// There was no connection.
        listener_events_away ("away"),
        /// There was no room.
        listener_events_full ("full"),
        /// They were too long.
        listener_events_too_large ("too_large"),
    };
    family(
        Gauge,
        "holdfast_hub_listeners",
        &["hub", "state"],
        "Listeners of a hub by whether their NATS is there: here or away.",
    ) {
        /// Gauge: connected.
        listeners_here ("here"),
        /// Gauge: not connected.
        listeners_away ("away"),
    };
    family(
        Gauge,
        "holdfast_hub_listener_queue_bytes",
        &["hub"],
        "Bytes of events that wait to be published to a hub's listeners.",
    ) {
        /// Gauge: bytes that wait.
        listener_queue_bytes,
    };
    family(
        Counter,
        "holdfast_hub_dead_letters_lost_total",
        &["hub"],
        "Disconnected events that no service has heard and that could not be written to dead-letters either.",
    ) {
        /// Dead letters that could not be written.
        letters_lost,
    };
    family(
        Counter,
        "holdfast_rest_requests_total",
        &["hub", "route", "status"],
        "REST requests answered, by route and HTTP status. Without hub: no key of one was shown. Without route: it was \
         refused before its path was read.",
    );
}

impl HubCounters {
    /// Counts an event that is over.
    pub fn event(&self, kind: EventKind, outcome: EventOutcome) {
        self.events[kind as usize][outcome as usize].add(1);
    }

    /// Counts a token of an identity provider.
    pub fn token(&self, outcome: TokenOutcome) {
        self.tokens[outcome as usize].add(1);
    }

    /// Counts a limit that was applied.
    pub fn limit(&self, limit: HubLimit) {
        self.limited[limit as usize].add(1);
    }
}

/// What is counted of one hub.
#[derive(Debug)]
pub struct HubCounts {
    /// As the settings write it.
    pub name: String,
    /// Of each shard, and behind them of the control side.
    threads: Box<[HubCounters]>,
    /// Deliveries, which many threads count.
    deliveries: Arc<AtomicU64>,
    /// Dead letters that could not be written.
    letters_lost: Arc<AtomicU64>,
}

impl HubCounts {
    /// Of a hub with this name.
    #[must_use]
    pub fn new(name: &str, shards: u16) -> Self {
        let threads = (0..=shards).map(|_| HubCounters::default()).collect();
        Self { name: name.to_owned(), threads, deliveries: Arc::default(), letters_lost: Arc::default() }
    }

    /// What a shard counts.
    ///
    /// # Panics
    /// Where there is no such shard.
    #[must_use]
    pub fn of_shard(&self, shard: u16) -> &HubCounters {
        assert!(usize::from(shard) + 1 < self.threads.len(), "there is such a shard");
        &self.threads[usize::from(shard)]
    }

    /// What the control side counts.
    #[must_use]
    pub fn of_control(&self) -> &HubCounters {
        let control = self.threads.last();
        control.expect("the control side has its own")
    }

    /// All of them, for sums.
    #[must_use]
    pub fn all(&self) -> &[HubCounters] {
        &self.threads
    }

    /// Where deliveries are counted.
    #[must_use]
    pub fn deliveries(&self) -> &Arc<AtomicU64> {
        &self.deliveries
    }

    /// Where dead letters are counted that could not be written.
    #[must_use]
    pub fn letters_lost(&self) -> &Arc<AtomicU64> {
        &self.letters_lost
    }

    /// Takes over what is not counted by one thread alone. For the control side, before a scrape.
    pub fn settle(&self) {
        self.of_control().deliveries.set(self.deliveries.load(Relaxed));
        self.of_control().letters_lost.set(self.letters_lost.load(Relaxed));
    }
}

/// REST requests that were answered.
#[derive(Debug, Default)]
pub struct RestCounts(Mutex<BTreeMap<RestLabels, u64>>);

/// By what REST requests are told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RestLabels {
    /// The hub, where a key of it was shown.
    pub hub: Option<String>,
    /// What was asked for: one of few words.
    pub route: &'static str,
    /// The HTTP status.
    pub status: u16,
}

impl RestCounts {
    /// Counts a request.
    pub fn add(&self, hub: Option<&str>, route: &'static str, status: u16) {
        let labels = RestLabels { hub: hub.map(str::to_owned), route, status };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default() += 1;
    }

    /// All that were counted.
    #[must_use]
    pub fn all(&self) -> Vec<(RestLabels, u64)> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.iter().map(|(labels, count)| (labels.clone(), *count)).collect()
    }
}
