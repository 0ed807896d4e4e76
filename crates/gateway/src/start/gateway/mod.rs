//! The gateway as a whole: chooses a driver, opens the listeners, starts the shards, ends them.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Once};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use holdfast_ring::{Budget, Config, Driver, Epoll, Refusal, Uring};
use rustix::io::Errno;

use super::listen::{self, ListenError, Listeners, Patience, SocketFile};
use super::rung::Rung;
use crate::application::Application;
use crate::counters::Counters;
use crate::handle::{Handle, HandleBounds};
use crate::limits::{NoRoom, Plan, Room, Shares, make_room, memory_limit, plan, raise_descriptor_limit};
use crate::observe::access_log::{self, Log, Reopener, Writer};
use crate::quota::Quota;
use crate::settings::{DriverChoice, Listen, Settings};
use crate::shard::{Core, Ended, Policy, Shard};

/// A gateway that is running: its shards accept and serve, each on a thread of its own.
#[derive(Debug)]
pub struct Gateway {
    handle: Handle,
    counters: Arc<[Arc<Counters>]>,
    rung: Rung,
    /// Why it is not a better one.
    reasons: Vec<String>,
    room: Room,
    at: Vec<Listen>,
    ended: Receiver<rustix::io::Result<Ended>>,
    /// What the shards that have ended said.
    outcome: Outcome,
    /// How many have not.
    running: usize,
    threads: Vec<JoinHandle<()>>,
    access_log: Option<Writer>,
    socket_files: Vec<SocketFile>,
}

/// Why a gateway does not start. Its text says what to change.
#[derive(Debug)]
pub enum StartError {
    /// io_uring was asked for and does not work here.
    Driver(Refusal),
    /// An address cannot be listened on.
    Listen(ListenError),
    /// The descriptor limit is too low to hold anything.
    Room(NoRoom),
    /// A shard's driver cannot be set up.
    Shard(Errno),
    /// A thread cannot be started.
    Thread(std::io::Error),
    /// The access log cannot be written.
    AccessLog(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(refusal) => write!(f, "{refusal}, or start with --driver auto"),
            Self::Listen(error) => error.fmt(f),
            Self::Room(error) => error.fmt(f),
            Self::Shard(Errno::NOMEM) => f.write_str(
                "there is no memory for the shards' rings and buffers: raise RLIMIT_MEMLOCK (ulimit -l) or lower \
                 shards",
            ),
            Self::Shard(errno) => write!(f, "a shard cannot be set up: {errno} (fewer shards may fit)"),
            Self::Thread(error) => write!(f, "a shard's thread cannot be started: {error} (lower shards)"),
            Self::AccessLog(error) => write!(f, "the access log cannot be opened: {error} (change access-log)"),
        }
    }
}

impl std::error::Error for StartError {}

/// How a gateway ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Connections that were open when the end came.
    pub cut: usize,
    /// Shards whose driver broke.
    pub broken: usize,
}

impl Outcome {
    /// What the process ends with: 1 where a shard broke, 3 where connections were cut, else 0.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self { broken: 1.., .. } => 1,
            Self { cut: 1.., .. } => 3,
            _ => 0,
        }
    }
}

impl Gateway {
    /// Starts a gateway whose shards each run an application that `make` makes, on the shard's own thread.
    ///
    /// # Errors
    /// When the driver that was asked for does not work here, an address cannot be listened on, or the limits of the
    /// process leave no room.
    pub fn start<A, F>(settings: &Settings, make: F) -> Result<Self, StartError>
    where
        A: Application,
        F: Fn(&Handle) -> A + Send + Sync + 'static,
    {
        let make = Arc::new(make);
        let descriptors = raise_descriptor_limit().now;
        let listeners = open_all(settings)?;
        let (rung, mut reasons) = Rung::choose(settings.driver).map_err(StartError::Driver)?;
        let team = match Self::start_on(rung, settings, descriptors, &make) {
            Err(error @ StartError::Shard(_))
                if settings.driver == DriverChoice::Auto && rung != Rung::Epoll =>
            {
                reasons = vec![format!("{error}; using epoll")];
                tracing::warn!("{}", reasons[0]);
                Self::start_on(Rung::Epoll, settings, descriptors, &make)
            }
            outcome => outcome,
        };
        let mut gateway = team?.begin(listeners);
        gateway.reasons = reasons;
        Ok(gateway)
    }

    fn start_on<A, F>(
        rung: Rung,
        settings: &Settings,
        descriptors: u64,
        make: &Arc<F>,
    ) -> Result<Team, StartError>
    where
        A: Application,
        F: Fn(&Handle) -> A + Send + Sync + 'static,
    {
        let memory = Plan::of_this_process(settings);
        let room = Room::new(&rung.bounds(settings, descriptors, memory)).map_err(StartError::Room)?;
        make_room(room.descriptors());
        if let Some(shortage) = memory.and_then(|plan| plan.shortage()) {
            tracing::warn!("{shortage}");
        }
        match rung {
            Rung::Uring(capabilities) => {
                let said = Arc::new(Once::new());
                Team::assemble(rung, room, settings, make, move |config| {
                    let driver = Uring::new(capabilities, config)?;
                    if let Some(shortage) = driver.shortage() {
                        // What one shard lacks the others lack too.
                        said.call_once(|| {
                            tracing::warn!(
                                "a shard may lock less memory than it would use, so {shortage}, which costs some CPU: \
                                 raise RLIMIT_MEMLOCK (ulimit -l), or lower shards or pool-bytes"
                            );
                        });
                    }
                    Ok(driver)
                })
            }
            Rung::Epoll => Team::assemble(rung, room, settings, make, Epoll::new),
        }
    }

    /// Reaches the connections, from any thread.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What each shard counts.
    #[must_use]
    pub fn counters(&self) -> &Arc<[Arc<Counters>]> {
        &self.counters
    }

    /// The driver in use.
    #[must_use]
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Why it is not a better one: a sentence for each thing that does not work here.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// How many connections fit.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room
    }

    /// Where it listens, with the ports taken.
    #[must_use]
    pub fn addresses(&self) -> &[Listen] {
        &self.at
    }

    /// Opens anew what was opened by its path.
    #[must_use]
    pub fn reopener(&self) -> Reopener {
        Reopener::new(self.access_log.as_ref())
    }

    /// How many shards have ended because their driver broke.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.outcome.broken
    }

    /// Waits until all shards have ended, until one breaks, or for at most `timeout`. How they ended, if all have.
    pub fn wait(&mut self, timeout: Duration) -> Option<Outcome> {
        let deadline = Instant::now() + timeout;
        while self.running > 0 {
            match self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Ok(ended)) => self.outcome.cut += ended.cut,
                Ok(Err(error)) => {
                    tracing::error!(%error, "a shard's driver broke: its connections are lost");
                    self.outcome.broken += 1;
                    self.running -= 1;
                    if self.running > 0 {
                        return None;
                    }
                    break;
                }
                // A thread that panicked has said so already.
                Err(RecvTimeoutError::Disconnected) => {
                    self.outcome.broken += std::mem::take(&mut self.running);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => return None,
            }
            self.running -= 1;
        }
        self.join();
        Some(self.outcome)
    }

    /// Waits for the shards' threads, and then for what they have logged.
    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        if let Some(writer) = self.access_log.take() {
            writer.finish();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.handle.end();
        self.join();
    }
}

fn open_all(settings: &Settings) -> Result<Vec<Listeners>, StartError> {
    let shards = usize::from(settings.shards);
    let mut patience = Patience::default();
    settings
        .listen
        .iter()
        .map(|at| listen::open(at, shards, settings, &mut patience))
        .collect::<Result<_, _>>()
        .map_err(StartError::Listen)
}

/// Shards whose drivers are set up and which wait for their listeners.
struct Team {
    // First, so that it is dropped first: a gateway that is dropped waits for its shards.
    begin: Vec<Sender<Vec<OwnedFd>>>,
    gateway: Gateway,
}

impl Team {
    fn assemble<D, A, F>(
        rung: Rung,
        room: Room,
        settings: &Settings,
        make: &Arc<F>,
        driver: impl Fn(&Config) -> rustix::io::Result<D> + Clone + Send + 'static,
    ) -> Result<Self, StartError>
    where
        D: Driver,
        A: Application,
        F: Fn(&Handle) -> A + Send + Sync + 'static,
    {
        let shards = usize::from(settings.shards);
        let budget = plan::budget(settings, memory_limit().map(|limit| limit.bytes));
        let bounds = HandleBounds {
            publications_max: settings.publishes_waiting_max,
            publication_bytes_max: Shares::new(settings).publications,
            requests_max: settings.rest_connections_max,
        };
        let (ready_sender, ready) = channel();
        let (ended_sender, ended) = channel();
        let mut team = Self {
            begin: Vec::new(),
            gateway: Gateway {
                handle: Handle::with(shards, &bounds),
                counters: (0..shards).map(|_| Arc::new(Counters::default())).collect(),
                rung,
                reasons: Vec::new(),
                room,
                at: Vec::new(),
                ended,
                outcome: Outcome::default(),
                running: shards,
                threads: Vec::new(),
                access_log: None,
                socket_files: Vec::new(),
            },
        };
        let shown = &team.gateway.counters;
        let log = settings.access_log.as_ref().map(|to| access_log::start(to, Arc::clone(shown))).transpose();
        team.gateway.access_log = log.map_err(StartError::AccessLog)?;
        let sink = team.gateway.access_log.as_ref().map(Writer::sink);
        let quota = Arc::new(Quota::new(settings, Instant::now()));
        for index in 0..settings.shards {
            let policy = Policy::new(settings, room.shard_max(index), room.handshakes_per_shard);
            let config = config(&policy, room.normal_per_shard, budget);
            // Before any shard accepts: one that is full may hand over to one that is not up yet.
            team.gateway.handle.mailbox(index).open(policy.connections_max);
            let counters = Arc::clone(&team.gateway.counters[usize::from(index)]);
            let mut core =
                Core::new(index, team.gateway.handle.clone(), counters, policy, Arc::clone(&quota));
            if let Some(sink) = &sink {
                core.log_to(Log::new(sink.clone(), settings.access_log_sample));
            }
            let (begin_sender, begin) = channel::<Vec<OwnedFd>>();
            let (driver, make) = (driver.clone(), Arc::clone(make));
            let (ready, ended) = (ready_sender.clone(), ended_sender.clone());
            // A ring belongs to the thread that makes it.
            let body = move || {
                let driver = match driver(&config) {
                    Ok(driver) => driver,
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        return;
                    }
                };
                let application = make(core.handle());
                let _ = ready.send(Ok(()));
                // Without listeners the start was given up.
                let Ok(listeners) = begin.recv() else { return };
                let shard = Shard::new(driver, application, listeners, core);
                let _ = ended.send(shard.and_then(Shard::run));
            };
            let thread =
                thread::Builder::new().name(format!("shard-{index}")).stack_size(STACK_BYTES).spawn(body);
            team.gateway.threads.push(thread.map_err(StartError::Thread)?);
            team.begin.push(begin_sender);
        }
        for _ in 0..shards {
            ready.recv().unwrap_or(Err(Errno::CANCELED)).map_err(StartError::Shard)?;
        }
        Ok(team)
    }

    /// Hands out the listeners: from here on peers are accepted.
    fn begin(mut self, listeners: Vec<Listeners>) -> Gateway {
        let mut shares: Vec<Vec<OwnedFd>> = self.begin.iter().map(|_| Vec::new()).collect();
        for Listeners { at, sockets, file } in listeners {
            self.gateway.socket_files.extend(file);
            self.gateway.at.push(at);
            for (share, socket) in shares.iter_mut().zip(sockets) {
                share.push(socket);
            }
        }
        for (begin, share) in self.begin.into_iter().zip(shares) {
            // A shard that is gone will be missed when the gateway waits for it.
            drop(begin.send(share));
        }
        self.gateway
    }
}

/// Stack of a shard's thread: nothing in it recurses.
const STACK_BYTES: usize = 512 << 10;

fn config(policy: &Policy, normal_descriptors_max: u32, budget: Budget) -> Config {
    Config {
        handshake_slots: policy.handshake_slots(),
        connection_slots: policy.connections_max,
        normal_descriptors_max,
        buffer_bytes: budget.buffer_bytes,
        buffer_count: budget.buffer_count,
        long_buffer_bytes: budget.long_buffer_bytes,
        long_buffer_count: budget.long_buffer_count,
        submission_entries: budget.submission_entries,
        completion_entries: budget.completion_entries,
    }
}

#[cfg(test)]
mod tests;
