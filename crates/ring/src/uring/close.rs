//! Closing on a ring: end what is in flight, then the descriptor, then the slot.
//!
//! A one-shot poll that has fired leaves nothing to end. One that is armed is fired by shutdown(2): to cancel it the
//! kernel would walk a hash of at most 256 buckets, 22 us with 20,000 polls armed. A direct descriptor gets a normal
//! one for that moment. A reset must not begin with shutdown(2), which would say a good end of stream first: it is done
//! by dissolving the connection, connect(2) to AF_UNSPEC, which resets the peer and ends whatever waits here.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{Shutdown, connect_unspec, shutdown, sockopt::set_socket_linger};

use super::entry::{Descriptor, Entry};
use super::exit::{Exit, Way};
use super::op::Op;
use super::queue::Completion;
use super::{CLOSE, DIRECT, INSTALL, POLL, READ, SEND, STREAM, Uring, WAITING};
use crate::slots::Flags;
use crate::{Close, Driver, Event, Token};

impl Uring {
    pub(super) fn begin_shutdown(&mut self, token: Token) {
        let flags = &mut self.slots.owned(token).flags;
        flags.set_exit(Exit::Shutdown);
        if flags.has(SEND) {
            self.confirm_sends();
        } else {
            self.end_stream(token);
        }
    }

    /// Says the end of stream, if that is wanted: the last send is over.
    pub(super) fn end_stream(&mut self, token: Token) {
        let slot = self.slots.owned(token);
        if slot.flags.exit() != Exit::Shutdown {
            return;
        }
        if let Some(descriptor) = slot.borrow() {
            self.queue.count_call();
            // ENOTCONN: the peer has reset it; receiving will tell.
            let _ = shutdown(descriptor, Shutdown::Write);
            slot.flags.set_exit(Exit::Stays);
        } else {
            self.install(token);
        }
    }

    pub(super) fn begin_close(&mut self, token: Token, how: Close) {
        let flags = &mut self.slots.owned(token).flags;
        debug_assert!(!flags.is_leaving(), "a slot is closed once");
        flags.clear(WAITING);
        flags.set_exit(Exit::Leaves { how: Way::Close(how), told: false });
        drop(self.take_held(token));
        self.advance_exit(token);
    }

    /// Takes the next step of leaving, if nothing has to be waited for.
    pub(super) fn advance_exit(&mut self, token: Token) {
        let flags = self.slots.owned(token).flags;
        let Exit::Leaves { how, told } = flags.exit() else { return };
        if flags.has(INSTALL | CLOSE) {
            return;
        }
        let in_flight = flags.has(POLL | READ | STREAM | SEND);
        if flags.has(SEND) {
            self.confirm_sends();
        }
        if !told && (in_flight || how == Way::Close(Close::Reset)) {
            self.slots.owned(token).flags.set_exit(Exit::Leaves { how, told: true });
            match how {
                Way::Release => self.stop(token),
                Way::Close(how) if flags.has(DIRECT) => {
                    return if how == Close::Reset { self.disconnect(token) } else { self.install(token) };
                }
                Way::Close(how) => self.cut_normal(token, how),
            }
        }
        match how {
            Way::Release if !in_flight => self.release_descriptor(token),
            Way::Release if self.cannot_stop(token) => self.keep(token, Errno::BUSY),
            Way::Close(_) if !in_flight => self.close_descriptor(token),
            _ => {}
        }
    }

    /// Ends what is in flight on a normal descriptor.
    fn cut_normal(&mut self, token: Token, how: Close) {
        let flags = self.slots.owned(token).flags;
        if flags.has(SEND) && how == Close::Orderly && self.queue.has_pending() {
            // What was sent goes as far as it can before the end.
            let flushed = self.queue.flush();
            self.check(flushed);
        }
        self.queue.count_call();
        if !self.slots.owned(token).borrow().is_some_and(|descriptor| cut(descriptor, flags)) {
            self.cancel(token);
        }
    }

    fn close_descriptor(&mut self, token: Token) {
        let entry = Entry::close(self.entry_descriptor(token));
        let slot = self.slots.owned(token);
        slot.flags.set(CLOSE);
        slot.forget_descriptor();
        self.push(entry, Op::Close(token));
    }

    pub(super) fn on_close(&mut self, token: Token, events: &mut Vec<Event>) {
        let slot = self.slots.free(token);
        if slot.flags.is_released() {
            return self.on_release_close(token);
        }
        if token.slot >= self.config.handshake_slots && !slot.flags.has(DIRECT) {
            self.normal_descriptors -= 1;
        }
        events.push(Event::Closed { token });
    }

    /// Asks for a normal descriptor of a direct one, to make system calls on.
    pub(super) fn install(&mut self, token: Token) {
        let Descriptor::Direct(index) = self.entry_descriptor(token) else { return };
        let flags = &mut self.slots.owned(token).flags;
        debug_assert!(flags.has(DIRECT));
        if !flags.has(INSTALL) {
            flags.set(INSTALL);
            self.push(Entry::install(index), Op::Install(token));
        }
    }

    pub(super) fn on_install(&mut self, token: Token, completion: Completion) {
        let slot = self.slots.owned(token);
        slot.flags.clear(INSTALL);
        let flags = slot.flags;
        self.queue.count_call();
        // SAFETY: the result of an install operation that succeeded is a new descriptor that nobody else has.
        let descriptor = completion.outcome().map(|_| unsafe { OwnedFd::from_raw_fd(completion.result) });
        match (flags.exit(), descriptor) {
            (Exit::Leaves { how: Way::Release, .. }, descriptor) => {
                return self.on_release_install(token, descriptor);
            }
            (Exit::Leaves { told: true, .. }, Ok(descriptor)) => {
                if !cut(descriptor.as_fd(), flags) {
                    self.cancel(token);
                }
            }
            // Out of descriptors: the slow ways.
            (Exit::Leaves { told: true, .. }, Err(_)) => self.cancel(token),
            (exit, Ok(descriptor)) => {
                let _ = shutdown(&descriptor, Shutdown::Write);
                if exit == Exit::Shutdown {
                    slot.flags.set_exit(Exit::Stays);
                }
            }
            (_, Err(_)) => return self.shutdown_direct(token),
        }
        self.advance_exit(token);
    }

    /// Says the end of stream by an operation, which the kernel gives to a thread of its own.
    fn shutdown_direct(&mut self, token: Token) {
        let Descriptor::Direct(index) = self.entry_descriptor(token) else { return };
        let flags = &mut self.slots.owned(token).flags;
        if flags.exit() == Exit::Shutdown {
            flags.set_exit(Exit::Stays);
        }
        flags.set(INSTALL);
        self.push(Entry::shutdown(index), Op::Shutdown(token));
    }

    /// Resets the peer and ends what is in flight, without a normal descriptor.
    fn disconnect(&mut self, token: Token) {
        let Descriptor::Direct(index) = self.entry_descriptor(token) else { return };
        self.slots.owned(token).flags.set(INSTALL);
        self.push(Entry::disconnect(index), Op::Disconnect(token));
    }

    /// One of the operations that leaving waits for is over: saying the end of stream, or resetting.
    pub(super) fn on_step(&mut self, token: Token, completion: Completion) {
        let flags = &mut self.slots.owned(token).flags;
        flags.clear(INSTALL);
        if matches!(flags.exit(), Exit::Leaves { told: true, .. }) && completion.outcome().is_err() {
            // Not TCP: there is no reset.
            self.cancel(token);
        }
        self.advance_exit(token);
    }

    /// Cancels what may wait for the peer by user_data, the one way that 5.10 knows too.
    fn cancel(&mut self, token: Token) {
        self.cancel_receive(token);
        if let Some(op) = self.waiting_send(token) {
            self.push_cancel(op);
        }
    }

    pub(super) fn cancel_receive(&mut self, token: Token) {
        let flags = self.slots.owned(token).flags;
        if flags.has(POLL) {
            self.push_cancel(Op::Poll(token));
        }
        if let Some(op) = self.stream_of(token).filter(|_| flags.has(STREAM)) {
            self.push_cancel(op);
        }
    }

    /// The operation of a send that waits for the peer, if one is in flight.
    pub(super) fn waiting_send(&mut self, token: Token) -> Option<Op> {
        if !self.slots.owned(token).flags.has(SEND) {
            return None;
        }
        let (index, _) = self.shared.iter().find(|(_, (owner, _))| *owner == token)?;
        u32::try_from(index).ok().map(Op::SendShared)
    }

    pub(super) fn push_cancel(&mut self, op: Op) {
        self.push(Entry::cancel(op), Op::Cancel);
    }
}

/// Ends both directions of a socket, which completes whatever waits on it. Whether that worked.
fn cut(descriptor: BorrowedFd<'_>, flags: Flags) -> bool {
    if matches!(flags.exit(), Exit::Leaves { how: Way::Close(Close::Reset), .. }) {
        if connect_unspec(descriptor).is_ok() {
            return true;
        }
        // Zero seconds: close(2) then drops what is unsent and resets (socket(7), SO_LINGER).
        let _ = set_socket_linger(descriptor, Some(Duration::ZERO));
    }
    !flags.has(POLL | READ | STREAM | SEND) || shutdown(descriptor, Shutdown::Both).is_ok()
}
