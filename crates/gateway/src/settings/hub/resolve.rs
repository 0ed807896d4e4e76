//! From what is said of hubs to the hubs: which there are, with the keys and headers that are in files.

use super::headers::{HeaderValue, value_of};
use super::keys::Given;
use super::read::HubTable;
use super::tables::{HandlerSettings, HubSettings};
use super::{HUBS_MAX, Handler, Header, Hub};
use crate::settings::Settings;
use crate::settings::key::secret_in;

/// The hub that `settings` name, or those of the file.
pub(in crate::settings) fn resolve(settings: &Settings, tables: Vec<HubTable>) -> Result<Vec<Hub>, String> {
    check(settings, &tables)?;
    let mut all = tables;
    all.extend(settings.hub.clone().map(|name| the_one(name, settings)));
    all.into_iter().map(|table| hub(settings, table)).collect()
}

/// The hub that flags make.
fn the_one(name: String, settings: &Settings) -> HubTable {
    let hub = HubSettings { anonymous: settings.anonymous, ..HubSettings::default() };
    let handler = HandlerSettings { url: settings.upstream.clone(), ..HandlerSettings::default() };
    let handlers = if settings.upstream.is_empty() { Vec::new() } else { vec![handler] };
    HubTable { name, hub, handlers, listeners: Vec::new() }
}

fn check(settings: &Settings, tables: &[HubTable]) -> Result<(), String> {
    if let (Some(hub), [_, ..]) = (&settings.hub, tables) {
        return Err(format!(
            "hub is {hub}, but the settings file has tables [hub.NAME] too: remove one or the other"
        ));
    }
    if settings.hub.is_none() {
        let alone = [("upstream", !settings.upstream.is_empty()), ("anonymous", settings.anonymous)];
        let alone = alone.iter().find(|(_, is_set)| *is_set).map(|(key, _)| key);
        match (alone, tables) {
            (Some(key), []) => {
                return Err(format!(
                    "{key} is set but hub is not: name the hub, such as chat, or remove {key}"
                ));
            }
            (Some(key), _) => {
                return Err(format!(
                    "{key} is for the hub that hub names, but the settings file has tables [hub.NAME]: put it there"
                ));
            }
            (None, _) => {}
        }
    }
    if tables.len() > HUBS_MAX {
        return Err(format!("the settings file has {} hubs: {HUBS_MAX} are the most", tables.len()));
    }
    for (index, table) in tables.iter().enumerate() {
        let twin = tables[..index].iter().find(|other| other.name.eq_ignore_ascii_case(&table.name));
        if let Some(twin) = twin {
            return Err(format!(
                "the settings file has hubs {} and {}, but letter case tells no two hubs apart: rename one",
                twin.name, table.name
            ));
        }
    }
    Ok(())
}

fn hub(settings: &Settings, table: HubTable) -> Result<Hub, String> {
    let HubTable { name, hub, handlers, listeners } = table;
    let own = Given {
        primary: hub.access_key.as_ref(),
        secondary: hub.access_key_secondary.as_ref(),
        files: &hub.access_key_file,
    };
    let of_all = Given {
        primary: settings.access_key.as_ref(),
        secondary: settings.access_key_secondary.as_ref(),
        files: &settings.access_key_file,
    };
    let keys =
        if own.is_empty() { of_all.keys("for all hubs") } else { own.keys(&format!("for hub {name}")) }?;
    if keys.is_empty() && !hub.anonymous && hub.identity.is_none() {
        return Err(format!(
            "hub {name} has no access key and is not anonymous, so nobody could connect: set access-key-file, or set \
             anonymous to true"
        ));
    }
    let handlers =
        handlers.into_iter().map(|handler| with_headers(handler, &name)).collect::<Result<_, _>>()?;
    Ok(Hub { name, keys, settings: hub, handlers, listeners })
}

fn with_headers(settings: HandlerSettings, hub: &str) -> Result<Handler, String> {
    let mut headers = Vec::new();
    for source in &settings.headers {
        let name = source.name.clone();
        let value = match &source.value {
            HeaderValue::Text(text) => text.clone(),
            HeaderValue::File(file) => {
                let text = secret_in("headers", file)?;
                value_of(&name, text.expose())
                    .map_err(|expected| format!("headers {} of hub {hub}: {expected}", file.display()))?
            }
        };
        headers.push(Header { name, value });
    }
    Ok(Handler { settings, headers })
}
