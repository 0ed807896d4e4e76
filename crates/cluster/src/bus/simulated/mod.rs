//! A bus for several nodes in one thread, in a time of its own. It does whatever a bus may do, by the chance of a seed:
//! the same seed and the same calls, the same happens.
//!
//! Each pair of nodes has a link, in which order holds. Messages are lost, some in a row, and doubled. A node's server
//! may stand still: nobody notices for six seconds, what the node says seems to go, and all of it comes when the server
//! goes on, perhaps long after the node has gone to another one, to itself too. Where a node connects anew, others'
//! servers learn of its subscriptions later, and what was under way to it is lost. Pairs may be split.

mod ends;
mod links;
mod net;
mod random;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use net::Chances;
pub use random::Random;

use super::{Bus, BusState, Incoming, Refused};
use net::State;

/// All ends of the bus.
#[derive(Clone, Debug)]
pub struct Net(Arc<Mutex<State>>);

/// A node's end of it.
#[derive(Clone, Debug)]
pub struct SimulatedBus {
    net: Net,
    end: usize,
}

impl Net {
    /// A bus without ends.
    #[must_use]
    pub fn new(seed: u64, chances: Chances, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State::new(seed, chances, now))))
    }

    /// A new end, for a node that listens to these subjects. It connects at the next step.
    #[must_use]
    pub fn join(&self, subscriptions: Vec<String>) -> SimulatedBus {
        let end = self.state().join(subscriptions);
        SimulatedBus { net: self.clone(), end }
    }

    /// Time goes on.
    pub fn advance(&self, now: Instant) {
        self.state().advance(now);
    }

    /// Nothing breaks any more; what has broken is mended.
    pub fn calm(&self) {
        self.state().calm();
    }

    /// Two nodes do not hear each other until they are [joined](Self::mend) again.
    pub fn split(&self, a: &SimulatedBus, b: &SimulatedBus) {
        self.state().split(a.end, b.end);
    }

    /// All hear each other again.
    pub fn mend(&self) {
        self.state().mend();
    }

    /// Messages since the last call that a receiver would have got if its subscriptions had been known to the
    /// publisher's server: publisher and receiver, by the numbers of their ends.
    #[must_use]
    pub fn unheard(&self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.state().unheard)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedBus {
    /// The number of this end.
    #[must_use]
    pub fn end(&self) -> usize {
        self.end
    }

    /// Whether its server works, which the node may not know.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.net.state().is_up(self.end)
    }

    /// The connection ends, and another one is made after some time.
    pub fn cut(&self, away: Duration) {
        self.net.state().cut(self.end, away);
    }

    /// Another connection is made at the next step, however long this one was to be away.
    pub fn come_back(&self) {
        self.net.state().come_back(self.end);
    }

    /// The server stands still for some time.
    pub fn stand(&self, still: Duration) {
        self.net.state().stand(self.end, still);
    }

    /// The node has ended.
    pub fn leave(&self) {
        self.net.state().leave(self.end);
    }
}

impl Bus for SimulatedBus {
    fn try_publish(&mut self, subject: &str, message: Bytes) -> Result<(), Refused> {
        self.net.state().publish(self.end, subject, &message)
    }

    fn next(&mut self) -> Option<Incoming> {
        self.net.state().next(self.end)
    }

    fn state(&self) -> BusState {
        self.net.state().state(self.end)
    }
}

#[cfg(test)]
mod tests;
