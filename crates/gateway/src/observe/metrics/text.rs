//! The Prometheus text format, version 0.0.4, where the exporter's own writer does not reach.

use std::fmt::Write;

use super::table::named;
use crate::counters::Histogram;

/// One family as HELP, TYPE and samples, for each family of an exposition, samples in order of their labels.
pub(super) fn blocks(exposition: &str) -> Vec<String> {
    let sorted = |block: &str| {
        let mut lines: Vec<_> = block.lines().filter(|line| !line.is_empty()).collect();
        // '#' sorts before names, and HELP before TYPE.
        lines.sort_unstable();
        lines.join("\n") + "\n"
    };
    exposition.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).map(sorted).collect()
}

/// Buckets of several histograms added up: count and sum in nanoseconds of each, the one past the last bound included.
pub(super) fn merge<'h, const N: usize>(all: impl Iterator<Item = &'h Histogram<N>>) -> Vec<(u64, u64)> {
    let mut merged = vec![(0, 0); N + 1];
    for histogram in all {
        for (sum, (count, nanos)) in merged.iter_mut().zip(histogram.buckets()) {
            *sum = (sum.0 + count, sum.1 + nanos);
        }
    }
    merged
}

/// A histogram in seconds, without labels.
pub(super) fn histogram(name: &str, bounds: &[f64], buckets: &[(u64, u64)]) -> String {
    histograms(name, bounds, [(None, buckets.to_vec())])
}

/// Histograms in seconds of one family, each with its label.
pub(super) fn histograms<'l>(
    name: &str,
    bounds: &[f64],
    all: impl IntoIterator<Item = (Option<(&'l str, &'l str)>, Vec<(u64, u64)>)>,
) -> String {
    let mut text = head(name);
    for (label, buckets) in all {
        // Values that would have to be escaped are nobody's: names of hubs have letters, digits and the like.
        let own = label.map(|(label, value)| format!("{label}=\"{value}\""));
        let mut count = 0;
        let bounds = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, (more, _)) in bounds.zip(&buckets) {
            count += more;
            let own = own.as_ref().map_or_else(String::new, |own| format!("{own},"));
            line(&mut text, format_args!("{name}_bucket{{{own}le=\"{bound}\"}} {count}"));
        }
        let nanos: u64 = buckets.iter().map(|(_, nanos)| nanos).sum();
        let own = own.map_or_else(String::new, |own| format!("{{{own}}}"));
        line(&mut text, format_args!("{name}_sum{own} {}", nanos as f64 / 1e9));
        line(&mut text, format_args!("{name}_count{own} {count}"));
    }
    text
}

/// A metric of one sample, without labels.
pub(super) fn single(name: &str, value: f64) -> String {
    let mut text = head(name);
    line(&mut text, format_args!("{name} {value}"));
    text
}

fn head(name: &str) -> String {
    let mut text = String::new();
    if let Some(family) = named(name) {
        line(&mut text, format_args!("# HELP {name} {}", family.help));
        line(&mut text, format_args!("# TYPE {name} {}", family.kind.word()));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}
