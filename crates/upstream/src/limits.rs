//! What a service may cost.

use std::time::Duration;

/// Bounds on the requests to one endpoint and on what comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a request may take in all, with its repeats and the waits between them.
    pub timeout: Duration,
    /// How long each attempt may take, from the wait for a connection to the last byte of the answer.
    pub attempt_max: Duration,
    /// How long a new connection may take: name, connect and TLS together.
    pub connect_max: Duration,
    /// Most connections for each address. With HTTP/1.1 that is how many requests are under way at once; with HTTP/2
    /// too, on fewer connections.
    pub connections_max: usize,
    /// How long a connection is kept without a request. Shorter than services keep theirs: Node closes after 5 s. A
    /// service that says `Keep-Alive: timeout=N` gets a second less than that, if it is shorter.
    pub idle_max: Duration,
    /// How old a connection gets before a new one takes its place, to whatever address the name has by then.
    pub age_max: Duration,
    /// Longest head of an answer in bytes. At least 8192, which is as little as hyper allows.
    pub head_bytes_max: usize,
    /// Most header fields of an answer.
    pub headers_max: usize,
    /// Longest body of an answer in bytes.
    pub answer_bytes_max: usize,
    /// Waits before the first, the second and each further repeat; each is made up to a quarter shorter or longer.
    pub delays: [Duration; 3],
    /// Failures in a row that open the circuit breaker of an address.
    pub failures_max: u32,
    /// How long a breaker is open the first time. Each time that follows it is twice as long.
    pub open_min: Duration,
    /// How long a breaker is open at most.
    pub open_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            attempt_max: Duration::from_secs(15),
            connect_max: Duration::from_secs(3),
            connections_max: 64,
            idle_max: Duration::from_secs(4),
            age_max: Duration::from_secs(60),
            head_bytes_max: 16 * 1024,
            headers_max: 100,
            answer_bytes_max: 1024 * 1024,
            delays: [1, 3, 5].map(Duration::from_secs),
            failures_max: 5,
            open_min: Duration::from_secs(3),
            open_max: Duration::from_secs(30),
        }
    }
}
