//! From one declaration: the struct, its defaults, how it is read, and what is said of each setting.

use super::error::SettingsError;
use super::kinds::Kind;

/// One setting as it was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Key of the settings file, and the flag without its two dashes: `drain-timeout`.
    pub key: String,
    /// Environment variable: `HOLDFAST_DRAIN_TIMEOUT`. Empty where there is none, in tables of hubs.
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
    /// Whether there is a flag at all: what is secret has none, since everybody on the machine sees flags.
    pub has_flag: bool,
    /// Whether the file has a table of its own for it.
    pub is_table: bool,
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
            has_flag: kind.has_flag(),
            is_table: kind.is_table(),
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

/// Declares a struct of settings: documentation, name, type, default (and how help shows it where it is a rule), kind.
/// In the braces behind its name are fields that are no settings and begin empty.
macro_rules! settings {
    (
        $(#[doc = $of_all:literal])+
        $visible:vis struct $all:ident { $($(#[doc = $of_more:literal])+ $more:ident: $of:ty,)* }
        $($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr $(, shown $shown:literal)?; $kind:expr;)+
    ) => {
        $(#[doc = $of_all])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(
            rustdoc::broken_intra_doc_links,
            rustdoc::bare_urls,
            rustdoc::invalid_html_tags,
            reason = "these texts are those of help: their brackets and addresses are no links"
        )]
        $visible struct $all {
            $($(#[doc = $doc])+ $visible $name: $type,)+
            $($(#[doc = $of_more])+ $visible $more: $of,)*
        }

        impl Default for $all {
            fn default() -> Self {
                Self { $($name: $default,)+ $($more: <$of>::default(),)* }
            }
        }

        impl crate::settings::declare::Fields for $all {
            fn read(
                given: &impl crate::settings::declare::Given,
            ) -> Result<Self, crate::settings::error::SettingsError> {
                let defaults = Self::default();
                Ok(Self {
                    $($name: {
                        let key = crate::settings::declare::key_of(stringify!($name));
                        given.read(&key, &$kind)?.unwrap_or(defaults.$name)
                    },)+
                    $($more: defaults.$more,)*
                })
            }

            fn values(&self) -> Vec<crate::settings::declare::Shown> {
                vec![$(crate::settings::declare::Shown::new(&$kind, &self.$name),)+]
            }

            fn declared() -> Vec<crate::settings::declare::Declared> {
                let defaults = Self::default();
                let mut all = Vec::new();
                $({
                    let shown: &[&str] = &[$($shown)?];
                    let (name, docs) = (stringify!($name), [$($doc),+]);
                    let (kind, default, shown) = (&$kind, &defaults.$name, shown.first().copied());
                    all.push(crate::settings::declare::Declared::new(name, kind, default, shown, &docs));
                })+
                all
            }
        }
    };
}
pub(super) use settings;

/// A value as the settings file has it.
pub(super) struct Shown {
    pub(super) value: toml::Value,
    /// Whether that is less than there is, so that it may only stand in a comment.
    pub(super) is_less: bool,
}

impl Shown {
    pub(super) fn new<K: Kind>(kind: &K, value: &K::Value) -> Self {
        Self { value: kind.show(value), is_less: kind.hides(value) }
    }
}

/// What the sources of settings give.
pub(super) trait Given {
    /// The value of `key`, where any source gives it.
    fn read<K: Kind>(&self, key: &str, kind: &K) -> Result<Option<K::Value>, SettingsError>;
}

/// What the declaration gives: each setting in order.
pub(super) trait Fields: Sized {
    fn read(given: &impl Given) -> Result<Self, SettingsError>;
    fn values(&self) -> Vec<Shown>;
    fn declared() -> Vec<Declared>;
}
