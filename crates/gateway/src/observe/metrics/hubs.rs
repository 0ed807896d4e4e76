//! What is counted of hubs, when it is scraped.

use std::fmt;
use std::sync::Arc;

use super::registrar::Registrar;
use super::text;
use crate::counters::{
    EVENT_BOUNDS, EventKind, EventOutcome, HubCounters, HubCounts, HubLimit, Kind, RestCounts, Sample,
    TokenOutcome,
};

/// What there is to show of hubs.
pub struct HubMetrics {
    /// Each of them.
    pub hubs: Vec<Arc<HubCounts>>,
    /// Requests of services.
    pub rest: Arc<RestCounts>,
    /// Brings gauges up to date. Called before each scrape.
    pub refresh: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for HubMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubMetrics")
            .field("hubs", &self.hubs)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}

impl HubMetrics {
    pub(super) fn update(&self, registrar: &Registrar) {
        (self.refresh)();
        let samples = HubCounters::samples(|hub: &HubCounters| hub);
        for hub in &self.hubs {
            hub.settle();
            for sample in &samples {
                show(registrar, hub, sample);
            }
            show_events(registrar, hub);
            show_limits(registrar, hub);
            show_tokens(registrar, hub);
        }
        for (labels, count) in self.rest.all() {
            let status = labels.status.to_string();
            let hub = labels.hub.as_deref().unwrap_or_default();
            let labels = [("hub", hub), ("route", labels.route), ("status", &status)];
            registrar.counter("holdfast_rest_requests_total", &labels).absolute(count);
        }
    }

    /// What the exporter does not write.
    pub(super) fn histograms(&self) -> String {
        let each = self.hubs.iter().map(|hub| {
            let buckets = text::merge(hub.all().iter().map(|it| &it.event_duration));
            (Some(("hub", hub.name.as_str())), buckets)
        });
        text::histograms("holdfast_hub_event_duration_seconds", &EVENT_BOUNDS, each)
    }
}

fn show(registrar: &Registrar, hub: &HubCounts, sample: &Sample<HubCounters>) {
    let sum = hub.all().iter().map(|it| (sample.read)(it)).fold(0, u64::wrapping_add);
    let family = sample.family;
    let more = family.labels.iter().copied().skip(1).zip(sample.values.iter().copied());
    let labels: Vec<_> = [("hub", hub.name.as_str())].into_iter().chain(more).collect();
    match family.kind {
        Kind::Counter => registrar.counter(family.name, &labels).absolute(sum),
        _ => registrar.gauge(family.name, &labels).set(sum as f64),
    }
}

fn show_limits(registrar: &Registrar, hub: &HubCounts) {
    for limit in HubLimit::ALL {
        let sum = hub.all().iter().map(|it| it.limited[*limit as usize].get()).fold(0, u64::wrapping_add);
        let labels = [("hub", hub.name.as_str()), ("limit", limit.label())];
        registrar.counter("holdfast_hub_limited_total", &labels).absolute(sum);
    }
}

fn show_tokens(registrar: &Registrar, hub: &HubCounts) {
    for outcome in TokenOutcome::ALL {
        let sum = hub.all().iter().map(|it| it.tokens[*outcome as usize].get()).fold(0, u64::wrapping_add);
        let labels = [("hub", hub.name.as_str()), ("outcome", outcome.label())];
        registrar.counter("holdfast_hub_identity_tokens_total", &labels).absolute(sum);
    }
}

fn show_events(registrar: &Registrar, hub: &HubCounts) {
    for event in EventKind::ALL {
        // Only who wants to connect can be refused.
        let outcomes = EventOutcome::ALL
            .iter()
            .filter(|it| **it != EventOutcome::Refused || *event == EventKind::Connect);
        for outcome in outcomes {
            let count = |it: &HubCounters| it.events[*event as usize][*outcome as usize].get();
            let labels = [("hub", hub.name.as_str()), ("event", event.label()), ("outcome", outcome.label())];
            let sum = hub.all().iter().map(count).fold(0, u64::wrapping_add);
            registrar.counter("holdfast_hub_events_total", &labels).absolute(sum);
        }
    }
}
