//! Which counter of a shard feeds which metric.

use std::sync::Arc;

use metrics::{Counter, Gauge};

use super::registrar::Registrar;
use crate::counters::{CloseCode, CloseReason, Counters, HandshakeOutcome, Limit};

type Labels = &'static [(&'static str, &'static str)];
type Read = fn(&Counters) -> u64;

const TEXT: Labels = &[("kind", "text")];
const BINARY: Labels = &[("kind", "binary")];
const RECEIVED: Labels = &[("direction", "received")];
const SENT: Labels = &[("direction", "sent")];
const SHORT: Labels = &[("size", "short")];
const LONG: Labels = &[("size", "long")];

/// Totals: name, labels, where the value is.
const TOTALS: &[(&str, Labels, Read)] = &[
    ("holdfast_connections_opened_total", &[], |shard| shard.opened.get()),
    ("holdfast_accepted_total", &[], |shard| shard.accepted.get()),
    ("holdfast_accept_errors_total", &[], |shard| shard.accept_errors.get()),
    ("holdfast_handed_over_total", &[], |shard| shard.handed_over.get()),
    ("holdfast_handshakes_refused_early_total", &[], |shard| shard.refused_early.get()),
    ("holdfast_drain_goodbyes_total", &[], |shard| shard.goodbyes.get()),
    ("holdfast_messages_received_total", TEXT, |shard| shard.text_in.get()),
    ("holdfast_messages_received_total", BINARY, |shard| shard.binary_in.get()),
    ("holdfast_messages_sent_total", TEXT, |shard| shard.text_out.get()),
    ("holdfast_messages_sent_total", BINARY, |shard| shard.binary_out.get()),
    ("holdfast_messages_dropped_total", &[], |shard| shard.dropped.get()),
    ("holdfast_access_log_dropped_total", &[], Counters::access_log_dropped),
    ("holdfast_broadcast_deliveries_total", &[], |shard| shard.broadcasts_handed.get()),
    ("holdfast_broadcast_left_total", &[], |shard| shard.broadcasts_left.get()),
    ("holdfast_received_bytes_total", &[], |shard| shard.bytes_in.get()),
    ("holdfast_sent_bytes_total", &[], |shard| shard.bytes_out.get()),
    ("holdfast_deflate_connections_total", &[], |shard| shard.deflate.opened.get()),
    ("holdfast_deflate_messages_total", RECEIVED, |shard| shard.deflate.messages_in.get()),
    ("holdfast_deflate_messages_total", SENT, |shard| shard.deflate.messages_out.get()),
    ("holdfast_deflate_plain_bytes_total", RECEIVED, |shard| shard.deflate.plain_in.get()),
    ("holdfast_deflate_plain_bytes_total", SENT, |shard| shard.deflate.plain_out.get()),
    ("holdfast_deflate_compressed_bytes_total", RECEIVED, |shard| shard.deflate.compressed_in.get()),
    ("holdfast_deflate_compressed_bytes_total", SENT, |shard| shard.deflate.compressed_out.get()),
    ("holdfast_deflate_runs_total", &[], |shard| shard.deflate.runs.get()),
    ("holdfast_submissions_total", &[], |shard| shard.submissions.get()),
    ("holdfast_completions_total", &[], |shard| shard.completions.get()),
    ("holdfast_syscalls_total", &[], |shard| shard.syscalls.get()),
    ("holdfast_turns_total", &[], |shard| shard.turns.get()),
];

/// Present values: name, labels, where the value is.
const LEVELS: &[(&str, Labels, Read)] = &[
    ("holdfast_connections", &[], Counters::held),
    ("holdfast_handshakes_open", &[], |shard| shard.handshakes_open.get()),
    ("holdfast_buffers", SHORT, |shard| shard.buffers.get()),
    ("holdfast_buffers", LONG, |shard| shard.long_buffers.get()),
    ("holdfast_buffers_lent", SHORT, |shard| shard.buffers_lent.get()),
    ("holdfast_buffers_lent", LONG, |shard| shard.long_buffers_lent.get()),
    ("holdfast_buffers_waiting", &[], |shard| shard.buffers_waiting.get()),
    ("holdfast_memory_bytes", &[("part", "records")], |shard| shard.record_bytes.get()),
    ("holdfast_memory_bytes", &[("part", "buffers")], |shard| shard.buffer_bytes.get()),
    ("holdfast_memory_bytes", &[("part", "long_buffers")], |shard| shard.long_buffer_bytes.get()),
    ("holdfast_memory_bytes", &[("part", "outboxes")], |shard| shard.outbox_bytes.get()),
    ("holdfast_memory_bytes", &[("part", "sends")], |shard| shard.waiting_bytes.get()),
    ("holdfast_memory_bytes", &[("part", "partial_messages")], |shard| shard.partial_bytes.get()),
    ("holdfast_memory_bytes", &[("part", "held")], |shard| shard.held_bytes.get()),
    ("holdfast_memory_bytes", &[("part", "deflate")], |shard| shard.deflate.memory.get()),
];

/// A broadcast is one, however many shards have counted it.
const BROADCASTS: Read = |shard| shard.broadcasts.get();
const BROADCASTS_OPEN: Read = |shard| shard.broadcasts_open.get();

/// The code that connections which end for this reason mostly have: shown from the start, at 0, so that the first one
/// counts as an increase. Other pairs appear when they happen.
fn usual_code(reason: CloseReason) -> CloseCode {
    match reason {
        CloseReason::Peer | CloseReason::Application => CloseCode::Normal,
        CloseReason::Gone | CloseReason::Reset => CloseCode::None,
        CloseReason::Protocol => CloseCode::Protocol,
        CloseReason::TooBig => CloseCode::TooBig,
        CloseReason::Rate | CloseReason::Unfinished => CloseCode::Policy,
        CloseReason::Slow => CloseCode::TryAgain,
        CloseReason::Unanswered | CloseReason::Age | CloseReason::Idle | CloseReason::Drain => {
            CloseCode::Away
        }
    }
}

/// Handles of everything that is a sum over the shards.
#[derive(Debug)]
pub(super) struct Sums {
    totals: Vec<(Counter, Read)>,
    broadcasts: Counter,
    broadcasts_open: Gauge,
    levels: Vec<(Gauge, Read)>,
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
            broadcasts: registrar.counter("holdfast_broadcasts_total", &[]),
            broadcasts_open: registrar.gauge("holdfast_broadcasts_open", &[]),
            totals: TOTALS
                .iter()
                .map(|(name, labels, read)| (registrar.counter(name, labels), *read))
                .collect(),
            levels: LEVELS
                .iter()
                .map(|(name, labels, read)| (registrar.gauge(name, labels), *read))
                .collect(),
            handshakes: HandshakeOutcome::ALL.iter().map(|one| outcome(*one)).collect(),
            limited: Limit::ALL.iter().map(|one| limited(*one)).collect(),
            closed: closed.collect(),
        }
    }

    pub(super) fn update(&mut self, registrar: &Registrar, shards: &[Arc<Counters>]) {
        for (handle, read) in &self.totals {
            handle.absolute(sum(shards, read));
        }
        self.broadcasts.absolute(most(shards, BROADCASTS));
        self.broadcasts_open.set(most(shards, BROADCASTS_OPEN) as f64);
        for (handle, read) in &self.levels {
            handle.set(sum(shards, read) as f64);
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

/// The greatest number of all shards.
fn most(shards: &[Arc<Counters>], read: Read) -> u64 {
    shards.iter().map(|shard| read(shard)).max().unwrap_or(0)
}

/// One number over all shards.
pub(super) fn sum(shards: &[Arc<Counters>], read: impl Fn(&Counters) -> u64) -> u64 {
    shards.iter().map(|shard| read(shard)).fold(0, u64::wrapping_add)
}
