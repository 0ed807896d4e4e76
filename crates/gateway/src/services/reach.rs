//! Whether services can be reached and want events, and identity providers have keys: for whoever checks settings
//! before a start.

use holdfast_webpubsub::Endpoint;

use super::hubs::{HubsError, origin};
use super::identity::keys_of;
use super::service::Service;
use crate::settings::{Hub, Settings};

/// One address of a service, or the place of an identity provider's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) hub: String,
    /// Without what is secret in it.
    pub(crate) address: String,
    /// That it wants events, or how many keys there are; or what is wrong, in a few words.
    pub(crate) outcome: Result<String, String>,
}

/// Asks each address of each service of these settings whether it wants events, and each identity provider for keys.
///
/// # Errors
/// When a service is not what it must be.
pub(crate) async fn reach(settings: &Settings) -> Result<Vec<Reached>, HubsError> {
    let origin = origin(settings);
    let mut all = Vec::new();
    for hub in &settings.hubs {
        all.extend(of_hub(hub, settings, &origin).await?);
    }
    Ok(all)
}

async fn of_hub(hub: &Hub, settings: &Settings, origin: &Endpoint) -> Result<Vec<Reached>, HubsError> {
    let mut all = Vec::new();
    if let Some(identity) = &hub.settings.identity {
        let outcome = keys_of(identity).await.map(|count| format!("{count} keys of an identity provider"));
        all.push(Reached { hub: hub.name.clone(), address: identity.keys.to_string(), outcome });
    }
    for handler in &hub.handlers {
        let service = Service::new(hub, handler, settings.message_bytes_max);
        let service = service.map_err(|error| HubsError::Service(hub.name.clone(), error))?;
        for (index, address) in service.endpoint().addresses().enumerate() {
            let outcome = match service.ask_at(index, &hub.name, origin).await {
                Ok(said) if said.is_given => Ok("it wants events".to_owned()),
                Ok(said) => Err(format!(
                    "it answers OPTIONS with {} and does not say that it wants events (WebHook-Allowed-Origin)",
                    said.status
                )),
                Err(failure) => Err(failure.to_string()),
            };
            all.push(Reached { hub: hub.name.clone(), address: address.to_string(), outcome });
        }
    }
    Ok(all)
}
