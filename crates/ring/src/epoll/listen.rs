//! Accepting with plain accept4(2), a bounded number of peers each turn.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::{Epoll, KIND_LISTENER};
use crate::listener::{Backoff, empty_queue};
use crate::{Event, ListenerId};

/// Most peers accepted in one turn from one listener.
const ACCEPTS_PER_TURN: usize = 64;
/// Flags of an accepted socket.
const ACCEPTED: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// A listening socket, watched level-triggered.
#[derive(Debug)]
pub(crate) struct Listener {
    /// `None` once it is closed.
    socket: Option<OwnedFd>,
    ending: bool,
    backoff: Backoff,
}

impl Epoll {
    pub(super) fn add_listener(&mut self, socket: OwnedFd) -> rustix::io::Result<ListenerId> {
        let id = ListenerId(u16::try_from(self.listeners.len()).unwrap_or(u16::MAX));
        fcntl_setfl(&socket, fcntl_getfl(&socket)? | OFlags::NONBLOCK)?;
        self.watch(id, &socket)?;
        self.listeners.push(Listener { socket: Some(socket), ending: false, backoff: Backoff::default() });
        Ok(id)
    }

    pub(super) fn end_listener(&mut self, id: ListenerId) {
        self.listeners[usize::from(id.0)].ending = true;
    }

    fn watch(&self, id: ListenerId, socket: &OwnedFd) -> rustix::io::Result<()> {
        let data = epoll::EventData::new_u64(KIND_LISTENER << 32 | u64::from(id.0));
        // Another shard's descriptor of the same address wakes for its own peers only (SO_REUSEPORT).
        epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)
    }

    pub(super) fn accept(&mut self, index: usize, events: &mut Vec<Event>) {
        let id = ListenerId(u16::try_from(index).unwrap_or(u16::MAX));
        for _ in 0..ACCEPTS_PER_TURN {
            let listener = &mut self.listeners[index];
            let Some(socket) = listener.socket.as_ref().filter(|_| !listener.backoff.is_pausing()) else {
                return;
            };
            self.stats.syscalls += 1;
            match accept_with(socket, ACCEPTED) {
                Ok(descriptor) => {
                    listener.backoff.succeeded();
                    events.push(Event::Accepted { listener: id, descriptor });
                }
                Err(Errno::AGAIN) => return,
                Err(error) => {
                    let pause = listener.backoff.failed(error);
                    events.push(Event::AcceptFailed { listener: id, error, pause });
                    if !pause.is_zero() {
                        // Level-triggered, it would be ready in every wait of the pause.
                        let _ = epoll::delete(&self.epoll, socket);
                    }
                }
            }
        }
    }

    /// Goes on with listeners whose pause is over, and closes those that have ended.
    pub(super) fn resume_listeners(&mut self, events: &mut Vec<Event>) {
        for index in 0..self.listeners.len() {
            let id = ListenerId(u16::try_from(index).unwrap_or(u16::MAX));
            let listener = &mut self.listeners[index];
            if listener.ending {
                if let Some(socket) = listener.socket.take() {
                    listener.backoff.cancel();
                    empty_queue(id, &socket, ACCEPTED, events);
                    events.push(Event::Unlistened { listener: id });
                }
            } else if listener.backoff.resume()
                && let Some(socket) = &self.listeners[index].socket
                && let Err(error) = self.watch(id, socket)
            {
                let pause = self.listeners[index].backoff.failed(error);
                events.push(Event::AcceptFailed { listener: id, error, pause });
            }
        }
    }

    /// When the next pause is over.
    pub(super) fn next_resume(&self) -> Option<Duration> {
        self.listeners.iter().filter_map(|listener| listener.backoff.remaining()).min()
    }
}
