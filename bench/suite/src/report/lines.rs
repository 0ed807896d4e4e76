//! A plot of curves, each named at its end.

use super::axis::{Axis, number, tick};
use super::dots::class;
use super::markup::Picture;
use crate::contestants::Role;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 286.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 272.0;
/// Between the names of two curves.
const NAME: f64 = 13.0;

/// One contestant's curve.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) role: Role,
    /// In ascending order of x; at least one.
    pub(super) points: Vec<(f64, f64)>,
}

/// Draws `curves`; `x` and `y` say what the axes are.
pub(super) fn draw(id: &str, title: &str, (x, y): (&str, &str), curves: &[Curve]) -> String {
    let of = |part: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        curves.iter().flat_map(|curve| curve.points.iter().map(part)).collect()
    };
    let along = Axis::new(&of(|point| point.0), LEFT, RIGHT);
    let up = Axis::new(&of(|point| point.1), BOTTOM, TOP);
    let mut picture = Picture::new();
    for value in along.ticks() {
        let place = along.place(value);
        picture.line("grid", (place, TOP), (place, BOTTOM));
        picture.text("tick", (place, BOTTOM + 14.0), "middle", &tick(value));
    }
    for value in up.ticks() {
        let place = up.place(value);
        picture.line("grid", (LEFT, place), (RIGHT, place));
        picture.text("tick", (LEFT - 5.0, place + 4.0), "end", &tick(value));
    }
    let kind = |axis: &Axis| if axis.is_logarithmic() { ", logarithmic" } else { "" };
    picture.text("tick", (LEFT, HEIGHT - 18.0), "start", &format!("along: {x}{}", kind(&along)));
    picture.text("tick", (LEFT, HEIGHT - 4.0), "start", &format!("up: {y}{}", kind(&up)));
    let ends: Vec<f64> =
        curves.iter().map(|curve| up.place(curve.points.last().map_or(0.0, |end| end.1))).collect();
    for (curve, name_y) in curves.iter().zip(spread(&ends)) {
        picture.group(&sentence(curve), |picture| draw_curve(picture, curve, &along, &up, name_y));
    }
    let description: Vec<String> = curves.iter().map(sentence).collect();
    picture.finish(id, (WIDTH, HEIGHT), title, &format!("{x} and {y}. {}", description.join(". ")))
}

fn draw_curve(picture: &mut Picture, curve: &Curve, along: &Axis, up: &Axis, name_y: f64) {
    let class = class(curve.role);
    let places: Vec<(f64, f64)> = curve.points.iter().map(|&(x, y)| (along.place(x), up.place(y))).collect();
    picture.path(&format!("curve {class}"), &places);
    for &place in &places {
        picture.dot(class, place);
    }
    if let Some(&end) = places.last() {
        picture.line("leader", end, (RIGHT + 12.0, name_y));
        picture.text(&format!("name {class}"), (RIGHT + 15.0, name_y + 4.0), "start", &curve.name);
    }
}

fn sentence(curve: &Curve) -> String {
    let points: Vec<String> =
        curve.points.iter().map(|&(x, y)| format!("{} at {}", number(y), number(x))).collect();
    format!("{}: {}", curve.name, points.join(", "))
}

/// Places near `wanted`, in the same order from top to bottom, far enough apart for names.
fn spread(wanted: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&one, &other| wanted[one].total_cmp(&wanted[other]));
    let mut places = wanted.to_vec();
    let mut lowest = f64::INFINITY;
    // From the bottom up, none below the picture; then from the top down, none above it.
    for &index in order.iter().rev() {
        places[index] = places[index].min(lowest - NAME).min(BOTTOM);
        lowest = places[index];
    }
    let mut highest = f64::NEG_INFINITY;
    for &index in &order {
        places[index] = places[index].max(highest + NAME).max(TOP);
        highest = places[index];
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_apart_and_in_order(wanted in vec(TOP..BOTTOM, 1..16)) {
            let places = spread(&wanted);
            let mut order: Vec<usize> = (0..wanted.len()).collect();
            order.sort_by(|&one, &other| wanted[one].total_cmp(&wanted[other]));
            for pair in order.windows(2) {
                prop_assert!(places[pair[1]] - places[pair[0]] >= NAME - 1e-9);
            }
            prop_assert!(places.iter().all(|place| (TOP..=BOTTOM).contains(place)));
        }
    }
}
