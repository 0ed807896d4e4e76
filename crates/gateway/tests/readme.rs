//! The tables of the documentation are those the code makes.
//! `cargo test -p holdfast --test readme -- --ignored` writes them anew.

use std::path::{Path, PathBuf};

use holdfast::{counters, limits, metrics, settings};

/// Each table: its page, the name of its section, and what the code makes.
fn tables() -> [(&'static str, &'static str, String); 9] {
    [
        ("settings.md", "settings", settings::markdown_table(&settings::declared())),
        ("settings.md", "hub", settings::markdown_table(&settings::hub_declared())),
        ("settings.md", "identity", settings::markdown_table(&settings::identity_declared())),
        ("settings.md", "handler", settings::markdown_table(&settings::handler_declared())),
        ("settings.md", "listener", settings::markdown_table(&settings::listener_declared())),
        ("limits.md", "limits", counters::answers::markdown_table()),
        ("limits.md", "hub limits", counters::hub_limits::markdown_table()),
        ("memory.md", "memory plan", limits::plan::markdown_table()),
        ("metrics.md", "metrics", metrics::markdown_table()),
    ]
}

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(page(name)).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}

/// The text between `<!-- name -->` and `<!-- end of name -->`, and where it lies.
fn section(text: &str, name: &str) -> std::ops::Range<usize> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let start = text.find(&begin).expect("the section begins") + begin.len();
    let len = text[start..].find(&end).expect("the section ends");
    start..start + len
}

#[test]
fn the_tables_are_those_the_code_makes() {
    for (name, part, table) in tables() {
        let text = read(name);
        assert!(text[section(&text, part)] == table, "docs/{name}: write it anew, see this file's head");
    }
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
    let text = read("limits.md");
    let rows: Vec<_> = text[section(&text, "limits")].lines().skip(2).map(cells).collect();
    assert!(!rows.is_empty());
    for row in rows {
        let (setting, default) = (row[3], row[4]);
        if setting.is_empty() {
            // Nothing changes it.
            continue;
        }
        let env = format!("HOLDFAST_{}", setting.replace('-', "_").to_ascii_uppercase());
        let said = format!("[env: {env}] [default: {default}]");
        assert!(help.contains(&format!("--{setting} <")), "--{setting} is in help");
        assert!(help.contains(&said), "{said} is in help");
    }
}

#[test]
#[ignore = "writes the tables of docs/ anew"]
fn write_the_tables() {
    for (name, part, table) in tables() {
        let mut text = read(name);
        let range = section(&text, part);
        text.replace_range(range, &table);
        std::fs::write(page(name), text).expect("written");
    }
}
