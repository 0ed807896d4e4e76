//! Whether services can be reached, and want events: for whoever checks settings before a start.

use holdfast_webpubsub::Endpoint;

use super::hubs::{HubsError, origin};
use super::service::Service;
use crate::settings::{Hub, Settings};

/// One address of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) hub: String,
    /// Without what is secret in it.
    pub(crate) address: String,
    /// Whether it wants events; or what is wrong, in a few words.
    pub(crate) outcome: Result<(), String>,
}

/// Asks each address of each service of these settings whether it wants events.
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
    for handler in &hub.handlers {
        let service = Service::new(hub, handler, settings.message_bytes_max);
        let service = service.map_err(|error| HubsError::Service(hub.name.clone(), error))?;
        for (index, address) in service.endpoint().addresses().enumerate() {
            let outcome = match service.ask_at(index, &hub.name, origin).await {
                Ok(said) if said.is_given => Ok(()),
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
