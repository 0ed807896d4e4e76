//! A shard's clock: read once a turn.

use std::time::{Duration, Instant};

use crate::quota::nanos;

/// The time as one turn sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    now: Instant,
    second: u32,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { start: now, now, second: 0 }
    }

    /// Reads the time: once a turn, when the wait is over.
    pub(crate) fn read(&mut self) {
        self.set(Instant::now());
    }

    fn set(&mut self, now: Instant) {
        self.now = now;
        self.second = u32::try_from(now.duration_since(self.start).as_secs()).unwrap_or(u32::MAX);
    }

    /// When the turn began.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Whole seconds since the shard began: what the records keep, in four bytes, for 136 years.
    pub(crate) fn second(&self) -> u32 {
        self.second
    }

    /// Nanoseconds since the shard began.
    pub(crate) fn nanos(&self) -> u64 {
        nanos(self.now.duration_since(self.start))
    }

    /// The first second by which all of `period` has passed.
    pub(crate) fn second_after(&self, period: Duration) -> u32 {
        let end = self.now.duration_since(self.start) + period;
        u32::try_from(end.as_secs() + u64::from(end.subsec_nanos() > 0)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_never_cut_short() {
        let mut clock = Clock::start();
        clock.set(clock.start + Duration::from_millis(1900));
        assert_eq!(clock.second(), 1);
        assert_eq!(clock.second_after(Duration::from_millis(100)), 2);
        assert_eq!(clock.second_after(Duration::from_secs(1)), 3);
    }
}
