//! Medians, how sure they are, and slopes.

/// How sure an interval of a median should be, where there are values enough.
const CONFIDENCE: f64 = 0.95;

/// The middle value; the mean of both middle ones; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    middle(&sorted)
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

/// A median and the interval that it is in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// How often such an interval contains the true median: 0.95 or more, less where there are fewer than six values.
    pub(crate) confidence: f64,
    /// How many values.
    pub(crate) count: usize,
}

impl Estimate {
    /// Of at least one value; `None` of nothing.
    ///
    /// The interval goes from the k-th smallest to the k-th largest value, with the largest k for which it contains
    /// the true median in 95 % of cases: each value is below it with a chance of one half, whatever their
    /// distribution (the sign test turned round). With nine values it leaves out the smallest and the largest, and is
    /// 96.1 % sure.
    pub(crate) fn new(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let (left_out, confidence) = left_out(count);
        Some(Self {
            median: middle(&sorted),
            low: sorted[left_out],
            high: sorted[count - 1 - left_out],
            confidence,
            count,
        })
    }

    /// Half the interval's width as a share of the median.
    pub(crate) fn doubt(&self) -> f64 {
        (self.high - self.low) / 2.0 / self.median.abs()
    }
}

/// How many of `count` sorted values an interval leaves out at each end, and how sure it then is.
fn left_out(count: usize) -> (usize, f64) {
    // P(exactly k of count values are below the median), k growing; by logarithms, which do not underflow.
    let halves = count as f64 * 0.5_f64.ln();
    let mut ways = 0.0;
    let mut below = 0.0;
    let mut best = (0, f64::NAN);
    for k in 0..count.div_ceil(2) {
        below += f64::exp(ways + halves);
        let confidence = (1.0 - 2.0 * below).max(0.0);
        if k > 0 && confidence < CONFIDENCE {
            break;
        }
        best = (k, confidence);
        ways += ((count - k) as f64).ln() - ((k + 1) as f64).ln();
    }
    best
}

/// Growth of y for each x: the slope of the line with the least squares; `None` without two different x.
pub(crate) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let across: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let along: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (along > 0.0).then(|| across / along)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_median_is_the_middle_value_or_between_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn nine_values_leave_out_one_at_each_end() {
        let values: Vec<f64> = (1..=9).map(f64::from).collect();
        let Estimate { median, low, high, confidence, count } = Estimate::new(&values).unwrap();
        assert_eq!((median, low, high, count), (5.0, 2.0, 8.0, 9));
        assert!((confidence - (1.0 - 2.0 * 10.0 / 512.0)).abs() < 1e-12);
    }

    #[test]
    fn the_table_of_the_sign_test_is_met() {
        // Values left out at each end for at least 95 %, as printed in tables of the sign test (one less than its
        // lower rank): n, left out.
        for (count, expected) in [(6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5), (36, 11)] {
            let (left_out, confidence) = left_out(count);
            assert_eq!(left_out, expected, "of {count}");
            assert!(confidence >= 0.95);
        }
    }

    #[test]
    fn too_few_values_say_how_unsure_they_are() {
        let estimate = Estimate::new(&[1.0, 3.0, 2.0]).unwrap();
        assert_eq!((estimate.low, estimate.high), (1.0, 3.0));
        assert!((estimate.confidence - 0.75).abs() < 1e-12);
        assert!(Estimate::new(&[1.0]).unwrap().confidence.abs() < 1e-12);
        assert!(Estimate::new(&[]).is_none());
    }

    #[test]
    fn a_slope_needs_two_different_places() {
        assert_eq!(slope(&[]), None);
        assert_eq!(slope(&[(1.0, 5.0), (1.0, 6.0)]), None);
        assert_eq!(slope(&[(1.0, 5.0), (3.0, 9.0)]), Some(2.0));
    }

    proptest! {
        #[test]
        fn half_of_the_values_are_on_either_side_of_a_median(values in vec(-1e6..1e6_f64, 1..60)) {
            let median = median(&values);
            let below = values.iter().filter(|&&value| value < median).count();
            let above = values.iter().filter(|&&value| value > median).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
        }

        #[test]
        fn an_interval_contains_its_median_and_consists_of_values(values in vec(-1e6..1e6_f64, 1..60)) {
            let estimate = Estimate::new(&values).unwrap();
            prop_assert!(estimate.low <= estimate.median && estimate.median <= estimate.high);
            prop_assert!(values.contains(&estimate.low) && values.contains(&estimate.high));
            prop_assert!((0.0..1.0).contains(&estimate.confidence));
        }

        #[test]
        fn an_estimate_scales_with_its_values(values in vec(1.0..1e6_f64, 1..60), factor in 1.0..1e3_f64) {
            let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
            let (one, other) = (Estimate::new(&values).unwrap(), Estimate::new(&scaled).unwrap());
            prop_assert!((one.median * factor - other.median).abs() <= other.median * 1e-12);
            prop_assert!((one.doubt() - other.doubt()).abs() <= 1e-9);
        }

        #[test]
        fn an_outlier_moves_no_interval_of_nine(mut values in vec(1.0..2.0_f64, 9)) {
            let before = Estimate::new(&values).unwrap();
            let largest = (0..9).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap();
            values[largest] = 1e9;
            prop_assert_eq!(Estimate::new(&values).unwrap(), before);
        }

        #[test]
        fn the_slope_of_a_line_is_found_whatever_its_height(
            slope_of_line in -1e3..1e3_f64, height in -1e6..1e6_f64, xs in vec(0..100_000_u32, 2..20),
        ) {
            prop_assume!(xs.iter().any(|&x| x != xs[0]));
            let points: Vec<(f64, f64)> =
                xs.iter().map(|&x| (f64::from(x), height + slope_of_line * f64::from(x))).collect();
            let found = slope(&points).unwrap();
            prop_assert!((found - slope_of_line).abs() < 1e-6 * (1.0 + height.abs()), "{}", found);
        }
    }
}
