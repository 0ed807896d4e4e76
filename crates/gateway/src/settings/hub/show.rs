//! Hubs as text: their tables in a settings file, and what each key is for.

use super::Hub;
use super::identity::IdentitySettings;
use super::read::{HANDLER, IDENTITY, LISTENER, quoted};
use super::tables::{HandlerSettings, HubSettings, ListenerSettings};
use crate::settings::declare::{Declared, Fields, Shown};

/// The tables of a hub: the head of each, and its settings.
pub(in crate::settings) fn tables(hub: &Hub) -> Vec<(String, Vec<(Declared, Shown)>)> {
    let name = quoted(&hub.name);
    let of_hub = (format!("[hub.{name}]"), with_values(hub_declared(), &hub.settings));
    let of_identity = hub
        .settings
        .identity
        .iter()
        .map(|identity| (format!("[hub.{name}.{IDENTITY}]"), with_values(identity_declared(), identity)));
    let of_handlers = hub.handlers.iter().map(|handler| {
        (format!("[[hub.{name}.{HANDLER}]]"), with_values(handler_declared(), &handler.settings))
    });
    let of_listeners = hub
        .listeners
        .iter()
        .map(|listener| (format!("[[hub.{name}.{LISTENER}]]"), with_values(listener_declared(), listener)));
    std::iter::once(of_hub).chain(of_identity).chain(of_handlers).chain(of_listeners).collect()
}

/// The tables of a hub that nobody has made yet.
pub(in crate::settings) fn example() -> Vec<(String, Vec<(Declared, Shown)>)> {
    vec![
        ("[hub.NAME]".to_owned(), with_values(hub_declared(), &HubSettings::default())),
        (format!("[hub.NAME.{IDENTITY}]"), with_values(identity_declared(), &IdentitySettings::default())),
        (format!("[[hub.NAME.{HANDLER}]]"), with_values(handler_declared(), &HandlerSettings::default())),
        (format!("[[hub.NAME.{LISTENER}]]"), with_values(listener_declared(), &ListenerSettings::default())),
    ]
}

fn with_values(declared: Vec<Declared>, settings: &impl Fields) -> Vec<(Declared, Shown)> {
    declared.into_iter().zip(settings.values()).collect()
}

/// Every key of a hub's table. They have neither flags nor variables.
pub fn hub_declared() -> Vec<Declared> {
    of_tables(HubSettings::declared())
}

/// Every key of an identity provider's table. They have neither flags nor variables.
pub fn identity_declared() -> Vec<Declared> {
    of_tables(IdentitySettings::declared())
}

/// Every key of a handler's table. They have neither flags nor variables.
pub fn handler_declared() -> Vec<Declared> {
    of_tables(HandlerSettings::declared())
}

/// Every key of a listener's table. They have neither flags nor variables.
pub fn listener_declared() -> Vec<Declared> {
    of_tables(ListenerSettings::declared())
}

fn of_tables(settings: Vec<Declared>) -> Vec<Declared> {
    settings.into_iter().map(|setting| Declared { has_flag: false, env: String::new(), ..setting }).collect()
}
