//! What the bus's tasks and its user have in common.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use holdfast_cluster::bus::{BusState, Refused};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::answers::Answers;
use crate::link::{Heard, Link};
use crate::message::{Outgoing, Received, is_subject};
use crate::options::Plan;
use crate::probes::Probes;
use crate::queue::{NotTaken, Queue, lock};
use crate::status::{Counts, Status};
use crate::writer::Tally;

/// How long an exchange of connections may take while nothing is sent.
pub(crate) const EXCHANGE_WITHIN: Duration = Duration::from_millis(2500);

/// How often it is said at most that a subject is denied.
const DENIED_EACH: Duration = Duration::from_secs(60);
/// How often it is looked whether all was sent, at the end.
const LOOK_EACH: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    /// Open while there is a connection.
    pub(crate) queue: Queue<Outgoing>,
    sink: Sink,
    state: Mutex<State>,
    come: Notify,
    /// What the server takes at most, headers and all.
    max_payload: AtomicUsize,
    pub(crate) tally: Arc<Tally>,
    /// Whether the connection is exchanged for another one: nothing is sent meanwhile.
    pub(crate) is_exchanged: AtomicBool,
    received: AtomicU64,
    pub(crate) dropped: AtomicU64,
    bare: AtomicU64,
    refused_away: AtomicU64,
    refused_full: AtomicU64,
    refused_too_large: AtomicU64,
}

/// Where goes what comes.
#[derive(Debug)]
pub(crate) enum Sink {
    /// It waits until it is fetched.
    Inbox(Queue<Received>),
    /// It answers a question, whose number is behind this.
    Answers(Answers, String),
}

impl Sink {
    pub(crate) fn inbox(bytes_max: usize) -> Self {
        Self::Inbox(Queue::new(bytes_max, true))
    }

    /// Questions whose answers come to what begins like this.
    pub(crate) fn answers(prefix: String) -> Self {
        Self::Answers(Answers::default(), prefix)
    }
}

#[derive(Debug)]
struct State {
    session: Option<u64>,
    probes: Option<Arc<Probes>>,
    sessions: u64,
    heard: Instant,
    since: Instant,
    server: Option<String>,
    last_error: Option<String>,
    /// When it was last said that a subject is denied.
    denied: Option<Instant>,
}

impl Shared {
    pub(crate) fn new(plan: Plan, sink: Sink) -> Self {
        let (bytes, now) = (plan.options.queue_bytes, Instant::now());
        let state = State {
            session: None,
            probes: None,
            sessions: 0,
            heard: now,
            since: now,
            server: None,
            last_error: None,
            denied: None,
        };
        Self {
            plan,
            queue: Queue::new(bytes, false),
            sink,
            state: Mutex::new(state),
            come: Notify::new(),
            max_payload: AtomicUsize::new(0),
            tally: Arc::default(),
            is_exchanged: AtomicBool::new(false),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            bare: AtomicU64::new(0),
            refused_away: AtomicU64::new(0),
            refused_full: AtomicU64::new(0),
            refused_too_large: AtomicU64::new(0),
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
        (state.session, state.probes) = (Some(state.sessions), Some(link.probes.clone()));
        (state.heard, state.server) = (now, Some(link.server.clone()));
        self.max_payload.store(link.max_payload(), Ordering::Relaxed);
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
        self.tally.lost.fetch_add(lost, Ordering::Relaxed);
        if state.session.take().is_some() {
            state.since = Instant::now();
        }
        state.probes = None;
        drop(state);
        if let Some(answers) = self.answers() {
            answers.lose();
        }
        lost
    }

    /// Returns when the server has dealt with all that waited, or there is no server, or it has taken so long and no
    /// other connection is about to take over.
    pub(crate) async fn all_sent_within(&self, within: Duration) {
        let is_late = timeout(within, self.all_sent()).await.is_err();
        if is_late && self.is_exchanged.load(Ordering::Relaxed) {
            let _ = timeout(within + EXCHANGE_WITHIN, self.all_sent()).await;
        }
    }

    async fn all_sent(&self) {
        while self.queue.bytes() > 0 || self.is_exchanged.load(Ordering::Relaxed) {
            sleep(LOOK_EACH).await;
        }
        let probes = lock(&self.state).probes.clone();
        if let Some(probes) = probes {
            probes.all_proved().await;
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
        let published = self.take(message);
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        match published {
            Ok(()) => {}
            Err(Refused::Away) => drop(count(&self.refused_away)),
            Err(Refused::Full) => drop(count(&self.refused_full)),
            Err(Refused::TooLarge) => drop(count(&self.refused_too_large)),
        }
        published
    }

    fn take(&self, message: Outgoing) -> Result<(), Refused> {
        let max = match self.plan.options.message_max {
            0 => self.max_payload.load(Ordering::Relaxed),
            max => max,
        };
        if !is_subject(&message.subject) {
            return Err(Refused::TooLarge);
        }
        let is_long = message.wire_len() > max;
        match self.queue.push(message, is_long) {
            Ok(()) => Ok(()),
            Err(NotTaken::Closed) => Err(Refused::Away),
            Err(NotTaken::TooLong) => Err(Refused::TooLarge),
            Err(NotTaken::Full) => Err(Refused::Full),
        }
    }

    pub(crate) fn next(&self) -> Option<Received> {
        match &self.sink {
            Sink::Inbox(inbox) => inbox.pop(),
            Sink::Answers(..) => None,
        }
    }

    /// The questions, if it is for those.
    pub(crate) fn answers(&self) -> Option<&Answers> {
        match &self.sink {
            Sink::Inbox(_) => None,
            Sink::Answers(answers, _) => Some(answers),
        }
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
            sent: count(&self.tally.sent),
            lost: count(&self.tally.lost),
            received: count(&self.received),
            dropped: count(&self.dropped),
            bare: count(&self.bare),
            sessions: state.sessions,
            away: count(&self.refused_away),
            full: count(&self.refused_full),
            too_large: count(&self.refused_too_large),
        };
        Status {
            session: state.session,
            server: state.server.clone(),
            since: Some(state.since),
            queue_bytes: self.queue.bytes(),
            inbox_bytes: match &self.sink {
                Sink::Inbox(inbox) => inbox.bytes(),
                Sink::Answers(..) => 0,
            },
            questions: self.answers().map_or(0, Answers::len),
            last_error: state.last_error.clone(),
            counts,
        }
    }
}

impl Heard for Shared {
    fn heard(&self, message: Received) {
        let is_taken = match &self.sink {
            Sink::Inbox(inbox) => {
                let is_taken = inbox.push(message, false).is_ok();
                self.come.notify_one();
                is_taken
            }
            Sink::Answers(answers, prefix) => {
                let number = message.subject.strip_prefix(&**prefix).and_then(|text| text.parse().ok());
                number.is_some_and(|number| answers.answer(number, message))
            }
        };
        let counter = if is_taken { &self.received } else { &self.dropped };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn denied(&self, reason: String, subject: Option<&str>) -> Option<String> {
        let (Some(answers), Some(subject)) = (self.answers(), subject) else { return Some(reason) };
        // One service's subject is not to keep others from hearing theirs.
        answers.deny(subject);
        let mut state = lock(&self.state);
        // Whoever is heard chooses subjects, and so how many are denied.
        if state.denied.is_none_or(|said| said.elapsed() >= DENIED_EACH) {
            state.denied = Some(Instant::now());
            warn!(%reason, "a subject is denied: what is said there reaches nobody");
        }
        state.last_error = Some(reason);
        None
    }

    fn alive(&self) {
        lock(&self.state).heard = Instant::now();
    }

    fn bare(&self) {
        self.bare.fetch_add(1, Ordering::Relaxed);
    }

    fn too_long(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}
