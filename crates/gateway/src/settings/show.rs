//! The settings as text: a settings file, the example of one, the table of docs/settings.md.

use super::declare::{Declared, DefaultSort, Fields, Shown};
use super::{Settings, hub};

/// Every setting, in the order of help.
pub fn declared() -> Vec<Declared> {
    Settings::declared()
}

impl Settings {
    /// These settings as a TOML file that [`load`](super::load) reads back to the same, but for what is secret: that is
    /// left out, and a comment says so.
    pub fn to_toml(&self) -> String {
        let are_tables = self.hub.is_none() && !self.hubs.is_empty();
        let line = |setting: &Declared, shown: &Shown| {
            // The key of one hub would be in the way of the tables of many.
            let is_comment = shown.is_less || (are_tables && setting.key == "hub");
            format!("{}{} = {}", if is_comment { "# " } else { "" }, setting.key, shown.value)
        };
        let mut text = render(self.settings(), line);
        for (head, settings) in self.hubs.iter().filter(|_| are_tables).flat_map(hub::show::tables) {
            text.push_str(&format!("\n{head}\n{}", render(settings, line)));
        }
        text
    }

    fn settings(&self) -> Vec<(Declared, Shown)> {
        declared().into_iter().zip(self.values()).collect()
    }
}

/// The text of `deploy/holdfast.example.toml`: every setting at its default, a comment where that is a rule or "none".
pub fn example() -> String {
    let head = "# Settings of holdfast, each at its default. Use: holdfast --config FILE\n\
                # Stronger than this file: the environment (HOLDFAST_DRAIN_TIMEOUT for drain-timeout), then flags\n\
                # (--drain-timeout). This text is `settings::example()`; a test keeps the two the same.\n\n";
    let line = |setting: &Declared, shown: &Shown| match setting.sort {
        DefaultSort::Value => format!("{} = {}", setting.key, shown.value),
        DefaultSort::Word => format!("# {} = {}", setting.key, shown.value),
        DefaultSort::Rule => {
            // In quotes, so that whoever takes off the # is told by the setting's own sentence what belongs there.
            format!("# Default: {}.\n# {} = \"{}\"", setting.default, setting.key, setting.value)
        }
    };
    let mut text = format!("{head}{}", render(Settings::default().settings(), line));
    text.push_str(
        "\n# Any number of hubs, each with tables like these, in place of hub, upstream and anonymous.\n",
    );
    for (head, settings) in hub::show::example() {
        let lines =
            render(settings, |setting, shown| line(setting, shown).trim_start_matches("# ").to_owned());
        let lines = lines
            .lines()
            .map(|line| format!("# {}", line.trim_start_matches("# ")).trim_end().to_owned() + "\n");
        text.push_str(&format!("\n# {head}\n{}", lines.collect::<String>()));
    }
    text
}

fn render(settings: Vec<(Declared, Shown)>, line: impl Fn(&Declared, &Shown) -> String) -> String {
    let mut text = String::new();
    for (setting, shown) in settings {
        for comment in wrap(&format!("{}\nCost: {}", setting.about, setting.cost), 110) {
            text.push_str(&format!("# {comment}\n"));
        }
        text.push_str(&line(&setting, &shown));
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

/// The table of docs/settings.md for `settings`, in Markdown.
pub fn markdown_table(settings: &[Declared]) -> String {
    let mut table =
        String::from("| setting | default | what it is for | what it costs |\n|---|---|---|---|\n");
    for setting in settings {
        let is_rule = setting.default.contains(' ') || setting.default == "empty";
        let default = if is_rule { setting.default.clone() } else { format!("`{}`", setting.default) };
        let about = setting.about.replace('|', "\\|");
        table.push_str(&format!("| `{}` | {default} | {about} | {} |\n", setting.key, setting.cost));
    }
    table
}
