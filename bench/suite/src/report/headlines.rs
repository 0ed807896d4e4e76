//! Headlines of results as a table: each contestant, and how it did.

use super::axis::number;
use crate::contestants::Role;
use crate::results::{Headline, Results, ScenarioResults};
use crate::statistics::Estimate;

/// A headline, and the scenario it is of.
pub(crate) type Column<'a> = (&'a ScenarioResults, &'a Headline);

/// All headlines of which there are results.
pub(crate) fn headlines(results: &Results) -> Vec<Column<'_>> {
    results
        .scenarios
        .iter()
        .flat_map(|scenario| scenario.description.headlines.iter().map(move |headline| (scenario, headline)))
        .filter(|(scenario, headline)| scenario.trial(&headline.trial).is_some())
        .collect()
}

/// Columns and rows: each contestant with all headlines.
pub(crate) fn cells(results: &Results) -> (Vec<String>, Vec<Vec<String>>) {
    rows(results, &headlines(results), |role| role != Role::Bare)
}

pub(crate) fn rows(
    results: &Results,
    headlines: &[Column<'_>],
    shown: impl Fn(Role) -> bool,
) -> (Vec<String>, Vec<Vec<String>>) {
    let mut columns = vec![String::new()];
    columns.extend(headlines.iter().map(|(scenario, headline)| column(scenario, headline)));
    let row = |name: &str| {
        let cells = headlines.iter().map(|(scenario, headline)| cell(scenario, headline, name));
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<String>>()
    };
    let measured = results.contestants.iter().filter(|one| shown(one.role)).map(|one| row(&one.name));
    let rows = measured.filter(|row| row.iter().skip(1).any(|cell| cell != "-")).collect();
    (columns, rows)
}

fn column(scenario: &ScenarioResults, headline: &Headline) -> String {
    let unit = match &headline.relative_to {
        Some(name) => format!("to {name}"),
        None => {
            let metric = scenario.description.metrics.iter().find(|metric| metric.key == headline.metric);
            metric.map(|metric| metric.unit.clone()).unwrap_or_default()
        }
    };
    if unit.is_empty() { headline.title.clone() } else { format!("{}, {unit}", headline.title) }
}

fn cell(scenario: &ScenarioResults, headline: &Headline, name: &str) -> String {
    let Some(trial) = scenario.trial(&headline.trial) else { return "-".to_owned() };
    let estimate = match &headline.relative_to {
        Some(below) if below == name => return "1".to_owned(),
        Some(below) => trial.ratio(name, below, &headline.metric),
        None => trial.figure(name, &headline.metric),
    };
    estimate.map_or_else(|| "-".to_owned(), |estimate| interval(&estimate))
}

fn interval(estimate: &Estimate) -> String {
    let (median, low, high) = (number(estimate.median), number(estimate.low), number(estimate.high));
    if low == high { median } else { format!("{median} ({low} to {high})") }
}
