//! Sends: from lent buffers as far as they go at once, of shared bytes as long as it takes.

use bytes::{Buf, Bytes};
use io_uring::{opcode, squeue, types};
use rustix::io::Errno;

use super::op::Op;
use super::queue::Completion;
use super::{CLOSING, Descriptor, SEND, Uring, len_u32};
use crate::driver::Sent;
use crate::{Event, Lent, Token};

impl Uring {
    pub(super) fn start_send(&mut self, token: Token, buffer: Lent) {
        let slot = self.slots.owned(token);
        debug_assert!(!slot.flags.has(SEND | CLOSING), "one send at a time, none after close");
        slot.flags.set(SEND);
        // The index names an operation in flight: that of another driver's buffer might be taken.
        assert!(self.pools.own(&buffer), "the buffer was lent by this driver");
        let (index, start, len) = (buffer.index(), buffer.as_ptr(), len_u32(&buffer));
        // A quiet send completes only when it was cut or failed: with MSG_WAITALL a short count is a failure to the
        // kernel.
        let quiet = self.capabilities.quiet_sends;
        let all = if quiet { libc::MSG_WAITALL } else { 0 };
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | all;
        let entry = match self.entry_descriptor(token) {
            Descriptor::Normal(fd) => opcode::Send::new(types::Fd(fd), start, len).flags(flags).build(),
            Descriptor::Direct(slot) => {
                opcode::Send::new(types::Fixed(slot), start, len).flags(flags).build()
            }
        };
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
        let slot = self.slots.owned(token);
        debug_assert!(!slot.flags.has(SEND | CLOSING), "one send at a time, none after close");
        slot.flags.set(SEND);
        let index = self.shared.insert((token, bytes));
        self.push_shared(index);
    }

    fn push_shared(&mut self, index: usize) {
        let (token, bytes) = &self.shared[index];
        let (token, start, len) = (*token, bytes.as_ptr(), len_u32(bytes));
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let entry = match self.entry_descriptor(token) {
            Descriptor::Normal(fd) => opcode::Send::new(types::Fd(fd), start, len).flags(flags).build(),
            Descriptor::Direct(slot) => {
                opcode::Send::new(types::Fixed(slot), start, len).flags(flags).build()
            }
        };
        let op = Op::SendShared(u32::try_from(index).unwrap_or(u32::MAX));
        // SAFETY: the bytes stay in `shared` until the completion is handled.
        let pushed = unsafe { self.queue.push(entry, op) };
        self.check(pushed);
    }

    pub(super) fn on_send_lent(&mut self, index: u16, completion: Completion, events: &mut Vec<Event>) {
        let Some((token, mut buffer)) = self.lent[usize::from(index)].take() else {
            panic!("a send that completes holds its buffer")
        };
        self.quiet.retain(|quiet| *quiet != index);
        if self.ended(token, SEND) {
            return;
        }
        let sent = match completion.outcome() {
            Ok(len) if len == buffer.len() => Sent::Whole,
            Ok(len) => {
                buffer.advance(len);
                Sent::Cut(buffer)
            }
            Err(Errno::AGAIN | Errno::INTR) => Sent::Cut(buffer),
            Err(error) => Sent::Failed(error),
        };
        events.push(Event::Sent { token, sent });
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
            if !self.ended(token, SEND) {
                events.push(Event::Sent { token, sent: Sent::Whole });
            }
        }
        self.quiet = quiet;
        self.confirm = false;
    }

    pub(super) fn on_send_shared(&mut self, index: usize, completion: Completion, events: &mut Vec<Event>) {
        let (token, bytes) = &mut self.shared[index];
        let token = *token;
        let closing = self.slots.owned(token).flags.has(CLOSING);
        let sent = match completion.outcome() {
            Ok(len) if len == bytes.len() => Sent::Whole,
            Ok(len) if !closing => {
                bytes.advance(len);
                return self.push_shared(index);
            }
            Err(Errno::AGAIN | Errno::INTR) if !closing => return self.push_shared(index),
            Ok(_) => Sent::Failed(Errno::CANCELED),
            Err(error) => Sent::Failed(error),
        };
        self.shared.remove(index);
        if !self.ended(token, SEND) {
            events.push(Event::Sent { token, sent });
        }
    }
}
