//! The time of day, as whoever has a clock tells it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds since 1970, set from outside and read by handshakes: for the validity of client certificates and the age of
/// tickets. A few seconds more or less do not matter.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// A clock that shows this time until it is set.
    pub fn new(seconds: u64) -> Self {
        Self(AtomicU64::new(seconds))
    }

    /// Sets it.
    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    /// What it shows.
    pub fn seconds(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
