//! README's table and plot, and the whole table: the headlines of the newest published results.

use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use crate::contestants::{REFERENCE, Role};
use crate::report;
use crate::report::headlines::{Column, cells, headlines, rows};
use crate::results::{Results, newest, write_whole};

const BEGIN: &str = "<!-- measured -->\n";
/// What every table says of itself.
const ROUNDS: &str = "alternated rounds, intervals in brackets";
const END: &str = "<!-- end of measured -->";

/// The columns that decide, which README shows: the scenario and the metric of their headlines. CPU per message is that
/// of the first headline with it.
const DECIDING: [(&str, &str); 4] = [
    ("idle", "user_bytes"),
    ("idle", "kernel_beyond_bytes"),
    ("echo", "cpu_ns"),
    ("storm", "cpu_ns_per_handshake"),
];
/// README's plot: a metric of a scenario.
const PLOT: (&str, &str) = ("idle", "user_bytes");

/// Those that decide.
fn deciding(results: &Results) -> Vec<Column<'_>> {
    let all = headlines(results);
    let is = |(scenario, headline): &Column<'_>, wanted: &(&str, &str)| {
        (scenario.description.name.as_str(), headline.metric.as_str()) == *wanted
    };
    DECIDING.iter().filter_map(|wanted| all.iter().find(|column| is(column, wanted)).copied()).collect()
}

/// README's table: what decides, without the yardsticks.
fn small(results: &Results) -> String {
    let is_shown = |role| matches!(role, Role::Gateway | Role::Variant);
    markdown(results, rows(results, &deciding(results), is_shown))
}

/// The whole table, of docs/measurements/suite.md.
pub(crate) fn whole(results: &Results) -> String {
    markdown(results, cells(results))
}

/// What stands between the markers.
fn markdown(results: &Results, (columns, rows): (Vec<String>, Vec<Vec<String>>)) -> String {
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
        "On {}, {}\n(both ends on this machine, one CPU each; {look}medians of {rounds} {ROUNDS},\n\
         fewer where a round takes long, more where results were noisy;\n\
         `{REFERENCE}`, `uring-baseline` and `epoll` are Holdfast):\n\n{}|{}\n{}\n",
        results.day(),
        results.machine,
        line(&columns),
        "---|".repeat(columns.len()),
        rows.iter().map(named).collect::<String>()
    )
}

/// Where a page's table lies.
fn section(text: &str) -> Option<Range<usize>> {
    let start = text.find(BEGIN)? + BEGIN.len();
    Some(start..start + text[start..].find(END)?)
}

/// The pages that show results, and what stands between their markers.
fn pages(results: &Results) -> [(&'static str, String); 2] {
    [("README.md", small(results)), ("docs/measurements/suite.md", whole(results))]
}

/// README's plot.
const PICTURE: &str = "docs/idle-memory.svg";

fn picture(results: &Results) -> Option<String> {
    report::picture(results, PLOT.0, PLOT.1)
}

/// Writes tables and plot anew.
///
/// # Errors
///
/// When there are no results of a whole run, or a page has no place for its table.
pub(crate) fn rewrite(root: &Path) -> anyhow::Result<()> {
    let newest = newest(&root.join("bench/results"))?;
    let (path, results) =
        newest.context("bench/results/ has no results of a whole run: `holdfast-bench all` makes them")?;
    for (name, table) in pages(&results) {
        let page = root.join(name);
        let mut text = std::fs::read_to_string(&page).with_context(|| format!("reading {name}"))?;
        let range = section(&text).with_context(|| format!("{name} has no {}", BEGIN.trim()))?;
        text.replace_range(range, &table);
        write_whole(&page, &text)?;
        println!("{name} shows {}", path.display());
    }
    if let Some(picture) = picture(&results) {
        write_whole(&root.join(PICTURE), &picture)?;
        println!("{PICTURE} shows {}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANEW: &str = "write it anew: `cargo run --release -p holdfast-bench -- readme`";

    #[test]
    fn tables_and_plot_are_those_of_the_newest_results() {
        let root = crate::root();
        let Some((path, results)) = newest(&root.join("bench/results")).unwrap() else {
            panic!("bench/results/ has no results of a whole run");
        };
        for (name, table) in pages(&results) {
            let text = std::fs::read_to_string(root.join(name)).unwrap();
            assert!(text[section(&text).unwrap()] == table, "{name}, from {}: {ANEW}", path.display());
        }
        let shown = std::fs::read_to_string(root.join(PICTURE)).unwrap();
        assert!(picture(&results).is_some_and(|picture| picture == shown), "{PICTURE}: {ANEW}");
    }

    #[test]
    fn readme_has_at_most_five_columns() {
        let (_, results) = newest(&crate::root().join("bench/results")).unwrap().unwrap();
        let (columns, rows) = rows(&results, &deciding(&results), |role| role == Role::Gateway);
        assert_eq!(columns.len(), 5, "{columns:?}");
        assert_eq!(rows.len(), 3, "{rows:?}");
    }

    #[test]
    fn only_the_newest_results_have_their_page_beside_them() {
        let folder = crate::root().join("bench/results");
        let (newest, _) = newest(&folder).unwrap().unwrap();
        let pages = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let pages: Vec<_> = pages.filter(|path| path.to_string_lossy().ends_with("-all.html")).collect();
        assert_eq!(pages, [newest.with_extension("html")], "`holdfast-bench report FILE.json` makes it");
    }

    #[test]
    fn a_place_without_its_end_is_none() {
        assert_eq!(section("a<!-- measured -->\nb<!-- end of measured -->"), Some(19..20));
        assert_eq!(section("<!-- measured -->\nb"), None);
    }
}
