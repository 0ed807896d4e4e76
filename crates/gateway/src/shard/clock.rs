//! A shard's clock: read once a turn.

use std::time::{Duration, Instant};

use crate::quota::nanos;

/// The time as one turn sees it.
///
/// Its seconds count the time in which the shard was running. A process that stood still for minutes (a stopped one, a
/// virtual machine that was moved) finds what its peers sent meanwhile only after the sweep has looked at the clock:
/// counted in full, those minutes would end every connection that has a deadline, although nobody was late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// When the shard began; later by all the time in which it stood still.
    start: Instant,
    now: Instant,
    second: u32,
}

impl Clock {
    /// Longest time from one turn to the next that counts in full. A turn waits for a quarter of a second at most.
    const STRIDE_MAX: Duration = Duration::from_secs(2);

    pub(crate) fn start(now: Instant) -> Self {
        Self { start: now, now, second: 0 }
    }

    /// Takes the time: once a turn, when the wait is over. Returns how long the shard stood still, if it did.
    pub(crate) fn read(&mut self, now: Instant) -> Option<Duration> {
        let stood_still = now.saturating_duration_since(self.now).saturating_sub(Self::STRIDE_MAX);
        self.start += stood_still;
        self.now = now;
        self.second = u32::try_from(now.duration_since(self.start).as_secs()).unwrap_or(u32::MAX);
        (!stood_still.is_zero()).then_some(stood_still)
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
        let mut clock = Clock::start(Instant::now());
        assert_eq!(clock.read(clock.start + Duration::from_millis(1900)), None);
        assert_eq!(clock.second(), 1);
        assert_eq!(clock.second_after(Duration::from_millis(100)), 2);
        assert_eq!(clock.second_after(Duration::from_secs(1)), 3);
    }

    #[test]
    fn time_in_which_the_shard_stood_still_brings_no_deadline_nearer() {
        let mut clock = Clock::start(Instant::now());
        let deadline = clock.second_after(Duration::from_secs(10));
        let hour = Duration::from_secs(3600);
        assert_eq!(clock.read(clock.now + hour), Some(hour - Clock::STRIDE_MAX));
        assert_eq!(clock.second(), 2);
        for _ in 0..4 {
            assert!(clock.second() < deadline);
            assert_eq!(clock.read(clock.now + Clock::STRIDE_MAX), None);
        }
        assert_eq!(clock.second(), deadline);
    }
}
