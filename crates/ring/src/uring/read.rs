//! From readiness to bytes: a one-shot poll, then one read into a lent buffer.

use io_uring::opcode;
use rustix::io::Errno;

use super::entry::{Entry, on_descriptor};
use super::op::Op;
use super::queue::Completion;
use super::{POLL, READ, Uring, WAITING, len_u32};
use crate::{Event, Lent, Token};

const POLL_IN: u32 = libc::POLLIN as u32 | libc::POLLRDHUP as u32;
const POLL_HANGUP: i32 = (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) as i32;

impl Uring {
    pub(super) fn arm_poll(&mut self, token: Token) {
        self.slots.owned(token).flags.set(POLL);
        let entry = Entry::poll(self.entry_descriptor(token), POLL_IN);
        self.push(entry, Op::Poll(token));
    }

    pub(super) fn start_read(&mut self, token: Token, mut buffer: Lent) {
        self.slots.owned(token).flags.set(READ);
        let (index, start, len) = (buffer.index(), buffer.as_mut_ptr(), len_u32(&buffer));
        // Long buffers are not registered: they would take what may be locked in memory from the others.
        let registered = self.pool_registered && self.pools.short.owns(&buffer);
        let descriptor = self.entry_descriptor(token);
        let entry = if registered {
            let flags = libc::RWF_NOWAIT;
            on_descriptor!(descriptor, |fd| opcode::ReadFixed::new(fd, start, len, 0).rw_flags(flags))
        } else {
            on_descriptor!(descriptor, |fd| opcode::Recv::new(fd, start, len).flags(libc::MSG_DONTWAIT))
        };
        self.lent[usize::from(index)] = Some((token, buffer));
        // SAFETY: the buffer stays in `lent` until the completion is handled.
        let pushed = unsafe { self.queue.push(entry, Op::Read(index)) };
        self.check(pushed);
    }

    pub(super) fn serve_ready(&mut self) {
        let mut pass = self.ready.begin();
        while let Some((token, buffer)) = self.ready.serve(&mut pass, &self.pools, &mut self.slots, WAITING) {
            self.start_read(token, buffer);
        }
    }

    pub(super) fn on_poll(&mut self, token: Token, completion: Completion, events: &mut Vec<Event>) {
        if self.ended(token, POLL) {
            return;
        }
        if let Err(error) = completion.outcome() {
            events.push(Event::Failed { token, error });
            return;
        }
        let flags = &mut self.slots.owned(token).flags;
        flags.set(WAITING);
        if completion.result & POLL_HANGUP != 0 {
            self.ready.push_hangup(token);
        } else if flags.wants_long() {
            self.ready.push_long(token);
        } else {
            self.ready.push(token);
        }
    }

    pub(super) fn on_read(&mut self, index: u16, completion: Completion, events: &mut Vec<Event>) {
        let Some((token, mut buffer)) = self.lent[usize::from(index)].take() else {
            panic!("a read that completes holds its buffer")
        };
        if self.slots.owned(token).flags.is_released()
            && let Ok(len) = completion.outcome()
        {
            self.keep_unread(token, &buffer[..len]);
        }
        if self.ended(token, READ) {
            return;
        }
        match completion.outcome() {
            Ok(0) => events.push(Event::Ended { token }),
            Ok(len) => {
                self.sizes.learn(&mut self.slots.owned(token).flags, len);
                buffer.set_range(0..len);
                events.push(Event::Received { token, buffer });
            }
            // Readiness without data happens (a datagram of TCP that was wrong, a race with another reader).
            Err(Errno::AGAIN | Errno::INTR) => self.arm_poll(token),
            Err(error) => events.push(Event::Failed { token, error }),
        }
    }
}
