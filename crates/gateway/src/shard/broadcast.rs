//! Broadcasts: a cursor that walks the slab, not an entry for each connection.
//!
//! A shard keeps the message once. Each turn goes on for a bounded number of connections: it offers the frame, which
//! the kernel takes at once or not, and only for those that are blocked it stays in the outbox, as anything else that
//! waits. A connection knows the number of the newest broadcast that it has, modulo 8, in bits that its record had to
//! spare: so it gets each once, and what is sent to one that the cursor has not reached goes behind what it has not got
//! yet ([`Core::catch_up`]).

use bytes::Bytes;
use holdfast_ring::{Driver, Outgoing};

use super::connection::key_of;
use super::cursors::Cursor;
use super::deflate::compressed;
use super::policy::Policy;
use super::{Core, Shard};
use crate::Prepared;
use crate::application::Application;
use crate::publish::Part;

impl Core {
    /// A message for all connections that are open now. It is handed out in the turns to come.
    pub(crate) fn begin_broadcast(&mut self, message: Prepared, part: Part) {
        self.counters.broadcasts.add(1);
        self.broadcasts.accept(message, part);
    }

    /// Puts the broadcasts that a connection has not got yet into its outbox, so that what follows does not overtake
    /// them. Whether it may still be sent to: it may be too slow for them.
    #[inline]
    pub(crate) fn catch_up(&mut self, key: u32) -> bool {
        self.broadcasts.is_empty() || self.catch_up_now(key)
    }

    fn catch_up_now(&mut self, key: u32) -> bool {
        let connection = &mut self.connections[key as usize];
        let lacked = self.broadcasts.lacked(connection.marks);
        connection.marks.set_broadcast(self.broadcasts.newest());
        for index in self.broadcasts.len() - lacked..self.broadcasts.len() {
            if !self.connections[key as usize].state().may_send() {
                break;
            }
            let frame = self.take_frame(index, key);
            self.note_left(index);
            self.push_frame(key, frame);
        }
        self.connections[key as usize].state().may_send()
    }

    /// Notes that a connection gets the first broadcast now. Whether it is to: it may have it, or be closing.
    fn take_turn(&mut self, key: u32) -> bool {
        let Some(connection) = self.connections.get_mut(key as usize) else { return false };
        if self.broadcasts.lacked(connection.marks) < self.broadcasts.len() {
            return false;
        }
        connection.marks.next_broadcast();
        connection.state().may_send()
    }

    /// A broadcast's frame for a connection, which is counted as handed to it.
    fn take_frame(&mut self, index: usize, key: u32) -> Bytes {
        let window = self.connections[key as usize].marks.window();
        let cursor = &mut self.broadcasts.cursors[index];
        cursor.handed += 1;
        self.counters.broadcasts_handed.add(1);
        self.counters.message_sent(cursor.message.kind());
        let (policy, counters) = (&self.policy.deflate, &self.counters.deflate);
        let compressed =
            window.and_then(|it| compressed(&cursor.message, it, policy, counters, &mut self.deflater));
        compressed.unwrap_or_else(|| cursor.plain.clone())
    }

    /// Counts that a broadcast waits in an outbox.
    fn note_left(&mut self, index: usize) {
        self.counters.broadcasts_left.add(1);
        if let Some(cursor) = self.broadcasts.cursors.get_mut(index) {
            cursor.left += 1;
        }
    }

    /// Not all of the first broadcast's frame went: the rest stays in the outbox, before what has been queued
    /// meanwhile.
    pub(crate) fn put_back_broadcast(&mut self, key: u32, rest: Bytes) {
        self.note_left(0);
        self.put_back(key, rest);
    }

    /// Tells those who wait what was done, and ends the first broadcast if it is over.
    fn settle_broadcasts(&mut self, is_over: bool) {
        let has_news = |cursor: &&mut Cursor| cursor.handed > 0 || cursor.left > 0;
        for cursor in self.broadcasts.cursors.iter_mut().filter(has_news) {
            cursor.part.add(std::mem::take(&mut cursor.handed), std::mem::take(&mut cursor.left));
        }
        if is_over {
            self.broadcasts.cursors.pop_front();
        }
        self.counters.broadcasts_open.set(self.broadcasts.len() as u64);
    }
}

impl<D: Driver, A: Application> Shard<D, A> {
    /// Hands the first broadcast to some more connections: as many as the others can wait for.
    pub(super) fn go_on_broadcasting(&mut self) {
        if self.core.broadcasts.is_empty() {
            return;
        }
        let (mut handed, mut bytes, end) = (0, 0, self.keys());
        // Records that are free cost next to nothing to pass, so a turn may pass many of them.
        for _ in 0..16 * Policy::BROADCAST_SENDS_MAX {
            let is_enough = handed >= Policy::BROADCAST_SENDS_MAX || bytes >= Policy::BROADCAST_BYTES_MAX;
            if is_enough || self.driver.offers() >= Policy::BROADCAST_SENDS_MAX {
                break;
            }
            let Some(key) = self.core.broadcasts.next_key(end) else { break };
            if self.core.take_turn(key) {
                handed += 1;
                bytes += self.hand_out(key);
            }
        }
        // Until its last offer is answered it is not known for whom it was left in the outbox.
        let is_over = self.core.broadcasts.is_at_the_end(end) && self.driver.offers() == 0;
        self.core.settle_broadcasts(is_over);
    }

    /// Behind the last record that has been in use.
    fn keys(&self) -> u32 {
        key_of(self.sweep.keys())
    }

    /// Offers the first broadcast to a connection, or puts it behind what waits for it. Returns how many bytes it has.
    fn hand_out(&mut self, key: u32) -> usize {
        let frame = self.core.take_frame(0, key);
        let len = frame.len();
        if self.connection(key).is_sending() {
            self.core.note_left(0);
            self.core.push_frame(key, frame);
        } else if len > Policy::SEND_BYTES_MAX {
            // A part at a time, as anything that is long.
            self.core.push_frame(key, frame);
        } else {
            self.send_at_once(key, Outgoing::Offered(frame));
        }
        len
    }

    /// Whether the next turn has to go on with a broadcast, rather than wait until offers are answered.
    pub(super) fn is_broadcasting(&self) -> bool {
        let waits = match self.core.broadcasts.is_at_the_end(self.keys()) {
            true => self.driver.offers() > 0,
            false => self.driver.offers() >= Policy::BROADCAST_SENDS_MAX,
        };
        !self.core.broadcasts.is_empty() && !waits
    }
}
