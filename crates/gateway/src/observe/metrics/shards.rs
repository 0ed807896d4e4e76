//! What the shards count, together.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Counter, Gauge};

use super::registrar::Registrar;
use crate::counters::{
    CloseCode, CloseReason, Counters, HandshakeOutcome, Kind, Limit, Over, Sample, TURN_BOUNDS,
};

/// The code that connections which end for this reason mostly have: shown from the start, at 0, so that the first one
/// counts as an increase. Other pairs appear when they happen.
fn usual_code(reason: CloseReason) -> CloseCode {
    match reason {
        CloseReason::Peer | CloseReason::Application => CloseCode::Normal,
        CloseReason::Gone | CloseReason::Reset => CloseCode::None,
        CloseReason::Protocol => CloseCode::Protocol,
        CloseReason::TooBig => CloseCode::TooBig,
        CloseReason::Rate | CloseReason::Unfinished | CloseReason::Unacknowledged => CloseCode::Policy,
        CloseReason::Slow => CloseCode::TryAgain,
        CloseReason::Unanswered | CloseReason::Age | CloseReason::Idle | CloseReason::Drain => {
            CloseCode::Away
        }
    }
}

/// Handles of everything that is a sum over the shards.
#[derive(Debug)]
pub(super) struct Sums {
    totals: Vec<(Counter, Sample<Counters>)>,
    levels: Vec<(Gauge, Sample<Counters>)>,
    handshakes: Vec<(Counter, HandshakeOutcome)>,
    limited: Vec<(Counter, Limit)>,
    closed: Vec<Closed>,
}

/// Connections ended for one reason with one code; the handle once there was one.
#[derive(Debug)]
struct Closed {
    reason: CloseReason,
    code: CloseCode,
    handle: Option<Counter>,
}

impl Closed {
    fn register(&mut self, registrar: &Registrar) -> &Counter {
        let labels = [("reason", self.reason.label()), ("code", self.code.label())];
        self.handle.get_or_insert_with(|| registrar.counter("holdfast_connections_closed_total", &labels))
    }
}

impl Sums {
    pub(super) fn new(registrar: &Registrar) -> Self {
        let is_total = |sample: &Sample<_>| sample.family.kind == Kind::Counter;
        let (totals, levels): (Vec<_>, Vec<_>) =
            Counters::samples(|shard: &Counters| shard).into_iter().partition(is_total);
        let outcome = |outcome: HandshakeOutcome| {
            (registrar.counter("holdfast_handshakes_total", &[("outcome", outcome.label())]), outcome)
        };
        let limited =
            |limit: Limit| (registrar.counter("holdfast_limited_total", &[("limit", limit.label())]), limit);
        let pairs =
            CloseReason::ALL.iter().flat_map(|reason| CloseCode::ALL.iter().map(|code| (*reason, *code)));
        let closed = pairs.map(|(reason, code)| {
            let mut closed = Closed { reason, code, handle: None };
            if code == usual_code(reason) {
                closed.register(registrar);
            }
            closed
        });
        Self {
            totals: totals
                .into_iter()
                .map(|it| (registrar.counter(it.family.name, &labels(&it)), it))
                .collect(),
            levels: levels
                .into_iter()
                .map(|it| (registrar.gauge(it.family.name, &labels(&it)), it))
                .collect(),
            handshakes: HandshakeOutcome::ALL.iter().map(|one| outcome(*one)).collect(),
            limited: Limit::ALL.iter().map(|one| limited(*one)).collect(),
            closed: closed.collect(),
        }
    }

    pub(super) fn update(&mut self, registrar: &Registrar, shards: &[Arc<Counters>]) {
        for (handle, sample) in &self.totals {
            handle.absolute(together(shards, sample));
        }
        for (handle, sample) in &self.levels {
            handle.set(together(shards, sample) as f64);
        }
        for (handle, outcome) in &self.handshakes {
            handle.absolute(sum(shards, |shard| shard.handshakes[*outcome as usize].get()));
        }
        for (handle, limit) in &self.limited {
            handle.absolute(sum(shards, |shard| shard.limited[*limit as usize].get()));
        }
        for closed in &mut self.closed {
            let (reason, code) = (closed.reason as usize, closed.code as usize);
            let count = sum(shards, |shard| shard.closed[reason][code].get());
            if count > 0 {
                closed.register(registrar).absolute(count);
            }
        }
    }
}

/// What one shard counts, by the name and labels that the metrics have; what is told apart by an outcome or a limit
/// only where there was any.
#[must_use]
pub fn of_shard(shard: &Counters) -> BTreeMap<String, f64> {
    let samples = Counters::samples(|shard: &Counters| shard);
    let plain = samples.iter().map(|it| (key(it.family.name, &labels(it)), (it.read)(shard) as f64));
    let outcomes = HandshakeOutcome::ALL.iter().map(|outcome| {
        let count = shard.handshakes[*outcome as usize].get();
        (key("holdfast_handshakes_total", &[("outcome", outcome.label())]), count as f64)
    });
    let limits = Limit::ALL.iter().map(|limit| {
        let count = shard.limited[*limit as usize].get();
        (key("holdfast_limited_total", &[("limit", limit.label())]), count as f64)
    });
    plain.chain(outcomes.chain(limits).filter(|(_, count)| *count > 0.0)).chain(turns(shard)).collect()
}

/// The histogram of a shard's turns.
fn turns(shard: &Counters) -> Vec<(String, f64)> {
    let name = "holdfast_turn_duration_seconds";
    let bounds = TURN_BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    let (mut turns, mut nanos) = (0, 0);
    let mut lines: Vec<_> = bounds
        .zip(shard.turn_duration.buckets())
        .map(|(bound, (count, took))| {
            turns += count;
            nanos += took;
            (key(&format!("{name}_bucket"), &[("le", &bound)]), turns as f64)
        })
        .collect();
    lines.extend([(format!("{name}_count"), turns as f64), (format!("{name}_sum"), nanos as f64 / 1e9)]);
    lines
}

/// The name of a number in the Prometheus text format.
fn key(name: &str, labels: &[(&str, &str)]) -> String {
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

/// Names and values of a number's labels.
fn labels(sample: &Sample<Counters>) -> Vec<(&'static str, &'static str)> {
    sample.family.labels.iter().copied().zip(sample.values.iter().copied()).collect()
}

/// What a number is over all shards.
fn together(shards: &[Arc<Counters>], sample: &Sample<Counters>) -> u64 {
    match sample.over {
        Over::Sum => sum(shards, &sample.read),
        Over::Most => shards.iter().map(|shard| (sample.read)(shard)).max().unwrap_or(0),
    }
}

/// One number over all shards.
pub(super) fn sum(shards: &[Arc<Counters>], read: impl Fn(&Counters) -> u64) -> u64 {
    shards.iter().map(|shard| read(shard)).fold(0, u64::wrapping_add)
}
