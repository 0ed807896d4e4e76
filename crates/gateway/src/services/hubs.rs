//! Hubs as they are served: what settings say of them, and what of that is in use. Shared by all threads.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use holdfast_hub::{Hub as HubIndex, TooMany};
use holdfast_upstream::State;
use holdfast_webpubsub::token::{AccessKey, KEY_LEN_MIN, KeyError, Keys};
use holdfast_webpubsub::{Endpoint, EndpointError};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::runtime::Handle as Runtime;

use super::bytes::EventBytes;
use super::gate::Gate;
use super::http::Budget;
use super::identity::{Fetches, Provider, ProviderError, Worker};
use super::letters::{Letter, Letters};
use super::listener::Listener;
use super::nats::NatsError;
use super::rates::Rates;
use super::service::{Service, ServiceError};
use super::what::What;
use crate::ConnectionId;
use crate::counters::{EventKind, EventOutcome, HubCounters, HubCounts, HubLimit};
use crate::limits::Shares;
use crate::settings::{Hub, Listen, Settings, SlowService, SystemEvent};

/// All hubs, in the order of the settings.
#[derive(Debug)]
pub(crate) struct Hubs {
    hubs: Vec<Arc<LiveHub>>,
    /// The gateway's public names, where settings have them.
    endpoints: Vec<Endpoint>,
    /// Where it listens, by number.
    own: Vec<Endpoint>,
    /// What services are told about where an event comes from.
    origin: Endpoint,
    /// Signs what hubs without a key give out to be shown to this very process.
    pub(super) own_keys: Keys,
    /// Longest state of a connection.
    pub(super) state_bytes_max: usize,
    /// How much of events is held.
    pub(super) bytes: Arc<EventBytes>,
    /// Why connections are being closed, where that is longer than a close frame takes.
    reasons: Mutex<HashMap<ConnectionId, Arc<str>>>,
    /// Verifies tokens of identity providers.
    worker: Worker,
    /// How much of REST bodies is.
    pub(super) bodies: Budget,
}

/// A hub that is being served.
#[derive(Debug)]
pub(crate) struct LiveHub {
    /// As the settings write it.
    pub(super) name: String,
    pub(super) index: HubIndex,
    pub(super) gate: Arc<Gate>,
    pub(super) counts: Arc<HubCounts>,
    pub(super) rates: Rates,
    /// Of its identity provider's keys.
    fetches: Arc<Fetches>,
    /// Events that were not sent before the end.
    lost: AtomicU32,
    config: RwLock<Arc<Config>>,
}

/// What of a hub may change while it is served.
#[derive(Debug)]
pub(crate) struct Config {
    pub(super) keys: Option<Keys>,
    pub(super) identity: Option<Arc<Provider>>,
    pub(super) anonymous: bool,
    pub(super) services: Vec<Arc<Service>>,
    /// Who hears of events besides, and answers nothing.
    pub(super) listeners: Vec<Arc<Listener>>,
    pub(super) slow_service: SlowService,
    pub(super) timeout: Duration,
    pub(super) disconnected_timeout: Duration,
    letters: Option<Arc<Letters>>,
}

/// Why hubs cannot be served. Its text says what to change.
#[derive(Debug)]
pub enum HubsError {
    /// A key is none.
    Key(String, KeyError),
    /// An identity provider is none.
    Identity(String, ProviderError),
    /// A service cannot be asked.
    Service(String, ServiceError),
    /// A listener cannot be told anything.
    Listener(String, NatsError),
    /// The file of dead letters cannot be written.
    Letters(String, io::Error),
}

impl std::fmt::Display for HubsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(hub, error) => write!(f, "an access key of hub {hub} is not good: {error}"),
            Self::Identity(hub, error) => {
                write!(f, "the identity provider of hub {hub} is not good: {error}")
            }
            Self::Service(hub, error) => write!(f, "a handler of hub {hub} is not good: {error}"),
            Self::Listener(hub, error) => write!(f, "a listener of hub {hub} is not good: {error}"),
            Self::Letters(hub, error) => {
                write!(f, "dead letters of hub {hub} cannot be written: {error} (change dead-letters)")
            }
        }
    }
}

impl std::error::Error for HubsError {}

impl Hubs {
    /// Those of the settings.
    ///
    /// # Errors
    /// When a key or a service is not what it must be.
    pub(crate) fn new(settings: &Settings) -> Result<Self, HubsError> {
        let shares = Shares::new(settings);
        let bytes = Arc::new(EventBytes::new(shares.events));
        let bodies = Budget::new(shares.rest_bodies);
        let endpoints: Vec<_> = public_names(settings).collect();
        let now = Instant::now();
        let worker = Worker::default();
        let live = |(index, hub): (usize, &Hub)| {
            let counts = Arc::new(HubCounts::new(&hub.name, settings.shards));
            let fetches = Arc::default();
            let made = Made { counts: &counts, fetches: &fetches, worker: &worker };
            let config = Config::new(hub, settings.message_bytes_max, &made, None)?;
            Ok(Arc::new(LiveHub {
                name: hub.name.clone(),
                // Settings have 255 at most.
                index: HubIndex(u8::try_from(index).unwrap_or(u8::MAX)),
                gate: Arc::new(Gate::new(hub, Arc::clone(&bytes))),
                rates: Rates::new(hub, now),
                lost: AtomicU32::new(0),
                config: RwLock::new(Arc::new(config)),
                counts,
                fetches,
            }))
        };
        let hubs = settings.hubs.iter().enumerate().map(live).collect::<Result<_, _>>()?;
        let own = settings.listen.iter().chain(&settings.rest.addresses).filter_map(endpoint_of).collect();
        Ok(Self {
            hubs,
            endpoints,
            own,
            origin: origin(settings),
            own_keys: own_keys(),
            state_bytes_max: settings.state_bytes_max,
            bytes,
            bodies,
            reasons: Mutex::default(),
            worker,
        })
    }

    /// The hub with this name, whatever its letter case.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<LiveHub>> {
        self.hubs.iter().find(|hub| hub.name.eq_ignore_ascii_case(name))
    }

    /// The hub with this index.
    pub(super) fn at(&self, index: HubIndex) -> Option<&Arc<LiveHub>> {
        self.hubs.get(usize::from(index.0))
    }

    /// The names by which a request may have meant this gateway: those of the settings; without any, what it calls it
    /// itself, and the addresses of listen and rest.
    pub(super) fn endpoints(&self, host: &str) -> Vec<Endpoint> {
        if !self.endpoints.is_empty() {
            return self.endpoints.clone();
        }
        let named = ["http", "https"].map(|scheme| Endpoint::parse(&format!("{scheme}://{host}")).ok());
        named.into_iter().flatten().chain(self.own.iter().cloned()).collect()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<LiveHub>> {
        self.hubs.iter()
    }

    /// Whether no service is asked anything, nor is to be.
    pub(super) fn is_quiet(&self) -> bool {
        self.hubs.iter().all(|hub| hub.gate.is_quiet())
    }

    /// Keeps why a connection is about to be closed, until it hears of it.
    pub(super) fn keep_reason(&self, id: ConnectionId, reason: &Arc<str>) {
        self.reasons().insert(id, Arc::clone(reason));
    }

    /// Why a connection is closed, if that is kept.
    pub(super) fn take_reason(&self, id: ConnectionId) -> Option<Arc<str>> {
        self.reasons().remove(&id)
    }

    fn reasons(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<str>>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the files of dead letters anew.
    pub(super) fn reopen_letters(&self) {
        for letters in self.letters() {
            letters.reopen();
        }
    }

    /// Waits for a while until all dead letters are written.
    pub(super) fn finish_letters(&self) {
        for letters in self.letters() {
            letters.finish();
        }
    }

    fn letters(&self) -> impl Iterator<Item = Arc<Letters>> {
        self.hubs.iter().filter_map(|hub| hub.config().letters.clone())
    }

    /// Logs of each hub how many events were not sent before the end.
    pub(super) fn say_what_is_lost(&self) {
        for hub in &self.hubs {
            let events = hub.lost.load(Relaxed);
            if events > 0 {
                tracing::warn!(
                    hub = hub.name,
                    events,
                    "events were not sent: the time for the drain was over"
                );
            }
        }
    }

    /// Fetches keys of identity providers from now on.
    pub(super) fn fetch_keys(&self, runtime: &Runtime) {
        for provider in self.hubs.iter().filter_map(|hub| hub.config().identity.clone()) {
            provider.start(runtime);
        }
    }

    /// Connects to NATS where services or listeners are reached by one.
    pub(super) fn connect(&self, runtime: &Runtime) {
        for hub in &self.hubs {
            hub.config().messengers().for_each(|messenger| messenger.start(runtime));
        }
    }

    /// Publishes what waits for listeners, for a while.
    pub(super) async fn finish_listeners(&self) {
        /// For all together.
        const PATIENCE: Duration = Duration::from_secs(2);
        let all = async {
            for hub in &self.hubs {
                hub.config().finish_listeners(PATIENCE).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, all).await;
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
    pub(super) fn reload(
        &self,
        hubs: &[Hub],
        answer_bytes_max: usize,
    ) -> Result<Vec<Arc<Config>>, HubsError> {
        let live = |hub: &Hub| {
            let live = self.find(&hub.name)?;
            let made = Made { counts: &live.counts, fetches: &live.fetches, worker: &self.worker };
            Some((live, Config::new(hub, answer_bytes_max, &made, Some(&live.config()))))
        };
        let fresh: Vec<_> = hubs.iter().filter_map(live).collect();
        let fresh: Vec<_> =
            fresh.into_iter().map(|(hub, config)| Ok((hub, config?))).collect::<Result<_, HubsError>>()?;
        let replace = |(hub, config): (&Arc<LiveHub>, Config)| {
            let mut held = hub.config.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, Arc::new(config))
        };
        Ok(fresh.into_iter().map(replace).collect())
    }
}

/// A key of this process.
///
/// # Panics
/// Where the kernel has no random bytes: Linux has had them since 3.17.
fn own_keys() -> Keys {
    let mut bytes = [0; KEY_LEN_MIN];
    let len = getrandom(&mut bytes, GetRandomFlags::empty()).expect("the kernel has random bytes");
    assert_eq!(len, bytes.len(), "so few bytes come whole: getrandom(2)");
    Keys { primary: AccessKey::of_random(&bytes), secondary: None }
}

impl LiveHub {
    /// An event was not sent before the end.
    pub(super) fn lose(&self, counts: &HubCounters, kind: EventKind) {
        self.lost.fetch_add(1, Relaxed);
        counts.event(kind, EventOutcome::Failed);
    }

    /// A disconnected event is given up: it is written down if settings say where.
    pub(super) fn write_letter(&self, letter: impl FnOnce() -> Option<Letter>) {
        if let Some(letters) = &self.config().letters
            && let Some(letter) = letter()
        {
            letters.write(letter);
        }
    }

    /// Brings those gauges up to date that the control side shows.
    pub(super) fn gauge(&self) {
        let counts = self.counts.of_control();
        let (under_way, waiting) = self.gate.events();
        counts.connects_open.set(self.gate.connects().into());
        counts.tokens_open.set(self.gate.tokens().into());
        let (fetched, failed) = self.fetches.counted();
        counts.key_fetches_ok.set(fetched);
        counts.key_fetches_failed.set(failed);
        counts.events_under_way.set(under_way);
        counts.events_waiting.set(waiting);
        let config = self.config();
        let (keys, age) = config.identity.as_ref().map(|it| it.keys()).unwrap_or_default();
        counts.provider_keys.set(keys as u64);
        counts.provider_keys_age.set(age.as_secs());
        let states: Vec<_> = config.services.iter().flat_map(|it| it.states()).collect();
        let count = |state| states.iter().filter(|it| **it == state).count() as u64;
        counts.upstreams_closed.set(count(State::Closed));
        counts.upstreams_open.set(count(State::Open));
        counts.upstreams_half_open.set(count(State::HalfOpen));
        let listeners: Vec<_> = config.listeners.iter().map(|it| it.nats().messenger().status()).collect();
        let sum = |of: fn(&holdfast_nats::Counts) -> u64| listeners.iter().map(|it| of(&it.counts)).sum();
        counts.listener_events_ok.set(sum(|it| it.sent));
        counts.listener_events_lost.set(sum(|it| it.lost));
        counts.listener_events_away.set(sum(|it| it.away));
        counts.listener_events_full.set(sum(|it| it.full));
        counts.listener_events_too_large.set(sum(|it| it.too_large));
        let here = listeners.iter().filter(|it| it.session.is_some()).count() as u64;
        counts.listeners_here.set(here);
        counts.listeners_away.set(listeners.len() as u64 - here);
        counts.listener_queue_bytes.set(listeners.iter().map(|it| it.queue_bytes as u64).sum());
    }

    /// Counts that somebody would be in too many groups.
    pub(super) fn count_too_many(&self, shard: u16, too_many: TooMany) {
        self.counts.of_shard(shard).limit(match too_many {
            TooMany::GroupsOfConnection => HubLimit::GroupsPerConnection,
            TooMany::Groups => HubLimit::Groups,
        });
    }

    /// What holds now.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a hub has whatever its settings come to be.
struct Made<'a> {
    counts: &'a HubCounts,
    fetches: &'a Arc<Fetches>,
    worker: &'a Worker,
}

impl Config {
    /// Of these settings. What is open already of the `old` one stays open.
    fn new(
        hub: &Hub,
        answer_bytes_max: usize,
        made: &Made<'_>,
        old: Option<&Self>,
    ) -> Result<Self, HubsError> {
        let of_key = |error| HubsError::Key(hub.name.clone(), error);
        let mut keys = hub.keys.iter().map(|key| AccessKey::new(key.expose()));
        let primary = keys.next().transpose().map_err(of_key)?;
        let secondary = keys.next().transpose().map_err(of_key)?;
        let Made { counts, fetches, worker } = made;
        let identity = hub.settings.identity.as_ref().map(|settings| {
            let old = old.and_then(|old| old.identity.as_deref());
            Provider::new(&hub.name, settings, old, fetches, worker).map(Arc::new)
        });
        let of_identity = |error| HubsError::Identity(hub.name.clone(), error);
        let of_service = |error| HubsError::Service(hub.name.clone(), error);
        let old_services = || old.into_iter().flat_map(|old| old.services.iter().map(|it| &**it));
        let service = |it| Service::new(hub, it, answer_bytes_max, old_services()).map(Arc::new);
        let services = hub.handlers.iter().map(service);
        let old_listeners = || old.into_iter().flat_map(|old| old.listeners.iter().map(|it| &**it));
        let of_listener = |error| HubsError::Listener(hub.name.clone(), error);
        let listeners =
            hub.listeners.iter().filter_map(|it| Listener::new(hub, it, old_listeners()).transpose());
        let listeners =
            listeners.map(|it| it.map(Arc::new)).collect::<Result<_, _>>().map_err(of_listener)?;
        Ok(Self {
            keys: primary.map(|primary| Keys { primary, secondary }),
            identity: identity.transpose().map_err(of_identity)?,
            anonymous: hub.settings.anonymous,
            services: services.collect::<Result<_, _>>().map_err(of_service)?,
            listeners,
            slow_service: hub.settings.slow_service,
            timeout: hub.settings.upstream_timeout,
            disconnected_timeout: hub.settings.disconnected_timeout,
            letters: letters(hub, counts, old)?,
        })
    }

    /// The service that hears of a system event: the first that wants to.
    pub(super) fn service_of(&self, event: SystemEvent) -> Option<Arc<Service>> {
        self.services.iter().find(|service| service.wants(event)).cloned()
    }

    /// Whether a service or a listener hears of a system event.
    pub(super) fn tells(&self, event: SystemEvent) -> bool {
        self.services.iter().any(|service| service.wants(event))
            || self.listeners.iter().any(|it| it.wants(event))
    }

    /// Publishes what waits for its listeners, for so long at most for each.
    pub(super) async fn finish_listeners(&self, within: Duration) {
        for listener in &self.listeners {
            listener.nats().messenger().flush(within).await;
        }
    }

    /// The listeners that hear this.
    pub(super) fn listeners_for(&self, what: &What) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.iter().filter(|listener| listener.wants_this(what))
    }

    /// Whether a listener hears a client's event with this name.
    pub(super) fn is_overheard(&self, event: &str) -> bool {
        self.listeners.iter().any(|listener| listener.wants_user_event(event))
    }

    fn messengers(&self) -> impl Iterator<Item = &holdfast_nats::Messenger> {
        let services = self.services.iter().filter_map(|service| service.nats());
        services.chain(self.listeners.iter().map(|listener| listener.nats())).map(|nats| nats.messenger())
    }

    /// The service that hears of a client's event with this name.
    pub(super) fn service_for(&self, event: &str) -> Option<Arc<Service>> {
        self.services.iter().find(|service| service.wants_user_event(event)).cloned()
    }
}

/// What services are told about where an event comes from: the first public name, or the first address.
pub(super) fn origin(settings: &Settings) -> Endpoint {
    let address = || settings.listen.iter().find_map(tcp_of).and_then(|tcp| endpoint_at(tcp).ok());
    let origin = public_names(settings).next().or_else(address);
    origin.unwrap_or_else(|| Endpoint::parse("http://localhost").expect("localhost is a name"))
}

fn public_names(settings: &Settings) -> impl Iterator<Item = Endpoint> {
    settings.endpoints.iter().filter_map(|it| Endpoint::parse(it).ok())
}

/// An address that can be asked for as it is written.
fn endpoint_of(address: &Listen) -> Option<Endpoint> {
    let tcp = tcp_of(address).filter(|tcp| tcp.port() > 0 && !tcp.ip().is_unspecified())?;
    endpoint_at(tcp).ok()
}

fn endpoint_at(tcp: SocketAddr) -> Result<Endpoint, EndpointError> {
    Endpoint::parse(&format!("http://{tcp}"))
}

fn tcp_of(address: &Listen) -> Option<SocketAddr> {
    match address {
        Listen::Tcp(tcp) => Some(*tcp),
        Listen::Unix(_) => None,
    }
}

/// The file of dead letters, if settings have one.
fn letters(hub: &Hub, counts: &HubCounts, old: Option<&Config>) -> Result<Option<Arc<Letters>>, HubsError> {
    let Some(path) = &hub.settings.dead_letters else { return Ok(None) };
    if let Some(open) = old.and_then(|old| old.letters.as_ref()).filter(|it| it.path() == path) {
        return Ok(Some(Arc::clone(open)));
    }
    let opened = Letters::open(path, &hub.name, counts.letters_lost());
    opened.map(Arc::new).map(Some).map_err(|error| HubsError::Letters(hub.name.clone(), error))
}
