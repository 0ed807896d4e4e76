//! README's table: the headlines of the newest published results.

use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use crate::contestants::{REFERENCE, Role};
use crate::report::number;
use crate::results::{Headline, Results, ScenarioResults, newest, write_whole};
use crate::statistics::Estimate;

const BEGIN: &str = "<!-- measured -->\n";
/// What every table says of itself.
const ROUNDS: &str = "alternated rounds and the interval of each";
const END: &str = "<!-- end of measured -->";

/// Columns and rows: each contestant with its headlines.
pub(crate) fn cells(results: &Results) -> (Vec<String>, Vec<Vec<String>>) {
    let headlines: Vec<(&ScenarioResults, &Headline)> = results
        .scenarios
        .iter()
        .flat_map(|scenario| scenario.description.headlines.iter().map(move |headline| (scenario, headline)))
        .filter(|(scenario, headline)| scenario.trial(&headline.trial).is_some())
        .collect();
    let mut columns = vec![String::new()];
    columns.extend(headlines.iter().map(|(scenario, headline)| column(scenario, headline)));
    let row = |name: &str| {
        let cells = headlines.iter().map(|(scenario, headline)| cell(scenario, headline, name));
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<String>>()
    };
    let measured = results.contestants.iter().filter(|one| one.role != Role::Bare).map(|one| row(&one.name));
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

/// What stands between README's markers.
pub(crate) fn table(results: &Results) -> String {
    let (columns, rows) = cells(results);
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let named = |row: &Vec<String>| {
        let ours = results.contestants.iter().any(|one| one.name == row[0] && one.role == Role::Gateway);
        let name = if ours { format!("**{}**", row[0]) } else { row[0].clone() };
        line(&[&[name][..], &row[1..]].concat())
    };
    let rounds = results.scenarios.iter().flat_map(|scenario| &scenario.trials).map(|trial| trial.planned);
    let look = if results.quick { "a quick look, " } else { "" };
    let rounds = rounds.max().unwrap_or_default();
    format!(
        "On {}, {} (both ends on this machine, one CPU each; {look}medians of {rounds} {ROUNDS}, \
         of fewer where one takes long and of more where they were noisy; `{REFERENCE}`, `uring-baseline` and `epoll` are Holdfast):\n\n{}|{}\n{}\n",
        results.day(),
        results.machine,
        line(&columns),
        "---|".repeat(columns.len()),
        rows.iter().map(named).collect::<String>()
    )
}

/// Where README's table lies.
fn section(text: &str) -> Option<Range<usize>> {
    let start = text.find(BEGIN)? + BEGIN.len();
    Some(start..start + text[start..].find(END)?)
}

/// Writes README's table anew.
///
/// # Errors
///
/// When there are no results of a whole run, or README has no place for it.
pub(crate) fn rewrite(root: &Path) -> anyhow::Result<()> {
    let newest = newest(&root.join("bench/results"))?;
    let (path, results) =
        newest.context("bench/results/ has no results of a whole run: `holdfast-bench all` makes them")?;
    let readme = root.join("README.md");
    let mut text = std::fs::read_to_string(&readme).context("reading README.md")?;
    let range = section(&text).with_context(|| format!("README.md has no {}", BEGIN.trim()))?;
    text.replace_range(range, &table(&results));
    write_whole(&readme, &text)?;
    println!("README.md shows {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_readme_is_that_of_the_newest_results() {
        let root = crate::root();
        let text = std::fs::read_to_string(root.join("README.md")).unwrap();
        let shown = &text[section(&text).unwrap()];
        match newest(&root.join("bench/results")).unwrap() {
            Some((path, results)) => assert!(
                shown == table(&results),
                "write it anew from {}: `cargo run --release -p holdfast-bench -- readme`",
                path.display()
            ),
            None => assert!(!shown.contains(ROUNDS), "README shows a table without the results it is from"),
        }
    }

    #[test]
    fn a_place_without_its_end_is_none() {
        assert_eq!(section("a<!-- measured -->\nb<!-- end of measured -->"), Some(19..20));
        assert_eq!(section("<!-- measured -->\nb"), None);
    }
}
