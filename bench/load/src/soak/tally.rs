//! What was seen from this end.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::plan::End;

/// Counts since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Tally {
    /// Sockets that connected.
    pub(super) connected: u64,
    /// Opening handshakes completed.
    pub(super) opened: u64,
    /// Messages whose echo came back right.
    pub(super) messages: u64,
    /// Bytes sent after the opening handshakes.
    pub(super) sent_bytes: u64,
    /// Bytes received after the opening handshakes.
    pub(super) received_bytes: u64,
    /// Visits that ended as planned.
    pub(super) ends: BTreeMap<End, u64>,
    /// What should not have happened, and how often.
    pub(super) troubles: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn ended(&mut self, end: End) {
        *self.ends.entry(end).or_default() += 1;
    }

    pub(super) fn trouble(&mut self, what: String) {
        /// Kinds of trouble told apart.
        const KINDS_MAX: usize = 100;
        if self.troubles.len() < KINDS_MAX || self.troubles.contains_key(&what) {
            *self.troubles.entry(what).or_default() += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} connected, {} opened, {} messages echoed, {} bytes sent, {} received",
            self.connected, self.opened, self.messages, self.sent_bytes, self.received_bytes
        )?;
        writeln!(f, "ends: {:?}", self.ends)?;
        for (what, count) in &self.troubles {
            writeln!(f, "  TROUBLE {count} x {what}")?;
        }
        Ok(())
    }
}
