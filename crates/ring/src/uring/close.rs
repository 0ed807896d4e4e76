//! Closing on a ring: end what is in flight, then the descriptor, then the slot.
//!
//! A one-shot poll that has fired leaves nothing to end. One that is armed is fired by shutdown(2): to cancel it the
//! kernel would walk a hash of at most 256 buckets, 22 us with 20,000 polls armed. A direct descriptor gets a normal
//! one for that moment. A reset must not begin with shutdown(2), which would say a good end of stream first: it is done
//! by dissolving the connection, connect(2) to AF_UNSPEC, which resets the peer and ends whatever waits here.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use io_uring::{opcode, types};
use rustix::net::{Shutdown, connect_unspec, shutdown, sockopt::set_socket_linger};

use super::op::Op;
use super::queue::Completion;
use super::{
    CLOSE, CLOSING, CUT, DIRECT, Descriptor, INSTALL, POLL, READ, RESET, SEND, SHUTDOWN, STREAM, Uring,
    WAITING,
};
use crate::slots::Flags;
use crate::{Close, Driver, Event, Token};

/// The address that dissolves a connection.
static NOWHERE: libc::sa_family_t = AF_UNSPEC;
#[allow(clippy::cast_possible_truncation, reason = "it is zero")]
const AF_UNSPEC: libc::sa_family_t = libc::AF_UNSPEC as libc::sa_family_t;

impl Uring {
    pub(super) fn begin_shutdown(&mut self, token: Token) {
        let flags = &mut self.slots.owned(token).flags;
        flags.set(SHUTDOWN);
        if flags.has(SEND) {
            self.confirm_sends();
        } else {
            self.end_stream(token);
        }
    }

    /// Says the end of stream, if that is wanted: the last send is over.
    pub(super) fn end_stream(&mut self, token: Token) {
        let slot = self.slots.owned(token);
        if !slot.flags.has(SHUTDOWN) {
            return;
        }
        if let Some(descriptor) = slot.borrow() {
            self.queue.count_call();
            // ENOTCONN: the peer has reset it; receiving will tell.
            let _ = shutdown(descriptor, Shutdown::Write);
            slot.flags.clear(SHUTDOWN);
        } else {
            self.install(token);
        }
    }

    pub(super) fn begin_close(&mut self, token: Token, how: Close) {
        let flags = &mut self.slots.owned(token).flags;
        debug_assert!(!flags.has(CLOSING), "a slot is closed once");
        flags.clear(WAITING);
        flags.set(CLOSING);
        if how == Close::Reset {
            flags.set(RESET);
        }
        self.drop_held(token);
        self.advance_close(token);
    }

    /// Takes the next step of closing, if nothing has to be waited for.
    pub(super) fn advance_close(&mut self, token: Token) {
        let flags = self.slots.owned(token).flags;
        if flags.has(INSTALL | CLOSE) {
            return;
        }
        let busy = flags.has(POLL | READ | STREAM | SEND);
        if flags.has(SEND) {
            self.confirm_sends();
        }
        if (busy || flags.has(RESET)) && !flags.has(CUT) {
            self.slots.owned(token).flags.set(CUT);
            if flags.has(DIRECT) {
                return if flags.has(RESET) { self.disconnect(token) } else { self.install(token) };
            }
            if flags.has(SEND) && !flags.has(RESET) && self.queue.has_pending() {
                // What was sent goes as far as it can before the end.
                let flushed = self.queue.flush();
                self.check(flushed);
            }
            self.queue.count_call();
            if !self.slots.owned(token).borrow().is_some_and(|descriptor| cut(descriptor, flags)) {
                self.cancel(token);
            }
        }
        if !busy {
            self.close_descriptor(token);
        }
    }

    fn close_descriptor(&mut self, token: Token) {
        let entry = match self.entry_descriptor(token) {
            Descriptor::Normal(fd) => opcode::Close::new(types::Fd(fd)).build(),
            Descriptor::Direct(index) => opcode::Close::new(types::Fixed(index)).build(),
        };
        let slot = self.slots.owned(token);
        slot.flags.set(CLOSE);
        slot.forget_descriptor();
        self.push(entry, Op::Close(token));
    }

    pub(super) fn on_close(&mut self, token: Token, events: &mut Vec<Event>) {
        let slot = self.slots.free(token);
        if token.slot >= self.config.handshake_slots && !slot.flags.has(DIRECT) {
            self.normal_descriptors -= 1;
        }
        events.push(Event::Closed { token });
    }

    /// Asks for a normal descriptor of a direct one, to make system calls on.
    fn install(&mut self, token: Token) {
        let Descriptor::Direct(index) = self.entry_descriptor(token) else { return };
        let flags = &mut self.slots.owned(token).flags;
        debug_assert!(flags.has(DIRECT));
        if !flags.has(INSTALL) {
            flags.set(INSTALL);
            self.push(opcode::FixedFdInstall::new(types::Fixed(index), 0).build(), Op::Install(token));
        }
    }

    pub(super) fn on_install(&mut self, token: Token, completion: Completion) {
        let slot = self.slots.owned(token);
        slot.flags.clear(INSTALL);
        let flags = slot.flags;
        self.queue.count_call();
        // SAFETY: the result of an install operation that succeeded is a new descriptor that nobody else has.
        let descriptor =
            completion.outcome().ok().map(|_| unsafe { OwnedFd::from_raw_fd(completion.result) });
        match descriptor {
            Some(descriptor) if flags.has(CUT) => {
                if !cut(descriptor.as_fd(), flags) {
                    self.cancel(token);
                }
            }
            Some(descriptor) => {
                let _ = shutdown(&descriptor, Shutdown::Write);
                slot.flags.clear(SHUTDOWN);
            }
            // Out of descriptors: the slow ways.
            None if flags.has(CUT) => self.cancel(token),
            None => return self.shutdown_direct(token),
        }
        if flags.has(CLOSING) {
            self.advance_close(token);
        }
    }

    /// Says the end of stream by an operation, which the kernel gives to a thread of its own.
    fn shutdown_direct(&mut self, token: Token) {
        let Descriptor::Direct(index) = self.entry_descriptor(token) else { return };
        let flags = &mut self.slots.owned(token).flags;
        flags.clear(SHUTDOWN);
        flags.set(INSTALL);
        self.push(opcode::Shutdown::new(types::Fixed(index), libc::SHUT_WR).build(), Op::Shutdown(token));
    }

    /// Resets the peer and ends what is in flight, without a normal descriptor.
    fn disconnect(&mut self, token: Token) {
        let Descriptor::Direct(index) = self.entry_descriptor(token) else { return };
        self.slots.owned(token).flags.set(INSTALL);
        let address = (&raw const NOWHERE).cast::<libc::sockaddr>();
        let len = u32::try_from(size_of_val(&NOWHERE)).unwrap_or(0);
        let entry = opcode::Connect::new(types::Fixed(index), address, len).build();
        // SAFETY: the address is a constant that lives for ever, and the kernel only reads it.
        let pushed = unsafe { self.queue.push(entry, Op::Disconnect(token)) };
        self.check(pushed);
    }

    /// One of the operations that closing waits for is over: saying the end of stream, or resetting.
    pub(super) fn on_step(&mut self, token: Token, completion: Completion) {
        let flags = &mut self.slots.owned(token).flags;
        flags.clear(INSTALL);
        let flags = *flags;
        if flags.has(CUT) && completion.outcome().is_err() {
            // Not TCP: there is no reset.
            self.cancel(token);
        }
        if flags.has(CLOSING) {
            self.advance_close(token);
        }
    }

    /// Cancels what may wait for the peer by user_data, the one way that 5.10 knows too.
    fn cancel(&mut self, token: Token) {
        let flags = self.slots.owned(token).flags;
        if flags.has(POLL) {
            self.push_cancel(Op::Poll(token));
        }
        if let Some(op) = self.stream_of(token).filter(|_| flags.has(STREAM)) {
            self.push_cancel(op);
        }
        if flags.has(SEND) {
            let shared = self.shared.iter().find(|(_, (owner, _))| *owner == token).map(|(index, _)| index);
            if let Some(index) = shared.and_then(|index| u32::try_from(index).ok()) {
                self.push_cancel(Op::SendShared(index));
            }
        }
    }

    pub(super) fn push_cancel(&mut self, op: Op) {
        self.push(opcode::AsyncCancel::new(op.to_user_data()).build(), Op::Cancel);
    }
}

/// Ends both directions of a socket, which completes whatever waits on it. Whether that worked.
fn cut(descriptor: BorrowedFd<'_>, flags: Flags) -> bool {
    if flags.has(RESET) {
        if connect_unspec(descriptor).is_ok() {
            return true;
        }
        // Zero seconds: close(2) then drops what is unsent and resets (socket(7), SO_LINGER).
        let _ = set_socket_linger(descriptor, Some(Duration::ZERO));
    }
    !flags.has(POLL | READ | STREAM | SEND) || shutdown(descriptor, Shutdown::Both).is_ok()
}
