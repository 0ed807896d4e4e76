//! A token bucket in eight bytes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::nanos::nanos;

/// How many in a second, and for how long ahead: a bucket that holds what the rate gives in the time of a burst.
///
/// The state of a bucket is one number, the moment at which it will be full again, in nanoseconds of its owner's clock:
/// 0, or whatever has passed, is a full one (the generic cell rate algorithm of ITU-T I.371, as a virtual schedule).
/// In 64 bits that moment never wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    per_second: u64,
    burst: u64,
}

impl Rate {
    /// The most that is taken at once: the bytes of a read, or the frames in it.
    pub(crate) const TAKEN_MAX: u64 = 64 << 10;

    /// `per_second` of whatever is counted, at least 1; `burst` is how much of that may come at once.
    pub(crate) fn new(per_second: u64, burst: Duration) -> Self {
        Self { per_second: per_second.max(1), burst: nanos(burst) }
    }

    /// Takes `count` out of a bucket. Whether all of them were in it; if not, they are owed.
    pub(crate) fn take(&self, full_at: &mut u64, now: u64, count: u64) -> bool {
        self.forgive(full_at, now);
        *full_at = (*full_at).max(now).saturating_add(self.cost(count));
        !self.owes(*full_at, now)
    }

    /// Whether more was taken out of a bucket than was in it.
    pub(crate) fn is_over(&self, full_at: &mut u64, now: u64) -> bool {
        self.forgive(full_at, now);
        self.owes(*full_at, now)
    }

    fn owes(&self, full_at: u64, now: u64) -> bool {
        full_at.saturating_sub(now) > self.burst
    }

    /// A bucket that owes more than can be taken at once was filled under a clock that has gone back since: it is
    /// empty.
    fn forgive(&self, full_at: &mut u64, now: u64) {
        let owed_max = self.burst.saturating_add(self.cost(Self::TAKEN_MAX));
        if full_at.saturating_sub(now) > owed_max {
            *full_at = now.saturating_add(self.burst);
        }
    }

    fn cost(&self, count: u64) -> u64 {
        count.saturating_mul(NANOS) / self.per_second
    }
}

const NANOS: u64 = 1_000_000_000;

/// A bucket that several threads take from, one at a time. It never owes.
#[derive(Debug)]
pub(crate) struct SharedBucket {
    rate: Rate,
    full_at: AtomicU64,
}

impl SharedBucket {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, full_at: AtomicU64::new(0) }
    }

    /// Whether there is one.
    pub(crate) fn has_one(&self, now: u64) -> bool {
        let mut full_at = self.full_at.load(Relaxed);
        self.rate.take(&mut full_at, now, 1)
    }

    /// Takes one out, if there is one. The clocks of the threads may differ by the length of a turn.
    pub(crate) fn take(&self, now: u64) -> bool {
        let take = |mut full_at: u64| self.rate.take(&mut full_at, now, 1).then_some(full_at);
        self.full_at.fetch_update(Relaxed, Relaxed, take).is_ok()
    }
}

/// A bucket with a clock of its own, of what may come in a second.
#[derive(Debug)]
pub(crate) struct Bucket {
    bucket: SharedBucket,
    start: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u64) -> Self {
        // As much at once as in a second.
        let rate = Rate::new(per_second, Duration::from_secs(1));
        Self { bucket: SharedBucket::new(rate), start: Instant::now() }
    }

    /// Takes one out, if there is one.
    pub(crate) fn take(&self) -> bool {
        self.bucket.take(nanos(self.start.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = NANOS;

    fn rate(per_second: u64, burst_seconds: u64) -> Rate {
        Rate::new(per_second, Duration::from_secs(burst_seconds))
    }

    /// How many can be taken one by one.
    fn take_all(rate: Rate, full_at: &mut u64, now: u64) -> u64 {
        let mut count = 0;
        while rate.take(full_at, now, 1) {
            count += 1;
        }
        count
    }

    #[test]
    fn a_bucket_holds_a_burst_and_no_more_however_long_it_was_left_alone() {
        for start in [0, 1, SECOND, 1 << 40, 1 << 62] {
            let mut full_at = 0;
            assert_eq!(take_all(rate(5, 10), &mut full_at, start), 50, "from {start}");
        }
    }

    #[test]
    fn it_fills_at_its_rate() {
        let rate = rate(5, 10);
        let mut full_at = 0;
        let mut now = SECOND;
        while rate.take(&mut full_at, now, 1) {}
        // The one that was refused is owed: in a second there are four.
        now += SECOND;
        assert_eq!(take_all(rate, &mut full_at, now), 4);
        now += 100 * SECOND;
        assert_eq!(take_all(rate, &mut full_at, now), 50);
    }

    #[test]
    fn one_who_keeps_to_the_rate_is_never_refused_whatever_the_rate() {
        for per_second in [1, 3, 7, 60, 999, 1_000_000] {
            let rate = rate(per_second, 1);
            let (mut full_at, mut now) = (0, 12_345);
            for _ in 0..10_000 {
                assert!(rate.take(&mut full_at, now, 1), "{per_second} a second");
                now += SECOND.div_ceil(per_second);
            }
        }
    }

    #[test]
    fn what_is_owed_is_paid_by_waiting() {
        let rate = rate(100, 1);
        let mut full_at = 0;
        assert!(!rate.take(&mut full_at, 0, 300));
        assert!(rate.is_over(&mut full_at, 2 * SECOND - 1));
        assert!(!rate.is_over(&mut full_at, 2 * SECOND));
    }

    #[test]
    fn a_clock_that_jumps_ahead_fills_the_bucket_and_one_that_jumps_back_empties_it_at_most() {
        let rate = rate(10, 2);
        let mut full_at = 0;
        let now = 1_000_000 * SECOND;
        assert_eq!(take_all(rate, &mut full_at, now), 20);
        let later = now + 500_000 * SECOND;
        assert_eq!(take_all(rate, &mut full_at, later), 20);
        // Back by half a million seconds: an empty bucket, which is full again two seconds later.
        let mut alone = full_at;
        assert!(!rate.is_over(&mut alone, now));
        assert!(!rate.take(&mut full_at, now, 1));
        assert_eq!(take_all(rate, &mut full_at, now + 3 * SECOND), 20);
    }

    #[test]
    fn nothing_happens_when_32_bits_are_full() {
        let rate = rate(10, 2);
        let wraps = [1 << 32, (1 << 32) * 1_000, (1 << 32) * 1_000_000, (1_u64 << 32) * SECOND];
        for wrap in wraps {
            let mut full_at = 0;
            assert_eq!(take_all(rate, &mut full_at, wrap - SECOND), 20);
            assert_eq!(take_all(rate, &mut full_at, wrap), 9, "ten less the one that was refused");
            assert_eq!(take_all(rate, &mut full_at, wrap + SECOND), 9);
        }
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        let rate = rate(1, 3600);
        let mut full_at = u64::MAX;
        rate.take(&mut full_at, u64::MAX, u64::MAX);
        assert!(!rate.is_over(&mut full_at, u64::MAX), "time does not go on, so nothing is owed");
        assert!(Rate::new(0, Duration::MAX).take(&mut 0, 0, u64::MAX));
    }

    #[test]
    fn threads_take_no_more_than_there_is_together() {
        let bucket = SharedBucket::new(rate(100, 10));
        let taken = || (0..500).filter(|_| bucket.take(SECOND)).count();
        let all: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(taken)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(all, 1000);
        assert!(bucket.take(2 * SECOND), "who was refused owes nothing");
    }
}
