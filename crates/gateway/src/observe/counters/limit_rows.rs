//! A limit's row in a table of docs/limits.md, and how such a table is written.

use crate::settings::Declared;

/// What a limit bounds, what it is, and what happens past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What is bounded.
    pub what: &'static str,
    /// What it is.
    pub bound: Bound,
    /// HTTP status, close code, error of an ack, or what else happens.
    pub answer: &'static str,
}

/// What a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// What the setting with this key says; how it is declared there is its default.
    Setting(&'static str),
    /// This, and no setting changes it.
    Fixed(&'static str),
}

pub(super) const fn row(what: &'static str, setting: &'static str, answer: &'static str) -> Row {
    Row { what, bound: Bound::Setting(setting), answer }
}

/// How a setting is declared.
pub(super) fn declaration<'d>(setting: &str, declared: &'d [Declared]) -> Option<&'d Declared> {
    declared.iter().find(|declared| declared.key == setting)
}

/// A table of limits by their labels, in Markdown.
pub(super) fn markdown_table(
    rows: impl IntoIterator<Item = (&'static str, Row)>,
    declared: &[Declared],
) -> String {
    let mut table =
        String::from("| limit | what is bounded | setting | default | answer |\n|---|---|---|---|---|\n");
    for (label, Row { what, bound, answer }) in rows {
        let (setting, default) = match bound {
            Bound::Setting(setting) => (format!("`{setting}`"), shown_default(setting, declared)),
            Bound::Fixed(fixed) => (String::new(), fixed.to_owned()),
        };
        table.push_str(&format!("| `{label}` | {what} | {setting} | {default} | {answer} |\n"));
    }
    table
}

/// A default as the table has it: what is a sentence stands as it is.
fn shown_default(setting: &str, declared: &[Declared]) -> String {
    let default = declaration(setting, declared).map_or("", |declared| &declared.default);
    if default.contains(' ') { default.to_owned() } else { format!("`{default}`") }
}
