//! The page, without a browser: well-formed, complete, and on its own.

use roxmltree::{Document, Node, ParsingOptions};

use super::{html, picture};
use crate::contestants::{About, FLOOR, REFERENCE, Role, Skipped};
use crate::machine::{Machine, Versions};
use crate::results::{
    Description, Failure, Headline, Metric, Plot, Results, Round, Sample, ScenarioResults, TrialResults,
};

const HOSTILE: &str = "<b>\"it\" & 'that'</b>";

fn about(name: &str, role: Role) -> About {
    About { name: name.into(), note: HOSTILE.into(), command: format!("{name} --fast"), role }
}

fn round(number: u32) -> Round {
    let mut round = Round::default();
    for (name, value) in [(REFERENCE, 10.0), ("other", 500.0), (FLOOR, 9.0)] {
        let value = value + f64::from(number);
        let mut sample = Sample::default();
        sample.set("cpu", Some(value));
        sample.set("slab TCP", Some(2368.0));
        sample.curves.insert("each".into(), vec![(1000.0, value), (18_000.0, value * 2.0)]);
        round.order.push(name.to_owned());
        round.samples.insert(name.to_owned(), sample);
    }
    round
}

fn results() -> Results {
    let trial = |name: &str| TrialResults {
        name: name.to_owned(),
        parameters: [].into(),
        planned: 6,
        rounds: (0..9).map(round).collect(),
        failures: vec![Failure { contestant: "other".into(), round: 2, error: HOSTILE.into() }],
    };
    let dots = |title: &str, metric: &str, relative_to: Option<&str>| Plot::Dots {
        title: title.into(),
        metric: metric.into(),
        relative_to: relative_to.map(str::to_owned),
        trials: vec!["small".into(), "large".into()],
    };
    let lines = Plot::Lines {
        title: "Growth".into(),
        curve: "each".into(),
        trial: "small".into(),
        x: "connections".into(),
        y: "bytes".into(),
    };
    let description = Description {
        name: "echo".into(),
        title: HOSTILE.into(),
        about: HOSTILE.into(),
        metrics: vec![Metric::compared("cpu", "CPU & more", "ns"), Metric::plain("absent", "none", "")],
        plots: vec![
            dots("Plain", "cpu", None),
            dots("Ratio", "cpu", Some(FLOOR)),
            dots("Nothing", "absent", None),
            lines,
        ],
        headlines: vec![Headline {
            title: "CPU".into(),
            trial: "small".into(),
            metric: "cpu".into(),
            relative_to: Some(FLOOR.into()),
        }],
    };
    let mut results = Results::begin(Machine::here(), Versions::default(), true, (0, 1));
    results.contestants =
        vec![about(REFERENCE, Role::Gateway), about("other", Role::Variant), about(FLOOR, Role::Floor)];
    results.went_on = vec!["2026-11-24T09:00:00Z".into()];
    results.skipped = vec![Skipped { name: "absent".into(), reason: HOSTILE.into() }];
    results.scenarios = vec![ScenarioResults { description, trials: vec![trial("small"), trial("large")] }];
    results
}

fn parse(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).expect("well-formed")
}

fn all<'a, 'd>(document: &'a Document<'d>, name: &'a str) -> impl Iterator<Item = Node<'a, 'd>> {
    document.descendants().filter(move |node| node.has_tag_name(name))
}

#[test]
fn a_picture_of_its_own_is_well_formed_and_has_its_style() {
    let picture = picture(&results(), "echo", "cpu").expect("a plot of the metric");
    let document = Document::parse(&picture).expect("well-formed");
    let root = document.root_element();
    assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
    assert_eq!(root.children().filter(|child| child.has_tag_name("style")).count(), 1);
    assert!(root.descendants().any(|child| child.has_tag_name("circle")));
    assert!(super::picture(&results(), "echo", "nothing").is_none());
}

#[test]
fn every_plot_that_has_something_to_show_is_there_with_title_words_and_table() {
    let page = html(&results());
    let document = parse(&page);
    let captions: Vec<_> = all(&document, "figcaption").filter_map(|node| node.text()).collect();
    assert_eq!(captions, ["Plain", "Ratio", "Growth"]);
    for figure in all(&document, "figure") {
        let picture = figure.descendants().find(|node| node.has_tag_name("svg")).expect("a picture");
        let labels = picture.attribute("aria-labelledby").expect("named");
        for label in labels.split(' ') {
            let named = document.descendants().filter(|node| node.attribute("id") == Some(label));
            let texts: Vec<_> = named.filter_map(|node| node.text()).collect();
            assert!(texts.len() == 1 && !texts[0].is_empty(), "{label}");
        }
        let table = figure.descendants().find(|node| node.has_tag_name("table")).expect("a table");
        let text: String = table.descendants().filter_map(|node| node.text()).collect();
        assert!(text.contains(REFERENCE) && text.contains("other"), "{text}");
    }
}

#[test]
fn there_is_a_mark_for_each_value() {
    let page = html(&results());
    let document = parse(&page);
    let count = |figure: usize, tag: &str, class: &str| {
        let figure = all(&document, "figure").nth(figure).expect("a figure");
        let of = |node: &Node<'_, '_>| node.attribute("class").is_some_and(|found| found.contains(class));
        figure.descendants().filter(|node| node.has_tag_name(tag) && of(node)).count()
    };
    // Two trials with three contestants; in a ratio to one of them, that one is left out.
    assert_eq!((count(0, "circle", ""), count(0, "line", "whisker")), (6, 6));
    assert_eq!((count(1, "circle", ""), count(1, "line", "mark")), (4, 1));
    assert_eq!((count(2, "polyline", "curve"), count(2, "circle", "")), (3, 6));
}

#[test]
fn no_mark_is_outside_of_its_picture() {
    let page = html(&results());
    let document = parse(&page);
    for picture in all(&document, "svg") {
        let size: Vec<f64> = picture
            .attribute("viewBox")
            .expect("a size")
            .split(' ')
            .map(|n| n.parse().expect("a number"))
            .collect();
        for node in picture.descendants() {
            for (name, most) in [
                ("x", size[2]),
                ("cx", size[2]),
                ("x1", size[2]),
                ("x2", size[2]),
                ("y", size[3]),
                ("cy", size[3]),
                ("y1", size[3]),
                ("y2", size[3]),
            ] {
                let Some(value) = node.attribute(name) else { continue };
                let value: f64 = value.parse().expect("a number");
                assert!((0.0..=most).contains(&value), "{name} {value} of {most}");
            }
        }
    }
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = html(&results());
    for other in ["http:", "https:", "//", "url(", "@import", "<script", "<link", "<img", "src="] {
        assert!(!page.contains(other), "{other}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("name=\"viewport\""));
}

#[test]
fn what_is_missing_is_said() {
    let page = html(&results());
    let document = parse(&page);
    let notes: Vec<String> = all(&document, "p")
        .filter(|node| node.attribute("class") == Some("note"))
        .map(|node| node.text().unwrap_or_default().to_owned())
        .collect();
    for said in [
        "quick look",
        "gone on with: 2026-11-24",
        "ended before",
        "Not measured: absent",
        "other failed in round 3",
        HOSTILE,
    ] {
        assert!(notes.iter().any(|note| note.contains(said)), "{said}: {notes:?}");
    }
    assert!(page.contains("6 rounds, and 3 more since they were noisy"));
}

#[test]
fn results_written_and_read_make_the_same_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("results.json");
    let results = results();
    results.write(&path).expect("written");
    assert_eq!(html(&Results::read(&path).expect("read")), html(&results));
}
