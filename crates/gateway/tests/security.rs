//! SECURITY.md tells the truth about what shows its promises, and about what is off.

use std::path::{Path, PathBuf};

use holdfast::limits;

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

#[test]
fn what_it_says_is_off_is_what_is_off() {
    let text = security();
    let section = text.split("<!-- off -->").nth(1).and_then(|rest| rest.split("<!-- end of off -->").next());
    let mut said: Vec<_> = quoted(section.expect("the section")).collect();
    let table = limits::table::markdown_table();
    let rows = table.lines().skip(2).map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let mut off: Vec<_> = rows.filter(|row| row[4] == "`off`").map(|row| row[3].trim_matches('`')).collect();
    said.sort_unstable();
    off.sort_unstable();
    assert_eq!(said, off, "limits that are off by default");
}

#[test]
fn the_files_it_links_to_exist() {
    let text = security();
    for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
        assert!(root().join(link).exists(), "{link}");
    }
}
