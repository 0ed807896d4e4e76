//! What a source gives: text by key, and of the file its hubs, too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use crate::settings::declare::{self, Declared, env_of};
use crate::settings::error::SettingsError;
use crate::settings::hub::read::{self, HubTable};
use crate::settings::kinds::Kind;
use crate::settings::nearest::nearest;
use crate::settings::secret::Secret;
use crate::settings::text::plain;

/// Key of the one hub, and of the tables of many.
const HUB: &str = "hub";

/// Where a value came from, as an error names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Flag,
    Environment,
    File(PathBuf),
}

/// Text by key, from the strongest source that has it, and hubs. Any text may be a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    texts: BTreeMap<String, (Secret, Source)>,
    hubs: Vec<HubTable>,
}

impl declare::Given for Given {
    fn read<K: Kind>(&self, key: &str, kind: &K) -> Result<Option<K::Value>, SettingsError> {
        let Some((text, source)) = self.texts.get(key) else { return Ok(None) };
        let text = text.expose();
        let refused = |expected| {
            let given =
                |sign: &str| if kind.may_hide() { String::new() } else { format!("{sign}\"{text}\"") };
            let place = match source {
                Source::Flag => format!("--{key}{}", given(" ")),
                Source::Environment => format!("{}{}", env_of(key), given("=")),
                Source::File(file) => format!("{key}{} in {}", given(" = "), file.display()),
            };
            SettingsError::new(format!("{place}: {expected}"))
        };
        kind.parse(text).map(Some).map_err(refused)
    }
}

impl Given {
    pub(super) fn has(&self, key: &str) -> bool {
        self.texts.contains_key(key)
    }

    pub(super) fn put(&mut self, key: &str, text: String, source: Source) {
        self.texts.insert(key.to_owned(), (Secret::new(text), source));
    }

    /// Has what a stronger source gives take the place of this.
    pub(super) fn put_above(&mut self, stronger: &Self) {
        self.texts.extend(stronger.texts.clone());
    }

    pub(super) fn take_hubs(&mut self) -> Vec<HubTable> {
        std::mem::take(&mut self.hubs)
    }

    pub(super) fn read_flags(matches: &ArgMatches, all: &[Declared]) -> Self {
        let mut found = Self::default();
        for setting in all.iter().filter(|setting| setting.has_flag) {
            if let Some(values) = matches.get_many::<String>(&setting.key) {
                let text = values.map(String::as_str).collect::<Vec<_>>().join(",");
                found.put(&setting.key, text, Source::Flag);
            }
        }
        found
    }

    pub(super) fn read_file(file: &Path, all: &[Declared]) -> Result<Self, SettingsError> {
        let name = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| {
            SettingsError::new(format!("cannot read the settings file {name} (config): {error}"))
        })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = 1 + error.span().map_or(0, |span| text[..span.start].matches('\n').count());
            SettingsError::new(format!(
                "{name} is not TOML, line {line}: {}",
                error.message().replace('\n', ", ")
            ))
        })?;
        let mut found = Self::default();
        for (key, value) in table {
            let value = match value {
                // One hub is named by the key, any number have their tables below it.
                toml::Value::Table(hubs) if key == HUB => {
                    found.hubs = read::read(hubs, file)?;
                    continue;
                }
                other => other,
            };
            let Some(setting) = all.iter().find(|setting| setting.key == key) else {
                let known = all.iter().map(|setting| setting.key.as_str());
                let hint = nearest(&key, known, "holdfast --help");
                return Err(SettingsError::new(format!("unknown setting {key} in {name}: {hint}")));
            };
            if value.is_array() && !setting.repeats {
                return Err(SettingsError::new(format!("{key} in {name}: expected one value, not a list")));
            }
            let text = plain(&value).ok_or_else(|| {
                let kind = value.type_str();
                SettingsError::new(format!(
                    "{key} in {name}: expected text, a whole number, true or false, not this {kind}"
                ))
            })?;
            found.put(&key, text, Source::File(file.to_owned()));
        }
        Ok(found)
    }
}
