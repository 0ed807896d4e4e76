//! What a shard counts: plain numbers that one thread writes and a scrape reads.
//!
//! Each shard has a [`Counters`] of its own. Only the shard's thread writes it, so an increment is a load and a
//! store, not a locked instruction; whoever scrapes sums over the shards. Nothing here knows of Prometheus.

use holdfast_proto::{Deflater, Inflater, MessageKind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number with one writer and any number of readers.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`. Only the shard that owns the counter may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Replaces the value; for gauges and for totals that are kept elsewhere.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value at some moment not long ago.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Declares an enum that is used as a label: its variants, their label values, and how many there are.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every variant, in order of its index.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// How many variants there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The value of the label.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

labels! {
    /// Why a connection ended. Label `reason` of `holdfast_connections_closed_total`.
    CloseReason {
        /// The peer began the closing handshake.
        Peer = "peer",
        /// The peer's end of stream came without a close frame.
        Gone = "gone",
        /// The peer reset the connection, or TCP gave it up.
        Reset = "reset",
        /// The peer broke RFC 6455.
        Protocol = "protocol",
        /// A message or frame over the limit.
        TooBig = "too_big",
        /// A message was not whole in time.
        Unfinished = "unfinished",
        /// Nothing was heard for the idle timeout.
        Idle = "idle",
        /// Pings were not answered.
        Unanswered = "unanswered",
        /// It was open for as long as it may be.
        Age = "age",
        /// The peer sent more in a second than it may.
        Rate = "rate",
        /// The outbox was full: the peer reads too slowly.
        Slow = "slow",
        /// The application closed it.
        Application = "application",
        /// The gateway is draining.
        Drain = "drain",
    }
}

labels! {
    /// The close code a connection ended with. Label `code` of `holdfast_connections_closed_total`.
    CloseCode {
        /// No close frame was sent or received.
        None = "none",
        /// A close frame without a code.
        Empty = "1005",
        /// 1000
        Normal = "1000",
        /// 1001
        Away = "1001",
        /// 1002
        Protocol = "1002",
        /// 1003
        Unsupported = "1003",
        /// 1007
        Invalid = "1007",
        /// 1008
        Policy = "1008",
        /// 1009
        TooBig = "1009",
        /// 1010
        Extension = "1010",
        /// 1011
        Internal = "1011",
        /// 1012
        Restart = "1012",
        /// 1013
        TryAgain = "1013",
        /// 3000 to 3999, registered with IANA.
        Registered = "3xxx",
        /// 4000 to 4999, private use.
        Private = "4xxx",
        /// Any other code that a peer may send.
        Other = "other",
    }
}

impl CloseCode {
    /// The label of a code that was sent or received in a close frame.
    pub fn of(code: u16) -> Self {
        match code {
            1000 => Self::Normal,
            1001 => Self::Away,
            1002 => Self::Protocol,
            1003 => Self::Unsupported,
            1005 => Self::Empty,
            1007 => Self::Invalid,
            1008 => Self::Policy,
            1009 => Self::TooBig,
            1010 => Self::Extension,
            1011 => Self::Internal,
            1012 => Self::Restart,
            1013 => Self::TryAgain,
            3000..=3999 => Self::Registered,
            4000..=4999 => Self::Private,
            _ => Self::Other,
        }
    }
}

labels! {
    /// How an opening handshake ended. Label `outcome` of `holdfast_handshakes_total`: the HTTP status, the rule
    /// that decided, or why there was no answer.
    HandshakeOutcome {
        /// 101: the connection is open.
        Accepted = "101",
        /// 400
        BadRequest = "400",
        /// 403: the application refused.
        Forbidden = "403",
        /// 404: the application knows no such path.
        NotFound = "404",
        /// 405: not GET.
        Method = "405",
        /// 408: the head took too long.
        Timeout = "408",
        /// 426: not an upgrade, or not version 13.
        Upgrade = "426",
        /// 429: too many connections from one address.
        TooMany = "429",
        /// 431: head too large.
        HeadTooLarge = "431",
        /// 503: full or draining.
        Unavailable = "503",
        /// 505: not HTTP/1.1.
        Version = "505",
        /// 200: a health check, which asks for no connection.
        Health = "health",
        /// 404: the path is none of `paths`.
        Path = "path",
        /// 403: the origin is none of `origins`, or missing.
        Origin = "origin",
        /// 400: no subprotocol that was offered is one of `subprotocols`.
        Subprotocol = "subprotocol",
        /// No PROXY header, or a malformed one: closed without an answer.
        ProxyHeader = "proxy_header",
        /// Not one of `trusted-proxies`: closed without an answer.
        Untrusted = "untrusted",
        /// 400: a trusted proxy's list of those for whom it sends a request is malformed or too long.
        Forwarded = "forwarded",
        /// Another status the application chose.
        OtherStatus = "other",
        /// The peer left before an answer.
        Gone = "gone",
    }
}

impl HandshakeOutcome {
    /// The outcome that stands for an HTTP status.
    pub fn of(status: u16) -> Self {
        match status {
            101 => Self::Accepted,
            400 => Self::BadRequest,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::Method,
            408 => Self::Timeout,
            426 => Self::Upgrade,
            429 => Self::TooMany,
            431 => Self::HeadTooLarge,
            503 => Self::Unavailable,
            505 => Self::Version,
            _ => Self::OtherStatus,
        }
    }
}

labels! {
    /// A limit that was applied to a peer or a connection. Label `limit` of `holdfast_limited_total`;
    /// [`limits::table`](crate::limits::table) says what each answers.
    Limit {
        /// All places for connections are taken.
        Connections = "connections",
        /// All places for connections of every shard are taken.
        ShardConnections = "shard_connections",
        /// A client address has as many connections as it may.
        AddressConnections = "address_connections",
        /// There were too many opening handshakes in a second.
        HandshakeRate = "handshake_rate",
        /// As many opening handshakes as may be are under way.
        Handshakes = "handshakes",
        /// An opening handshake took too long.
        HandshakeTime = "handshake_time",
        /// The head of a request is too long.
        HeadBytes = "head_bytes",
        /// A request has too many header fields.
        Headers = "headers",
        /// A frame is too long.
        FrameBytes = "frame_bytes",
        /// A message is too long.
        MessageBytes = "message_bytes",
        /// Too much is held of messages that are not whole, of all connections of a shard.
        ShardPartialBytes = "shard_partial_bytes",
        /// A message was not whole in time.
        MessageTime = "message_time",
        /// A connection sends too many frames.
        MessageRate = "message_rate",
        /// A connection sends too many bytes.
        ByteRate = "byte_rate",
        /// Pings were not answered.
        Pings = "pings",
        /// A connection was open for long enough.
        Age = "age",
        /// Nothing was heard for too long.
        IdleTime = "idle_time",
        /// Too much waits to be sent to one connection.
        OutboxBytes = "outbox_bytes",
        /// Too much waits to be sent to the connections of a shard.
        ShardOutboxBytes = "shard_outbox_bytes",
        /// A send made no progress for too long.
        SendTime = "send_time",
        /// The peer did not finish the closing handshake.
        CloseTime = "close_time",
    }
}

/// Upper bounds in seconds of the turn histogram's buckets.
pub const TURN_BOUNDS: [f64; 12] =
    [0.000_005, 0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25];

/// Upper bounds in seconds of the opening handshake histogram's buckets.
pub const HANDSHAKE_BOUNDS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 10.0];

/// A histogram with one writer: how many values fell into each bucket, and their sum by bucket.
///
/// The sum is kept by bucket so that a scrape can hand on each bucket as `count` times its mean, which lies inside the
/// bucket and keeps the total sum right.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: [f64; N],
    counts: [Count; N],
    nanos: [Count; N],
    over: Count,
    over_nanos: Count,
}

impl<const N: usize> Histogram<N> {
    /// An empty histogram with these upper bounds, in seconds, in ascending order.
    pub fn new(bounds: [f64; N]) -> Self {
        Self {
            bounds,
            counts: std::array::from_fn(|_| Count::default()),
            nanos: std::array::from_fn(|_| Count::default()),
            over: Count::default(),
            over_nanos: Count::default(),
        }
    }

    /// Counts one duration.
    pub fn record(&self, duration: std::time::Duration) {
        let seconds = duration.as_secs_f64();
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        match self.bounds.iter().position(|bound| seconds <= *bound) {
            Some(index) => {
                self.counts[index].add(1);
                self.nanos[index].add(nanos);
            }
            None => {
                self.over.add(1);
                self.over_nanos.add(nanos);
            }
        }
    }

    /// For each bucket, the one past the last bound included: how many values, and their sum in nanoseconds.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let inner = self.counts.iter().zip(&self.nanos).map(|(count, nanos)| (count.get(), nanos.get()));
        inner.chain(std::iter::once((self.over.get(), self.over_nanos.get())))
    }
}

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
