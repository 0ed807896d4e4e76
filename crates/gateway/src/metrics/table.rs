//! Every metric, once: registration, HELP and the table of docs/metrics.md come from here.

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

/// Every metric, in the order of docs/metrics.md.
pub const TABLE: &[Family] = &[
    family(
        Gauge,
        "holdfast_build_info",
        &["version", "driver"],
        "Always 1. The labels name the version and the driver in use.",
    ),
    family(Gauge, "holdfast_shards", &[], "Number of shards."),
    family(Gauge, "holdfast_draining", &[], "1 while the gateway drains, otherwise 0."),
    family(
        Counter,
        "holdfast_drain_goodbyes_total",
        &[],
        "Connections told to leave by a drain. holdfast_connections shows how many are left.",
    ),
    family(Gauge, "holdfast_connections", &[], "Open connections."),
    family(Gauge, "holdfast_connections_room", &[], "Connections that fit, as shown in the start line."),
    family(
        Counter,
        "holdfast_connections_opened_total",
        &[],
        "Connections opened: opening handshakes answered 101.",
    ),
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
        "Accepts that failed, usually because the process ran out of descriptors.",
    ),
    family(
        Counter,
        "holdfast_handed_over_total",
        &[],
        "Accepted sockets passed to another shard with more room.",
    ),
    family(Gauge, "holdfast_handshakes_open", &[], "Opening handshakes in progress."),
    family(
        Counter,
        "holdfast_handshakes_total",
        &["outcome"],
        "Opening handshakes finished, by outcome: the HTTP status, or the rule that refused (path, \
         origin, subprotocol, proxy_header, untrusted, forwarded). health is a health check; gone is \
         a client that left before the answer.",
    ),
    family(
        Counter,
        "holdfast_handshakes_refused_early_total",
        &[],
        "Clients answered 503 or 429 before their request arrived, because too many others were \
         waiting or the request took too long.",
    ),
    family(Histogram, "holdfast_handshake_duration_seconds", &[], "Time from accept to the 101 answer."),
    family(
        Counter,
        "holdfast_limited_total",
        &["limit"],
        "Times a limit was applied, by limit. docs/limits.md lists the limits and what the client gets.",
    ),
    family(Counter, "holdfast_messages_received_total", &["kind"], "Complete messages received, by kind."),
    family(Counter, "holdfast_messages_sent_total", &["kind"], "Messages queued for sending, by kind."),
    family(
        Counter,
        "holdfast_messages_dropped_total",
        &[],
        "Messages dropped unsent because the client read too slowly.",
    ),
    family(
        Counter,
        "holdfast_access_log_dropped_total",
        &[],
        "Access-log lines dropped because the write queue was full or the write failed.",
    ),
    family(
        Counter,
        "holdfast_log_dropped_total",
        &[],
        "Log lines dropped because the write queue was full or the write failed. Access-log lines are \
         not included.",
    ),
    family(Counter, "holdfast_broadcasts_total", &[], "Broadcasts accepted: messages to all connections."),
    family(Gauge, "holdfast_broadcasts_open", &[], "Broadcasts that the slowest shard has not finished."),
    family(
        Counter,
        "holdfast_broadcast_deliveries_total",
        &[],
        "Broadcasts handed to a connection: to the kernel or to the outbox.",
    ),
    family(
        Counter,
        "holdfast_broadcast_left_total",
        &[],
        "Broadcast deliveries that had to wait in an outbox, whole or in part.",
    ),
    family(Counter, "holdfast_received_bytes_total", &[], "Bytes received after the opening handshake."),
    family(
        Counter,
        "holdfast_sent_bytes_total",
        &[],
        "Bytes the kernel accepted for sending after the opening handshake.",
    ),
    family(Counter, "holdfast_deflate_connections_total", &[], "Connections opened with permessage-deflate."),
    family(
        Counter,
        "holdfast_deflate_messages_total",
        &["direction"],
        "Messages compressed on the wire, by direction.",
    ),
    family(
        Counter,
        "holdfast_deflate_plain_bytes_total",
        &["direction"],
        "Size of those messages before compression, by direction.",
    ),
    family(
        Counter,
        "holdfast_deflate_compressed_bytes_total",
        &["direction"],
        "Size of those messages on the wire, by direction. Sent bytes include frame headers.",
    ),
    family(
        Counter,
        "holdfast_deflate_runs_total",
        &[],
        "Compressions run, including those that saved nothing. A message for many connections counts \
         once for each window size.",
    ),
    family(
        Gauge,
        "holdfast_buffers",
        &["size"],
        "Buffers in the pools, by size. Long buffers hold what does not fit into a short one.",
    ),
    family(
        Gauge,
        "holdfast_buffers_lent",
        &["size"],
        "Buffers currently lent to a connection or an operation, by size.",
    ),
    family(
        Gauge,
        "holdfast_buffers_waiting",
        &[],
        "Connections with data to read that are waiting for a buffer.",
    ),
    family(
        Gauge,
        "holdfast_memory_bytes",
        &["part"],
        "Memory of the process, by part. process_rss is the total and includes the other parts.",
    ),
    family(
        Gauge,
        "holdfast_memory_limit_bytes",
        &["source"],
        "Memory the plan is based on, by what limits it: machine, cgroup_v1, cgroup_v2, rlimit_as or \
         rlimit_data.",
    ),
    family(
        Gauge,
        "holdfast_memory_plan_bytes",
        &["part"],
        "Memory planned for each part. base is the process with its rings and buffers.",
    ),
    family(
        Gauge,
        "holdfast_memory_kernel_bytes",
        &["source"],
        "Kernel memory, by source. cgroup is what this process's cgroup is charged; estimate is \
         connections times the documented bytes for each.",
    ),
    family(
        Gauge,
        "holdfast_memory_per_connection_bytes",
        &["scope"],
        "Memory growth since the start, divided by open connections. 0 while there are none.",
    ),
    family(Counter, "holdfast_submissions_total", &[], "Operations the driver gave to the kernel."),
    family(
        Counter,
        "holdfast_completions_total",
        &[],
        "Completions (io_uring) or events (epoll) from the kernel.",
    ),
    family(Counter, "holdfast_syscalls_total", &[], "System calls made by the driver."),
    family(Counter, "holdfast_turns_total", &[], "Turns of the shard loops."),
    family(Histogram, "holdfast_turn_duration_seconds", &[], "Duration of one turn, not counting the wait."),
    family(Counter, "process_cpu_seconds_total", &[], "User and system CPU time of the process."),
    family(Gauge, "process_max_fds", &[], "Descriptor limit of the process."),
    family(Gauge, "process_resident_memory_bytes", &[], "Resident memory of the process."),
    family(Gauge, "process_start_time_seconds", &[], "Start time of the process, in seconds since 1970."),
];

/// The family of this name. Names are those of [`TABLE`]; a test walks them all.
pub(super) fn named(name: &str) -> Option<&'static Family> {
    TABLE.iter().find(|family| family.name == name)
}

/// The table of docs/metrics.md, in Markdown.
pub fn markdown_table() -> String {
    let mut table = String::from("| metric | type | labels | what |\n|---|---|---|---|\n");
    for Family { name, kind, labels, help } in TABLE {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        table.push_str(&format!("| `{name}` | {} | {labels} | {help} |\n", kind.word()));
    }
    table
}
