//! How long something takes, by bucket.

use std::time::Duration;

use super::count::Count;

/// A histogram with one writer: how many values fell into each bucket, and their sum by bucket.
///
/// The sum is kept by bucket so that a scrape can hand on each bucket as `count` times its mean, which lies inside the
/// bucket and keeps the total sum right.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: [f64; N],
    counts: [Count; N],
    nanos: [Count; N],
    over: Count,
    over_nanos: Count,
}

impl<const N: usize> Histogram<N> {
    /// An empty histogram with these upper bounds, in seconds, in ascending order.
    pub fn new(bounds: [f64; N]) -> Self {
        Self {
            bounds,
            counts: std::array::from_fn(|_| Count::default()),
            nanos: std::array::from_fn(|_| Count::default()),
            over: Count::default(),
            over_nanos: Count::default(),
        }
    }

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        match self.bounds.iter().position(|bound| seconds <= *bound) {
            Some(index) => {
                self.counts[index].add(1);
                self.nanos[index].add(nanos);
            }
            None => {
                self.over.add(1);
                self.over_nanos.add(nanos);
            }
        }
    }

    /// For each bucket, the one past the last bound included: how many values, and their sum in nanoseconds.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let inner = self.counts.iter().zip(&self.nanos).map(|(count, nanos)| (count.get(), nanos.get()));
        inner.chain(std::iter::once((self.over.get(), self.over_nanos.get())))
    }
}
