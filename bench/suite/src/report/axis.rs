//! Axes: where a value lies, and which values are named.

/// A value this many times another one asks for a logarithmic axis.
const SPREAD_MAX: f64 = 12.0;

/// An axis from one place to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Axis {
    /// One on which all of `values` lie between the places `start` and `end`: from nothing, or logarithmic where they
    /// are far apart.
    pub(super) fn new(values: &[f64], start: f64, end: f64) -> Self {
        let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let positive = values.iter().copied().filter(|&value| value > 0.0);
        let least = positive.fold(f64::INFINITY, f64::min).min(most);
        let all_positive = values.iter().all(|&value| value > 0.0);
        let logarithmic = all_positive && most / least > SPREAD_MAX;
        if logarithmic {
            let decade = |value: f64| 10_f64.powf(value);
            let from = decade((least * 0.9).log10().floor());
            // A whole decade below is too much where half of one does.
            let from = if from * 3.0 < least { from * 3.0 } else { from };
            return Self { from, to: most * 1.15, start, end, logarithmic };
        }
        let lowest = values.iter().copied().fold(0.0, f64::min);
        let step = step(most - lowest);
        let from = (lowest / step).floor() * step;
        Self { from, to: (most * 1.02 / step).ceil() * step, start, end, logarithmic }
    }

    /// Where a value lies; at the ends if it is beyond them.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.start + (self.end - self.start) * share.clamp(0.0, 1.0)
    }

    /// Round values to name.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = step(self.to - self.from);
            let first = (self.from / step).ceil();
            return (0..)
                .map(|index| (first + f64::from(index)) * step)
                .take_while(|&tick| tick <= self.to * (1.0 + 1e-9))
                .collect();
        }
        let decades = (self.to / self.from).log10();
        let within: &[f64] = if decades > 3.5 { &[1.0] } else { &[1.0, 3.0] };
        let mut decade = 10_f64.powf(self.from.log10().floor());
        let mut ticks = Vec::new();
        while decade <= self.to {
            ticks.extend(within.iter().map(|part| part * decade));
            decade *= 10.0;
        }
        ticks.retain(|&tick| tick >= self.from * (1.0 - 1e-9) && tick <= self.to);
        ticks
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }
}

/// A round step that divides `span` into three to five.
fn step(span: f64) -> f64 {
    let rough = (span / 4.0).max(1e-9);
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|part| part * decade >= rough * 0.99);
    step.unwrap_or(10.0) * decade
}

/// A number as short as it may be with three digits that count: `133,071`, `7.31`, `0.097`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        _ if size >= 99.95 || size == 0.0 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.995 => 2,
        _ => 3,
    };
    let text = format!("{size:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let grouped = grouped(whole);
    let sign = if value < 0.0 { "-" } else { "" };
    rest.map_or_else(|| format!("{sign}{grouped}"), |rest| format!("{sign}{grouped}.{rest}"))
}

/// `133071` as `133,071`.
pub(crate) fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A tick's name: no digits that say nothing.
pub(super) fn tick(value: f64) -> String {
    let text = number(value);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn near_values_get_an_axis_from_nothing() {
        let axis = Axis::new(&[0.9, 1.2], 100.0, 200.0);
        assert!(!axis.is_logarithmic());
        assert_eq!(axis.place(0.0), 100.0);
        assert_eq!(axis.ticks().into_iter().map(tick).collect::<Vec<_>>(), ["0", "0.5", "1", "1.5"]);
    }

    #[test]
    fn far_values_get_a_logarithmic_one() {
        let axis = Axis::new(&[71.0, 133_071.0], 0.0, 100.0);
        assert!(axis.is_logarithmic());
        let names: Vec<String> = axis.ticks().into_iter().map(tick).collect();
        assert_eq!(names, ["100", "1,000", "10,000", "100,000"]);
        let near = Axis::new(&[20.0, 300.0], 0.0, 100.0);
        assert_eq!(near.ticks().into_iter().map(tick).collect::<Vec<_>>(), ["10", "30", "100", "300"]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 0.0968, 1.0, 7.314, 56.04, 133_071.4, -3.2].map(number),
            ["0", "0.097", "1.00", "7.31", "56.0", "133,071", "-3.20"]
        );
    }

    proptest! {
        #[test]
        fn every_value_lies_between_the_ends_and_in_order(values in vec(-1e3..1e7_f64, 1..20)) {
            let axis = Axis::new(&values, 10.0, 20.0);
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let places: Vec<f64> = sorted.iter().map(|&value| axis.place(value)).collect();
            prop_assert!(places.iter().all(|place| (10.0..=20.0).contains(place)));
            prop_assert!(places.is_sorted());
        }

        #[test]
        fn ticks_are_few_and_on_the_axis(values in vec(1e-3..1e7_f64, 1..20)) {
            let axis = Axis::new(&values, 0.0, 1.0);
            let ticks = axis.ticks();
            prop_assert!((1..=12).contains(&ticks.len()), "{:?}", ticks);
            prop_assert!(ticks.is_sorted());
        }
    }
}
