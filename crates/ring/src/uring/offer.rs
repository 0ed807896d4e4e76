//! Sends of shared bytes that do not wait: many in one submission, for a message that goes to very many slots.

use bytes::{Buf, Bytes};
use io_uring::{opcode, types};
use rustix::io::Errno;

use super::op::Op;
use super::queue::Completion;
use super::{CLOSING, Descriptor, SEND, Uring, len_u32};
use crate::Token;
use crate::driver::{Event, Sent};

impl Uring {
    pub(super) fn start_offer(&mut self, token: Token, bytes: Bytes) {
        let slot = self.slots.owned(token);
        debug_assert!(!slot.flags.has(SEND | CLOSING), "one send at a time, none after close");
        slot.flags.set(SEND);
        let (start, len) = (bytes.as_ptr(), len_u32(&bytes));
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        let entry = match self.entry_descriptor(token) {
            Descriptor::Normal(fd) => opcode::Send::new(types::Fd(fd), start, len).flags(flags).build(),
            Descriptor::Direct(slot) => {
                opcode::Send::new(types::Fixed(slot), start, len).flags(flags).build()
            }
        };
        let index = self.offers.insert((token, bytes));
        let op = Op::Offer(u32::try_from(index).unwrap_or(u32::MAX));
        // SAFETY: the bytes stay in `offers` until the completion is handled.
        let pushed = unsafe { self.queue.push(entry, op) };
        self.check(pushed);
    }

    pub(super) fn on_offer(&mut self, index: usize, completion: Completion, events: &mut Vec<Event>) {
        let (token, mut bytes) = self.offers.remove(index);
        if self.ended(token, SEND) {
            return;
        }
        let sent = match completion.outcome() {
            Ok(len) if len == bytes.len() => Sent::Whole,
            Ok(len) => {
                bytes.advance(len);
                Sent::Short(bytes)
            }
            Err(Errno::AGAIN | Errno::INTR) => Sent::Short(bytes),
            Err(error) => Sent::Failed(error),
        };
        events.push(Event::Sent { token, sent });
    }
}
