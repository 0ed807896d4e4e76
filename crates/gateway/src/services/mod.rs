//! What ordinary HTTP services talk through: hubs whose clients' messages become events, and REST by which services
//! speak to them. Web PubSub is the protocol on both sides.
//!
//! A shard's half is [`front`]; the control side's is [`dispatch`], which sends events, and [`rest`]. [`note`] is what
//! they tell each other; tokens that shards do not verify themselves go to [`identity`]. [`deeds`] is what is done to
//! connections for others, [`cluster`] has the other nodes of a cluster.

mod bytes;
mod clock;
mod cloud;
mod cluster;
mod deeds;
mod dispatch;
mod filter;
mod front;
mod gate;
mod glance;
mod http;
mod hubs;
mod identity;
mod inside;
mod letters;
mod listener;
mod messages;
mod nats;
mod note;
mod rates;
mod reach;
mod rest;
mod service;
mod shards;
mod what;

use std::fmt;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::sleep;

pub(crate) use clock::now_s;
pub(crate) use cluster::{Surroundings, look};
pub use front::Front;
pub use hubs::HubsError;
pub(crate) use reach::{Reached, reach};

use crate::Handle;
use crate::cluster::ClusterView;
use crate::counters::RestCounts;
use crate::handle::Report;
use crate::metrics::HubMetrics;
use crate::quota::Bucket;
use crate::settings::{Listen, Settings, Sources, load_hubs};
use cluster::{Ending, Planned};
use deeds::Deeds;
use dispatch::Dispatcher;
use hubs::Hubs;
use note::Event;
use rest::Rest;

/// The hubs of a gateway, before its shards are there.
#[derive(Debug)]
pub struct Services {
    hubs: Arc<Hubs>,
    numbers: Arc<AtomicU64>,
    events: UnboundedSender<Event>,
    heard: UnboundedReceiver<Event>,
    frame_bytes_max: usize,
    settings: Settings,
    /// For REST alone.
    listeners: Vec<http::Listener>,
    rest: Arc<RestCounts>,
    cluster: Option<Arc<Planned>>,
}

/// Why hubs cannot be served. Its text says what to change.
#[derive(Debug)]
pub enum ServicesError {
    /// A hub is not what it must be.
    Hubs(HubsError),
    /// An address for REST cannot be listened on.
    Listen(Listen, Option<io::Error>),
    /// The cluster is not what it must be.
    Cluster(String),
}

impl fmt::Display for ServicesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hubs(error) => error.fmt(f),
            Self::Cluster(error) => f.write_str(error),
            Self::Listen(address, Some(error)) => {
                write!(f, "REST cannot be served on {address}: {error} (change rest)")
            }
            Self::Listen(address, None) => write!(
                f,
                "REST has no Unix sockets of its own, such as {address}: put the socket into listen, and the word \
                 listen into rest"
            ),
        }
    }
}

impl std::error::Error for ServicesError {}

impl From<HubsError> for ServicesError {
    fn from(error: HubsError) -> Self {
        Self::Hubs(error)
    }
}

/// How many places for requests are to be free before somebody comes for one: connections that have carried some and
/// rest give theirs.
const PLACES_FREE: u32 = 16;

/// How long what waits for a listener is published after it was replaced.
const LISTENERS_MAX: Duration = Duration::from_secs(2);

/// The hubs of a running gateway.
#[derive(Debug)]
pub struct Reloader {
    hubs: Arc<Hubs>,
    answer_bytes_max: usize,
    sources: Arc<Sources>,
    runtime: Runtime,
    ender: Arc<Ender>,
}

/// Ends REST, and what is not sent.
#[derive(Debug)]
pub(crate) struct Ender {
    handle: Handle,
    hubs: Arc<Hubs>,
    ends: watch::Sender<bool>,
    hurry: watch::Sender<bool>,
}

/// Waits for the events of a gateway whose shards have ended.
#[derive(Debug)]
pub struct Finisher {
    hubs: Arc<Hubs>,
    ender: Arc<Ender>,
    /// Its sender is gone when all events have been sent or given up.
    over: mpsc::Receiver<()>,
    cluster: Option<Ending>,
}

impl Services {
    /// Those of the settings.
    ///
    /// # Errors
    /// When a key or a service is not what it must be, or an address cannot be listened on.
    pub fn new(settings: &Settings) -> Result<Self, ServicesError> {
        let hubs = Arc::new(Hubs::new(settings)?);
        let (events, heard) = unbounded_channel();
        Ok(Self {
            hubs,
            numbers: Arc::new(AtomicU64::new(first_number())),
            events,
            heard,
            // Each waiting frame counts with what it takes besides, and a header has ten bytes at most.
            frame_bytes_max: settings.outbox_bytes_max.saturating_sub(crate::settings::QUEUED_BYTES + 10),
            settings: settings.clone(),
            listeners: settings
                .rest
                .addresses
                .iter()
                .map(|it| listen(it, settings))
                .collect::<Result<_, _>>()?,
            rest: Arc::default(),
            cluster: Planned::new(settings).map_err(ServicesError::Cluster)?,
        })
    }

    /// The same with a simulated bus in the place of NATS. `joined` is told of this node's end of it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "simulated")]
    #[doc(hidden)]
    pub fn on_simulated(
        settings: &Settings,
        net: holdfast_cluster::bus::simulated::Net,
        joined: impl FnOnce(holdfast_cluster::bus::simulated::SimulatedBus) + Send + 'static,
    ) -> Result<Self, ServicesError> {
        Ok(Self { cluster: Planned::on(settings, net, joined), ..Self::new(settings)? })
    }

    /// Serves a gateway of a test, which has no drains.
    #[cfg(feature = "simulated")]
    #[doc(hidden)]
    #[must_use]
    pub fn start_here(self, handle: &Handle, runtime: &Runtime, sources: Sources) -> (Reloader, Finisher) {
        struct Nothing;
        impl Surroundings for Nothing {
            fn connections(&self) -> u64 {
                0
            }

            fn is_draining(&self) -> bool {
                false
            }
        }
        self.start(handle, runtime, sources, Box::new(Nothing))
    }

    /// What there is to show of the cluster of a gateway, if it is in one.
    #[must_use]
    pub fn cluster(&self, handle: &Handle) -> Option<ClusterView> {
        let cluster = self.cluster.as_ref()?.of(handle);
        Some(ClusterView::new(move || cluster.status()))
    }

    /// What there is to show of them.
    #[must_use]
    pub fn metrics(&self) -> HubMetrics {
        let hubs = Arc::clone(&self.hubs);
        HubMetrics {
            hubs: hubs.iter().map(|hub| Arc::clone(&hub.counts)).collect(),
            rest: Arc::clone(&self.rest),
            refresh: Box::new(move || hubs.iter().for_each(|hub| hub.gauge())),
        }
    }

    /// What the admin server shows of their inside, to whoever has its token.
    pub fn inside(&self, handle: &Handle) -> axum::Router {
        inside::router(Arc::clone(&self.hubs), handle.clone())
    }

    /// Makes the application of each shard.
    pub fn applications(&self) -> impl Fn(&Handle) -> Front + Send + Sync + 'static {
        let (hubs, events, numbers) =
            (Arc::clone(&self.hubs), self.events.clone(), Arc::clone(&self.numbers));
        let frame_bytes_max = self.frame_bytes_max;
        let (settings, cluster) = (self.settings.clone(), self.cluster.clone());
        move |handle| {
            let (hubs, events, numbers) = (Arc::clone(&hubs), events.clone(), Arc::clone(&numbers));
            let cluster = cluster.as_ref().map(|cluster| cluster.of(handle));
            Front::new(hubs, events, numbers, frame_bytes_max, &settings, cluster)
        }
    }

    /// Sends events and serves REST from now on, on this runtime, and other nodes on a thread beside.
    #[must_use]
    pub(crate) fn start(
        self,
        handle: &Handle,
        runtime: &Runtime,
        sources: Sources,
        surroundings: Box<dyn Surroundings>,
    ) -> (Reloader, Finisher) {
        let Self { hubs, heard, frame_bytes_max, settings, listeners, rest: counts, cluster, .. } = self;
        let (ends, ending) = watch::channel(false);
        let (hurry, hurried) = watch::channel(false);
        let reloader = Reloader {
            ender: Arc::new(Ender { handle: handle.clone(), hubs: Arc::clone(&hubs), ends, hurry }),
            hubs: Arc::clone(&hubs),
            answer_bytes_max: settings.message_bytes_max,
            sources: Arc::new(sources),
            runtime: runtime.clone(),
        };
        hubs.fetch_keys(runtime);
        hubs.connect(runtime);
        let dispatcher = Dispatcher { handle: handle.clone(), hubs: Arc::clone(&hubs), hurry: hurried };
        let (open, over) = mpsc::channel();
        runtime.spawn(async move {
            dispatcher.run(heard).await;
            drop(open);
        });
        let deeds = Deeds { handle: handle.clone(), hubs: Arc::clone(&hubs) };
        let joined = cluster.as_ref().and_then(|it| join(it, deeds, frame_bytes_max, surroundings));
        let finisher = Finisher { hubs: Arc::clone(&hubs), ender: reloader.ender(), over, cluster: joined };
        let rate = settings.rest_requests_per_second_max.map(Bucket::new);
        let cluster = cluster.map(|cluster| cluster.of(handle));
        let rest = Rest { handle: handle.clone(), hubs, frame_bytes_max, rate, counts, cluster };
        runtime.spawn(serve(rest, handle.clone(), settings, listeners, ending));
        (reloader, finisher)
    }
}

impl Finisher {
    /// Says goodbye to other nodes, and waits until all events have been sent or given up, for so long at most: what is
    /// left then is given up.
    pub fn finish(self, within: Duration) {
        /// For dead letters, once nothing is waited for.
        const PATIENCE: Duration = Duration::from_secs(2);
        if let Some(cluster) = self.cluster {
            cluster.finish();
        }
        if self.over.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Timeout) {
            self.ender.hurry();
            let _ = self.over.recv_timeout(PATIENCE);
        }
        self.hubs.finish_letters();
    }
}

impl Ender {
    /// There is no time left: events that have not been sent are given up.
    pub(crate) fn hurry(&self) {
        self.hurry.send_replace(true);
    }

    /// The last client has gone: once no service hears of that any more, what is being served is answered, and nothing
    /// more.
    pub(crate) async fn end(&self) {
        const PAUSE: Duration = Duration::from_millis(50);
        while !self.hubs.is_quiet() {
            sleep(PAUSE).await;
        }
        self.handle.inbox().close();
        self.ends.send_replace(true);
    }
}

impl Reloader {
    /// Ends REST when a gateway that drains has no clients any more.
    pub(crate) fn ender(&self) -> Arc<Ender> {
        Arc::clone(&self.ender)
    }

    /// Reads keys, handlers and bounds of time again and takes them over: all of them or, where one is not good, none.
    /// Waits for nothing.
    pub(crate) fn reload(&self) {
        let (hubs, sources, answer_bytes_max) =
            (Arc::clone(&self.hubs), Arc::clone(&self.sources), self.answer_bytes_max);
        let runtime = self.runtime.clone();
        // Disks may take their time.
        self.runtime.spawn_blocking(move || {
            let fresh = load_hubs(&sources).map_err(|error| error.to_string());
            let taken =
                fresh.and_then(|fresh| hubs.reload(&fresh, answer_bytes_max).map_err(|it| it.to_string()));
            hubs.fetch_keys(&runtime);
            hubs.connect(&runtime);
            hubs.reopen_letters();
            match taken {
                Ok(replaced) => {
                    tracing::info!("keys and handlers of the hubs were read again");
                    // What waits for listeners that are no more as they were is not to be lost with them.
                    runtime.spawn(async move {
                        for config in replaced {
                            config.finish_listeners(LISTENERS_MAX).await;
                        }
                    });
                }
                Err(error) => {
                    tracing::error!(error, "hubs stay as they were: what was read again is not good");
                }
            }
        });
    }
}

/// Begins to be a node of a cluster. One that can't serves its own clients, and is never ready.
fn join(
    cluster: &Planned,
    deeds: Deeds,
    frame_bytes_max: usize,
    surroundings: Box<dyn Surroundings>,
) -> Option<Ending> {
    let started = cluster.start(deeds, frame_bytes_max, surroundings);
    started.inspect_err(|error| tracing::error!(%error, "this gateway is no node of its cluster")).ok()
}

/// Serves what shards hand over, for as long as the process lives. Services finish what they have begun while clients
/// leave.
async fn serve(
    rest: Rest,
    handle: Handle,
    settings: Settings,
    listeners: Vec<http::Listener>,
    ending: watch::Receiver<bool>,
) {
    let limits = http::Limits {
        body_bytes_max: settings.message_bytes_max,
        idle_time: settings.rest_idle_timeout,
        ..http::Limits::default()
    };
    let server = Arc::new(http::Server::new(limits, rest.hubs.bodies.clone(), ending, rest));
    for listener in listeners {
        tracing::info!(address = %listener.address(), "REST is served");
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            if let Err(error) = listener.serve(server, pending()).await {
                tracing::error!(%error, "an address for REST is not served");
            }
        });
    }
    loop {
        let Report::Request(request) = handle.inbox().take().await;
        let most = handle.inbox().requests_max();
        if handle.inbox().requests() > most - PLACES_FREE.min(most / 2) {
            server.make_room();
        }
        let (server, handle) = (Arc::clone(&server), handle.clone());
        tokio::spawn(async move {
            if let Err(error) = http::serve_handed(request, &server, &handle).await {
                tracing::debug!(%error, "a connection with REST requests ended");
            }
        });
    }
}

fn listen(address: &Listen, settings: &Settings) -> Result<http::Listener, ServicesError> {
    let failed = |error| ServicesError::Listen(address.clone(), error);
    let Listen::Tcp(tcp) = address else { return Err(failed(None)) };
    let listener = http::Listener::bind(*tcp, settings.rest_connections_max as usize);
    listener.map_err(|error| failed(Some(error)))
}

/// Numbers of a later process are greater, so that a service that drops those it knows drops none of them.
fn first_number() -> u64 {
    u64::try_from(clock::since_1970().as_micros()).unwrap_or_default()
}
