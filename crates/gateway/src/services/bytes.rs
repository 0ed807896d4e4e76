//! How many bytes of events are held, all hubs together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a message that is held takes besides its bytes.
const EACH: usize = 256;
/// The same for an event.
pub(super) const EVENT_BYTES: usize = 1280;

/// Bytes of events, and of messages that wait for an earlier event of their connection.
#[derive(Debug)]
pub(crate) struct EventBytes {
    events: AtomicUsize,
    held: AtomicUsize,
    /// Of each of the two.
    max: usize,
}

/// Some of them; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    bytes: Arc<EventBytes>,
    of: fn(&EventBytes) -> &AtomicUsize,
    len: usize,
}

impl EventBytes {
    /// With room for so many in all.
    pub(super) fn new(max: usize) -> Self {
        Self { events: AtomicUsize::new(0), held: AtomicUsize::new(0), max: max / 2 }
    }

    /// Room for an event, if there is some.
    pub(super) fn event(self: &Arc<Self>, len: usize) -> Option<Share> {
        let len = len + EVENT_BYTES;
        let fits = |taken: usize| (taken == 0 || taken + len <= self.max).then_some(taken + len);
        self.events.fetch_update(Relaxed, Relaxed, fits).ok()?;
        Some(Share { bytes: Arc::clone(self), of: |it| &it.events, len })
    }

    /// Counts a message that has been read already.
    pub(super) fn hold(self: &Arc<Self>, len: usize) -> Share {
        let len = len + EACH;
        self.held.fetch_add(len, Relaxed);
        Share { bytes: Arc::clone(self), of: |it| &it.held, len }
    }

    /// Whether so much is held that nothing more is to be read from those who add to it.
    pub(super) fn is_tight(&self) -> bool {
        self.held.load(Relaxed) > self.max / 2
    }

    /// Whether one more would be more than may be held. One that is longer goes alone.
    pub(super) fn would_be_over(&self, len: usize) -> bool {
        let held = self.held.load(Relaxed);
        held > 0 && held + len + EACH > self.max
    }

    /// All that is held.
    pub(super) fn taken(&self) -> usize {
        self.events.load(Relaxed) + self.held.load(Relaxed)
    }
}

impl Share {
    /// How many bytes it counts.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        (self.of)(&self.bytes).fetch_sub(self.len, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_what_is_held_have_half_each_and_give_it_back() {
        let bytes = Arc::new(EventBytes::new(2 * 10_000));
        let first = bytes.event(9000).expect("there is room");
        assert!(bytes.event(9000).is_none(), "not for both");
        let held = bytes.hold(9000);
        assert!(bytes.is_tight() && !bytes.would_be_over(100) && bytes.would_be_over(9000));
        let more = bytes.hold(9000);
        assert_eq!(bytes.taken(), 9000 + EVENT_BYTES + 2 * (9000 + EACH));
        drop((first, held, more));
        assert_eq!(bytes.taken(), 0);
        assert!(!bytes.would_be_over(1 << 20), "one that is longer goes alone");
        assert!(bytes.event(1 << 20).is_some(), "one that is longer goes alone");
    }
}
