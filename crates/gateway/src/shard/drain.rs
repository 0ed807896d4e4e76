//! The drain: stop accepting, answer what is queued, say goodbye to everyone, end.

use holdfast_ring::Driver;

use super::{Policy, Shard};
use crate::application::Application;
use crate::counters::CloseReason;

/// How far a drain is.
#[derive(Debug)]
pub(crate) struct Drain {
    /// The next key to say goodbye to.
    cursor: usize,
    /// One past the last.
    end: usize,
}

impl<D: Driver, A: Application> Shard<D, A> {
    pub(super) fn begin_drain(&mut self) {
        if self.drain.is_some() {
            return;
        }
        self.drain = Some(Drain { cursor: 0, end: self.core.connections.capacity() });
        self.core.handle.peer(self.core.shard).shut();
        // Their queues are accepted, and answered 503, before they are closed.
        for listener in self.listeners.clone() {
            self.driver.unlisten(listener);
        }
        self.refuse_handshakes();
    }

    /// Says goodbye to some more.
    pub(super) fn go_on_draining(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        let start = drain.cursor;
        // Empty records cost next to nothing to pass, so a turn may pass many of them.
        let end = (start + 16 * Policy::CLOSES_PER_TURN).min(drain.end);
        let mut said = 0;
        for key in start..end {
            if let Some(drain) = &mut self.drain {
                drain.cursor = key + 1;
            }
            if self.core.connections.contains(key) {
                let key = u32::try_from(key).unwrap_or(u32::MAX);
                self.core.begin_close(key, CloseReason::Drain, 1001, "going away");
                said += 1;
            }
            if said == Policy::CLOSES_PER_TURN {
                return;
            }
        }
    }

    /// Whether goodbyes are left to say.
    pub(super) fn drain_has_work(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.cursor < drain.end)
    }

    /// Whether the drain is over.
    pub(super) fn is_drained(&self) -> bool {
        self.drain.is_some()
            && !self.drain_has_work()
            && self.listeners.is_empty()
            && self.core.connections.is_empty()
            && self.core.handshakes.is_empty()
    }
}
