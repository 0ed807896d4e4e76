//! The report: one page that needs nothing but itself.

mod axis;
mod dots;
pub(crate) mod headlines;
mod lines;
mod markup;
mod tables;

pub(crate) use axis::grouped;

use crate::contestants::Role;
use crate::results::{Plot, Results, ScenarioResults};
use crate::statistics::Estimate;
use dots::{Group, Row};
use lines::Curve;
use markup::escape;

const STYLE: &str = include_str!("style.css");
/// Colours, and what pictures need.
const PICTURE_STYLE: &str = include_str!("picture.css");

const HOW: &str = "Each contestant ran once in each round, one after the other, another one first in each round, \
    against a server started anew. Shown are medians over the rounds. A whisker goes from the k-th smallest to the \
    k-th largest value, with the largest k for which that contains the true median in 95 % of cases (sign test); of \
    nine rounds it leaves out the smallest and the largest and is 96 % sure, of five or fewer it is all there is. \
    Ratios are taken within rounds, between runs that were seconds apart, and have intervals of their own. What was \
    noisy was run again, at most three times, and all rounds count.";

/// The whole page.
pub(crate) fn html(results: &Results) -> String {
    let title = format!("Holdfast measured, {}", results.day());
    let scenarios: Vec<String> =
        results.scenarios.iter().map(|scenario| section(results, scenario)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{title}</title>\n\
         <style>\n{PICTURE_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{}{}{}</main>\n</body>\n\
         </html>\n",
        head(results),
        summary(results),
        scenarios.concat()
    )
}

/// Where, when, with what, and whoever was left out.
fn head(results: &Results) -> String {
    let Results { date, command, machine, versions, .. } = results;
    let modified = if versions.modified { ", with changes" } else { "" };
    let go = if versions.go.is_empty() { String::new() } else { format!(", {}", versions.go) };
    let facts = [
        ("date", date.clone()),
        ("machine", machine.to_string()),
        ("CPUs", format!("servers on {}, load on {}", results.server_cpu, results.load_cpu)),
        ("compilers", format!("{}{go}", versions.rustc)),
        ("commit", format!("{}{modified}", versions.commit)),
        ("command", command.clone()),
    ];
    let facts: String =
        facts.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escape(value))).collect();
    let mut notes = Vec::new();
    if !results.went_on.is_empty() {
        notes.push(format!("Interrupted, and gone on with: {}.", results.went_on.join(", ")));
    }
    if results.quick {
        notes.push("A quick look: too few rounds to publish.".to_owned());
    }
    if !results.complete {
        notes.push("This run was ended before everything was measured.".to_owned());
    }
    notes.extend(results.skipped.iter().map(|one| format!("Not measured: {}: {}.", one.name, one.reason)));
    let notes: String =
        notes.iter().map(|note| format!("<p class=\"note\">{}</p>\n", escape(note))).collect();
    format!("<dl>\n{facts}</dl>\n{notes}<p>{HOW}</p>\n{}", tables::contestants(results))
}

fn summary(results: &Results) -> String {
    let (columns, rows) = headlines::cells(results);
    if columns.len() < 2 {
        return String::new();
    }
    format!("<h2>Summary</h2>\n{}", tables::plain(&columns, &rows))
}

fn section(results: &Results, scenario: &ScenarioResults) -> String {
    let description = &scenario.description;
    let name = escape(&description.name);
    let mut text = format!(
        "<section id=\"{name}\">\n<h2>{}</h2>\n<p>{}</p>\n",
        escape(&description.title),
        escape(&description.about)
    );
    for (index, plot) in description.plots.iter().enumerate() {
        text.push_str(&figure(results, scenario, plot, &format!("{name}-{index}")));
    }
    text.push_str(&tables::everything(results, scenario));
    text.push_str("</section>\n");
    text
}

/// A plot of dots as a picture of its own; nothing if there is nothing to show.
pub(crate) fn picture(results: &Results, scenario: &str, metric: &str) -> Option<String> {
    let scenario = results.scenarios.iter().find(|one| one.description.name == scenario)?;
    let plot = scenario.description.plots.iter().find_map(|plot| match plot {
        Plot::Dots { title, metric: of, relative_to: None, trials } if of == metric => Some((title, trials)),
        _ => None,
    });
    let (title, trials) = plot?;
    let groups = groups(results, scenario, metric, None, trials);
    let unit = scenario.description.metrics.iter().find(|one| one.key == metric)?;
    (!groups.is_empty())
        .then(|| markup::standalone(&dots::draw("picture", title, &unit.unit, None, &groups), PICTURE_STYLE))
}

/// A plot with its table; nothing if there is nothing to show.
fn figure(results: &Results, scenario: &ScenarioResults, plot: &Plot, id: &str) -> String {
    let (title, picture, table) = match plot {
        Plot::Dots { title, metric, relative_to, trials } => {
            let groups = groups(results, scenario, metric, relative_to.as_deref(), trials);
            if groups.is_empty() {
                return String::new();
            }
            let unit = scenario.description.metrics.iter().find(|one| one.key == *metric);
            let unit = match relative_to {
                Some(name) => format!("times {name}"),
                None => unit.map(|metric| metric.unit.clone()).unwrap_or_default(),
            };
            let mark = relative_to.as_ref().map(|_| 1.0);
            (title, dots::draw(id, title, &unit, mark, &groups), tables::dots(&unit, &groups))
        }
        Plot::Lines { title, curve, trial, x, y } => {
            let curves = curves(results, scenario, curve, trial);
            if curves.is_empty() {
                return String::new();
            }
            (title, lines::draw(id, title, (x, y), &curves), tables::lines(x, &curves))
        }
    };
    let title = escape(title);
    format!(
        "<figure>\n<figcaption>{title}</figcaption>\n{picture}<details><summary>The same as a table</summary>\n\
         {table}</details>\n</figure>\n"
    )
}

fn groups(
    results: &Results,
    scenario: &ScenarioResults,
    metric: &str,
    relative_to: Option<&str>,
    trials: &[String],
) -> Vec<Group> {
    let group = |name: &String| {
        let trial = scenario.trial(name)?;
        let estimate = |contestant: &str| -> Option<Estimate> {
            match relative_to {
                Some(below) => trial.ratio(contestant, below, metric).filter(|_| contestant != below),
                None => trial.figure(contestant, metric),
            }
        };
        let row = |name: &str, role: Role| {
            estimate(name).map(|estimate| Row { name: name.to_owned(), role, estimate })
        };
        let rows: Vec<Row> = results.contestants.iter().filter_map(|one| row(&one.name, one.role)).collect();
        (!rows.is_empty()).then(|| Group { title: name.clone(), rows })
    };
    trials.iter().filter_map(group).collect()
}

fn curves(results: &Results, scenario: &ScenarioResults, name: &str, trial: &str) -> Vec<Curve> {
    let Some(trial) = scenario.trial(trial) else { return Vec::new() };
    let curve = |contestant: &str, role| {
        let points = trial.curve(contestant, name);
        (!points.is_empty()).then(|| Curve { name: contestant.to_owned(), role, points })
    };
    results.contestants.iter().filter_map(|one| curve(&one.name, one.role)).collect()
}

#[cfg(test)]
mod tests;
