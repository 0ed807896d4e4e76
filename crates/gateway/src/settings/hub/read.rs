//! Hubs of the settings file.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::identity::IdentitySettings;
use super::name::HubName;
use super::tables::{HandlerSettings, HubSettings, ListenerSettings};
use crate::settings::declare::{self, Declared, Fields};
use crate::settings::error::SettingsError;
use crate::settings::kinds::Kind;
use crate::settings::nearest::nearest;
use crate::settings::secret::Secret;
use crate::settings::text::plain;

/// Key of a hub's handlers.
pub(super) const HANDLER: &str = "handler";
/// Key of a hub's listeners.
pub(super) const LISTENER: &str = "listener";
/// Key of a hub's identity provider.
pub(super) const IDENTITY: &str = "identity";

/// A hub as its tables have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::settings) struct HubTable {
    pub(in crate::settings) name: String,
    pub(in crate::settings) hub: HubSettings,
    pub(in crate::settings) handlers: Vec<HandlerSettings>,
    pub(in crate::settings) listeners: Vec<ListenerSettings>,
}

/// The hubs in `[hub]` of `file`.
pub(in crate::settings) fn read(hubs: Table, file: &Path) -> Result<Vec<HubTable>, SettingsError> {
    hubs.into_iter().map(|(name, value)| read_hub(&name, value, &file.display().to_string())).collect()
}

fn read_hub(name: &str, value: Value, file: &str) -> Result<HubTable, SettingsError> {
    let place = format!("[hub.{}] in {file}", quoted(name));
    let name = HubName.parse(name).map_err(|expected| SettingsError::new(format!("{place}: {expected}")))?;
    let Value::Table(mut table) = value else {
        return Err(SettingsError::new(format!("{place}: expected a table, not this {}", value.type_str())));
    };
    let handlers = tables_of(&mut table, HANDLER, &name, &place)?;
    let listeners = tables_of(&mut table, LISTENER, &name, &place)?;
    let identity = table.remove(IDENTITY).map(|value| read_identity(&name, value, file)).transpose()?;
    let hub = Given::read_table(table, place, &HubSettings::declared(), &[HANDLER, LISTENER, IDENTITY])?;
    let handlers =
        handlers.into_iter().map(|handler| read_handler(&name, handler, file)).collect::<Result<_, _>>()?;
    let listeners = listeners
        .into_iter()
        .map(|listener| read_listener(&name, listener, file))
        .collect::<Result<_, _>>()?;
    Ok(HubTable { hub: HubSettings { identity, ..HubSettings::read(&hub)? }, name, handlers, listeners })
}

/// The tables with this key of a hub's table: any number, or one that stands alone.
fn tables_of(table: &mut Table, key: &str, hub: &str, place: &str) -> Result<Vec<Value>, SettingsError> {
    match table.remove(key) {
        Some(Value::Array(tables)) => Ok(tables),
        Some(Value::Table(one)) => Ok(vec![Value::Table(one)]),
        None => Ok(Vec::new()),
        Some(other) => {
            let kind = other.type_str();
            let expected = format!("{key} of {place}: expected tables [[hub.{}.{key}]]", quoted(hub));
            Err(SettingsError::new(format!("{expected}, not this {kind}")))
        }
    }
}

fn read_identity(hub: &str, value: Value, file: &str) -> Result<IdentitySettings, SettingsError> {
    let place = format!("[hub.{}.{IDENTITY}] in {file}", quoted(hub));
    let Value::Table(table) = value else {
        let kind = value.type_str();
        return Err(SettingsError::new(format!("{place}: expected one table, not this {kind}")));
    };
    let given = Given::read_table(table, place, &IdentitySettings::declared(), &[])?;
    let identity = IdentitySettings::read(&given)?;
    identity.check(&given.place).map_err(SettingsError::new)?;
    Ok(identity)
}

fn read_handler(hub: &str, value: Value, file: &str) -> Result<HandlerSettings, SettingsError> {
    let place = format!("[[hub.{}.{HANDLER}]] in {file}", quoted(hub));
    let Value::Table(table) = value else {
        return Err(SettingsError::new(format!("{place}: expected a table, not this {}", value.type_str())));
    };
    let given = Given::read_table(table, place, &HandlerSettings::declared(), &[])?;
    let handler = HandlerSettings::read(&given)?;
    if handler.url.is_empty() {
        let place = given.place;
        return Err(SettingsError::new(format!(
            "url is missing in {place}: set it to where the service listens"
        )));
    }
    handler.check(&given.place).map_err(SettingsError::new)?;
    Ok(handler)
}

fn read_listener(hub: &str, value: Value, file: &str) -> Result<ListenerSettings, SettingsError> {
    let place = format!("[[hub.{}.{LISTENER}]] in {file}", quoted(hub));
    let Value::Table(table) = value else {
        return Err(SettingsError::new(format!("{place}: expected a table, not this {}", value.type_str())));
    };
    let given = Given::read_table(table, place, &ListenerSettings::declared(), &[])?;
    let listener = ListenerSettings::read(&given)?;
    if listener.url.is_empty() {
        let place = given.place;
        return Err(SettingsError::new(format!(
            "url is missing in {place}: set it to a server of NATS and a subject"
        )));
    }
    listener.check(&given.place).map_err(SettingsError::new)?;
    Ok(listener)
}

/// A key of TOML, in quotes where it needs them.
pub(super) fn quoted(key: &str) -> String {
    let is_bare = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare && !key.is_empty() { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}

/// Text by key, from one table.
struct Given {
    texts: BTreeMap<String, Secret>,
    place: String,
}

impl Given {
    /// What `table` gives of `all`. `others` are keys that are read elsewhere.
    fn read_table(
        table: Table,
        place: String,
        all: &[Declared],
        others: &[&str],
    ) -> Result<Self, SettingsError> {
        let mut texts = BTreeMap::new();
        for (key, value) in table {
            let Some(setting) = all.iter().find(|setting| setting.key == key) else {
                let known = all.iter().map(|setting| setting.key.as_str()).chain(others.iter().copied());
                let hint = nearest(&key, known, "docs/settings.md");
                return Err(SettingsError::new(format!("unknown setting {key} in {place}: {hint}")));
            };
            let text =
                plain(&value).or_else(|| (setting.is_table && value.is_table()).then(|| value.to_string()));
            let text = text.ok_or_else(|| {
                let expected =
                    if setting.is_table { "a table" } else { "text, a whole number, true or false" };
                let kind = value.type_str();
                SettingsError::new(format!("{key} in {place}: expected {expected}, not this {kind}"))
            })?;
            texts.insert(key, Secret::new(text));
        }
        Ok(Self { texts, place })
    }
}

impl declare::Given for Given {
    fn read<K: Kind>(&self, key: &str, kind: &K) -> Result<Option<K::Value>, SettingsError> {
        let Some(text) = self.texts.get(key) else { return Ok(None) };
        let refused = |expected| {
            let given = if kind.may_hide() { String::new() } else { format!(" = \"{}\"", text.expose()) };
            SettingsError::new(format!("{key}{given} in {}: {expected}", self.place))
        };
        kind.parse(text.expose()).map(Some).map_err(refused)
    }
}
