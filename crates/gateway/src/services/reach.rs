//! Whether services can be reached and want events, and identity providers have keys: for whoever checks settings
//! before a start.

use std::time::Duration;

use holdfast_webpubsub::Endpoint;
use tokio::runtime::Handle as Runtime;

use super::hubs::{HubsError, origin};
use super::identity::keys_of;
use super::listener::Listener;
use super::nats::Nats;
use super::service::Service;
use crate::settings::{Hub, Settings};

/// How long a NATS server is tried.
const NATS_WITHIN: Duration = Duration::from_secs(10);

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
        let service = Service::new(hub, handler, settings.message_bytes_max, [].iter());
        let service = service.map_err(|error| HubsError::Service(hub.name.clone(), error))?;
        if let Some(nats) = service.nats() {
            all.push(of_nats(hub, nats).await);
        }
        if let Some(endpoint) = service.endpoint() {
            all.extend(of_endpoint(hub, &service, endpoint, origin).await);
        }
    }
    for settings in &hub.listeners {
        let listener = Listener::new(hub, settings, [].iter());
        let listener = listener.map_err(|error| HubsError::Listener(hub.name.clone(), error))?;
        if let Some(listener) = listener {
            all.push(of_nats(hub, listener.nats()).await);
        }
    }
    Ok(all)
}

async fn of_nats(hub: &Hub, nats: &Nats) -> Reached {
    nats.messenger().start(&Runtime::current());
    let outcome = nats.messenger().reach(NATS_WITHIN).await.map(|()| "it takes events".to_owned());
    Reached { hub: hub.name.clone(), address: nats.place(), outcome }
}

async fn of_endpoint(
    hub: &Hub,
    service: &Service,
    endpoint: &holdfast_upstream::Endpoint,
    origin: &Endpoint,
) -> Vec<Reached> {
    let mut all = Vec::new();
    for (index, address) in endpoint.addresses().enumerate() {
        let outcome = match service.ask_at(endpoint, index, &hub.name, origin).await {
            Ok(said) if said.is_given => Ok("it wants events".to_owned()),
            Ok(said) => Err(format!(
                "it answers OPTIONS with {} and does not say that it wants events (WebHook-Allowed-Origin)",
                said.status
            )),
            Err(failure) => Err(failure.to_string()),
        };
        all.push(Reached { hub: hub.name.clone(), address: address.to_string(), outcome });
    }
    all
}
