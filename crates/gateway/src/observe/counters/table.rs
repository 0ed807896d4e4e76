//! Every metric, once, and what each shard counts for it. The table of docs/metrics.md has this order.

use holdfast_proto::MessageKind;

use super::count::Count;
use super::declare::{Family, Kind, Sample, counters};
use super::deflate::DeflateCounters;
use super::histogram::Histogram;
use super::labels::{CloseCode, CloseReason, HandshakeOutcome, Limit};

/// Upper bounds in seconds of the turn histogram's buckets.
pub const TURN_BOUNDS: [f64; 12] =
    [0.000_005, 0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25];

/// Upper bounds in seconds of the opening handshake histogram's buckets.
pub const HANDSHAKE_BOUNDS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 10.0];

counters! {
    /// All that one shard counts. Totals only grow; those called gauges hold the present value.
    Counters;

    family(
        Gauge,
        "holdfast_build_info",
        &["version", "driver"],
        "Always 1. The labels name the version and the driver in use.",
    );
    family(Gauge, "holdfast_shards", &[], "Number of shards.");
    family(
        Gauge,
        "holdfast_shards_stuck",
        &[],
        "Shards that have not turned for 10 s, seen from scrape to scrape. /healthz names the one that stands longest.",
    );
    family(Gauge, "holdfast_draining", &[], "1 while the gateway drains, otherwise 0.");
    family(
        Counter,
        "holdfast_drain_goodbyes_total",
        &[],
        "Connections told to leave by a drain. holdfast_connections shows how many are left.",
    ) {
        /// Close frames queued because of a drain.
        goodbyes,
    };
    family(
        Gauge,
        "holdfast_connections",
        &[],
        "Open connections, and reliable clients that are away: see holdfast_connections_away.",
    ) from [] (Counters::held);
    family(
        Gauge,
        "holdfast_connections_away",
        &[],
        "Of holdfast_connections, reliable clients that have lost their sockets and may recover.",
    ) {
        /// Gauge: reliable clients that have lost their sockets.
        away,
    };
    family(
        Counter,
        "holdfast_recoveries_total",
        &["outcome"],
        "Reliable clients that came back: recovered to their connections, or refused because those were gone.",
    ) {
        /// Connections that have got another socket.
        recovered ("recovered"),
        /// Clients that wanted one back and were refused.
        recoveries_refused ("refused"),
    };
    family(
        Gauge,
        "holdfast_unacknowledged_messages",
        &[],
        "Messages kept for reliable clients until they acknowledge them.",
    ) {
        /// Gauge: messages that reliable clients have not acknowledged.
        unacknowledged,
    };
    family(Gauge, "holdfast_connections_room", &[], "Connections that fit, as shown in the start line.");
    family(
        Counter,
        "holdfast_connections_opened_total",
        &[],
        "Connections opened: opening handshakes answered 101, those left out that recover a connection.",
    ) {
        /// Connections opened: opening handshakes answered 101.
        opened,
    };
    family(
        Counter,
        "holdfast_connections_closed_total",
        &["reason", "code"],
        "Connections ended, by reason and close code.",
    ) holds {
        /// Connections ended, by reason and close code.
        closed: [[Count; CloseCode::COUNT]; CloseReason::COUNT],
    };
    family(Counter, "holdfast_accepted_total", &[], "Sockets accepted.") {
        /// Sockets accepted.
        accepted,
    };
    family(
        Counter,
        "holdfast_accept_errors_total",
        &[],
        "Accepts that failed, usually because the process ran out of descriptors.",
    ) {
        /// Accepts that failed (out of descriptors or memory, mostly).
        accept_errors,
    };
    family(
        Counter,
        "holdfast_handed_over_total",
        &[],
        "Accepted sockets passed to another shard with more room.",
    ) {
        /// Accepted sockets given to another shard because this one was full.
        handed_over,
    };
    family(Gauge, "holdfast_handshakes_open", &[], "Opening handshakes in progress.") {
        /// Gauge: opening handshakes under way.
        handshakes_open,
    };
    family(
        Counter,
        "holdfast_handshakes_total",
        &["outcome"],
        "Opening handshakes finished, by outcome: the HTTP status, or the rule that refused (path, \
         origin, subprotocol, proxy_header, untrusted, forwarded). health is a health check; handed is a \
         request for no WebSocket that was passed on to be served; closed is 101 with a close frame at once \
         (nothing to recover); gone is a client that left before the answer.",
    ) holds {
        /// Opening handshakes ended, by outcome.
        handshakes: [Count; HandshakeOutcome::COUNT],
    };
    family(
        Counter,
        "holdfast_handshakes_refused_early_total",
        &[],
        "Clients answered 503 or 429 before their request arrived, because too many others were waiting \
         or the request took too long.",
    ) {
        /// Newcomers turned away before their request had come.
        refused_early,
    };
    family(Histogram, "holdfast_handshake_duration_seconds", &[], "Time from accept to the 101 answer.") holds {
        /// From accept to the 101 answer.
        handshake_duration: Histogram<12> = Histogram::new(HANDSHAKE_BOUNDS),
    };
    family(
        Counter,
        "holdfast_limited_total",
        &["limit"],
        "Times a limit was applied, by limit. docs/limits.md lists the limits and what the client gets.",
    ) holds {
        /// Times a limit was applied, by limit.
        limited: [Count; Limit::COUNT],
    };
    family(Counter, "holdfast_messages_received_total", &["kind"], "Complete messages received, by kind.") {
        /// Whole text messages received.
        text_in ("text"),
        /// Whole binary messages received.
        binary_in ("binary"),
    };
    family(Counter, "holdfast_messages_sent_total", &["kind"], "Messages queued for sending, by kind.") {
        /// Text messages sent (queued for sending).
        text_out ("text"),
        /// Binary messages sent (queued for sending).
        binary_out ("binary"),
    };
    family(
        Counter,
        "holdfast_messages_dropped_total",
        &[],
        "Messages dropped unsent because the client read too slowly.",
    ) {
        /// Messages dropped before they were sent, for a peer that reads too slowly.
        dropped,
    };
    family(
        Counter,
        "holdfast_access_log_dropped_total",
        &[],
        "Access-log lines dropped because the write queue was full or the write failed.",
    ) from [] (Counters::access_log_dropped) holds {
        /// Lines of the access log dropped because as many as may be were waiting to be written.
        log_dropped: Count,
        /// Lines of the access log that could not be written. Its thread counts those of all shards, with the first
        /// shard.
        log_unwritten: Count,
    };
    family(
        Counter,
        "holdfast_log_dropped_total",
        &[],
        "Log lines dropped because the write queue was full or the write failed. Access-log lines are \
         not included.",
    );
    family(
        Counter,
        "holdfast_broadcasts_total",
        &[],
        "Broadcasts accepted: messages to all connections.",
    ) over Most {
        /// Broadcasts accepted; each shard counts each.
        broadcasts,
    };
    family(
        Gauge,
        "holdfast_broadcasts_open",
        &[],
        "Broadcasts that the slowest shard has not finished.",
    ) over Most {
        /// Gauge: broadcasts that have not reached everybody yet.
        broadcasts_open,
    };
    family(
        Counter,
        "holdfast_broadcast_deliveries_total",
        &[],
        "Broadcasts handed to a connection: to the kernel or to the outbox.",
    ) {
        /// Broadcasts handed to a connection: to the kernel, or to its outbox.
        broadcasts_handed,
    };
    family(
        Counter,
        "holdfast_broadcast_left_total",
        &[],
        "Broadcast deliveries that had to wait in an outbox, whole or in part.",
    ) {
        /// Those of them that had to wait in the outbox, in whole or in part.
        broadcasts_left,
    };
    family(Counter, "holdfast_received_bytes_total", &[], "Bytes received after the opening handshake.") {
        /// Bytes received on connections after the opening handshake.
        bytes_in,
    };
    family(
        Counter,
        "holdfast_sent_bytes_total",
        &[],
        "Bytes the kernel accepted for sending after the opening handshake.",
    ) {
        /// Bytes that the kernel took for connections after the opening handshake.
        bytes_out,
    };
    group
        /// Of compression.
        deflate: DeflateCounters;
    family(
        Gauge,
        "holdfast_buffers",
        &["size"],
        "Buffers in the pools, by size. Long buffers hold what does not fit into a short one.",
    ) {
        /// Gauge: short buffers.
        buffers ("short"),
        /// Gauge: long buffers.
        long_buffers ("long"),
    };
    family(
        Gauge,
        "holdfast_buffers_lent",
        &["size"],
        "Buffers currently lent to a connection or an operation, by size.",
    ) {
        /// Gauge: short buffers in use.
        buffers_lent ("short"),
        /// Gauge: long buffers in use.
        long_buffers_lent ("long"),
    };
    family(
        Gauge,
        "holdfast_buffers_waiting",
        &[],
        "Connections with data to read that are waiting for a buffer.",
    ) {
        /// Gauge: connections that wait for a buffer.
        buffers_waiting,
    };
    family(
        Gauge,
        "holdfast_memory_bytes",
        &["part"],
        "Memory of the process, by part. process_rss is the total and includes the other parts.",
    ) from ["deflate"] (Counters::deflate_bytes) {
        /// Gauge: bytes of the connection records in use, the driver's part included.
        record_bytes ("records"),
        /// Gauge: bytes of all short buffers.
        buffer_bytes ("buffers"),
        /// Gauge: bytes of the long buffers that have been used.
        long_buffer_bytes ("long_buffers"),
        /// Gauge: bytes in outboxes.
        outbox_bytes ("outboxes"),
        /// Gauge: bytes of messages that reliable clients have not acknowledged.
        unacknowledged_bytes ("unacknowledged"),
        /// Gauge: bytes of sends that wait for their peers.
        waiting_bytes ("sends"),
        /// Gauge: bytes of messages that are not whole yet.
        partial_bytes ("partial_messages"),
        /// Gauge: bytes of events that wait for services. The first shard has those of all.
        event_bytes ("events"),
        /// Gauge: bytes of messages that wait for their turn to be published. The first shard shows the most that one
        /// has.
        publication_bytes ("publications"),
        /// Gauge: bytes of REST bodies. The first shard has those of all.
        rest_body_bytes ("rest_bodies"),
        /// Bytes that arrived before they were asked for, held by the driver.
        held_bytes ("held"),
    };
    family(
        Gauge,
        "holdfast_memory_limit_bytes",
        &["source"],
        "Memory the plan is based on, by what limits it: machine, cgroup_v1, cgroup_v2, rlimit_as or \
         rlimit_data.",
    );
    family(
        Gauge,
        "holdfast_memory_plan_bytes",
        &["part"],
        "Memory planned for each part. base is the process with its rings and buffers.",
    );
    family(
        Gauge,
        "holdfast_memory_kernel_bytes",
        &["source"],
        "Kernel memory, by source. cgroup is what this process's cgroup is charged; estimate is \
         connections times the documented bytes for each.",
    );
    family(
        Gauge,
        "holdfast_memory_per_connection_bytes",
        &["scope"],
        "Memory growth since the start, divided by open connections. 0 while there are none.",
    );
    family(Counter, "holdfast_submissions_total", &[], "Operations the driver gave to the kernel.") {
        /// Operations submitted to the kernel.
        submissions,
    };
    family(
        Counter,
        "holdfast_completions_total",
        &[],
        "Completions (io_uring) or events (epoll) from the kernel.",
    ) {
        /// Completions (io_uring) or events (epoll) received from it.
        completions,
    };
    family(Counter, "holdfast_syscalls_total", &[], "System calls made by the driver.") {
        /// System calls made by the driver.
        syscalls,
    };
    family(Counter, "holdfast_turns_total", &[], "Turns of the shard loops.") {
        /// Turns of the shard's loop.
        turns,
    };
    family(
        Histogram,
        "holdfast_turn_duration_seconds",
        &[],
        "Duration of one turn, not counting the wait.",
    ) holds {
        /// Time of a turn, waiting excluded.
        turn_duration: Histogram<12> = Histogram::new(TURN_BOUNDS),
    };
    family(Counter, "process_cpu_seconds_total", &[], "User and system CPU time of the process.");
    family(Gauge, "process_max_fds", &[], "Descriptor limit of the process.");
    family(Gauge, "process_resident_memory_bytes", &[], "Resident memory of the process.");
    family(Gauge, "process_start_time_seconds", &[], "Start time of the process, in seconds since 1970.");
}

impl Counters {
    /// Counts the end of one connection.
    pub fn close(&self, reason: CloseReason, code: CloseCode) {
        self.closed[reason as usize][code as usize].add(1);
    }

    /// Counts the end of one opening handshake.
    pub fn handshake(&self, outcome: HandshakeOutcome) {
        self.handshakes[outcome as usize].add(1);
    }

    /// Counts a message that is queued for sending.
    pub fn message_sent(&self, kind: MessageKind) {
        match kind {
            MessageKind::Text => self.text_out.add(1),
            MessageKind::Binary => self.binary_out.add(1),
        }
    }

    /// Counts that a limit was applied.
    pub fn limit(&self, limit: Limit) {
        self.limited[limit as usize].add(1);
    }

    /// Lines of the access log lost so far.
    pub fn access_log_dropped(&self) -> u64 {
        self.log_dropped.get() + self.log_unwritten.get()
    }

    /// Connections ended so far.
    pub fn closed_total(&self) -> u64 {
        self.closed.iter().flatten().map(Count::get).sum()
    }

    /// Connections held now.
    pub fn held(&self) -> u64 {
        self.opened.get().saturating_sub(self.closed_total())
    }

    /// Bytes of compressors and the decompressor now.
    fn deflate_bytes(&self) -> u64 {
        self.deflate.memory.get()
    }
}
