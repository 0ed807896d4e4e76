//! A plot of dots: a row for each contestant, a group of rows for each trial, a whisker for the interval.

use super::axis::{Axis, number, tick};
use super::markup::Picture;
use crate::contestants::Role;
use crate::statistics::Estimate;

/// Narrow enough to be read on a phone without making it smaller.
const WIDTH: f64 = 420.0;
const LEFT: f64 = 128.0;
const RIGHT: f64 = 366.0;
const ROW: f64 = 17.0;
const HEADING: f64 = 24.0;
const BOTTOM: f64 = 34.0;

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) estimate: Estimate,
}

/// Rows below a heading.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// The class that gives a contestant's marks their colour.
pub(super) fn class(role: Role) -> &'static str {
    match role {
        Role::Gateway => "gateway",
        Role::Variant => "variant",
        Role::Floor | Role::Bare => "floor",
    }
}

/// Draws `groups`; `mark` is a value to draw a line at.
pub(super) fn draw(id: &str, title: &str, unit: &str, mark: Option<f64>, groups: &[Group]) -> String {
    let rows: Vec<&Row> = groups.iter().flat_map(|group| &group.rows).collect();
    let ends = rows.iter().flat_map(|row| [row.estimate.low, row.estimate.high]);
    let values: Vec<f64> = ends.chain(mark).collect();
    let axis = Axis::new(&values, LEFT, RIGHT);
    let height = groups.iter().map(|group| HEADING + ROW * group.rows.len() as f64).sum::<f64>() + BOTTOM;
    let floor = height - BOTTOM + 4.0;
    let mut picture = Picture::new();
    let mut free = f64::NEG_INFINITY;
    for value in axis.ticks() {
        let x = axis.place(value);
        picture.line("grid", (x, HEADING - 4.0), (x, floor));
        let name = tick(value);
        let half = name.len() as f64 * 3.0;
        // A name that would run into the one before is left out.
        if x - half > free {
            picture.text("tick", (x, floor + 13.0), "middle", &name);
            free = x + half + 4.0;
        }
    }
    if let Some(mark) = mark {
        picture.line("mark", (axis.place(mark), HEADING - 4.0), (axis.place(mark), floor));
    }
    let kind = if axis.is_logarithmic() { ", logarithmic" } else { "" };
    picture.text("tick", (RIGHT, floor + 26.0), "end", &format!("{unit}{kind}"));
    let mut y = 0.0;
    for group in groups {
        y += HEADING;
        picture.text("heading", (4.0, y - 8.0), "start", &group.title);
        for row in &group.rows {
            picture.group(&sentence(row, unit), |picture| draw_row(picture, row, &axis, y + ROW / 2.0 - 2.0));
            y += ROW;
        }
    }
    picture.finish(id, (WIDTH, height), title, &description(groups, unit))
}

fn draw_row(picture: &mut Picture, row: &Row, axis: &Axis, y: f64) {
    let class = class(row.role);
    let Estimate { median, low, high, .. } = row.estimate;
    picture.text(&format!("name {class}"), (LEFT - 8.0, y + 4.0), "end", &row.name);
    picture.line(&format!("whisker {class}"), (axis.place(low), y), (axis.place(high), y));
    picture.dot(class, (axis.place(median), y));
    picture.text("value", (WIDTH - 2.0, y + 4.0), "end", &number(median));
}

fn sentence(row: &Row, unit: &str) -> String {
    let Estimate { median, low, high, .. } = row.estimate;
    format!("{}: {} {unit} ({} to {})", row.name, number(median), number(low), number(high))
}

fn description(groups: &[Group], unit: &str) -> String {
    let group = |group: &Group| {
        let rows: Vec<String> =
            group.rows.iter().map(|row| format!("{} {}", row.name, number(row.estimate.median))).collect();
        format!("{}: {}.", group.title, rows.join(", "))
    };
    format!("Medians, {unit}. {}", groups.iter().map(group).collect::<Vec<_>>().join(" "))
}
