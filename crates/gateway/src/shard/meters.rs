//! How much each connection has sent lately: kept beside the records, and only where a rate is set.

use super::policy::{RatePolicy, Rates};
use crate::counters::Limit;
use crate::quota::Rate;

/// The buckets of a shard's connections.
#[derive(Debug)]
pub(crate) struct Meters {
    policy: RatePolicy,
    messages: Option<Meter>,
    bytes: Option<Meter>,
}

/// One bucket per connection, by its key.
#[derive(Debug)]
struct Meter {
    rate: Rate,
    /// See [`Rate`]. Zeroed memory that was never touched takes no room, so all of it is there from the start.
    full_at: Vec<u64>,
}

impl Meter {
    fn new(rate: Rate, connections_max: u32) -> Self {
        Self { rate, full_at: vec![0; connections_max as usize] }
    }

    fn take(&mut self, key: u32, now: u64, count: u64) -> bool {
        self.rate.take(&mut self.full_at[key as usize], now, count)
    }

    fn is_over(&mut self, key: u32, now: u64) -> bool {
        self.rate.is_over(&mut self.full_at[key as usize], now)
    }
}

impl Meters {
    /// Meters for so many connections; none where no rate is set.
    pub(crate) fn new(rates: &Rates, connections_max: u32) -> Option<Self> {
        let meter = |rate: Option<Rate>| rate.map(|rate| Meter::new(rate, connections_max));
        let (messages, bytes) = (meter(rates.messages), meter(rates.bytes));
        let some = messages.is_some() || bytes.is_some();
        some.then_some(Self { policy: rates.policy, messages, bytes })
    }

    /// A record has a new owner, whose buckets are full.
    pub(crate) fn begin(&mut self, key: u32) {
        for meter in [&mut self.messages, &mut self.bytes].into_iter().flatten() {
            meter.full_at[key as usize] = 0;
        }
    }

    /// Counts a frame. Whether the connection is to be closed for it.
    pub(crate) fn count_frame(&mut self, key: u32, now: u64) -> Option<Limit> {
        let within = self.messages.as_mut().is_none_or(|meter| meter.take(key, now, 1));
        (!within && self.policy == RatePolicy::Close).then_some(Limit::MessageRate)
    }

    /// Counts what was received. Whether the connection is to be closed for it.
    pub(crate) fn count_bytes(&mut self, key: u32, now: u64, len: usize) -> Option<Limit> {
        let within = self.bytes.as_mut().is_none_or(|meter| meter.take(key, now, len as u64));
        (!within && self.policy == RatePolicy::Close).then_some(Limit::ByteRate)
    }

    /// The limit for which a connection is not to be read from just now.
    pub(crate) fn waits_for(&mut self, key: u32, now: u64) -> Option<Limit> {
        if self.policy == RatePolicy::Close {
            return None;
        }
        let over = |meter: &mut Option<Meter>| meter.as_mut().is_some_and(|meter| meter.is_over(key, now));
        if over(&mut self.messages) {
            return Some(Limit::MessageRate);
        }
        over(&mut self.bytes).then_some(Limit::ByteRate)
    }

    /// Bytes beside each record.
    pub(crate) fn bytes_each(&self) -> usize {
        [&self.messages, &self.bytes].into_iter().flatten().count() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn meters(policy: RatePolicy, messages: Option<u64>, bytes: Option<u64>) -> Option<Meters> {
        let rate = |per_second| Rate::new(per_second, Duration::from_secs(2));
        Meters::new(&Rates { policy, messages: messages.map(rate), bytes: bytes.map(rate) }, 3)
    }

    #[test]
    fn without_a_rate_there_is_nothing() {
        assert!(meters(RatePolicy::Close, None, None).is_none());
        let one = meters(RatePolicy::Wait, Some(1), None).expect("meters");
        let both = meters(RatePolicy::Wait, Some(1), Some(1)).expect("meters");
        assert_eq!((one.bytes_each(), both.bytes_each()), (8, 16));
    }

    #[test]
    fn each_connection_has_buckets_of_its_own_and_a_new_one_full_ones() {
        let mut meters = meters(RatePolicy::Close, Some(1), Some(10)).expect("meters");
        assert_eq!([(); 3].map(|()| meters.count_frame(1, 0)), [None, None, Some(Limit::MessageRate)]);
        assert_eq!(meters.count_bytes(1, 0, 20), None);
        assert_eq!(meters.count_bytes(1, 0, 1), Some(Limit::ByteRate));
        assert_eq!((meters.count_frame(2, 0), meters.count_bytes(0, 0, 20)), (None, None));
        meters.begin(1);
        assert_eq!((meters.count_frame(1, 0), meters.count_bytes(1, 0, 20)), (None, None));
        assert_eq!(meters.waits_for(1, 0), None, "it is closed instead");
    }

    #[test]
    fn one_that_is_to_wait_is_not_closed_and_waits_until_it_has_paid() {
        let mut meters = meters(RatePolicy::Wait, Some(10), Some(1000)).expect("meters");
        for _ in 0..30 {
            assert_eq!(meters.count_frame(0, 0), None);
        }
        assert_eq!(meters.count_bytes(0, 0, 2500), None);
        assert_eq!(meters.waits_for(0, 0), Some(Limit::MessageRate));
        assert_eq!(meters.waits_for(0, SECOND / 4), Some(Limit::MessageRate));
        assert_eq!(meters.waits_for(0, SECOND), None);
        assert_eq!(meters.count_bytes(0, SECOND, 3000), None);
        assert_eq!(meters.waits_for(0, SECOND), Some(Limit::ByteRate));
        assert_eq!(meters.waits_for(1, 0), None);
    }
}
