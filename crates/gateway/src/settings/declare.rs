//! From one declaration: the struct, its defaults, how it is read, and what help, example file and table say.

use super::Settings;
use super::error::SettingsError;
use super::kinds::Kind;
use super::sources::Given;

/// One setting as it was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Key of the settings file, and the flag without its two dashes: `drain-timeout`.
    pub key: String,
    /// Environment variable: `HOLDFAST_DRAIN_TIMEOUT`.
    pub env: String,
    /// What stands for the value in help: `DURATION|off`.
    pub value: String,
    /// The default as help shows it, which may be a rule: `one per available core`.
    pub default: String,
    /// What sort of default that is.
    pub sort: DefaultSort,
    /// Whether the flag may be left without a value, which then means `true`.
    pub is_flag: bool,
    /// Whether the flag may be repeated.
    pub repeats: bool,
    /// What it is for.
    pub about: String,
    /// What it costs.
    pub cost: String,
}

/// A value, or something that the example file leaves as a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultSort {
    /// A value.
    Value,
    /// A word that stands for "none": `off`, `auto`.
    Word,
    /// A rule, such as one per available core, whose value depends on the machine or on another setting.
    Rule,
}

impl Declared {
    pub(super) fn new<K: Kind>(
        name: &str,
        kind: &K,
        default: &K::Value,
        shown: Option<&str>,
        docs: &[&str],
    ) -> Self {
        let text = docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n");
        let (about, cost) = text.split_once("\n\nCost: ").unwrap_or((&text, "none."));
        let key = key_of(name);
        let toml = kind.show(default);
        let sort = match shown {
            Some(_) => DefaultSort::Rule,
            None if kind.is_none(default) => DefaultSort::Word,
            None => DefaultSort::Value,
        };
        Self {
            env: env_of(&key),
            key,
            value: kind.placeholder(),
            sort,
            default: shown.map_or_else(|| bare(&toml), str::to_owned),
            is_flag: kind.is_flag(),
            repeats: kind.repeats(),
            about: about.replace('\n', " "),
            cost: cost.replace('\n', " "),
        }
    }
}

/// A value as help shows it: as flags and variables take it, and a word where it is empty.
fn bare(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) if text.is_empty() => "empty".to_owned(),
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(list) => list.iter().map(bare).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// `drain_timeout` to `drain-timeout`.
pub(super) fn key_of(name: &str) -> String {
    name.replace('_', "-")
}

/// `drain-timeout` to `HOLDFAST_DRAIN_TIMEOUT`.
pub(super) fn env_of(key: &str) -> String {
    format!("HOLDFAST_{}", key.replace('-', "_").to_ascii_uppercase())
}

/// Declares the settings: documentation, name, type, default (and how help shows it where it is a rule), kind.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr $(, shown $shown:literal)?; $kind:expr;)+) => {
        /// The settings in force: what flags, environment, file and defaults come to.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(
            rustdoc::broken_intra_doc_links,
            rustdoc::bare_urls,
            reason = "these texts are those of help: their brackets and addresses are no links"
        )]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl declare::Fields for Settings {
            fn read(given: &sources::Given) -> Result<Self, SettingsError> {
                let defaults = Self::default();
                Ok(Self {
                    $($name: given.read(&declare::key_of(stringify!($name)), &$kind)?.unwrap_or(defaults.$name),)+
                })
            }

            fn values(&self) -> Vec<toml::Value> {
                vec![$(kinds::Kind::show(&$kind, &self.$name),)+]
            }

            fn declared() -> Vec<Declared> {
                let defaults = Self::default();
                let mut all = Vec::new();
                $({
                    let shown: &[&str] = &[$($shown)?];
                    let (name, docs) = (stringify!($name), [$($doc),+]);
                    all.push(Declared::new(name, &$kind, &defaults.$name, shown.first().copied(), &docs));
                })+
                all
            }
        }
    };
}
pub(super) use settings;

/// What the declaration gives: each setting in order.
pub(super) trait Fields: Sized {
    fn read(given: &Given) -> Result<Self, SettingsError>;
    fn values(&self) -> Vec<toml::Value>;
    fn declared() -> Vec<Declared>;
}

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
            format!("# Default: {}.\n# {} = {}", setting.default, setting.key, setting.value)
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
