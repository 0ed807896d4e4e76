//! SECURITY.md tells the truth about what shows its promises, and about what is off.

use std::path::{Path, PathBuf};

use holdfast::counters;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn security() -> String {
    std::fs::read_to_string(root().join("SECURITY.md")).expect("SECURITY.md")
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_shows_a_promise_exists() {
    let text = security();
    let promises = text.split("| promise | shown by |").nth(1).expect("the table of promises");
    let rows = promises.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut count = 0;
    for row in rows {
        let shown_by = row.split(" | ").nth(1).expect("two cells");
        let mut source = String::new();
        for name in quoted(shown_by) {
            if name.contains('/') {
                source =
                    std::fs::read_to_string(root().join(name)).unwrap_or_else(|_| panic!("{name} is a file"));
            } else {
                assert!(source.contains(&format!("fn {name}(")), "{name} is a test that SECURITY.md names");
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count} tests are named");
}

const OFF: [&str; 2] = ["<!-- off -->\n", "<!-- end of off -->"];

/// The limits that are off by default, as SECURITY.md has them.
fn what_is_off() -> String {
    let tables = [counters::answers::markdown_table(), counters::hub_limits::markdown_table()];
    let rows = tables
        .iter()
        .flat_map(|table| table.lines().skip(2))
        .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let is_off = |default: &str| default.trim_matches('`').split(',').next() == Some("off");
    rows.filter(|row| is_off(row[4])).map(|row| format!("- {}\n", row[3])).collect()
}

/// Where SECURITY.md says so.
fn off_section(text: &str) -> std::ops::Range<usize> {
    let start = text.find(OFF[0]).expect("the section begins") + OFF[0].len();
    let len = text[start..].find(OFF[1]).expect("the section ends");
    start..start + len
}

#[test]
fn what_it_says_is_off_is_what_is_off() {
    let text = security();
    assert_eq!(text[off_section(&text)], what_is_off(), "write it anew: this test binary with -- --ignored");
}

#[test]
#[ignore = "writes SECURITY.md's list of what is off anew"]
fn write_what_is_off() {
    let mut text = security();
    let range = off_section(&text);
    text.replace_range(range, &what_is_off());
    std::fs::write(root().join("SECURITY.md"), text).expect("written");
}

#[test]
fn the_files_it_links_to_exist() {
    let text = security();
    for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
        assert!(root().join(link).exists(), "{link}");
    }
}
