//! The bus: what carries messages from node to node. NATS is one; [`simulated`] is another, for tests.

#[cfg(any(test, feature = "simulated"))]
pub mod simulated;

use std::fmt;
use std::time::Instant;

use bytes::Bytes;

/// Carries messages. A node has one, and has told it to which subjects it listens.
///
/// What may be relied on: between one publisher and one receiver, as long as both keep their connections, messages of
/// one subscription come in order, and each at most once. Where a connection is made anew, what was under way may be
/// lost, late, doubled, or come back to its publisher.
pub trait Bus {
    /// Takes a message, which may be lost nonetheless. Never waits.
    ///
    /// # Errors
    /// Why it was not taken. Then nobody gets it.
    fn try_publish(&mut self, subject: &str, message: Bytes) -> Result<(), Refused>;

    /// The next message that has come, if one has. Never waits.
    fn next(&mut self) -> Option<Incoming>;

    /// Whether it is there.
    fn state(&self) -> BusState;
}

/// A message that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// To which subject.
    pub subject: String,
    /// The message.
    pub message: Bytes,
}

/// Why a bus takes no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// It is not there.
    Away,
    /// What waits to be sent is as much as may.
    Full,
    /// The message is longer than it takes.
    TooLarge,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Away => "the bus is away",
            Self::Full => "too much waits for the bus",
            Self::TooLarge => "the message is too long for the bus",
        })
    }
}

impl std::error::Error for Refused {}

/// Whether a bus is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusState {
    /// It is not.
    Away,
    /// It is, and its next server has all subscriptions in force: what is said to that server from now on is heard.
    /// (NATS shows that by the answer to a request to a subject that nobody has; that bytes were written does not.)
    Here {
        /// Which connection this is: each has a greater number than the one before.
        session: u64,
        /// When its server was heard of last: by a message, or by its answer to a probe, one each two seconds or more
        /// often. While a node hears nothing of its bus, that it hears nothing of others says nothing of them.
        heard: Instant,
    },
}

impl BusState {
    /// The connection, if there is one.
    #[must_use]
    pub fn session(self) -> Option<u64> {
        match self {
            Self::Away => None,
            Self::Here { session, .. } => Some(session),
        }
    }
}
