//! What is told of a bus.

use std::time::Instant;

/// How a bus is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The connection, if it is there: each has a greater number than the one before.
    pub session: Option<u64>,
    /// The server that it is connected to, or was last: its name and address, without secrets.
    pub server: Option<String>,
    /// Since when it is there, or is not.
    pub since: Option<Instant>,
    /// Bytes that wait to be sent.
    pub queue_bytes: usize,
    /// Bytes that have come and wait to be fetched.
    pub inbox_bytes: usize,
    /// Questions that wait for an answer.
    pub questions: usize,
    /// Why it is not there, or was not when it was lost last: one sentence, without secrets.
    pub last_error: Option<String>,
    /// What it has counted.
    pub counts: Counts,
}

/// What a bus has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages handed to a server.
    pub sent: u64,
    /// Messages that were taken and waited when the connection was lost: they are never sent.
    pub lost: u64,
    /// Messages that came.
    pub received: u64,
    /// Messages that came and had no room here, and at least so many that had none in the client library.
    pub dropped: u64,
    /// Connections that were there.
    pub sessions: u64,
    /// Messages that were not taken: while it was away, had no room, or were longer than the server takes.
    pub away: u64,
    /// See [`away`](Self::away).
    pub full: u64,
    /// See [`away`](Self::away).
    pub too_large: u64,
}
