//! Tables: the same as the plots, and everything else.

use super::axis::number;
use super::dots::Group;
use super::lines::Curve;
use super::markup::escape;
use crate::contestants::{About, REFERENCE};
use crate::results::{Metric, Results, ScenarioResults, TrialResults};
use crate::statistics::Estimate;

/// A table of texts; the first column names the row.
pub(super) fn plain(columns: &[String], rows: &[Vec<String>]) -> String {
    let head: String =
        columns.iter().map(|column| format!("<th scope=\"col\">{}</th>", escape(column))).collect();
    let rows: String = rows.iter().map(|row| self::row(row)).collect();
    wrap(&head, &format!("<tbody>\n{rows}</tbody>\n"))
}

fn row(cells: &[String]) -> String {
    let name =
        cells.first().map(|name| format!("<th scope=\"row\">{}</th>", escape(name))).unwrap_or_default();
    let rest: String = cells.iter().skip(1).map(|cell| format!("<td>{}</td>", escape(cell))).collect();
    format!("<tr>{name}{rest}</tr>\n")
}

fn wrap(head: &str, body: &str) -> String {
    format!("<div class=\"scroll\"><table>\n<thead><tr>{head}</tr></thead>\n{body}</table></div>\n")
}

/// `1.05 (1.02 to 1.08)`.
pub(super) fn sure(estimate: &Estimate) -> String {
    let Estimate { median, low, high, count, .. } = estimate;
    if *count == 1 {
        return number(*median);
    }
    format!("{} ({} to {})", number(*median), number(*low), number(*high))
}

/// Who was measured.
pub(super) fn contestants(results: &Results) -> String {
    let row = |one: &About| {
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"text\">{}</td><td class=\"text\"><code>{}</code></td></tr>\n",
            escape(&one.name),
            escape(&one.note),
            escape(&one.command)
        )
    };
    let rows: String = results.contestants.iter().map(row).collect();
    let versions = results.versions.variants.iter().map(|(folder, libraries)| {
        let libraries: Vec<String> =
            libraries.iter().map(|(name, version)| format!("{name} {version}")).collect();
        format!("<dt>{}</dt><dd>{}</dd>\n", escape(folder), escape(&libraries.join(", ")))
    });
    let head =
        "<th scope=\"col\">contestant</th><th scope=\"col\">what it is</th><th scope=\"col\">command</th>";
    let table = wrap(head, &format!("<tbody>\n{rows}</tbody>\n"));
    format!(
        "<details><summary>Contestants and versions</summary>\n{table}<dl>\n{}</dl>\n</details>\n",
        versions.collect::<String>()
    )
}

/// What a plot of dots shows.
pub(super) fn dots(unit: &str, groups: &[Group]) -> String {
    let columns = ["contestant", "median", "interval", "sure", "rounds"];
    let mut head: String = columns.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    if !unit.is_empty() {
        head = head.replacen("median", &escape(&format!("median, {unit}")), 1);
    }
    let cells = |name: &str, estimate: &Estimate| {
        let Estimate { median, low, high, confidence, count } = *estimate;
        let interval = format!("{} to {}", number(low), number(high));
        vec![
            name.to_owned(),
            number(median),
            interval,
            format!("{:.0} %", confidence * 100.0),
            count.to_string(),
        ]
    };
    let body: String = groups
        .iter()
        .map(|group| {
            let rows: String = group.rows.iter().map(|one| row(&cells(&one.name, &one.estimate))).collect();
            let title = escape(&group.title);
            format!("<tbody>\n<tr><th colspan=\"5\" scope=\"rowgroup\">{title}</th></tr>\n{rows}</tbody>\n")
        })
        .collect();
    wrap(&head, &body)
}

/// What a plot of curves shows.
pub(super) fn lines(x: &str, curves: &[Curve]) -> String {
    let mut places: Vec<f64> =
        curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0)).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let columns: Vec<String> =
        std::iter::once(x.to_owned()).chain(places.iter().map(|&place| number(place))).collect();
    let cell = |curve: &Curve, place: f64| {
        let point = curve.points.iter().find(|point| point.0.total_cmp(&place).is_eq());
        point.map_or_else(|| "-".to_owned(), |point| number(point.1))
    };
    let row = |curve: &Curve| {
        std::iter::once(curve.name.clone()).chain(places.iter().map(|&place| cell(curve, place))).collect()
    };
    plain(&columns, &curves.iter().map(row).collect::<Vec<Vec<String>>>())
}

/// Every figure of every contestant, ratios, kernel caches, failures.
pub(super) fn everything(results: &Results, scenario: &ScenarioResults) -> String {
    let trials: String =
        scenario.trials.iter().map(|trial| everything_of(results, scenario, trial)).collect();
    format!("<details><summary>All figures</summary>\n{trials}</details>\n")
}

fn everything_of(results: &Results, scenario: &ScenarioResults, trial: &TrialResults) -> String {
    let more = trial.rounds.len().saturating_sub(trial.planned);
    let rounds = match more {
        0 => format!("{} rounds", trial.planned),
        _ => format!("{} rounds, and {more} more since they were noisy", trial.planned),
    };
    let mut text = format!("<h3>{} ({rounds})</h3>\n", escape(&trial.name));
    let names: Vec<&str> = results.contestants.iter().map(|one| one.name.as_str()).collect();
    let slabs = trial.named("slab ");
    let slabs = slabs.iter().map(|name| Metric::plain(name, name, "B"));
    let metrics = scenario.description.metrics.iter().cloned().chain(slabs);
    for metric in metrics.filter(|metric| trial.has(&names, &metric.key)) {
        text.push_str(&metric_table(&names, trial, &metric));
    }
    for failure in &trial.failures {
        let line = format!("{} failed in round {}: {}", failure.contestant, failure.round + 1, failure.error);
        text.push_str(&format!("<p class=\"note\">{}</p>\n", escape(&line)));
    }
    text
}

impl TrialResults {
    fn has(&self, names: &[&str], metric: &str) -> bool {
        names.iter().any(|name| self.figure(name, metric).is_some())
    }
}

fn metric_table(names: &[&str], trial: &TrialResults, metric: &Metric) -> String {
    let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
    let mut columns = vec![format!("{}{unit}", metric.title), "median (interval)".to_owned()];
    if metric.ratio {
        columns.push(format!("{REFERENCE} to it (interval)"));
    }
    let row = |name: &&str| {
        let mut row = vec![(*name).to_owned(), sure(&trial.figure(name, &metric.key)?)];
        if metric.ratio {
            let ratio = trial.ratio(REFERENCE, name, &metric.key).filter(|_| *name != REFERENCE);
            row.push(ratio.as_ref().map(sure).unwrap_or_default());
        }
        Some(row)
    };
    plain(&columns, &names.iter().filter_map(row).collect::<Vec<_>>())
}
