//! The thread of a node: it hears what comes from the bus, and sees to it that time passes for the node. It waits for
//! the bus and for time only.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use holdfast_cluster::nodes::{Change, Leave};
use holdfast_cluster::{Event, Heard};
use tokio::runtime::Builder;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::yield_now;
use tokio::time::sleep_until;

use super::super::deeds::Deeds;
use super::carrier::Carrier;
use super::delivery::Deliverer;
use super::node::{Cluster, State};

/// How often time passes for the node.
const BEAT: Duration = Duration::from_millis(100);
/// How soon what waits for room is tried again.
const AGAIN: Duration = Duration::from_millis(2);
/// Messages that are heard before others on this thread have their turn.
const AT_ONCE: usize = 128;
/// How often it is said at most that a node has another's id, or that there are too many.
const SAID_EACH: Duration = Duration::from_secs(60);
/// How long the bus has at the end to send what waits.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What others hear of this process.
pub(crate) trait Surroundings: Send {
    /// How many connections it has.
    fn connections(&self) -> u64;

    /// Whether it takes no newcomers any more.
    fn is_draining(&self) -> bool;
}

/// Ends the thread. One that is dropped ends it too, without a goodbye.
#[derive(Debug)]
pub(in crate::services) struct Ending {
    end: oneshot::Sender<()>,
    over: mpsc::Receiver<()>,
}

impl Ending {
    /// Says goodbye: there are no connections any more.
    pub(in crate::services) fn finish(self) {
        if self.end.send(()).is_ok() {
            let _ = self.over.recv_timeout(LAST_WORDS + Duration::from_secs(1));
        }
    }
}

/// Starts the thread. `carrier` makes the bus, on the thread's runtime, for a node with this subject that listens to
/// these.
///
/// # Errors
/// When there is no thread, or the bus can't be made.
pub(in crate::services) fn start(
    cluster: Arc<Cluster>,
    deeds: Deeds,
    frame_bytes_max: usize,
    surroundings: Box<dyn Surroundings>,
    carrier: impl FnOnce(String, Vec<String>) -> io::Result<Box<dyn Carrier>>,
) -> io::Result<Ending> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
    let (end, ending) = oneshot::channel();
    let (is_over, over) = mpsc::channel();
    let bus = {
        let _entered = runtime.enter();
        let subscriptions = cluster.state().node.subscriptions();
        carrier(cluster.subject(), subscriptions)?
    };
    cluster.attach(bus);
    let deliverer = Deliverer::new(Arc::clone(&cluster), deeds, frame_bytes_max);
    let now = Instant::now();
    let mut thread = Thread { cluster, deliverer, surroundings, beat: now, is_here: None, said: None };
    thread::Builder::new().name("cluster".to_owned()).spawn(move || {
        runtime.block_on(thread.run(ending));
        drop(is_over);
    })?;
    Ok(Ending { end, over })
}

struct Thread {
    cluster: Arc<Cluster>,
    deliverer: Deliverer,
    surroundings: Box<dyn Surroundings>,
    /// When time passes next.
    beat: Instant,
    /// Whether the bus was there at the last beat.
    is_here: Option<bool>,
    /// When it was last said that something is wrong with the nodes.
    said: Option<Instant>,
}

impl Thread {
    async fn run(&mut self, mut ending: oneshot::Receiver<()>) {
        loop {
            let now = Instant::now();
            if now >= self.beat {
                self.pass(now);
            }
            self.deliverer.retry(now);
            let is_more = self.hear(now);
            self.note();
            if is_more {
                yield_now().await;
            } else {
                self.wait(now).await;
            }
            match ending.try_recv() {
                Ok(()) => return self.leave().await,
                Err(TryRecvError::Closed) => return,
                Err(TryRecvError::Empty) => {}
            }
        }
    }

    /// Waits for the bus, and for time.
    async fn wait(&self, now: Instant) {
        let again = if self.deliverer.is_waiting() { now + AGAIN } else { self.beat };
        let come = self.cluster.state().wire.come();
        tokio::select! {
            () = come => {}
            () = sleep_until(self.beat.min(again).into()) => {}
        }
    }

    /// Hears what has come. Whether there may be more.
    fn hear(&mut self, now: Instant) -> bool {
        let Self { cluster, deliverer, .. } = self;
        (0..AT_ONCE).all(|_| {
            cluster.hear(now, |heard| match heard {
                Heard::Nothing => {}
                Heard::Page(question, answer) => cluster.keep_page(question, &answer),
                Heard::Deliver(delivery) => deliverer.take(now, delivery),
            })
        })
    }

    fn pass(&mut self, now: Instant) {
        self.beat = now + BEAT;
        let (connections, is_draining) = (self.surroundings.connections(), self.surroundings.is_draining());
        self.cluster.tally.connections.store(connections, Relaxed);
        self.cluster.tally.is_draining.store(is_draining, Relaxed);
        self.cluster.beat(now, connections, is_draining);
        let (is_here, standing) = {
            let state = self.cluster.state();
            (state.wire.is_here(), state.wire.standing())
        };
        if self.is_here.replace(is_here) == Some(is_here) {
            return;
        }
        let server = standing.server.as_deref().unwrap_or_default();
        if is_here {
            tracing::info!(server, "NATS is there");
        } else {
            let error = standing.error.as_deref().unwrap_or("not connected yet");
            tracing::warn!(error, "NATS is away: this node is alone");
        }
    }

    /// Tells those who have asked, and logs what has happened.
    fn note(&mut self) {
        for event in self.cluster.events() {
            match event {
                Event::Node(change) => self.note_change(change),
                Event::Ready(silent) if silent.is_empty() => {
                    tracing::info!(node = %self.cluster.own, "this node hears all others");
                }
                Event::Ready(silent) => {
                    let silent: Vec<_> = silent.iter().map(ToString::to_string).collect();
                    tracing::warn!(node = %self.cluster.own, ?silent, "this node is ready: these have not answered");
                }
                Event::Settled(_) => {}
            }
        }
    }

    fn note_change(&mut self, change: Change) {
        let tally = &self.cluster.tally;
        match change {
            Change::Joined(node) => tracing::info!(%node, "a node is there"),
            Change::Left(node, Leave::Goodbye, _) => {
                tally.goodbyes.fetch_add(1, Relaxed);
                tracing::info!(%node, "a node has said goodbye");
            }
            Change::Left(node, Leave::Silent, connections) => {
                tally.silent.fetch_add(1, Relaxed);
                tracing::warn!(
                    %node,
                    connections,
                    "a node is not heard any more: its connections are gone, and no service hears of them"
                );
            }
            Change::Twins(node) => {
                tally.twins.fetch_add(1, Relaxed);
                if self.may_say() {
                    tracing::error!(%node, "two nodes have this id: start one of them anew");
                }
            }
            Change::TooMany(node) => {
                if self.may_say() {
                    tracing::error!(%node, "there are more nodes than a cluster may have: this one is not heard");
                }
            }
        }
    }

    fn may_say(&mut self) -> bool {
        let is_due = self.said.is_none_or(|said| said.elapsed() >= SAID_EACH);
        if is_due {
            self.said = Some(Instant::now());
        }
        is_due
    }

    async fn leave(&mut self) {
        let written = {
            let mut state = self.cluster.state();
            let State { node, wire, .. } = &mut *state;
            node.goodbye(wire);
            wire.end(LAST_WORDS)
        };
        written.await;
    }
}
