//! Outboxes: what waits to be sent, and how much of it there may be. The totals of a shard are kept here and nowhere
//! else.

use bytes::Bytes;

use super::Core;
use super::outbox::{Outbox, opcode_of, queued_bytes};
use super::planted::{Planted, is_planted};
use super::policy::{Policy, SlowPolicy};
use crate::ConnectionId;
use crate::counters::{CloseReason, Limit};
use crate::limits::plan::with_allowance;

impl Core {
    /// Puts a whole frame into a connection's outbox, behind the broadcasts that it has not got yet.
    pub(crate) fn push(&mut self, key: u32, frame: Bytes) {
        if self.catch_up(key) {
            self.push_frame(key, frame);
        }
    }

    /// Puts a whole frame into a connection's outbox. Where it would pass a limit, slow-policy decides what becomes of
    /// it.
    pub(crate) fn push_frame(&mut self, key: u32, frame: Bytes) {
        if let Some(limit) = self.limit_of(key, &frame) {
            self.counters.limit(limit);
            match self.policy.slow {
                SlowPolicy::Close => return self.close_slow(key),
                // A reliable client misses nothing: it comes back for what it has not got.
                SlowPolicy::DropOldest if self.connections[key as usize].is_reliable() => {
                    return self.close_slow(key);
                }
                SlowPolicy::DropOldest => {
                    if !self.make_room(key, &frame) {
                        return self.count_dropped(&frame);
                    }
                }
            }
        }
        self.outbox(key, |outbox| outbox.push(frame));
        self.mark_dirty(key);
    }

    /// Gives up one that reads too slowly, and what waits for it.
    fn close_slow(&mut self, key: u32) {
        self.outbox(key, Outbox::clear);
        self.begin_close_now(key, CloseReason::Slow, 1013, "reading too slowly");
    }

    /// The limit that a frame would pass in a connection's outbox.
    fn limit_of(&self, key: u32, frame: &Bytes) -> Option<Limit> {
        let (connection, policy) = (&self.connections[key as usize], &self.policy);
        let after = connection.outbox_bytes() + queued_bytes(frame);
        if after > policy.outbox_bytes_max {
            return Some(Limit::OutboxBytes);
        }
        let held = self.held.outboxes + self.held.sends + queued_bytes(frame);
        if held <= policy.shard_outbox_bytes_max {
            return None;
        }
        // Slow readers must not starve the others: a connection with little or nothing waiting still gets its frame.
        // A quarter past the total only short frames pass: very many with a little each would take more than there is.
        let keeps_up = match self.is_crowded(queued_bytes(frame)) {
            true => !connection.is_sending() && frame.len() <= Policy::OUTBOX_BYTES_FREE,
            false => !connection.is_sending() || after <= policy.unsent_bytes_max,
        };
        (!keeps_up).then_some(Limit::ShardOutboxBytes)
    }

    /// Whether so many bytes more are more than what waits to be sent may have even for a while.
    pub(crate) fn is_crowded(&self, more: usize) -> bool {
        self.held.outboxes + self.held.sends + more > with_allowance(self.policy.shard_outbox_bytes_max)
    }

    /// A send of so many bytes begins to wait for its peer.
    pub(crate) fn begin_waiting(&mut self, len: usize) {
        self.held.sends += len + self.policy.kernel_bytes;
    }

    /// A send of so many bytes that waited for its peer is over.
    pub(crate) fn end_waiting(&mut self, len: u32) {
        self.held.sends -= len as usize + self.policy.kernel_bytes;
    }

    /// What a connection holds of a message that is not whole has become more or less: it was `before`.
    pub(crate) fn settle_partial(&mut self, key: u32, before: usize) {
        self.held.partial += self.connections[key as usize].receiver.partial_bytes();
        self.held.partial -= before;
    }

    /// A connection is given up, and all that it holds with it.
    pub(crate) fn forget_held(&mut self, key: u32) {
        let connection = &mut self.connections[key as usize];
        let (sending, extra) = (std::mem::take(&mut connection.sending), connection.extra.take());
        let partial = std::mem::take(&mut connection.receiver).partial_bytes();
        if let Some(extra) = extra {
            self.held.outboxes -= extra.outbox.bytes();
            if extra.send_deadline.is_some() {
                self.end_waiting(sending);
            }
        }
        self.held.partial -= partial;
    }

    /// Works on a connection's outbox, and keeps the total right: nobody else changes either.
    pub(crate) fn outbox<R>(&mut self, key: u32, work: impl FnOnce(&mut Outbox) -> R) -> R {
        let outbox = &mut self.connections[key as usize].extra().outbox;
        let before = outbox.bytes();
        let result = work(outbox);
        self.held.outboxes = self.held.outboxes - before + outbox.bytes();
        result
    }

    /// Drops the oldest frames that wait for a connection until there is room for one more. Whether there is.
    fn make_room(&mut self, key: u32, frame: &Bytes) -> bool {
        while self.limit_of(key, frame).is_some() {
            if self.connections[key as usize].extra.is_none() {
                return false;
            }
            let Some(oldest) = self.outbox(key, Outbox::drop_oldest) else { return false };
            self.count_dropped(&oldest);
        }
        true
    }

    fn count_dropped(&self, frame: &Bytes) {
        let is_message = opcode_of(frame).is_some_and(|opcode| !opcode.is_control());
        self.counters.dropped.add(u64::from(is_message));
    }

    pub(crate) fn mark_dirty(&mut self, key: u32) {
        let connection = &mut self.connections[key as usize];
        if !connection.is_dirty() {
            connection.set_dirty(true);
            self.dirty.push_back(key);
        }
    }

    /// Whether the application wants more from a connection. Whether there is such a connection.
    pub(crate) fn set_paused(&mut self, id: ConnectionId, paused: bool) -> bool {
        let is_here = id.shard == self.shard;
        let Some(connection) = self.connection(id).filter(|_| is_here) else { return false };
        connection.set_paused(paused);
        // Whoever flushes goes on receiving.
        if paused || !is_planted(Planted::ForgetsTheResumed) {
            self.mark_dirty(id.key);
        }
        true
    }

    /// Takes the next bytes to send out of a connection's outbox.
    pub(crate) fn pop(&mut self, key: u32) -> Option<Bytes> {
        self.connections[key as usize].extra.as_ref()?;
        self.outbox(key, Outbox::pop)
    }

    /// Puts the rest of what did not go back to the front. Whoever does so flushes.
    pub(crate) fn push_front(&mut self, key: u32, rest: Bytes) {
        self.outbox(key, |outbox| outbox.push_front(rest));
    }

    /// Puts back what did not go of a frame that was never in the outbox, as far as the limits allow that.
    pub(crate) fn put_back(&mut self, key: u32, rest: Bytes) {
        let limit = self.limit_of(key, &rest).filter(|_| self.policy.slow == SlowPolicy::Close);
        self.push_front(key, rest);
        if let Some(limit) = limit.filter(|_| self.connections[key as usize].state().may_send()) {
            self.counters.limit(limit);
            self.close_slow(key);
        }
    }
}
