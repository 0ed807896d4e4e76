//! Whether new connections are welcome.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the process does about new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Not every shard accepts yet.
    Starting,
    /// All shards accept.
    Accepting,
    /// No new connections; those held are told to go. It may be taken back.
    Draining,
    /// The same, for the end.
    Ending,
}

/// The process's phase, which main sets and the admin server reads.
#[derive(Debug)]
pub struct Readiness(AtomicU8);

impl Default for Readiness {
    fn default() -> Self {
        Self(AtomicU8::new(Phase::Starting as u8))
    }
}

impl Readiness {
    /// Sets the phase. This way it only goes forward.
    pub fn set(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// Goes from draining back to accepting. Whether it was draining, and not for the end.
    pub fn resume(&self) -> bool {
        let (from, to) = (Phase::Draining as u8, Phase::Accepting as u8);
        self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Accepting,
            2 => Phase::Draining,
            _ => Phase::Ending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_drain_that_is_not_for_the_end_goes_back() {
        let readiness = Readiness::default();
        assert_eq!(readiness.phase(), Phase::Starting);
        readiness.set(Phase::Accepting);
        assert_eq!(readiness.phase(), Phase::Accepting);
        assert!(!readiness.resume(), "it is not draining");
        readiness.set(Phase::Draining);
        readiness.set(Phase::Accepting);
        assert_eq!(readiness.phase(), Phase::Draining);
        assert!(readiness.resume());
        assert_eq!(readiness.phase(), Phase::Accepting);
        readiness.set(Phase::Ending);
        assert!(!readiness.resume());
        assert_eq!(readiness.phase(), Phase::Ending);
    }
}
