//! Whether new connections are welcome.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the process does about new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Not every shard accepts yet.
    Starting,
    /// All shards accept.
    Accepting,
    /// No new connections; those held are ended.
    Draining,
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
    /// Sets the phase. It only goes forward: once draining, the process never accepts again.
    pub fn set(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Accepting,
            _ => Phase::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_never_goes_back() {
        let readiness = Readiness::default();
        assert_eq!(readiness.phase(), Phase::Starting);
        readiness.set(Phase::Accepting);
        assert_eq!(readiness.phase(), Phase::Accepting);
        readiness.set(Phase::Draining);
        readiness.set(Phase::Accepting);
        assert_eq!(readiness.phase(), Phase::Draining);
    }
}
