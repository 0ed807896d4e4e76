//! Lines of JSON between this program and the processes that hold connections for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a process is told to do with all its connections, one line on its standard input.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Connect, and complete the opening handshake.
    Open,
    /// Send a ping, wait for its pong.
    Ping,
    /// Send a message, wait for its echo.
    Message,
    /// Complete the closing handshake, wait for the end of the stream.
    Close,
    /// Set SO_LINGER to 0, so that [`Order::Reset`] has nothing left to do but close.
    Arm,
    /// Close every descriptor.
    Reset,
    /// Send a frame without a mask, wait for the end of the stream.
    Error,
    /// Send a message on one connection of so many, wait for its echo.
    Talk { every: u32 },
    /// From now on message `number` of `len` bytes is expected, once on each open connection that it is meant for; the
    /// clock says `at` ([`now`](super::hearing::now)). Nothing to wait for.
    Expect { number: u8, len: u32, at: u64, to: Meant },
    /// Wait until it has come on each of them.
    Hear,
    /// From now on the server's goodbye (close code 1001 or 1012) is expected. Nothing to wait for.
    Part,
    /// Wait for it on every connection, and for the end of the stream after our answer.
    Goodbye,
}

/// Whom a message is for: one connection in so many, of those with these indices over all processes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Meant {
    pub(crate) every: u32,
    pub(crate) first: u32,
    /// Behind the last.
    pub(crate) end: u32,
}

impl Meant {
    /// All of them.
    pub(crate) const ALL: Self = Self { every: 1, first: 0, end: u32::MAX };

    /// Whether it is for this connection.
    pub(crate) const fn has(self, index: u32) -> bool {
        self.first <= index && index < self.end && index.is_multiple_of(self.every)
    }

    /// For how many of the first `count` it is.
    pub(crate) fn of(self, count: u32) -> u64 {
        let multiples = |end: u32| end.div_ceil(self.every.max(1));
        multiples(self.end.min(count)).saturating_sub(multiples(self.first)).into()
    }
}

/// What became of the connections of one process, or of all of them, since its start.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Totals {
    /// Opening handshakes completed.
    pub(crate) opened: u64,
    /// Opening handshakes that came to nothing.
    pub(crate) failed: u64,
    /// Connections that ended without being asked to.
    pub(crate) lost: u64,
    /// Own pings and messages answered as they should be.
    pub(crate) answered: u64,
    /// Answers that differ from what was asked for, or that nobody asked for.
    pub(crate) wrong: u64,
    /// Closing handshakes completed: the same close code came back, then the end of the stream.
    pub(crate) closed: u64,
    /// Connections that ended otherwise when asked to close.
    pub(crate) unclean: u64,
    /// The server's pings answered.
    pub(crate) pongs: u64,
    /// Messages to all that came as they should, counted on each connection.
    pub(crate) heard: u64,
    /// Those that did not come.
    pub(crate) missed: u64,
    /// Why connections failed, were lost or closed uncleanly, and how many of each.
    pub(crate) reasons: BTreeMap<String, u64>,
}

impl Totals {
    /// Adds what another process reports.
    pub(crate) fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.failed += other.failed;
        self.lost += other.lost;
        self.answered += other.answered;
        self.wrong += other.wrong;
        self.closed += other.closed;
        self.unclean += other.unclean;
        self.pongs += other.pongs;
        self.heard += other.heard;
        self.missed += other.missed;
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
    }

    /// Whether every connection did what it was asked to.
    pub(crate) fn is_flawless(&self) -> bool {
        self.failed + self.lost + self.wrong + self.unclean + self.missed == 0
    }

    /// Notes why one connection went away.
    pub(crate) fn blame(&mut self, reason: String) {
        *self.reasons.entry(reason).or_default() += 1;
    }
}

/// One line on a process's standard output.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) totals: Totals,
    /// Orders carried out so far.
    pub(crate) orders_done: u32,
    /// Resident memory of the process, bytes.
    pub(crate) rss_bytes: u64,
    /// After [`Order::Hear`]: microseconds from its `at` to the last byte, and on how many connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) delays: Vec<(u64, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_message_is_for_is_counted_as_it_is_told() {
        let ten = Meant { every: 100, first: 1000, end: 2000 };
        for meant in [Meant::ALL, Meant { every: 100, ..Meant::ALL }, ten] {
            for count in [0, 1, 999, 1001, 1250, 5000] {
                let told = (0..count).filter(|&index| meant.has(index)).count();
                assert_eq!(meant.of(count), told as u64, "{meant:?} of {count}");
            }
        }
        assert_eq!(ten.of(5000), 10);
        assert!(!Meant::default().has(0));
    }
}
