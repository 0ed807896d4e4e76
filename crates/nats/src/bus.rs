//! The bus of a node.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_cluster::bus::{Bus, BusState, Incoming, Refused};
use tokio::task::AbortHandle;

use crate::keeper::keep;
use crate::message::Outgoing;
use crate::options::Options;
use crate::shared::{Shared, Sink};
use crate::status::Status;
use crate::unusable::Unusable;

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
pub struct NatsBus {
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    shared: Arc<Shared>,
    keeper: AbortHandle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl NatsBus {
    /// Starts it on the runtime that this is called on. It connects on its own, now and whenever its server is lost.
    ///
    /// # Errors
    /// What the operator must mend, in one sentence. That no server is there is no such error.
    pub fn start(options: &Options) -> Result<Self, Unusable> {
        let shared = Arc::new(Shared::new(options.plan()?, Sink::inbox(options.queue_bytes)));
        // Its turns are its own: it gives way after so many messages, not where a budget ends.
        let keeper = tokio::spawn(tokio::task::unconstrained(keep(shared.clone()))).abort_handle();
        Ok(Self { kept: Arc::new(Kept { shared, keeper }) })
    }

    /// Returns when something has come since the last call, or the state or the last error has changed. What happens
    /// between two calls ends the second at once. Only one may wait at a time.
    pub async fn come(&self) {
        self.kept.shared.come().await;
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.kept.shared.status()
    }

    /// Sends what waits, for at most this long, and ends: it is away from then on. Where its server is about to end and
    /// another takes over, which is a matter of two seconds, it takes that longer.
    pub async fn end(&self, within: Duration) {
        let shared = &self.kept.shared;
        shared.all_sent_within(within).await;
        self.kept.keeper.abort();
        shared.close();
    }
}

impl Bus for NatsBus {
    fn try_publish(&mut self, subject: &str, message: Bytes) -> Result<(), Refused> {
        let subject = subject.into();
        self.kept.shared.publish(Outgoing { subject, reply: None, headers: None, payload: message })
    }

    fn next(&mut self) -> Option<Incoming> {
        let received = self.kept.shared.next()?;
        Some(Incoming { subject: received.subject, message: received.payload })
    }

    fn state(&self) -> BusState {
        self.kept.shared.state()
    }
}
