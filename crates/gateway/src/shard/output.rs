//! The one door through which bytes leave: from the outbox to the driver, and what follows when a send is over. There
//! is one send in flight for each connection.

use std::os::fd::OwnedFd;

use bytes::Bytes;
use holdfast_ring::{Close, Driver, Lent, Outgoing, Progress, Sent, Token};
use rustix::net::SendFlags;

use super::outbox::Outbox;
use super::planted::{Planted, is_planted};
use super::policy::Policy;
use super::unacked::HEAD_MAX;
use super::{Shard, State};
use crate::application::Application;
use crate::counters::{CloseCode, CloseReason, Limit};

impl<D: Driver, A: Application> Shard<D, A> {
    /// Hands bytes to the driver: nobody else does.
    pub(super) fn transmit(&mut self, token: Token, outgoing: Outgoing) -> Progress {
        self.driver.send(token, outgoing)
    }

    /// The same for a connection, for which nothing may be in flight.
    fn send(&mut self, key: u32, outgoing: Outgoing) -> Progress {
        debug_assert_eq!(self.connection(key).sending, 0, "one send in flight");
        let token = self.token(key);
        self.connection_mut(key).sending = len_u32(outgoing.len());
        self.transmit(token, outgoing)
    }

    /// Sends before all that waits, as far as that goes at once: answers that lie in a lent buffer, or a frame that
    /// goes to many. Nothing may be in flight.
    pub(super) fn send_at_once(&mut self, key: u32, outgoing: Outgoing) {
        if self.send(key, outgoing) == Progress::Done {
            self.on_whole(key);
        }
    }

    /// Sends bytes from elsewhere before all that waits: by way of a lent buffer if one is free. Nothing may be in
    /// flight.
    pub(super) fn send_first(&mut self, key: u32, bytes: &[u8]) {
        match self.driver.lend().filter(|buffer| buffer.capacity() >= bytes.len()) {
            Some(mut buffer) => {
                buffer[..bytes.len()].copy_from_slice(bytes);
                buffer.set_range(0..bytes.len());
                self.send_at_once(key, Outgoing::Lent(buffer));
            }
            None => {
                self.core.push_front(key, Bytes::copy_from_slice(bytes));
                self.core.mark_dirty(key);
            }
        }
    }

    /// Sends from the outboxes of connections that have something new in them; of some of them, each turn.
    pub(super) fn flush_dirty(&mut self) {
        for _ in 0..Policy::FLUSHES_PER_TURN {
            let Some(key) = self.core.dirty.pop_front() else { return };
            if let Some(connection) = self.core.connections.get_mut(key as usize).filter(|it| it.is_dirty()) {
                connection.set_dirty(false);
                if !connection.state().may_send() {
                    self.begin_close_time(key);
                }
                self.flush(key);
                let connection = self.connection(key);
                let is_late = is_planted(Planted::ResumesLate) && connection.state().may_send();
                if !connection.is_receiving() && !is_late {
                    // It may have begun to close, or been resumed, while it was not read from.
                    self.go_on_receiving(key);
                }
            }
        }
    }

    /// The peer's time to answer our close frame begins when that goes, however late it is.
    #[cold]
    fn begin_close_time(&mut self, key: u32) {
        let deadline = self.core.clock.second_after(self.core.policy.close_timeout);
        let extra = self.connection_mut(key).extra.as_mut();
        if let Some(closing) = extra.and_then(|extra| extra.close_deadline.as_mut()) {
            *closing = deadline;
        }
    }

    /// Sends from a connection's outbox until a send is pending or the outbox is empty.
    pub(super) fn flush(&mut self, key: u32) {
        if self.connection(key).sending > 0 {
            // What is new waits behind it.
            self.wait_for_send(key);
        }
        while self.connection(key).sending == 0 {
            if !self.connection(key).is_ordinary() {
                if !self.connection(key).has_socket() {
                    return;
                }
                if let Some(progress) = self.send_unacked(key) {
                    if progress == Progress::Pending {
                        return;
                    }
                    self.count_whole(key);
                    continue;
                }
            }
            let Some(first) = self.core.pop(key) else { return self.on_drained(key) };
            let progress = match self.coalesce(key, &first) {
                Some(buffer) => self.send(key, Outgoing::Lent(buffer)),
                None => self.send_waiting(key, first),
            };
            if progress == Progress::Pending {
                // The rest of the outbox waits for its end, and so may what the peer has sent meanwhile.
                return self.driver.confirm_sends();
            }
            self.count_whole(key);
        }
    }

    /// More is to go when the send is over that is in flight.
    fn wait_for_send(&mut self, key: u32) {
        if self.connection(key).is_reliable() {
            // Without it, the end of the send would not be looked at.
            self.connection_mut(key).extra();
        }
        self.driver.confirm_sends();
    }

    /// Sends what a reliable client is to get next of its queue. None where there is nothing, or where something in its
    /// outbox goes first: the rest of a send that went in part, and after each piece from the queue what had to wait
    /// for that. A close frame is the last of all.
    fn send_unacked(&mut self, key: u32) -> Option<Progress> {
        let connection = &self.core.connections[key as usize];
        let outbox = connection.extra.as_ref().map(|extra| &extra.outbox).filter(|it| !it.is_empty());
        let (is_empty, has_rest) = (outbox.is_none(), outbox.is_some_and(Outbox::has_rest));
        let is_open = connection.state().may_send();
        let unacked = self.core.reliable.unsent(key).filter(|_| !has_rest)?;
        if is_empty && !is_open && !unacked.is_begun() {
            // Our close frame has gone: nothing follows it.
            return None;
        }
        if is_empty {
            unacked.outbox_is_empty();
        }
        if let Some(piece) = unacked.go_on(Policy::SEND_BYTES_MAX) {
            return Some(self.send_piece(key, piece));
        }
        if unacked.yields() && is_open && !is_planted(Planted::SendsBeforeTheGreeting) {
            return None;
        }
        let wants = unacked.wants();
        Some(match self.driver.lend() {
            Some(mut buffer) if buffer.capacity() >= HEAD_MAX => {
                let len = unacked.write(&mut buffer);
                buffer.set_range(0..len);
                let progress = self.send(key, Outgoing::Lent(buffer));
                if progress == Progress::Pending && self.has_more(key) {
                    self.wait_for_send(key);
                }
                progress
            }
            _ => {
                let mut memory = vec![0; wants.min(Policy::COALESCE_BYTES_MAX)];
                let len = unacked.write(&mut memory);
                memory.truncate(len);
                self.send_piece(key, memory.into())
            }
        })
    }

    fn send_piece(&mut self, key: u32, piece: Bytes) -> Progress {
        let progress = self.send_waiting(key, piece);
        if progress == Progress::Pending {
            self.driver.confirm_sends();
        }
        progress
    }

    /// Whether a reliable client is to be sent more than what is in flight.
    fn has_more(&mut self, key: u32) -> bool {
        self.connection(key).outbox_bytes() > 0
            || !self.connection(key).state().may_send()
            || self.core.reliable.unsent(key).is_some()
    }

    /// Several small frames in one lent buffer, if the peer was reading so far and there are several.
    fn coalesce(&mut self, key: u32, first: &Bytes) -> Option<Lent> {
        let extra = self.connection(key).extra.as_ref()?;
        let next = extra.outbox.front().filter(|_| !extra.blocked)?;
        if first.len().max(next.len()) > Policy::COALESCE_BYTES_MAX {
            return None;
        }
        let both = first.len() + next.len();
        let mut buffer = self.driver.lend().filter(|buffer| buffer.capacity() >= both)?;
        buffer[..first.len()].copy_from_slice(first);
        let mut len = first.len();
        let capacity = buffer.capacity();
        let fits = |next: &Bytes, len: usize| len + next.len() <= capacity;
        while self
            .connection(key)
            .extra
            .as_ref()
            .and_then(|it| it.outbox.front())
            .is_some_and(|it| fits(it, len))
        {
            let Some(next) = self.core.pop(key) else { break };
            buffer[len..len + next.len()].copy_from_slice(&next);
            len += next.len();
        }
        buffer.set_range(0..len);
        Some(buffer)
    }

    /// Sends shared bytes, waiting for the peer as long as send-timeout allows: a part of a long frame at a time, so
    /// that a peer that reads slowly is not taken for one that does not read.
    fn send_waiting(&mut self, key: u32, mut bytes: Bytes) -> Progress {
        if bytes.len() > Policy::SEND_BYTES_MAX {
            let rest = bytes.split_off(Policy::SEND_BYTES_MAX);
            self.core.push_front(key, rest);
        }
        let deadline = self.core.clock.second_after(self.core.policy.send_timeout);
        self.connection_mut(key).extra().send_deadline = Some(deadline);
        self.core.begin_waiting(bytes.len());
        self.send(key, Outgoing::Shared(bytes))
    }

    /// A send that was pending is over.
    pub(super) fn on_sent(&mut self, key: u32, sent: Sent) {
        if self.connection(key).state() == State::Released {
            return;
        }
        match sent {
            Sent::Whole => self.on_whole(key),
            Sent::Partial(rest) => self.on_partial(key, rest),
            Sent::Failed(_) => {
                self.connection_mut(key).ends_with(CloseReason::Reset, CloseCode::None);
                self.release(key, Close::Reset);
            }
        }
    }

    /// Not all of a send went that does not wait: the rest goes back to the front of the outbox.
    fn on_partial(&mut self, key: u32, rest: Outgoing) {
        let connection = self.connection_mut(key);
        let sending = std::mem::take(&mut connection.sending);
        let gone = sending - len_u32(rest.len());
        let extra = connection.extra();
        extra.blocked = true;
        if extra.send_deadline.take().is_some() {
            self.core.end_waiting(sending);
        }
        self.count_out(key, gone);
        match rest {
            Outgoing::Lent(rest) => {
                // Back with the buffer at once: peers that never read must not hold the pool.
                let copy = Bytes::copy_from_slice(&rest);
                drop(rest);
                if self.core.is_crowded(copy.len()) && copy.len() > Policy::OUTBOX_BYTES_FREE {
                    // There is no memory to wait with for one that reads too slowly.
                    self.core.counters.limit(Limit::ShardOutboxBytes);
                    self.connection_mut(key).ends_with(CloseReason::Slow, CloseCode::None);
                    return self.release(key, Close::Reset);
                }
                self.core.push_front(key, copy);
            }
            // Only what goes to many is offered.
            Outgoing::Offered(rest) => self.core.put_back_offer(key, rest),
            // Of one that is being released, say.
            Outgoing::Shared(rest) => self.core.push_front(key, rest),
        }
        self.flush(key);
    }

    fn on_whole(&mut self, key: u32) {
        self.count_whole(key);
        if self.connection(key).extra.is_some() {
            self.flush(key);
        }
    }

    fn count_whole(&mut self, key: u32) {
        let connection = self.connection_mut(key);
        let len = std::mem::take(&mut connection.sending);
        if let Some(extra) = &mut connection.extra {
            extra.blocked = false;
            if extra.send_deadline.take().is_some() {
                self.core.end_waiting(len);
            }
        }
        self.count_out(key, len);
    }

    /// Counts bytes that the kernel took, those of the 101 answer left out.
    fn count_out(&mut self, key: u32, len: u32) {
        let connection = self.connection_mut(key);
        let answer = u32::from(connection.answer_left).min(len);
        connection.answer_left -= u16::try_from(answer).unwrap_or(u16::MAX);
        self.core.counters.bytes_out.add((len - answer).into());
        self.core.note(key, |visit| visit.bytes_out += u64::from(len - answer));
    }

    /// Everything has been sent.
    fn on_drained(&mut self, key: u32) {
        if !self.connection(key).is_ordinary_and_open() {
            match self.connection(key).state() {
                State::Finishing => return self.release(key, Close::Orderly),
                State::Lingering => {
                    if !std::mem::replace(&mut self.connection_mut(key).extra().shut, true) {
                        self.driver.shutdown(self.token(key));
                    }
                }
                State::Open | State::CloseSent | State::Released | State::Away => {}
            }
            if self.connection(key).is_reliable() {
                self.core.reliable.rest(key);
            }
        }
        self.connection_mut(key).shrink();
        self.go_on_receiving(key);
    }

    /// Closes once everything has been sent.
    pub(super) fn finish(&mut self, key: u32) {
        let connection = self.connection_mut(key);
        connection.set_state(State::Finishing);
        // Without it, the end of the last send would not be looked at.
        connection.extra();
        if self.connection(key).is_sending() {
            self.driver.confirm_sends();
        } else {
            self.release(key, Close::Orderly);
        }
    }

    /// Gives the connection up: the driver closes the descriptor.
    pub(super) fn release(&mut self, key: u32, how: Close) {
        let token = self.token(key);
        let connection = self.connection_mut(key);
        connection.set_state(State::Released);
        self.core.forget_held(key);
        self.driver.close(token, how);
    }

    /// The descriptor is closed: the record is free, unless its owner may come back.
    pub(super) fn on_closed(&mut self, key: u32) {
        if self.connection(key).is_reliable() {
            self.on_reliable_closed(key);
        } else {
            self.end_connection(key);
        }
    }
}

/// Sends as much of an answer as goes at once on a descriptor that no driver has: the last that its peer hears.
pub(super) fn send_off(descriptor: &OwnedFd, answer: &[u8]) {
    let _ = rustix::net::send(descriptor, answer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
