//! Medians and how sure they are.

use serde::Serialize;

use crate::payload::mix;

/// The middle value; the mean of both middle ones; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// A median, its spread, and an interval for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// 95 % bootstrap interval of the median.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Summary {
    /// Of at least one value.
    pub(crate) fn new(values: &[f64]) -> Self {
        let (low, high) = bootstrap(values);
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { median: median(values), min, max, low, high }
    }
}

/// Medians of 2,000 samples drawn with replacement (always the same draw): their 2.5 % and 97.5 % quantiles.
fn bootstrap(values: &[f64]) -> (f64, f64) {
    const SAMPLES: usize = 2000;
    let len = values.len() as u64;
    if len == 0 {
        return (f64::NAN, f64::NAN);
    }
    let mut draw = 0;
    let mut medians: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let sample: Vec<f64> = (0..len)
                .map(|_| {
                    draw += 1;
                    let index = usize::try_from(mix(draw) % len).unwrap_or(0);
                    values[index]
                })
                .collect();
            median(&sample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    (medians[SAMPLES / 40], medians[SAMPLES - 1 - SAMPLES / 40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_value_or_between_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_interval_of_equal_values_is_that_value() {
        let summary = Summary::new(&[1.5; 9]);
        let all = [summary.median, summary.min, summary.max, summary.low, summary.high];
        assert_eq!(all, [1.5; 5]);
    }

    #[test]
    fn the_interval_lies_within_the_spread_and_around_the_median() {
        let summary = Summary::new(&[1.0, 1.1, 0.9, 1.2, 1.05, 0.95, 1.0, 3.0, 1.02]);
        assert!(summary.min <= summary.low && summary.low <= summary.median);
        assert!(summary.median <= summary.high && summary.high < summary.max);
    }
}
