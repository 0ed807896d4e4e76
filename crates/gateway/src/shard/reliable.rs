//! What a shard keeps of each reliable client: its next number and its queue.

use std::num::NonZeroU64;

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
    /// Bytes of all queues.
    bytes: usize,
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

impl Reliable {
    /// A connection is reliable from now on. Keys are below `keys`.
    pub(super) fn begin(&mut self, key: u32, keys: u32) {
        if self.places.is_empty() {
            // Zeroed memory that nobody has touched yet.
            self.places = vec![0; keys as usize];
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
            self.clients.remove(index as usize);
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
        let unacked = client.unacked.get_or_insert_with(|| Box::new(Unacked::new(next.get())));
        let (before, is_first) = (unacked.bytes(), !unacked.has_unsent());
        if !unacked.push(frame, numbering) {
            return false;
        }
        if is_first && outbox_waits {
            unacked.yield_to_outbox();
        }
        client.next = next.saturating_add(1);
        let more = unacked.bytes() - before;
        self.bytes += more;
        self.messages += 1;
        true
    }

    /// A client has all up to this number. What was never given is not believed.
    pub(super) fn acknowledge(&mut self, key: u32, number: u64) {
        let Some(client) = self.client(key) else { return };
        let is_given = number < client.next.get();
        let Some(unacked) = client.unacked.as_mut().filter(|_| is_given) else { return };
        let before = unacked.len();
        let bytes = unacked.acknowledge(number);
        let messages = before - unacked.len();
        if unacked.is_over() {
            client.unacked = None;
        }
        self.bytes -= bytes;
        self.messages -= if is_planted(Planted::CountsTheAcknowledged) { 0 } else { messages };
    }

    /// Throws a queue away, but for the rest of what has gone in part.
    pub(super) fn clear(&mut self, key: u32) {
        let Some(unacked) = self.client(key).and_then(|client| client.unacked.as_mut()) else { return };
        let (bytes, messages) = (unacked.bytes(), unacked.len());
        unacked.clear();
        self.bytes -= bytes;
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
        if let Some(client) = self.client(key) {
            let first = client.next.get();
            client.unacked.get_or_insert_with(|| Box::new(Unacked::new(first))).begin_again();
        }
    }

    /// All that was to be sent to a client has been.
    pub(super) fn rest(&mut self, key: u32) {
        let Some(client) = self.client(key) else { return };
        if let Some(unacked) = &mut client.unacked {
            unacked.outbox_is_empty();
            if unacked.is_over() {
                client.unacked = None;
            }
        }
    }

    /// Bytes of all queues, with what each message takes besides.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages in all queues.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// The clients with the largest queues: as many as have to go so that the others have so many bytes at most.
    pub(super) fn largest(&self, bytes_max: usize) -> Vec<u32> {
        let size = |client: &Client| client.unacked.as_ref().map(|unacked| unacked.bytes());
        let sizes = self.clients.iter().filter_map(|(_, client)| Some((size(client)?, client.key)));
        let mut sizes: Vec<(usize, u32)> = sizes.collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        let mut left = self.bytes;
        let goes = |(size, _): &(usize, u32)| {
            let is_too_much = left > bytes_max;
            left = left.saturating_sub(*size);
            is_too_much
        };
        sizes.into_iter().take_while(goes).map(|(_, key)| key).collect()
    }

    /// What [`bytes`](Self::bytes) and [`messages`](Self::messages) must be.
    #[cfg(test)]
    pub(super) fn sums(&self) -> (usize, usize) {
        let queues = self.clients.iter().filter_map(|(_, client)| client.unacked.as_ref());
        queues.fold((0, 0), |(bytes, messages), queue| (bytes + queue.sum(), messages + queue.len()))
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
            let frame = Bytes::from(vec![0x81; *len]);
            assert!(*len == 0 || reliable.push(key, frame, &NUMBERING, false));
        }
        reliable
    }

    #[test]
    fn an_idle_client_has_no_queue_and_goes_on_counting() {
        let mut reliable = reliable(&[0, 0]);
        for number in 1..4 {
            assert!(reliable.push(1, Bytes::from_static(b"\x81\x00"), &NUMBERING, false));
            reliable.acknowledge(1, number + 1);
            assert_eq!(reliable.messages(), 1, "what was not given is not believed");
            reliable.acknowledge(1, number);
            assert!(reliable.client(1).is_some_and(|client| client.unacked.is_none()));
        }
        assert_eq!((reliable.bytes(), reliable.sums(), reliable.len()), (0, (0, 0), 2));
        reliable.end(1);
        reliable.end(1);
        assert_eq!((reliable.len(), reliable.client(1).is_none()), (1, true));
    }

    #[test]
    fn the_largest_go_first_and_as_few_as_have_to() {
        let reliable = reliable(&[100, 4000, 0, 1000, 4000]);
        let all = reliable.bytes();
        assert_eq!(all, 9100 + 4 * 64);
        assert!(reliable.largest(all).is_empty());
        assert_eq!(reliable.largest(all - 1), [4]);
        assert_eq!(reliable.largest(2000), [4, 1]);
        assert_eq!(reliable.largest(0), [4, 1, 3, 0]);
    }

    #[test]
    fn totals_follow_what_is_thrown_away() {
        let mut reliable = reliable(&[100, 200]);
        reliable.clear(0);
        assert_eq!((reliable.bytes(), reliable.messages()), reliable.sums());
        reliable.end(1);
        assert_eq!((reliable.bytes(), reliable.messages()), (0, 0));
    }
}
