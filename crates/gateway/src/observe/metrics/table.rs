//! Every metric, once: registration, HELP and README's table come from here.

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// The present value.
    Gauge,
    /// Counts by upper bound.
    Histogram,
}

impl Kind {
    /// The word in TYPE lines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric and all its label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Name, with base unit, and `_total` for counters.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
}

const fn family(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind, labels, help }
}

use Kind::{Counter, Gauge, Histogram};

/// Every metric, in the order of README.
pub const TABLE: &[Family] = &[
    family(Gauge, "holdfast_build_info", &["version", "driver"], "Always 1; the labels say what runs."),
    family(Gauge, "holdfast_shards", &[], "Shards."),
    family(Gauge, "holdfast_draining", &[], "1 while the gateway drains, else 0."),
    family(
        Counter,
        "holdfast_drain_goodbyes_total",
        &[],
        "Connections told to go because of a drain; those that are left are in holdfast_connections.",
    ),
    family(Gauge, "holdfast_connections", &[], "Connections held."),
    family(Gauge, "holdfast_connections_room", &[], "Connections that fit, as the start line says."),
    family(Counter, "holdfast_connections_opened_total", &[], "Connections opened: handshakes answered 101."),
    family(
        Counter,
        "holdfast_connections_closed_total",
        &["reason", "code"],
        "Connections ended, by reason and close code.",
    ),
    family(Counter, "holdfast_accepted_total", &[], "Sockets accepted."),
    family(
        Counter,
        "holdfast_accept_errors_total",
        &[],
        "Accepts that failed, mostly for want of descriptors.",
    ),
    family(Counter, "holdfast_handed_over_total", &[], "Accepted sockets handed to a shard with more room."),
    family(Gauge, "holdfast_handshakes_open", &[], "Opening handshakes under way."),
    family(
        Counter,
        "holdfast_handshakes_total",
        &["outcome"],
        "Opening handshakes ended, by HTTP status or the rule that refused (path, origin, subprotocol, proxy_header, untrusted, forwarded); health for health checks, gone where the peer left before an answer.",
    ),
    family(
        Counter,
        "holdfast_handshakes_refused_early_total",
        &[],
        "Newcomers answered 503 or 429 before their request came: too many others waited, or it took too long.",
    ),
    family(Histogram, "holdfast_handshake_duration_seconds", &[], "Time from accept to the 101 answer."),
    family(
        Counter,
        "holdfast_limited_total",
        &["limit"],
        "Times a limit was applied, by limit; the table of limits says what is answered.",
    ),
    family(Counter, "holdfast_messages_received_total", &["kind"], "Whole messages received."),
    family(Counter, "holdfast_messages_sent_total", &["kind"], "Messages queued for sending."),
    family(
        Counter,
        "holdfast_messages_dropped_total",
        &[],
        "Messages dropped before they were sent, for peers that read too slowly.",
    ),
    family(
        Counter,
        "holdfast_access_log_dropped_total",
        &[],
        "Lines of the access log dropped because they could not be written, or too many waited for it.",
    ),
    family(
        Counter,
        "holdfast_log_dropped_total",
        &[],
        "Lines of the other logs dropped because they could not be written, or too many waited for it.",
    ),
    family(Counter, "holdfast_broadcasts_total", &[], "Messages to all connections accepted."),
    family(
        Gauge,
        "holdfast_broadcasts_open",
        &[],
        "Broadcasts that the shard which is furthest behind has not finished.",
    ),
    family(
        Counter,
        "holdfast_broadcast_deliveries_total",
        &[],
        "Broadcasts handed to a connection: to the kernel, or to its outbox.",
    ),
    family(
        Counter,
        "holdfast_broadcast_left_total",
        &[],
        "Deliveries of broadcasts that had to wait in an outbox, in whole or in part.",
    ),
    family(Counter, "holdfast_received_bytes_total", &[], "Bytes received after the opening handshake."),
    family(Counter, "holdfast_sent_bytes_total", &[], "Bytes the kernel took after the opening handshake."),
    family(
        Counter,
        "holdfast_deflate_connections_total",
        &[],
        "Connections opened that have agreed on permessage-deflate.",
    ),
    family(
        Counter,
        "holdfast_deflate_messages_total",
        &["direction"],
        "Messages that were compressed on the wire.",
    ),
    family(Counter, "holdfast_deflate_plain_bytes_total", &["direction"], "Bytes of those messages."),
    family(
        Counter,
        "holdfast_deflate_compressed_bytes_total",
        &["direction"],
        "Bytes of those messages on the wire; of those sent with their frame headers.",
    ),
    family(
        Counter,
        "holdfast_deflate_runs_total",
        &[],
        "Messages compressed, to good effect or not; one for many connections counts once for each window size.",
    ),
    family(
        Gauge,
        "holdfast_buffers",
        &["size"],
        "Buffers of the pools: short ones, and long ones for messages that do not fit into those.",
    ),
    family(
        Gauge,
        "holdfast_buffers_lent",
        &["size"],
        "Buffers lent to a connection or an operation just now.",
    ),
    family(
        Gauge,
        "holdfast_buffers_waiting",
        &[],
        "Connections with something to read that wait for a buffer.",
    ),
    family(
        Gauge,
        "holdfast_memory_bytes",
        &["part"],
        "Memory of the process: process_rss is all of it, the others are parts.",
    ),
    family(
        Gauge,
        "holdfast_memory_limit_bytes",
        &["source"],
        "Memory that is planned with, by who bounds it: machine, cgroup_v1, cgroup_v2, rlimit_as or rlimit_data.",
    ),
    family(
        Gauge,
        "holdfast_memory_plan_bytes",
        &["part"],
        "What the memory plan has for each part; base is the process with its rings and buffers.",
    ),
    family(
        Gauge,
        "holdfast_memory_kernel_bytes",
        &["source"],
        "Kernel memory: cgroup is what our cgroup is charged with, estimate is connections times documented bytes.",
    ),
    family(
        Gauge,
        "holdfast_memory_per_connection_bytes",
        &["scope"],
        "Memory used more than at start, by connection held; 0 while none is held.",
    ),
    family(Counter, "holdfast_submissions_total", &[], "Operations given to the kernel by the driver."),
    family(
        Counter,
        "holdfast_completions_total",
        &[],
        "Completions (io_uring) or events (epoll) from the kernel.",
    ),
    family(Counter, "holdfast_syscalls_total", &[], "System calls made by the driver."),
    family(Counter, "holdfast_turns_total", &[], "Turns of the shards' loops."),
    family(Histogram, "holdfast_turn_duration_seconds", &[], "Time of one turn, waiting excluded."),
    family(Counter, "process_cpu_seconds_total", &[], "CPU time of the process, user and system."),
    family(Gauge, "process_max_fds", &[], "Descriptor limit of the process."),
    family(Gauge, "process_resident_memory_bytes", &[], "Resident memory of the process."),
    family(Gauge, "process_start_time_seconds", &[], "When the process began, in seconds since 1970."),
];

/// The family of this name. Names are those of [`TABLE`]; a test walks them all.
pub(super) fn named(name: &str) -> Option<&'static Family> {
    TABLE.iter().find(|family| family.name == name)
}

/// README's table of metrics, in Markdown.
pub fn markdown_table() -> String {
    let mut table = String::from("| metric | type | labels | what |\n|---|---|---|---|\n");
    for Family { name, kind, labels, help } in TABLE {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        table.push_str(&format!("| `{name}` | {} | {labels} | {help} |\n", kind.word()));
    }
    table
}
