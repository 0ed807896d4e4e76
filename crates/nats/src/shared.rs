//! What the bus's tasks and its user have in common.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast_cluster::bus::{BusState, Refused};
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::link::{Door, Heard, Link};
use crate::message::{Outgoing, Received, is_subject};
use crate::options::Plan;
use crate::queue::{NotTaken, Queue, lock};
use crate::status::{Counts, Status};

/// How often it is looked whether all was sent, at the end.
const LOOK_EACH: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    /// Open while there is a connection.
    pub(crate) queue: Queue<Outgoing>,
    inbox: Queue<Received>,
    state: Mutex<State>,
    come: Notify,
    pub(crate) sent: AtomicU64,
    lost: AtomicU64,
    received: AtomicU64,
    pub(crate) dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
struct State {
    session: Option<u64>,
    door: Option<Door>,
    sessions: u64,
    heard: Instant,
    since: Instant,
    server: Option<String>,
    last_error: Option<String>,
}

impl Shared {
    pub(crate) fn new(plan: Plan) -> Self {
        let (bytes, now) = (plan.options.queue_bytes, Instant::now());
        let state = State {
            session: None,
            door: None,
            sessions: 0,
            heard: now,
            since: now,
            server: None,
            last_error: None,
        };
        Self {
            plan,
            queue: Queue::new(bytes, false),
            inbox: Queue::new(bytes, true),
            state: Mutex::new(state),
            come: Notify::new(),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            received: AtomicU64::new(0),
            dropped: Arc::default(),
        }
    }

    /// A connection is there, and the server has all its subscriptions.
    pub(crate) fn here(&self, link: &Link) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        state.sessions += 1;
        if state.session.is_none() {
            state.since = now;
        }
        (state.session, state.door) = (Some(state.sessions), Some(link.door()));
        (state.heard, state.server) = (now, Some(link.server.clone()));
        self.queue.open();
        drop(state);
        info!(server = %link.server, "the bus is there");
        self.come.notify_one();
    }

    /// The connection is gone, and with it what waited.
    pub(crate) fn away(&self, reason: String) {
        let lost = self.close();
        warn!(%reason, lost, "the bus is away");
        lock(&self.state).last_error = Some(reason);
        self.come.notify_one();
    }

    /// It is away from now on: how many messages waited, and are never sent.
    pub(crate) fn close(&self) -> u64 {
        let mut state = lock(&self.state);
        let lost = self.queue.close();
        self.lost.fetch_add(lost, Ordering::Relaxed);
        if state.session.take().is_some() {
            state.since = Instant::now();
        }
        state.door = None;
        lost
    }

    /// Returns when the server has dealt with all that waited, or there is no server.
    pub(crate) async fn all_sent(&self) {
        while self.queue.bytes() > 0 {
            sleep(LOOK_EACH).await;
        }
        let door = lock(&self.state).door.clone();
        if let Some(door) = door {
            door.all_proved().await;
        }
    }

    /// There is no connection for this reason. It is said when it is another one than before.
    pub(crate) fn failed(&self, reason: String) {
        let mut state = lock(&self.state);
        if state.last_error.as_ref() != Some(&reason) {
            warn!(%reason, "no connection to the bus");
        }
        state.last_error = Some(reason);
        drop(state);
        self.come.notify_one();
    }

    pub(crate) fn publish(&self, message: Outgoing) -> Result<(), Refused> {
        let is_long = message.payload.len() > self.plan.options.message_max;
        if is_long || !is_subject(&message.subject) {
            return Err(Refused::TooLarge);
        }
        self.queue.push(message).map_err(|why| match why {
            NotTaken::Closed => Refused::Away,
            NotTaken::Full => Refused::Full,
        })
    }

    pub(crate) fn next(&self) -> Option<Received> {
        self.inbox.pop()
    }

    pub(crate) async fn come(&self) {
        self.come.notified().await;
    }

    pub(crate) fn state(&self) -> BusState {
        let state = lock(&self.state);
        match state.session {
            Some(session) => BusState::Here { session, heard: state.heard },
            None => BusState::Away,
        }
    }

    pub(crate) fn status(&self) -> Status {
        let state = lock(&self.state);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = Counts {
            sent: count(&self.sent),
            lost: count(&self.lost),
            received: count(&self.received),
            dropped: count(&self.dropped),
            sessions: state.sessions,
        };
        Status {
            session: state.session,
            server: state.server.clone(),
            since: Some(state.since),
            queue_bytes: self.queue.bytes(),
            inbox_bytes: self.inbox.bytes(),
            last_error: state.last_error.clone(),
            counts,
        }
    }
}

impl Heard for Shared {
    fn heard(&self, message: Received) {
        let counter = if self.inbox.push(message).is_ok() { &self.received } else { &*self.dropped };
        counter.fetch_add(1, Ordering::Relaxed);
        self.come.notify_one();
    }

    fn alive(&self) {
        lock(&self.state).heard = Instant::now();
    }
}
