//! Accepting on a ring.
//!
//! Peers are accepted with normal descriptors always: accepting directly into a full table loses the peer, since the
//! kernel has taken it from the queue before it finds no slot.

use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::entry::Entry;
use super::op::Op;
use super::queue::Completion;
use super::{Uring, raw};
use crate::listener::{Backoff, empty_queue};
use crate::{Event, ListenerId};

/// Accept operations in flight for each listener where one takes a single peer.
const ACCEPTS_IN_FLIGHT: u8 = 16;

/// A listening socket. Its flags are those of a blocking one, else an accept operation would end with EAGAIN at once.
#[derive(Debug)]
pub(crate) struct Listener {
    /// `None` once it is closed.
    socket: Option<OwnedFd>,
    /// Which of its accept operations are in flight, a bit for each.
    in_flight: u16,
    ending: bool,
    backoff: Backoff,
}

impl Uring {
    pub(super) fn add_listener(&mut self, socket: OwnedFd) -> rustix::io::Result<ListenerId> {
        fcntl_setfl(&socket, fcntl_getfl(&socket)? - OFlags::NONBLOCK)?;
        let id = ListenerId(u16::try_from(self.listeners.len()).unwrap_or(u16::MAX));
        self.listeners.push(Listener {
            socket: Some(socket),
            in_flight: 0,
            ending: false,
            backoff: Backoff::default(),
        });
        self.arm_accept(id);
        Ok(id)
    }

    pub(super) fn end_listener(&mut self, id: ListenerId) {
        let listener = &mut self.listeners[usize::from(id.0)];
        listener.ending = true;
        let in_flight = listener.in_flight;
        for index in (0..ACCEPTS_IN_FLIGHT).filter(|index| in_flight & 1 << index != 0) {
            self.push_cancel(Op::Accept(id, index));
        }
    }

    fn arm_accept(&mut self, id: ListenerId) {
        let multishot = self.capabilities.multishot_accept;
        let wanted = if multishot { 1 } else { ACCEPTS_IN_FLIGHT };
        let listener = &mut self.listeners[usize::from(id.0)];
        let Some(socket) =
            listener.socket.as_ref().filter(|_| !listener.ending && !listener.backoff.is_pausing())
        else {
            return;
        };
        let entry = Entry::accept(raw(socket), multishot);
        let in_flight = listener.in_flight;
        for index in (0..wanted).filter(|index| in_flight & 1 << index == 0) {
            self.listeners[usize::from(id.0)].in_flight |= 1 << index;
            self.push(entry.clone(), Op::Accept(id, index));
        }
    }

    pub(super) fn on_accept(
        &mut self,
        (id, index): (ListenerId, u8),
        completion: Completion,
        events: &mut Vec<Event>,
    ) {
        let listener = &mut self.listeners[usize::from(id.0)];
        if !completion.more() {
            listener.in_flight &= !(1 << index);
        }
        match completion.outcome() {
            Ok(_) => {
                listener.backoff.succeeded();
                // SAFETY: the result of an accept operation that succeeded is a new descriptor that nobody else has.
                let descriptor = unsafe { OwnedFd::from_raw_fd(completion.result) };
                events.push(Event::Accepted { listener: id, descriptor });
            }
            Err(Errno::CANCELED) if listener.ending => {}
            // Of several accepts in flight that fail together, the first begins the pause.
            Err(_) if listener.backoff.is_pausing() => {}
            Err(error) => {
                let pause = listener.backoff.failed(error);
                events.push(Event::AcceptFailed { listener: id, error, pause });
            }
        }
        self.arm_accept(id);
    }

    /// Goes on with listeners whose pause is over, and closes those that have ended.
    pub(super) fn resume_listeners(&mut self, events: &mut Vec<Event>) {
        for index in 0..self.listeners.len() {
            let id = ListenerId(u16::try_from(index).unwrap_or(u16::MAX));
            let listener = &mut self.listeners[index];
            if listener.ending && listener.in_flight == 0 {
                if let Some(socket) = listener.socket.take() {
                    listener.backoff.cancel();
                    empty_queue(id, &socket, SocketFlags::CLOEXEC, events);
                    events.push(Event::Unlistened { listener: id });
                }
            } else if listener.backoff.resume() {
                self.arm_accept(id);
            }
        }
    }

    /// When the next pause is over; at once if a listener is to be closed.
    pub(super) fn next_resume(&self) -> Option<Duration> {
        let remaining = self.listeners.iter().filter_map(|listener| listener.backoff.remaining());
        remaining.min()
    }
}
