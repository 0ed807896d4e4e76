//! What a shard counts: plain numbers that one thread writes and a scrape reads.
//!
//! Each shard has a [`Counters`] of its own. Only the shard's thread writes it, so an increment is a load and a
//! store, not a locked instruction; whoever scrapes sums over the shards. Nothing here knows of Prometheus.

pub mod answers;
mod count;
mod histogram;
mod labels;

use holdfast_proto::{Deflater, Inflater, MessageKind};

pub use count::Count;
pub use histogram::Histogram;
pub use labels::{CloseCode, CloseReason, HandshakeOutcome, Limit};

/// Upper bounds in seconds of the turn histogram's buckets.
pub const TURN_BOUNDS: [f64; 12] =
    [0.000_005, 0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25];

/// Upper bounds in seconds of the opening handshake histogram's buckets.
pub const HANDSHAKE_BOUNDS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 10.0];

/// What one shard counts of permessage-deflate.
#[derive(Debug, Default)]
pub struct DeflateCounters {
    /// Connections opened that have agreed on it.
    pub opened: Count,
    /// Compressed messages received, and inflated.
    pub messages_in: Count,
    /// Payload bytes of those, as they came.
    pub compressed_in: Count,
    /// Payload bytes of those, as they are.
    pub plain_in: Count,
    /// Compressed messages sent (queued for sending).
    pub messages_out: Count,
    /// Bytes of those with their headers, as they go.
    pub compressed_out: Count,
    /// Payload bytes of those, as they are.
    pub plain_out: Count,
    /// Messages that were given to a compressor, whether it made them shorter or not.
    pub runs: Count,
    /// Gauge: bytes of compressors and the decompressor.
    pub memory: Count,
}

impl DeflateCounters {
    /// Counts a compressed message of `len` bytes that is sent in this frame.
    pub(crate) fn sent(&self, len: usize, frame: &[u8]) {
        self.messages_out.add(1);
        self.plain_out.add(len as u64);
        self.compressed_out.add(frame.len() as u64);
    }

    /// Takes over what these two have counted.
    pub(crate) fn show(&self, inflater: &Inflater, deflater: &Deflater) {
        let inflated = inflater.totals();
        self.messages_in.set(inflated.messages);
        self.compressed_in.set(inflated.compressed_bytes);
        self.plain_in.set(inflated.plain_bytes);
        self.runs.set(deflater.runs());
        self.memory.set((inflater.held_bytes() + deflater.held_bytes()) as u64);
    }
}

/// All that one shard counts. Totals only grow; those called gauges hold the present value.
#[derive(Debug)]
pub struct Counters {
    /// Connections opened: opening handshakes answered 101.
    pub opened: Count,
    /// Connections ended, by reason and close code.
    pub closed: [[Count; CloseCode::COUNT]; CloseReason::COUNT],
    /// Gauge: opening handshakes under way.
    pub handshakes_open: Count,
    /// Times a limit was applied, by limit.
    pub limited: [Count; Limit::COUNT],
    /// Opening handshakes ended, by outcome.
    pub handshakes: [Count; HandshakeOutcome::COUNT],
    /// From accept to the 101 answer.
    pub handshake_duration: Histogram<12>,
    /// Sockets accepted.
    pub accepted: Count,
    /// Accepts that failed (out of descriptors or memory, mostly).
    pub accept_errors: Count,
    /// Accepted sockets given to another shard because this one was full.
    pub handed_over: Count,
    /// Newcomers turned away before their request had come.
    pub refused_early: Count,
    /// Close frames queued because of a drain.
    pub goodbyes: Count,
    /// Whole text messages received.
    pub text_in: Count,
    /// Whole binary messages received.
    pub binary_in: Count,
    /// Text messages sent (queued for sending).
    pub text_out: Count,
    /// Binary messages sent (queued for sending).
    pub binary_out: Count,
    /// Messages dropped before they were sent, for a peer that reads too slowly.
    pub dropped: Count,
    /// Lines of the access log dropped because as many as may be were waiting to be written.
    pub log_dropped: Count,
    /// Lines of the access log that could not be written. Its thread counts those of all shards, with the first shard.
    pub log_unwritten: Count,
    /// Broadcasts accepted; each shard counts each.
    pub broadcasts: Count,
    /// Gauge: broadcasts that have not reached everybody yet.
    pub broadcasts_open: Count,
    /// Broadcasts handed to a connection: to the kernel, or to its outbox.
    pub broadcasts_handed: Count,
    /// Those of them that had to wait in the outbox, in whole or in part.
    pub broadcasts_left: Count,
    /// Bytes received on connections after the opening handshake.
    pub bytes_in: Count,
    /// Bytes that the kernel took for connections after the opening handshake.
    pub bytes_out: Count,
    /// Of compression.
    pub deflate: DeflateCounters,
    /// Gauge: short buffers in use.
    pub buffers_lent: Count,
    /// Gauge: short buffers.
    pub buffers: Count,
    /// Gauge: bytes of all short buffers.
    pub buffer_bytes: Count,
    /// Gauge: long buffers in use.
    pub long_buffers_lent: Count,
    /// Gauge: long buffers.
    pub long_buffers: Count,
    /// Gauge: bytes of the long buffers that have been used.
    pub long_buffer_bytes: Count,
    /// Gauge: connections that wait for a buffer.
    pub buffers_waiting: Count,
    /// Gauge: bytes in outboxes.
    pub outbox_bytes: Count,
    /// Gauge: bytes of sends that wait for their peers.
    pub waiting_bytes: Count,
    /// Gauge: bytes of messages that are not whole yet.
    pub partial_bytes: Count,
    /// Bytes that arrived before they were asked for, held by the driver.
    pub held_bytes: Count,
    /// Gauge: bytes of the connection records in use, the driver's part included.
    pub record_bytes: Count,
    /// Operations submitted to the kernel.
    pub submissions: Count,
    /// Completions (io_uring) or events (epoll) received from it.
    pub completions: Count,
    /// System calls made by the driver.
    pub syscalls: Count,
    /// Turns of the shard's loop.
    pub turns: Count,
    /// Time of a turn, waiting excluded.
    pub turn_duration: Histogram<12>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            opened: Count::default(),
            closed: std::array::from_fn(|_| std::array::from_fn(|_| Count::default())),
            handshakes_open: Count::default(),
            limited: std::array::from_fn(|_| Count::default()),
            handshakes: std::array::from_fn(|_| Count::default()),
            handshake_duration: Histogram::new(HANDSHAKE_BOUNDS),
            accepted: Count::default(),
            accept_errors: Count::default(),
            handed_over: Count::default(),
            refused_early: Count::default(),
            goodbyes: Count::default(),
            text_in: Count::default(),
            binary_in: Count::default(),
            text_out: Count::default(),
            binary_out: Count::default(),
            dropped: Count::default(),
            log_dropped: Count::default(),
            log_unwritten: Count::default(),
            broadcasts: Count::default(),
            broadcasts_open: Count::default(),
            broadcasts_handed: Count::default(),
            broadcasts_left: Count::default(),
            bytes_in: Count::default(),
            bytes_out: Count::default(),
            deflate: DeflateCounters::default(),
            buffers_lent: Count::default(),
            buffers: Count::default(),
            buffer_bytes: Count::default(),
            long_buffers_lent: Count::default(),
            long_buffers: Count::default(),
            long_buffer_bytes: Count::default(),
            buffers_waiting: Count::default(),
            outbox_bytes: Count::default(),
            waiting_bytes: Count::default(),
            partial_bytes: Count::default(),
            held_bytes: Count::default(),
            record_bytes: Count::default(),
            submissions: Count::default(),
            completions: Count::default(),
            syscalls: Count::default(),
            turns: Count::default(),
            turn_duration: Histogram::new(TURN_BOUNDS),
        }
    }
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
}
