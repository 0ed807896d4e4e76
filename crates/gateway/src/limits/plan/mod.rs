//! The memory plan: who may have how much of the memory that the process may use.
//!
//! First comes what the process needs whoever connects: itself, and each shard's rings, buffers and compressors. Of the
//! rest each part in [`PARTS`] has a share. A later feature takes its share from what is unassigned, by a row here.

use holdfast_ring::Budget;
use rustix::process::{Resource, getrlimit};

use super::memory::memory_limit;
use crate::settings::{EVENT_MESSAGES_MIN, Settings};

/// Bytes from one connection's record to the next in its shard's slab, at most.
pub const CONNECTION_BYTES_MAX: usize = 64;

/// One part of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Label `part` of `holdfast_memory_plan_bytes`.
    pub name: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// How many of [`WHOLE`] parts of the rest.
    pub share: u64,
    /// The setting that overrides what follows from the share.
    pub setting: &'static str,
    /// The metric that shows what is in use.
    pub gauge: &'static str,
    /// What those hear who come when it is full.
    pub answer: &'static str,
}

/// What shares are parts of.
pub const WHOLE: u64 = 64;

/// Connections: their kernel sockets, records, and what is kept beside those.
pub const CONNECTIONS: Part = Part {
    name: "connections",
    what: "connections: kernel sockets, records and side tables",
    share: 40,
    setting: "connections-max",
    gauge: "holdfast_connections",
    answer: "503",
};
/// What waits to be sent.
pub const OUTBOXES: Part = Part {
    name: "outboxes",
    what: "data waiting to be sent",
    share: 8,
    setting: "shard-outbox-bytes-max",
    gauge: "holdfast_memory_bytes{part=\"outboxes\"}",
    answer: "close 1013, or the oldest messages are dropped (`slow-policy`)",
};
/// What has come of messages that are not whole.
pub const PARTIAL_MESSAGES: Part = Part {
    name: "partial_messages",
    what: "incomplete messages",
    share: 4,
    setting: "shard-partial-bytes-max",
    gauge: "holdfast_memory_bytes{part=\"partial_messages\"}",
    answer: "close 1013 for those that hold more than 2 KiB and add to it",
};
/// Heads of requests that come in pieces.
pub const HANDSHAKES: Part = Part {
    name: "handshakes",
    what: "opening handshakes whose heads arrive in pieces",
    share: 4,
    setting: "handshakes-max",
    gauge: "holdfast_handshakes_open",
    answer: "waits for its turn",
};

/// What waits for its turn to be sent to many.
pub const PUBLICATIONS: Part = Part {
    name: "publications",
    what: "messages waiting for their turn to be published",
    share: 2,
    setting: "publish-bytes-waiting-max",
    gauge: "holdfast_memory_bytes{part=\"publications\"}",
    answer: "503 with Retry-After; clients that publish are not read from",
};
/// What clients have said that services have not heard.
pub const EVENTS: Part = Part {
    name: "events",
    what: "events waiting for services, and tokens of identity providers, with hubs",
    share: 2,
    setting: "event-bytes-max",
    gauge: "holdfast_memory_bytes{part=\"events\"}",
    answer: "clients are not read from, or closed with 1013 (`slow-service`)",
};
/// What services send.
pub const REST_BODIES: Part = Part {
    name: "rest_bodies",
    what: "bodies of REST requests, with hubs",
    share: 1,
    setting: "rest-body-bytes-max",
    gauge: "holdfast_memory_bytes{part=\"rest_bodies\"}",
    answer: "503 with Retry-After",
};

/// What reliable clients have not acknowledged.
pub const UNACKNOWLEDGED: Part = Part {
    name: "unacknowledged",
    what: "messages that reliable clients have not acknowledged, with hubs",
    share: 2,
    setting: "shard-unacknowledged-bytes-max",
    gauge: "holdfast_memory_bytes{part=\"unacknowledged\"}",
    answer: "close 1008 for those who have most",
};

/// All parts. What they leave of the whole is for features to come, and for what nobody thought of.
pub const PARTS: [&Part; 8] = [
    &CONNECTIONS,
    &OUTBOXES,
    &PARTIAL_MESSAGES,
    &HANDSHAKES,
    &PUBLICATIONS,
    &EVENTS,
    &REST_BODIES,
    &UNACKNOWLEDGED,
];

/// What the parts have together.
const fn assigned() -> u64 {
    let (mut sum, mut index) = (0, 0);
    while index < PARTS.len() {
        sum += PARTS[index].share;
        index += 1;
    }
    sum
}

const _: () = assert!(assigned() < WHOLE, "not all of it is given away");

/// A bound that yields a quarter to those who have little: what is planned for where it is `bytes`.
pub(crate) const fn with_allowance(bytes: usize) -> usize {
    bytes.saturating_add(bytes / 4)
}

/// What is left to features to come, in parts of [`WHOLE`].
pub const UNASSIGNED: u64 = WHOLE - assigned();

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// The program itself, its runtime, the admin server.
const PROCESS_BYTES: u64 = 8 * MIB;
/// A shard besides its rings and buffers: stack, slabs, the driver's tables, its kernel objects, and sockets of those
/// who are being refused.
const SHARD_BYTES: u64 = 1536 * KIB;
/// A shard's compressors and its decompressor, where compression is on.
const DEFLATE_BYTES: u64 = 2560 * KIB;
/// Lines of the access log that wait to be written.
const ACCESS_LOG_BYTES: u64 = 5 * MIB;
/// Fewest opening handshakes of a shard, however little memory there is.
const HANDSHAKES_MIN: u64 = 16;

/// Sizes of a shard's rings and buffers: of all shards together at most half of what may be locked in memory, and an
/// eighth of what may be used.
pub(crate) fn budget(settings: &Settings, memory: Option<u64>) -> Budget {
    budget_within(settings, getrlimit(Resource::Memlock).current, memory)
}

/// The same where so much may be locked.
pub(crate) fn budget_within(settings: &Settings, locked: Option<u64>, memory: Option<u64>) -> Budget {
    let lower = [locked, memory.map(|bytes| bytes / 4)].into_iter().flatten().min();
    Budget::plan(lower, usize::from(settings.shards), settings.buffer_bytes, settings.pool_bytes)
}

/// What a connection costs with the features in use, in bytes, besides what the kernel has of it.
pub(crate) fn user_bytes_per_connection(settings: &Settings) -> u64 {
    /// The driver's own record of a slot.
    const SLOT: u64 = 8;
    let set = |is_set: bool, bytes: u64| if is_set { bytes } else { 0 };
    CONNECTION_BYTES_MAX as u64
        + SLOT
        + set(settings.messages_per_second_max.is_some(), 8)
        + set(settings.bytes_per_second_max.is_some(), 8)
        // Beside the record, and at worst an address of its own for each.
        + set(settings.address_connections_max.is_some(), 16 + 40)
        + set(settings.pings_unanswered_max.is_some(), 1)
        + set(settings.connection_age_max.is_some(), 4)
        + set(settings.access_log.is_some(), 100_u64.div_ceil(settings.access_log_sample.max(1).into()))
}

/// Who may have how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// All there is.
    pub total: u64,
    /// What the process and its shards have whoever connects.
    pub base: u64,
    /// For connections.
    pub connections: u64,
    /// For what waits to be sent.
    pub outboxes: u64,
    /// For messages that are not whole.
    pub partial_messages: u64,
    /// For opening handshakes.
    pub handshakes: u64,
    /// For what reliable clients have not acknowledged.
    pub unacknowledged: u64,
    /// For what is shared by all shards.
    pub shares: Shares,
    shards: u64,
}

impl Plan {
    /// The plan for the memory that this process may use. `None` where nobody knows how much that is.
    #[must_use]
    pub fn of_this_process(settings: &Settings) -> Option<Self> {
        memory_limit().map(|limit| Self::new(limit.bytes, settings))
    }

    /// The plan for so many bytes. Where the settings ask for more than a share, or the least that a shard needs for
    /// one long message is more, connections have the less.
    #[must_use]
    pub fn new(total: u64, settings: &Settings) -> Self {
        let shards = u64::from(settings.shards.max(1));
        let base = base(total, settings, shards);
        let rest = total.saturating_sub(base).max(total / 4);
        let share = |part: &Part| rest / WHOLE * part.share;
        let of_all = |set: Option<usize>, least: usize, part: &Part| match set {
            Some(bytes) => shards.saturating_mul(with_allowance(bytes) as u64),
            None => share(part).max(shards * with_allowance(least) as u64),
        };
        let outboxes = of_all(settings.shard_outbox_bytes_max, settings.outbox_bytes_max, &OUTBOXES);
        let partial_messages =
            of_all(settings.shard_partial_bytes_max, 2 * settings.message_bytes_max, &PARTIAL_MESSAGES);
        let handshakes = share(&HANDSHAKES);
        let unacknowledged = match settings.shard_unacknowledged_bytes_max {
            _ if settings.hubs.is_empty() => 0,
            Some(bytes) => shards.saturating_mul(bytes as u64),
            None => share(&UNACKNOWLEDGED).max(shards * 2 * settings.message_bytes_max as u64),
        };
        let shares = Shares::of(settings, |part| usize::try_from(share(part)).unwrap_or(usize::MAX));
        let over = [
            (outboxes, &OUTBOXES),
            (partial_messages, &PARTIAL_MESSAGES),
            (unacknowledged, &UNACKNOWLEDGED),
            (shares.publications as u64, &PUBLICATIONS),
            (shares.events as u64, &EVENTS),
            (shares.rest_bodies as u64, &REST_BODIES),
        ];
        let over = over
            .iter()
            .fold(0_u64, |sum, (bytes, part)| sum.saturating_add(bytes.saturating_sub(share(part))));
        let connections = share(&CONNECTIONS).saturating_sub(over);
        Self {
            total,
            base,
            connections,
            outboxes,
            partial_messages,
            handshakes,
            unacknowledged,
            shares,
            shards,
        }
    }

    /// Past what a shard's outboxes pay for having more than a little: a quarter of it more is what is planned.
    pub(crate) fn shard_outbox_bytes_max(&self) -> usize {
        self.without_allowance(self.outboxes)
    }

    /// The same of messages that are not whole.
    pub(crate) fn shard_partial_bytes_max(&self) -> usize {
        self.without_allowance(self.partial_messages)
    }

    /// What reliable clients of a shard may have that they have not acknowledged.
    pub(crate) fn shard_unacknowledged_bytes_max(&self) -> usize {
        usize::try_from(self.unacknowledged / self.shards).unwrap_or(usize::MAX)
    }

    fn without_allowance(&self, bytes: u64) -> usize {
        usize::try_from(bytes / self.shards / 5 * 4).unwrap_or(usize::MAX)
    }

    /// How many opening handshakes a shard may have: those the settings allow, if their heads fit. A head that grows
    /// takes up to twice its length.
    pub(crate) fn handshakes_max(&self, settings: &Settings) -> u32 {
        let each = 2 * settings.head_bytes_max as u64 + KIB;
        let fit = (self.handshakes / self.shards / each).max(HANDSHAKES_MIN);
        u32::try_from(fit).unwrap_or(u32::MAX).min(settings.handshakes_max)
    }

    /// What it plans with, part by part: the label and the bytes.
    pub(crate) fn parts(&self) -> [(&'static str, u64); 9] {
        [
            ("base", self.base),
            (CONNECTIONS.name, self.connections),
            (OUTBOXES.name, self.outboxes),
            (PARTIAL_MESSAGES.name, self.partial_messages),
            (HANDSHAKES.name, self.handshakes),
            (PUBLICATIONS.name, self.shares.publications as u64),
            (EVENTS.name, self.shares.events as u64),
            (REST_BODIES.name, self.shares.rest_bodies as u64),
            (UNACKNOWLEDGED.name, self.unacknowledged),
        ]
    }

    /// What to change where the settings let peers have more than there is.
    #[must_use]
    pub fn shortage(&self) -> Option<String> {
        let needed = self.parts().iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        (needed > self.total).then(|| {
            let (needed, total) = (needed.div_ceil(MIB), self.total / MIB);
            format!(
                "clients can make the gateway use {needed} MiB, but it may use only {total} MiB: lower shards, \
                 message-bytes-max or outbox-bytes-max, or give it more memory"
            )
        })
    }
}

/// Bytes of parts that all shards share, as the settings say or as the memory allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// What waits for its turn to be sent to many.
    pub publications: usize,
    /// What clients have said that services have not heard.
    pub events: usize,
    /// Bodies of REST requests.
    pub rest_bodies: usize,
}

impl Shares {
    /// Most of publications and of bodies where nothing else is said, however much memory there is; and what each has
    /// where nobody knows how much that is.
    pub(crate) const BYTES: usize = 64 << 20;

    /// Those of this process.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let plan = Plan::of_this_process(settings).map(|plan| plan.shares);
        plan.unwrap_or_else(|| Self::of(settings, |_| Self::BYTES))
    }

    /// `share` is what a part has where nothing is set.
    fn of(settings: &Settings, share: impl Fn(&Part) -> usize) -> Self {
        let message = settings.message_bytes_max;
        // One that is longer goes alone.
        let publications = || share(&PUBLICATIONS).clamp(1, Self::BYTES);
        let bodies = || share(&REST_BODIES).min(Self::BYTES).max(message);
        let has_hubs = !settings.hubs.is_empty();
        let with_hubs = |bytes: usize| if has_hubs { bytes } else { 0 };
        Self {
            publications: settings.publish_bytes_waiting_max.unwrap_or_else(publications),
            events: with_hubs(
                settings.event_bytes_max.unwrap_or_else(|| share(&EVENTS).max(EVENT_MESSAGES_MIN * message)),
            ),
            rest_bodies: with_hubs(settings.rest_body_bytes_max.unwrap_or_else(bodies)),
        }
    }
}

/// What the process and its shards have whoever connects.
fn base(total: u64, settings: &Settings, shards: u64) -> u64 {
    let budget = budget(settings, Some(total));
    let pools = usize::from(budget.buffer_count) * budget.buffer_bytes
        + usize::from(budget.long_buffer_count) * budget.long_buffer_bytes;
    let rings = budget.submission_entries * 68 + budget.completion_entries * 16;
    let deflate = if settings.deflate { DEFLATE_BYTES } else { 0 };
    let log = if settings.access_log.is_some() { ACCESS_LOG_BYTES } else { 0 };
    // What waits for a listener, and what is on its way to its server.
    let listeners = settings.hubs.iter().flat_map(|hub| &hub.listeners);
    let listeners: u64 = listeners.map(|listener| listener.queue_bytes as u64 + 2 * MIB).sum();
    PROCESS_BYTES + log + listeners + shards * (SHARD_BYTES + pools as u64 + u64::from(rings) + deflate)
}

/// The table of docs/memory.md, in Markdown.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = String::from(
        "| part | what | of the rest | setting | shown by | when it is full |\n|---|---|---|---|---|---|\n",
    );
    for Part { name, what, share, setting, gauge, answer } in PARTS {
        table.push_str(&format!(
            "| `{name}` | {what} | {share}/{WHOLE} | `{setting}` | `{gauge}` | {answer} |\n"
        ));
    }
    table.push_str(&format!("| | unassigned | {UNASSIGNED}/{WHOLE} | | | |\n"));
    table
}

#[cfg(test)]
mod tests;
