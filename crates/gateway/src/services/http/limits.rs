//! What a request may take.

use std::time::Duration;

use holdfast_proto::HeadLimits;

/// Bounds on each request and each connection.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The head's bytes and lines.
    pub(crate) head: HeadLimits,
    /// Longest body in bytes, as it is without its chunks.
    pub(crate) body_bytes_max: usize,
    /// From the first byte of a head to its last. A connection that is new has this time for all of its first one.
    pub(crate) head_time: Duration,
    /// From the end of a head to the last byte of its body.
    pub(crate) body_time: Duration,
    /// From an answer to the first byte of the next request.
    pub(crate) idle_time: Duration,
    /// How long the client may take to read an answer.
    pub(crate) answer_time: Duration,
    /// How long what a client still sends is thrown away after its last answer, so that the answer is not lost to a
    /// reset.
    pub(crate) linger_time: Duration,
}

impl Limits {
    /// Longest head in bytes. Tokens repeat the whole URL, and that may name a hundred connections.
    pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;
    /// Most header lines of a head.
    pub(crate) const HEADERS_MAX: usize = 100;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: HeadLimits { head_bytes_max: Self::HEAD_BYTES_MAX, headers_max: Self::HEADERS_MAX },
            body_bytes_max: 1 << 20,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            answer_time: Duration::from_secs(30),
            linger_time: Duration::from_secs(5),
        }
    }
}
