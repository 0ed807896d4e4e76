//! README tells the truth about settings and metrics: its tables are those the code makes.
//! `cargo test -p holdfast --test readme -- --ignored` writes them anew.

use std::path::{Path, PathBuf};

use holdfast::{counters, limits, metrics, settings};

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")
}

/// The text between `<!-- name -->` and `<!-- end of name -->`, and where it lies.
fn section(text: &str, name: &str) -> std::ops::Range<usize> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let start = text.find(&begin).expect("the section begins") + begin.len();
    let len = text[start..].find(&end).expect("the section ends");
    start..start + len
}

#[test]
fn the_table_of_settings_is_the_one_the_code_makes() {
    let text = std::fs::read_to_string(readme()).expect("README.md");
    assert!(
        text[section(&text, "settings")] == settings::markdown_table(),
        "write it anew: see this file's head"
    );
}

#[test]
fn the_table_of_metrics_is_the_one_the_code_makes() {
    let text = std::fs::read_to_string(readme()).expect("README.md");
    assert!(
        text[section(&text, "metrics")] == metrics::markdown_table(),
        "write it anew: see this file's head"
    );
}

#[test]
fn the_table_of_limits_is_the_one_the_code_makes() {
    let text = std::fs::read_to_string(readme()).expect("README.md");
    assert!(
        text[section(&text, "limits")] == counters::answers::markdown_table(),
        "write it anew: see this file's head"
    );
}

#[test]
fn the_table_of_the_memory_plan_is_the_one_the_code_makes() {
    let text = std::fs::read_to_string(readme()).expect("README.md");
    assert!(
        text[section(&text, "memory plan")] == limits::plan::markdown_table(),
        "write it anew: see this file's head"
    );
}

/// The first word of each cell of a row, backticks off.
fn cells(row: &str) -> Vec<&str> {
    row.split('|').map(|cell| cell.trim().trim_matches('`')).collect()
}

#[test]
fn the_table_of_limits_says_what_help_says() {
    let args = ["holdfast", "--help"].map(std::ffi::OsString::from);
    let Ok(settings::Action::Print(help)) = settings::load(args, []) else { panic!("--help prints") };
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = std::fs::read_to_string(readme()).expect("README.md");
    let rows: Vec<_> = text[section(&text, "limits")].lines().skip(2).map(cells).collect();
    assert!(!rows.is_empty());
    for row in rows {
        let (setting, default) = (row[3], row[4]);
        let env = format!("HOLDFAST_{}", setting.replace('-', "_").to_ascii_uppercase());
        let said = format!("[env: {env}] [default: {default}]");
        assert!(help.contains(&format!("--{setting} <")), "--{setting} is in help");
        assert!(help.contains(&said), "{said} is in help");
    }
}

#[test]
#[ignore = "writes README.md's tables anew"]
fn write_the_tables() {
    let mut text = std::fs::read_to_string(readme()).expect("README.md");
    let range = section(&text, "settings");
    text.replace_range(range, &settings::markdown_table());
    let range = section(&text, "metrics");
    text.replace_range(range, &metrics::markdown_table());
    let range = section(&text, "limits");
    text.replace_range(range, &counters::answers::markdown_table());
    let range = section(&text, "memory plan");
    text.replace_range(range, &limits::plan::markdown_table());
    std::fs::write(readme(), text).expect("written");
}
