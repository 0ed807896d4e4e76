//! What was seen from this end.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::plan::End;
use crate::waits::Waits;

/// Counts since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tally {
    /// Sockets that connected.
    pub(crate) connected: u64,
    /// Opening handshakes completed.
    pub(crate) opened: u64,
    /// Messages whose echo came back right.
    pub(crate) messages: u64,
    /// Bytes sent after the opening handshakes.
    pub(crate) sent_bytes: u64,
    /// Bytes received after the opening handshakes.
    pub(crate) received_bytes: u64,
    /// Visits that ended as planned.
    pub(crate) ends: BTreeMap<End, u64>,
    /// From when a visit was due to its 101.
    #[serde(skip)]
    pub(crate) opening: Waits,
    /// From a message to the end of its echo.
    #[serde(skip)]
    pub(crate) echo: Waits,
    /// What should not have happened, and how often.
    pub(crate) troubles: BTreeMap<String, u64>,
}

impl Tally {
    /// Visits that ended as planned.
    pub(crate) fn visits(&self) -> u64 {
        self.ends.values().sum()
    }

    pub(crate) fn ended(&mut self, end: End) {
        *self.ends.entry(end).or_default() += 1;
    }

    pub(crate) fn trouble(&mut self, what: String) {
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
