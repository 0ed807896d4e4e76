//! The bus of a node.

use bytes::Bytes;
use holdfast_cluster::bus::{Bus, BusState, Incoming, Refused};

use crate::options::{Options, Unusable};
use crate::status::Status;

/// The bus of a node over NATS. Cheap to clone: all clones are one bus, which ends with the last of them.
///
/// ```no_run
/// # use holdfast_cluster::bus::Bus;
/// # async fn run(options: holdfast_nats::Options) -> Result<(), holdfast_nats::Unusable> {
/// let mut bus = holdfast_nats::NatsBus::start(&options)?; // on a tokio runtime; connects on its own
/// loop {
///     bus.come().await; // something has come, or the state has changed
///     while let Some(incoming) = bus.next() { /* node.heard(...) */ }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NatsBus {}

impl NatsBus {
    /// Starts it on the runtime that this is called on. It connects on its own, now and whenever its server is lost.
    ///
    /// # Errors
    /// What the operator must mend, in one sentence. That no server is there is no such error.
    pub fn start(options: &Options) -> Result<Self, Unusable> {
        options.plan().map(|_| Self {})
    }

    /// Returns when something has come since the last call, or the state has changed. Never both missed: what came
    /// between two calls ends the second at once.
    pub async fn come(&self) {
        std::future::pending().await
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::default()
    }

    /// Sends what waits, for at most this long, and ends: it is away from then on.
    pub async fn end(&self, within: std::time::Duration) {
        let _ = within;
    }
}

impl Bus for NatsBus {
    fn try_publish(&mut self, _subject: &str, _message: Bytes) -> Result<(), Refused> {
        Err(Refused::Away)
    }

    fn next(&mut self) -> Option<Incoming> {
        None
    }

    fn state(&self) -> BusState {
        BusState::Away
    }
}
