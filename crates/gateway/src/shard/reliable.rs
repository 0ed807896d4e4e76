//! What a shard keeps of each reliable client: its next number and its queue.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use slab::Slab;

use super::connection::key_of;
use super::planted::{Planted, is_planted};
use super::unacked::Unacked;
use crate::publish::Numbering;

/// The reliable clients of a shard. Without any it owns no memory.
#[derive(Debug, Default)]
pub(crate) struct Reliable {
    /// By key: one more than the place in `clients`, or 0.
    places: Vec<u32>,
    clients: Slab<Client>,
    /// What messages and queues take, the frames left out.
    own: usize,
    /// Bytes of the frames.
    pub(super) shared: Shared,
    /// Messages in all queues.
    messages: usize,
    /// How many are away.
    pub(super) away: usize,
}

/// A reliable client: 24 bytes with its place, and 4 in the table.
#[derive(Debug)]
struct Client {
    /// The number of the next message.
    next: NonZeroU64,
    key: u32,
    unacked: Option<Box<Unacked>>,
}

const _: () = assert!(size_of::<Option<Client>>() <= 24);

/// What a message takes in a queue besides its frame, which several queues may share.
const MESSAGE_BYTES: usize = 64;
/// What a queue takes that is not empty.
const QUEUE_BYTES: usize = 256;

/// Bytes of the frames that are kept, each counted once, however many clients it is kept for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<AtomicUsize>);

/// A frame, counted until nobody has it any more.
struct Counted {
    frame: Bytes,
    shared: Shared,
}

impl Shared {
    /// Counts a frame until the last clone of what is returned is gone.
    pub(super) fn count(&self, frame: Bytes) -> Bytes {
        self.0.fetch_add(frame.len(), Relaxed);
        Bytes::from_owner(Counted { frame, shared: self.clone() })
    }

    /// Bytes of them all.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.0.fetch_sub(self.frame.len(), Relaxed);
    }
}

impl Reliable {
    /// A connection is reliable from now on. Keys are below `keys`.
    pub(super) fn begin(&mut self, key: u32, keys: u32) {
        if self.places.is_empty() {
            // Zeroed memory that nobody has touched yet.
            self.places = vec![0; keys as usize];
            self.clients = Slab::with_capacity(keys as usize);
        }
        let client = Client { next: NonZeroU64::MIN, key, unacked: None };
        self.places[key as usize] = 1 + key_of(self.clients.insert(client));
    }

    /// A connection has ended, reliable or not.
    pub(super) fn end(&mut self, key: u32) {
        self.clear(key);
        if let Some(place) = self.places.get_mut(key as usize)
            && let Some(index) = std::mem::take(place).checked_sub(1)
        {
            let client = self.clients.remove(index as usize);
            self.own -= if client.unacked.is_some() { QUEUE_BYTES } else { 0 };
        }
    }

    fn client(&mut self, key: u32) -> Option<&mut Client> {
        let index = self.places.get(key as usize)?.checked_sub(1)?;
        self.clients.get_mut(index as usize)
    }

    /// Puts a frame into the queue of a client. Whether there is room.
    /// What waits in its outbox goes first if there is something, as `outbox_waits` says.
    pub(super) fn push(
        &mut self,
        key: u32,
        frame: Bytes,
        numbering: &'static Numbering,
        outbox_waits: bool,
    ) -> bool {
        let Some(client) = self.client(key) else { return true };
        let next = client.next;
        let is_new = client.unacked.is_none();
        let unacked = client.unacked.get_or_insert_with(|| Box::new(Unacked::new(next.get())));
        let is_first = !unacked.has_unsent();
        if !unacked.push(frame, numbering) {
            return false;
        }
        if is_first && outbox_waits {
            unacked.yield_to_outbox();
        }
        client.next = next.saturating_add(1);
        self.own += MESSAGE_BYTES + if is_new { QUEUE_BYTES } else { 0 };
        self.messages += 1;
        true
    }

    /// A client has all up to this number. What was never given is not believed.
    pub(super) fn acknowledge(&mut self, key: u32, number: u64) {
        let Some(client) = self.client(key) else { return };
        let is_given = number < client.next.get();
        let Some(unacked) = client.unacked.as_mut().filter(|_| is_given) else { return };
        let before = unacked.len();
        unacked.acknowledge(number);
        let messages = before - unacked.len();
        if unacked.is_over() {
            client.unacked = None;
            self.own -= QUEUE_BYTES;
        }
        self.own -= messages * MESSAGE_BYTES;
        self.messages -= if is_planted(Planted::CountsTheAcknowledged) { 0 } else { messages };
    }

    /// Throws a queue away, but for the rest of what has gone in part.
    pub(super) fn clear(&mut self, key: u32) {
        let Some(client) = self.client(key) else { return };
        let Some(unacked) = &mut client.unacked else { return };
        let messages = unacked.len();
        unacked.clear();
        let is_over = unacked.is_over();
        if is_over {
            client.unacked = None;
        }
        self.own -= messages * MESSAGE_BYTES + if is_over { QUEUE_BYTES } else { 0 };
        self.messages -= messages;
    }

    /// The queue of a client of which something is to be sent.
    pub(super) fn unsent(&mut self, key: u32) -> Option<&mut Unacked> {
        self.client(key)?.unacked.as_deref_mut().filter(|unacked| unacked.has_unsent())
    }

    /// A client is to have all of it again, and what comes now, after it has been greeted.
    pub(super) fn begin_again(&mut self, key: u32) {
        if is_planted(Planted::LosesTheQueue) {
            self.clear(key);
        }
        let Some(client) = self.client(key) else { return };
        let (first, is_new) = (client.next.get(), client.unacked.is_none());
        client.unacked.get_or_insert_with(|| Box::new(Unacked::new(first))).begin_again();
        self.own += if is_new { QUEUE_BYTES } else { 0 };
    }

    /// All that was to be sent to a client has been.
    pub(super) fn rest(&mut self, key: u32) {
        let Some(client) = self.client(key) else { return };
        if let Some(unacked) = &mut client.unacked {
            unacked.outbox_is_empty();
            if unacked.is_over() {
                client.unacked = None;
                self.own -= QUEUE_BYTES;
            }
        }
    }

    /// Bytes of all queues, with what each message takes besides.
    pub(super) fn bytes(&self) -> usize {
        self.own + self.shared.bytes()
    }

    /// Messages in all queues.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// How many messages are kept for a client.
    pub(super) fn unacknowledged(&self, key: u32) -> usize {
        let index = self.places.get(key as usize).and_then(|place| place.checked_sub(1));
        let client = index.and_then(|index| self.clients.get(index as usize));
        client.and_then(|client| client.unacked.as_ref()).map_or(0, |unacked| unacked.len())
    }

    /// The clients that have something in their queues, those with the largest first.
    pub(super) fn by_size(&self) -> Vec<u32> {
        let size = |client: &Client| client.unacked.as_ref().map(|unacked| unacked.bytes());
        let sizes = self.clients.iter().filter_map(|(_, client)| Some((size(client)?, client.key)));
        let mut sizes: Vec<(usize, u32)> = sizes.collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        sizes.into_iter().map(|(_, key)| key).collect()
    }

    /// Checks all totals: what is shared may be in a send or a publication, too.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let queues = || self.clients.iter().filter_map(|(_, client)| client.unacked.as_ref());
        let messages: usize = queues().map(|queue| queue.len()).sum();
        assert_eq!(self.messages, messages, "messages that are kept");
        assert_eq!(self.own, messages * MESSAGE_BYTES + queues().count() * QUEUE_BYTES, "what queues take");
        let frames: std::collections::HashMap<_, _> = queues().flat_map(|queue| queue.kept()).collect();
        assert!(self.shared.bytes() >= frames.values().sum(), "frames that are kept");
    }

    /// How many clients there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERING: Numbering = Numbering { at: 0, before: "#", after: ";" };

    fn reliable(queues: &[usize]) -> Reliable {
        let mut reliable = Reliable::default();
        for (key, len) in (0..).zip(queues) {
            reliable.begin(key, 10);
            let frame = reliable.shared.count(Bytes::from(vec![0x81; *len]));
            assert!(*len == 0 || reliable.push(key, frame, &NUMBERING, false));
        }
        reliable
    }

    #[test]
    fn an_idle_client_has_no_queue_and_goes_on_counting() {
        let mut reliable = reliable(&[0, 0]);
        for number in 1..4 {
            let frame = reliable.shared.count(Bytes::from_static(b"\x81\x00"));
            assert!(reliable.push(1, frame, &NUMBERING, false));
            reliable.check();
            reliable.acknowledge(1, number + 1);
            assert_eq!(reliable.messages(), 1, "what was not given is not believed");
            reliable.acknowledge(1, number);
            assert!(reliable.client(1).is_some_and(|client| client.unacked.is_none()));
        }
        reliable.check();
        assert_eq!((reliable.bytes(), reliable.len()), (0, 2));
        reliable.end(1);
        reliable.end(1);
        assert_eq!((reliable.len(), reliable.client(1).is_none()), (1, true));
    }

    #[test]
    fn the_largest_go_first() {
        let reliable = reliable(&[100, 4000, 0, 1000, 4000]);
        assert_eq!(reliable.bytes(), 9100 + 4 * (MESSAGE_BYTES + QUEUE_BYTES));
        assert_eq!(reliable.by_size(), [4, 1, 3, 0]);
    }

    #[test]
    fn what_is_kept_for_many_is_counted_once() {
        let mut reliable = reliable(&[0, 0, 0]);
        let frame = reliable.shared.count(Bytes::from(vec![0x81; 1 << 20]));
        for key in 0..3 {
            assert!(reliable.push(key, frame.clone(), &NUMBERING, false));
        }
        drop(frame);
        reliable.check();
        assert_eq!(reliable.bytes(), (1 << 20) + 3 * (MESSAGE_BYTES + QUEUE_BYTES));
        reliable.clear(0);
        reliable.acknowledge(1, 1);
        reliable.check();
        assert_eq!(reliable.bytes(), (1 << 20) + MESSAGE_BYTES + QUEUE_BYTES);
        reliable.end(2);
        assert_eq!(reliable.bytes(), 0);
    }

    #[test]
    fn totals_follow_what_is_thrown_away() {
        let mut reliable = reliable(&[100, 200]);
        reliable.clear(0);
        reliable.check();
        reliable.end(1);
        assert_eq!((reliable.bytes(), reliable.messages()), (0, 0));
    }
}
