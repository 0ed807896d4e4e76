//! One that hears of a hub's events besides its services, and answers nothing: it cannot interfere.

use super::cloud::Cloud;
use super::nats::{Access, Nats, NatsError};
use super::what::What;
use crate::settings::{Hub, ListenerSettings, SystemEvent};

/// A listener.
#[derive(Debug)]
pub(crate) struct Listener {
    nats: Nats,
    wants: ListenerSettings,
}

impl Listener {
    /// None of these settings has a URL that is none of NATS.
    pub(super) fn new<'o>(
        hub: &Hub,
        settings: &ListenerSettings,
        old: impl Iterator<Item = &'o Self>,
    ) -> Result<Option<Self>, NatsError> {
        let access = Access {
            url: &settings.url,
            credentials: settings.credentials.as_deref(),
            certificate: &settings.certificate,
            ca: hub.settings.upstream_ca.as_deref(),
            insecure: settings.insecure,
            queue_bytes: Some(settings.queue_bytes),
        };
        let nats = Nats::new(&hub.name, access, old.map(|old| &old.nats))?;
        Ok(nats.map(|nats| Self { nats, wants: settings.clone() }))
    }

    pub(super) fn nats(&self) -> &Nats {
        &self.nats
    }

    pub(super) fn wants(&self, event: SystemEvent) -> bool {
        self.wants.system_events.contains(&event)
    }

    pub(super) fn wants_user_event(&self, name: &str) -> bool {
        self.wants.user_events.contains(name)
    }

    /// Whether it wants to hear this.
    pub(super) fn wants_this(&self, what: &What) -> bool {
        match what {
            What::Connect { .. } => false,
            What::Connected => self.wants(SystemEvent::Connected),
            What::Disconnected { .. } => self.wants(SystemEvent::Disconnected),
            What::Said { name, .. } => self.wants_user_event(name),
        }
    }

    /// Tells it. Waits for nothing.
    pub(super) fn tell(&self, hub: &str, what: &What, cloud: &Cloud) {
        self.nats.publish(hub, what, cloud);
    }
}
