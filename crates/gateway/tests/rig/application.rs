//! An application that does what a test tells it, and writes down what it hears.

use std::sync::{Arc, Mutex};

use holdfast::counters::{CloseCode, CloseReason};
use holdfast::{
    Admission, Application, ConnectionId, Context, HandshakeId, Message, Opening, Reply, Verdict,
};

use super::wait_until;

type Open = dyn Fn(&mut Context<'_>, &Opening<'_>) -> Admission + Send + Sync;
type Opened = dyn Fn(&mut Context<'_>, ConnectionId) + Send + Sync;
type OnMessage = dyn Fn(&mut Context<'_>, ConnectionId, Message<'_>) -> Reply + Send + Sync;

/// What an application heard.
#[derive(Debug, Default)]
pub struct Heard {
    pub opened: Vec<(ConnectionId, HandshakeId)>,
    pub closed: Vec<(ConnectionId, CloseReason, CloseCode)>,
}

/// What the applications of all shards heard.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Heard>>);

impl Log {
    pub fn read<T>(&self, read: impl FnOnce(&Heard) -> T) -> T {
        read(&self.0.lock().unwrap())
    }

    /// The id of the connection that was opened as the `index`-th, from 0.
    #[track_caller]
    pub fn id(&self, index: usize) -> ConnectionId {
        wait_until("a connection is opened", || self.read(|heard| heard.opened.len() > index));
        self.read(|heard| heard.opened[index].0)
    }

    /// Waits until this many connections were closed; returns how they were.
    #[track_caller]
    pub fn closed(&self, count: usize) -> Vec<(CloseReason, CloseCode)> {
        wait_until("connections are closed", || self.read(|heard| heard.closed.len() >= count));
        self.read(|heard| heard.closed.iter().map(|(_, reason, code)| (*reason, *code)).collect())
    }

    /// Checks that each connection was closed once, and none that was not opened.
    #[track_caller]
    pub fn check_pairs(&self) {
        // The counters know a little earlier.
        wait_until("closed() was called for all", || {
            self.read(|heard| heard.closed.len() >= heard.opened.len())
        });
        self.read(|heard| {
            let mut opened: Vec<_> = heard.opened.iter().map(|(id, _)| *id).collect();
            let mut closed: Vec<_> = heard.closed.iter().map(|(id, ..)| *id).collect();
            opened.sort_unstable();
            closed.sort_unstable();
            assert_eq!(opened, closed, "closed() once for each opened()");
        });
    }
}

/// An application made of closures. Echoes unless told otherwise.
#[derive(Clone)]
pub struct Script {
    pub log: Log,
    open: Arc<Open>,
    opened: Arc<Opened>,
    message: Arc<OnMessage>,
    takes_requests: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            log: Log::default(),
            open: Arc::new(|_, _| Admission::Now(Verdict::Accept { subprotocol: None })),
            opened: Arc::new(|_, _| {}),
            message: Arc::new(|_, _, _| Reply::Echo),
            takes_requests: false,
        }
    }
}

impl Script {
    pub fn on_open(
        self,
        open: impl Fn(&mut Context<'_>, &Opening<'_>) -> Admission + Send + Sync + 'static,
    ) -> Self {
        Self { open: Arc::new(open), ..self }
    }

    pub fn on_opened(self, opened: impl Fn(&mut Context<'_>, ConnectionId) + Send + Sync + 'static) -> Self {
        Self { opened: Arc::new(opened), ..self }
    }

    pub fn on_message(
        self,
        message: impl Fn(&mut Context<'_>, ConnectionId, Message<'_>) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self { message: Arc::new(message), ..self }
    }

    /// Somebody reads the inbox.
    pub fn taking_requests(self) -> Self {
        Self { takes_requests: true, ..self }
    }
}

impl Application for Script {
    fn open(&mut self, context: &mut Context<'_>, opening: &Opening<'_>) -> Admission {
        (self.open)(context, opening)
    }

    fn wants_addresses(&self) -> bool {
        true
    }

    fn takes_requests(&self) -> bool {
        self.takes_requests
    }

    fn opened(&mut self, context: &mut Context<'_>, id: ConnectionId, handshake: HandshakeId) {
        self.log.0.lock().unwrap().opened.push((id, handshake));
        (self.opened)(context, id);
    }

    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply {
        (self.message)(context, from, message)
    }

    fn closed(&mut self, _context: &mut Context<'_>, id: ConnectionId, reason: CloseReason, code: CloseCode) {
        self.log.0.lock().unwrap().closed.push((id, reason, code));
    }
}
