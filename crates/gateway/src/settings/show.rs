//! The settings as text: a settings file, the example of one, the table of docs/settings.md.

use super::Settings;
use super::declare::{Declared, DefaultSort, Fields};

/// Every setting, in the order of help.
pub fn declared() -> Vec<Declared> {
    Settings::declared()
}

impl Settings {
    /// These settings as a TOML file that [`load`](super::load) reads back to the same.
    pub fn to_toml(&self) -> String {
        render(self, |setting, value| format!("{} = {value}", setting.key))
    }
}

/// The text of `deploy/holdfast.example.toml`: every setting at its default, a comment where that is a rule or "none".
pub fn example() -> String {
    let head = "# Settings of holdfast, each at its default. Use: holdfast --config FILE\n\
                # Stronger than this file: the environment (HOLDFAST_DRAIN_TIMEOUT for drain-timeout), then flags\n\
                # (--drain-timeout). This text is `settings::example()`; a test keeps the two the same.\n\n";
    let line = |setting: &Declared, value: &toml::Value| match setting.sort {
        DefaultSort::Value => format!("{} = {value}", setting.key),
        DefaultSort::Word => format!("# {} = {value}", setting.key),
        DefaultSort::Rule => {
            // In quotes, so that whoever takes off the # is told by the setting's own sentence what belongs there.
            format!("# Default: {}.\n# {} = \"{}\"", setting.default, setting.key, setting.value)
        }
    };
    format!("{head}{}", render(&Settings::default(), line))
}

fn render(settings: &Settings, line: impl Fn(&Declared, &toml::Value) -> String) -> String {
    let mut text = String::new();
    for (setting, value) in declared().into_iter().zip(settings.values()) {
        for comment in wrap(&format!("{}\nCost: {}", setting.about, setting.cost), 110) {
            text.push_str(&format!("# {comment}\n"));
        }
        text.push_str(&line(&setting, &value));
        text.push_str("\n\n");
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// Breaks each line of `text` at spaces so that none is longer than `width` characters, where words allow.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// The table of docs/settings.md, in Markdown.
pub fn markdown_table() -> String {
    let mut table =
        String::from("| setting | default | what it is for | what it costs |\n|---|---|---|---|\n");
    for setting in declared() {
        let is_rule = setting.default.contains(' ') || setting.default == "empty";
        let default = if is_rule { setting.default.clone() } else { format!("`{}`", setting.default) };
        let about = setting.about.replace('|', "\\|");
        table.push_str(&format!("| `{}` | {default} | {about} | {} |\n", setting.key, setting.cost));
    }
    table
}
