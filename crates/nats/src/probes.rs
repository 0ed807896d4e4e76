//! Probes of a connection, and whatever else is said to a server out of turn.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use tokio::sync::Notify;

use crate::message::Received;
use crate::protocol::{self, NO_RESPONDERS};
use crate::queue::lock;
use crate::window::Window;

/// Most bytes that wait to be said out of turn. A server that reads nothing gets so much.
const OUT_OF_TURN_MAX: usize = 64 * 1024;

/// What a connection is proved by, and spoken to while it is served.
#[derive(Debug)]
pub(crate) struct Probes {
    pub(crate) window: Window,
    /// `<probe>.p.`
    answers: String,
    /// `<probe>.q`
    pub(crate) question: String,
    /// What another connection of ours has said to this one has come.
    crossed: Notify,
    out_of_turn: Mutex<Vec<u8>>,
    waits: Notify,
    /// Most bytes of a message that the server takes, headers and all.
    pub(crate) max_payload: AtomicUsize,
}

impl Probes {
    pub(crate) fn new(probe: &str, max_payload: usize) -> Self {
        Self {
            window: Window::default(),
            answers: answers(probe),
            question: format!("{probe}.q"),
            crossed: Notify::new(),
            out_of_turn: Mutex::default(),
            waits: Notify::new(),
            max_payload: AtomicUsize::new(max_payload),
        }
    }

    /// Has something said behind all that is in the writer's buffer. Whether there is room.
    pub(crate) fn say(&self, say: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut bytes = lock(&self.out_of_turn);
        if bytes.len() > OUT_OF_TURN_MAX {
            return false;
        }
        say(&mut bytes);
        drop(bytes);
        self.waits.notify_one();
        true
    }

    /// What waits to be said out of turn, into a buffer.
    pub(crate) fn take(&self, out: &mut Vec<u8>) {
        let mut bytes = lock(&self.out_of_turn);
        out.extend_from_slice(&bytes);
        *bytes = Vec::new();
    }

    /// Waits until something is to be said out of turn.
    pub(crate) async fn wait(&self) {
        self.waits.notified().await;
    }

    /// Asks what shows that the server has dealt with all that was said before.
    pub(crate) fn probe(&self) {
        // Where there is no room, silence says so.
        self.say(|out| self.write_probe(out));
    }

    /// The same into the writer's buffer.
    pub(crate) fn write_probe(&self, out: &mut Vec<u8>) {
        let reply = format!("{}{}", self.answers, self.window.probe());
        protocol::probe(out, &self.question, &reply);
    }

    /// Returns when the server has dealt with all that was said to it.
    pub(crate) async fn all_proved(&self) {
        self.probe();
        self.window.all_proved().await;
    }

    /// Says something to another connection of ours, and returns when it has come there: behind all that was said here
    /// before, and all that the other's server knows of what is said to this one.
    pub(crate) async fn cross(&self, other: &Self) {
        self.say(|out| protocol::probe(out, &format!("{}x", other.answers), ""));
        other.crossed.notified().await;
    }

    /// Whether a message is one of ours, which nobody else is to see.
    pub(crate) fn is_own(&self, message: &Received) -> bool {
        let Some(token) = message.subject.strip_prefix(&*self.answers) else { return false };
        match (token.parse(), message.status) {
            (Ok(probe), Some(NO_RESPONDERS)) => self.window.answered(probe),
            (Err(_), None) if token == "x" => self.crossed.notify_one(),
            _ => {}
        }
        true
    }
}

/// Below which subject answers to probes come.
pub(crate) fn answers(probe: &str) -> String {
    format!("{probe}.p.")
}
