//! From one declaration: the struct, its defaults, how it is read, and what is said of each setting.

use super::error::SettingsError;
use super::kinds::Kind;

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
            fn read(given: &impl declare::Given) -> Result<Self, SettingsError> {
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

/// What the sources of settings give.
pub(super) trait Given {
    /// The value of `key`, where any source gives it.
    fn read<K: Kind>(&self, key: &str, kind: &K) -> Result<Option<K::Value>, SettingsError>;
}

/// What the declaration gives: each setting in order.
pub(super) trait Fields: Sized {
    fn read(given: &impl Given) -> Result<Self, SettingsError>;
    fn values(&self) -> Vec<toml::Value>;
    fn declared() -> Vec<Declared>;
}
