//! Sends: from lent buffers and of offered bytes as far as they go at once, of shared bytes as long as it takes.

use bytes::{Buf, Bytes};
use io_uring::{opcode, squeue};
use rustix::io::Errno;

use super::entry::on_descriptor;
use super::op::Op;
use super::queue::Completion;
use super::{SEND, Uring, len_u32};
use crate::driver::{Outgoing, Sent};
use crate::{Event, Lent, Token};

impl Uring {
    fn begin_send(&mut self, token: Token) {
        let flags = &mut self.slots.owned(token).flags;
        debug_assert!(!flags.has(SEND) && !flags.is_leaving(), "one send at a time, none after close");
        flags.set(SEND);
    }

    /// A send is over, with something to tell or not. Told first: where the slot is leaving this may be the last that
    /// it waits for.
    fn end_send(&mut self, token: Token, sent: Sent, events: &mut Vec<Event>) {
        if !self.slots.owned(token).flags.is_closing() {
            events.push(Event::Sent { token, sent });
        }
        self.ended(token, SEND);
    }

    pub(super) fn start_send(&mut self, token: Token, buffer: Lent) {
        self.begin_send(token);
        // The index names an operation in flight: that of another driver's buffer might be taken.
        assert!(self.pools.own(&buffer), "the buffer was lent by this driver");
        let (index, start, len) = (buffer.index(), buffer.as_ptr(), len_u32(&buffer));
        // A quiet send completes only when it was cut or failed: with MSG_WAITALL a short count is a failure to the
        // kernel.
        let quiet = self.capabilities.quiet_sends;
        let all = if quiet { libc::MSG_WAITALL } else { 0 };
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | all;
        let entry =
            on_descriptor!(self.entry_descriptor(token), |fd| opcode::Send::new(fd, start, len).flags(flags));
        let entry = if quiet {
            self.quiet.push(index);
            entry.flags(squeue::Flags::SKIP_SUCCESS)
        } else {
            entry
        };
        self.lent[usize::from(index)] = Some((token, buffer));
        // SAFETY: the buffer stays in `lent` until the completion is handled.
        let pushed = unsafe { self.queue.push(entry, Op::SendLent(index)) };
        self.check(pushed);
    }

    pub(super) fn start_send_shared(&mut self, token: Token, bytes: Bytes) {
        self.begin_send(token);
        let index = self.shared.insert((token, bytes));
        self.push_shared(index);
    }

    fn push_shared(&mut self, index: usize) {
        let (token, bytes) = &self.shared[index];
        let (token, start, len) = (*token, bytes.as_ptr(), len_u32(bytes));
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let entry =
            on_descriptor!(self.entry_descriptor(token), |fd| opcode::Send::new(fd, start, len).flags(flags));
        let op = Op::SendShared(u32::try_from(index).unwrap_or(u32::MAX));
        // SAFETY: the bytes stay in `shared` until the completion is handled.
        let pushed = unsafe { self.queue.push(entry, op) };
        self.check(pushed);
    }

    pub(super) fn on_send_lent(&mut self, index: u16, completion: Completion, events: &mut Vec<Event>) {
        let Some((token, buffer)) = self.lent[usize::from(index)].take() else {
            panic!("a send that completes holds its buffer")
        };
        self.quiet.retain(|quiet| *quiet != index);
        self.end_send(token, at_once(Outgoing::Lent(buffer), &completion), events);
    }

    /// Whether the ends of quiet sends are to be told without waiting for something else to happen.
    pub(super) fn is_quiet_end_wanted(&self) -> bool {
        let buffers_are_short =
            || self.quiet.len() * 2 > self.pools.short.count() || self.ready.lacks_buffers(&self.pools);
        !self.quiet.is_empty() && (self.confirm || buffers_are_short())
    }

    /// Ends the quiet sends: those of which the kernel said nothing when it took them went whole. Goes before all other
    /// completions, since those may be answers to what was sent.
    pub(super) fn end_quiet_sends(&mut self, events: &mut Vec<Event>) {
        if self.quiet.is_empty() || !self.queue.is_settled() {
            return;
        }
        while let Some(completion) = self.queue.next_send() {
            self.handle(completion, events);
        }
        let mut quiet = std::mem::take(&mut self.quiet);
        for index in quiet.drain(..) {
            let Some((token, buffer)) = self.lent[usize::from(index)].take() else { continue };
            drop(buffer);
            self.end_send(token, Sent::Whole, events);
        }
        self.quiet = quiet;
        self.confirm = false;
    }

    pub(super) fn start_offer(&mut self, token: Token, bytes: Bytes) {
        self.begin_send(token);
        let (start, len) = (bytes.as_ptr(), len_u32(&bytes));
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        let entry =
            on_descriptor!(self.entry_descriptor(token), |fd| opcode::Send::new(fd, start, len).flags(flags));
        let index = self.offers.insert((token, bytes));
        let op = Op::Offer(u32::try_from(index).unwrap_or(u32::MAX));
        // SAFETY: the bytes stay in `offers` until the completion is handled.
        let pushed = unsafe { self.queue.push(entry, op) };
        self.check(pushed);
    }

    pub(super) fn on_offer(&mut self, index: usize, completion: Completion, events: &mut Vec<Event>) {
        let (token, bytes) = self.offers.remove(index);
        self.end_send(token, at_once(Outgoing::Offered(bytes), &completion), events);
    }

    pub(super) fn on_send_shared(&mut self, index: usize, completion: Completion, events: &mut Vec<Event>) {
        let (token, bytes) = &mut self.shared[index];
        let token = *token;
        let gone = match completion.outcome() {
            Ok(len) => Ok(len),
            // Told to end before any of it went.
            Err(Errno::AGAIN | Errno::INTR | Errno::CANCELED) => Ok(0),
            Err(error) => Err(error),
        };
        let sent = match gone {
            Ok(len) if len < bytes.len() && !self.slots.owned(token).flags.is_leaving() => {
                bytes.advance(len);
                return self.push_shared(index);
            }
            Ok(len) => Outgoing::Shared(self.shared.remove(index).1).after(len),
            Err(error) => {
                self.shared.remove(index);
                Sent::Failed(error)
            }
        };
        self.end_send(token, sent, events);
    }
}

/// How a send ended that does not wait.
fn at_once(outgoing: Outgoing, completion: &Completion) -> Sent {
    match completion.outcome() {
        Ok(len) => outgoing.after(len),
        Err(Errno::AGAIN | Errno::INTR) => outgoing.after(0),
        Err(error) => Sent::Failed(error),
    }
}
