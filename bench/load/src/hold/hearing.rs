//! Messages to all or to some, and the goodbye: what comes from the server and is asked for by nobody.

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use super::protocol::Meant;
use crate::payload::{Kind, fill};

/// The clock that all processes share (CLOCK_MONOTONIC), nanoseconds.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Payload of message `number`.
pub(crate) fn message(number: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fill(u64::MAX - u64::from(number), 0, Kind::Binary, &mut bytes);
    bytes
}

/// What is expected of the server.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// Number and payload of the message; number 0 for none.
    pub(super) number: u8,
    pub(super) to: Meant,
    pub(super) payload: Vec<u8>,
    /// Since when.
    pub(super) at: u64,
    /// Connections that have not heard it, or the goodbye, yet.
    pub(super) left: u32,
    pub(super) parting: bool,
    /// From `at` to the last byte, microseconds.
    pub(super) delays: Option<Histogram<u64>>,
    /// All that is awaited has come.
    pub(super) done: bool,
}

impl Hearing {
    /// Whether there is a message.
    pub(super) fn is_expecting(&self) -> bool {
        self.number > 0
    }

    /// Whether there is one for connection `index`.
    pub(super) fn is_for(&self, index: u32) -> bool {
        self.is_expecting() && self.to.has(index)
    }

    /// Whether the payload of a close frame is the goodbye that is expected.
    pub(super) fn is_goodbye(&self, payload: &[u8]) -> bool {
        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        self.parting && matches!(code, Some(1001 | 1012))
    }

    /// Connection `index` has ended, which has heard message `heard`: how many messages it has missed.
    pub(super) fn on_end(&mut self, index: u32, heard: u8) -> u64 {
        let misses = !self.parting && self.is_for(index) && heard != self.number;
        if misses || self.parting {
            self.left = self.left.saturating_sub(1);
        }
        u64::from(misses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_and_the_clock_goes_on() {
        assert_eq!(message(1, 20)[..10], message(1, 10)[..]);
        assert_ne!(message(1, 20), message(2, 20));
        let before = now();
        assert!(before > 0 && now() >= before);
    }

    #[test]
    fn only_who_has_not_heard_a_message_misses_it_by_leaving() {
        let to = Meant { every: 2, ..Meant::ALL };
        let mut hearing = Hearing { number: 3, to, left: 2, ..Hearing::default() };
        assert_eq!((hearing.on_end(0, 3), hearing.left), (0, 2));
        assert_eq!((hearing.on_end(1, 2), hearing.left), (0, 2), "it was not for that one");
        assert_eq!((hearing.on_end(2, 2), hearing.left), (1, 1));
        let mut parting = Hearing { parting: true, left: 2, ..Hearing::default() };
        assert_eq!((parting.on_end(0, 2), parting.left), (0, 1));
        assert!(parting.is_goodbye(&[3, 0xe9]) && parting.is_goodbye(&[3, 0xf4]));
        assert!(!parting.is_goodbye(&[3, 0xe8]) && !parting.is_goodbye(b""));
    }
}
