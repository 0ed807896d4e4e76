//! How long something took, many times over.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is told apart.
const LONGEST: Duration = Duration::from_secs(600);
/// What is reported, and which share of all it does not fall short of.
pub(crate) const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// Durations to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Waits(Histogram<u64>);

impl Default for Waits {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        Self(Histogram::new_with_bounds(1, longest, 3).expect("bounds that are one"))
    }
}

impl Waits {
    /// Adds one; longer than ten minutes counts as ten minutes.
    pub(crate) fn record(&mut self, wait: Duration) {
        self.0.saturating_record(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds all of another's.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the same bounds");
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The longest.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// That which the share `at` (0 to 1) does not exceed.
    pub(crate) fn quantile(&self, at: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(at))
    }

    /// Microseconds by name: p50, p90, p99, p99.9, max.
    pub(crate) fn microseconds(&self) -> BTreeMap<&'static str, f64> {
        QUANTILES.into_iter().map(|(name, at)| (name, self.quantile(at).as_secs_f64() * 1e6)).collect()
    }

    /// The same for people, in milliseconds.
    pub(crate) fn line(&self) -> String {
        let part = |(name, at)| format!("{name} {:.2}", self.quantile(at).as_secs_f64() * 1e3);
        QUANTILES.map(part).join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut waits = Waits::default();
        for milliseconds in 1..=1000 {
            waits.record(Duration::from_millis(milliseconds));
        }
        let microseconds = waits.microseconds();
        for (name, expected) in [("p50", 500e3), ("p99", 990e3), ("p99.9", 999e3), ("max", 1000e3)] {
            let off = (microseconds[name] - expected).abs() / expected;
            assert!(off < 0.002, "{name}: {}", microseconds[name]);
        }
    }

    #[test]
    fn what_takes_for_ever_is_counted_as_the_longest() {
        let mut waits = Waits::default();
        waits.record(Duration::from_secs(6000));
        let mut sum = Waits::default();
        sum.append(&waits);
        assert_eq!(sum.count(), 1);
        assert!(sum.longest() >= LONGEST);
    }
}
