//! Hubs as they are served: what settings say of them, and what of that is in use. Shared by all threads.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use holdfast_hub::Hub as HubIndex;
use holdfast_webpubsub::Endpoint;
use holdfast_webpubsub::token::{AccessKey, KeyError, Keys};
use tokio::sync::Semaphore;

use super::service::{Service, ServiceError};
use crate::settings::{Hub, Settings, SlowService, SystemEvent};

/// All hubs, in the order of the settings.
#[derive(Debug)]
pub(crate) struct Hubs {
    hubs: Vec<Arc<LiveHub>>,
    /// The gateway's public names, where settings have them.
    endpoints: Vec<Endpoint>,
    /// What services are told about where an event comes from.
    origin: Endpoint,
    /// Longest state of a connection.
    pub(super) state_bytes_max: usize,
}

/// A hub that is being served.
#[derive(Debug)]
pub(crate) struct LiveHub {
    /// As the settings write it.
    pub(super) name: String,
    pub(super) index: HubIndex,
    pub(super) gate: Arc<Gate>,
    pub(super) counts: Counts,
    config: RwLock<Arc<Config>>,
}

/// What of a hub may change while it is served.
#[derive(Debug)]
pub(crate) struct Config {
    pub(super) keys: Option<Keys>,
    pub(super) anonymous: bool,
    pub(super) services: Vec<Arc<Service>>,
    pub(super) slow_service: SlowService,
    pub(super) timeout: Duration,
    pub(super) dead_letters: Option<PathBuf>,
}

/// What has become of a hub's events.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Disconnected events that no service has heard.
    pub(super) given_up: AtomicU64,
}

/// How much of a hub may be waiting for its services.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Events that wait or are under way, and how many those may be.
    events: AtomicU32,
    events_max: u32,
    /// Opening handshakes that wait, and how many those may be.
    connects: AtomicU32,
    connects_max: u32,
    /// Places of events that are under way.
    pub(super) under_way: Arc<Semaphore>,
}

/// A place among those that wait; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    is_connect: bool,
}

/// Why hubs cannot be served. Its text says what to change.
#[derive(Debug)]
pub enum HubsError {
    /// A key is none.
    Key(String, KeyError),
    /// A service cannot be asked.
    Service(String, ServiceError),
}

impl std::fmt::Display for HubsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(hub, error) => write!(f, "an access key of hub {hub} is not good: {error}"),
            Self::Service(hub, error) => write!(f, "a handler of hub {hub} is not good: {error}"),
        }
    }
}

impl std::error::Error for HubsError {}

impl Hubs {
    /// Those of the settings. `origin` is the gateway's first address.
    ///
    /// # Errors
    /// When a key or a service is not what it must be.
    pub(crate) fn new(settings: &Settings, origin: Endpoint) -> Result<Self, HubsError> {
        let endpoints: Vec<_> = settings.endpoints.iter().filter_map(|it| Endpoint::parse(it).ok()).collect();
        let live = |(index, hub): (usize, &Hub)| {
            Ok(Arc::new(LiveHub {
                name: hub.name.clone(),
                // Settings have 255 at most.
                index: HubIndex(u8::try_from(index).unwrap_or(u8::MAX)),
                gate: Arc::new(Gate::new(hub)),
                counts: Counts::default(),
                config: RwLock::new(Arc::new(Config::new(hub, settings.message_bytes_max)?)),
            }))
        };
        let hubs = settings.hubs.iter().enumerate().map(live).collect::<Result<_, _>>()?;
        let origin = endpoints.first().cloned().unwrap_or(origin);
        Ok(Self { hubs, endpoints, origin, state_bytes_max: settings.state_bytes_max })
    }

    /// The hub with this name, whatever its letter case.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<LiveHub>> {
        self.hubs.iter().find(|hub| hub.name.eq_ignore_ascii_case(name))
    }

    /// The hub with this index.
    pub(super) fn at(&self, index: HubIndex) -> Option<&Arc<LiveHub>> {
        self.hubs.get(usize::from(index.0))
    }

    /// The names by which a request may have meant this gateway: those of the settings, or what it calls it itself.
    pub(super) fn endpoints(&self, host: &str) -> Vec<Endpoint> {
        if !self.endpoints.is_empty() {
            return self.endpoints.clone();
        }
        ["http", "https"].iter().filter_map(|it| Endpoint::parse(&format!("{it}://{host}")).ok()).collect()
    }

    /// By which name services know this gateway.
    pub(super) fn origin(&self) -> &Endpoint {
        &self.origin
    }

    /// Takes over keys, handlers and bounds of time of hubs that are served already: all of them or, where one is not
    /// good, none. Those that are new or gone need another start.
    ///
    /// # Errors
    /// When a key or a service is not what it must be.
    pub(crate) fn reload(&self, hubs: &[Hub], answer_bytes_max: usize) -> Result<(), HubsError> {
        let live = |hub: &Hub| Some((self.find(&hub.name)?, Config::new(hub, answer_bytes_max)));
        let fresh: Vec<_> = hubs.iter().filter_map(live).collect();
        let fresh: Vec<_> =
            fresh.into_iter().map(|(hub, config)| Ok((hub, config?))).collect::<Result<_, HubsError>>()?;
        for (hub, config) in fresh {
            *hub.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        }
        Ok(())
    }
}

impl LiveHub {
    /// What holds now.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Config {
    fn new(hub: &Hub, answer_bytes_max: usize) -> Result<Self, HubsError> {
        let of_key = |error| HubsError::Key(hub.name.clone(), error);
        let mut keys = hub.keys.iter().map(|key| AccessKey::new(key.expose()));
        let primary = keys.next().transpose().map_err(of_key)?;
        let secondary = keys.next().transpose().map_err(of_key)?;
        let of_service = |error| HubsError::Service(hub.name.clone(), error);
        let services = hub.handlers.iter().map(|it| Service::new(hub, it, answer_bytes_max).map(Arc::new));
        Ok(Self {
            keys: primary.map(|primary| Keys { primary, secondary }),
            anonymous: hub.settings.anonymous,
            services: services.collect::<Result<_, _>>().map_err(of_service)?,
            slow_service: hub.settings.slow_service,
            timeout: hub.settings.upstream_timeout,
            dead_letters: hub.settings.dead_letters.clone(),
        })
    }

    /// The service that hears of a system event: the first that wants to.
    pub(super) fn service_of(&self, event: SystemEvent) -> Option<Arc<Service>> {
        self.services.iter().find(|service| service.wants(event)).cloned()
    }

    /// The service that hears of a client's event with this name.
    pub(super) fn service_for(&self, event: &str) -> Option<Arc<Service>> {
        self.services.iter().find(|service| service.wants_user_event(event)).cloned()
    }
}

impl Gate {
    fn new(hub: &Hub) -> Self {
        let it = &hub.settings;
        Self {
            events: AtomicU32::new(0),
            events_max: it.events_waiting_max.saturating_add(it.events_under_way_max),
            connects: AtomicU32::new(0),
            connects_max: it.connects_waiting_max,
            under_way: Arc::new(Semaphore::new(it.events_under_way_max as usize)),
        }
    }

    /// A place for an event, if there is one.
    pub(super) fn event(self: &Arc<Self>) -> Option<Permit> {
        claim(&self.events, self.events_max).then(|| Permit { gate: Arc::clone(self), is_connect: false })
    }

    /// A place for an opening handshake, if there is one.
    pub(super) fn connect(self: &Arc<Self>) -> Option<Permit> {
        claim(&self.connects, self.connects_max).then(|| Permit { gate: Arc::clone(self), is_connect: true })
    }
}

fn claim(taken: &AtomicU32, max: u32) -> bool {
    taken.fetch_update(Relaxed, Relaxed, |taken| (taken < max).then_some(taken + 1)).is_ok()
}

impl Drop for Permit {
    fn drop(&mut self) {
        let taken = if self.is_connect { &self.gate.connects } else { &self.gate.events };
        taken.fetch_sub(1, Relaxed);
    }
}
