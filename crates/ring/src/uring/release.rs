//! Releasing on a ring: end what is in flight, then give the descriptor back alive.
//!
//! Closing ends an armed poll by shutdown(2), which the peer would hear: here it is cancelled by its name, although the
//! kernel looks through a hash of at most 256 buckets for it.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::Uring;
use super::entry::{Descriptor, Entry};
use super::exit::{Exit, Way};
use super::op::Op;
use super::{CLOSE, POLL, READ, STREAM, WAITING};
use crate::{Event, Token};

/// What is kept of a slot that is being released.
#[derive(Debug, Default)]
pub(super) struct Release {
    /// Read, and not told.
    pub(super) unread: Vec<u8>,
    /// The normal descriptor that was made of the direct one.
    descriptor: Option<OwnedFd>,
}

impl Uring {
    pub(super) fn begin_release(&mut self, token: Token) {
        let flags = &mut self.slots.owned(token).flags;
        debug_assert!(flags.exit() == Exit::Stays, "neither closed nor released, and no end of stream said");
        flags.clear(WAITING);
        flags.set_exit(Exit::Leaves { how: Way::Release, told: false });
        let unread = self.take_held(token);
        self.releases.insert(token, Release { unread, descriptor: None });
        self.advance_exit(token);
    }

    /// Ends what is in flight, as far as nothing is lost by it.
    pub(super) fn stop(&mut self, token: Token) {
        self.cancel_receive(token);
        if self.tells_how_far()
            && let Some(op) = self.waiting_send(token)
        {
            self.push_cancel(op);
        }
    }

    /// Whether all that is in flight is a send that waits, of which the kernel would not say how much has gone.
    pub(super) fn cannot_stop(&mut self, token: Token) -> bool {
        let receives = self.slots.owned(token).flags.has(POLL | READ | STREAM);
        !receives && !self.tells_how_far() && self.waiting_send(token).is_some()
    }

    /// Whether a send that is cancelled tells how much has gone. Until 6.1 it fails with ECANCELED whatever went (seen
    /// on 5.10.262); deferred task run came with 6.1 too.
    fn tells_how_far(&self) -> bool {
        self.capabilities.defer_taskrun
    }

    /// The slot stays: there is no descriptor for the caller.
    pub(super) fn keep(&mut self, token: Token, error: Errno) {
        self.slots.owned(token).flags.set_exit(Exit::Stays);
        self.tell_release(token, Err(error));
    }

    /// Keeps what was read for a slot that is being released.
    pub(super) fn keep_unread(&mut self, token: Token, bytes: &[u8]) {
        self.releases.entry(token).or_default().unread.extend_from_slice(bytes);
    }

    /// Nothing is in flight any more: a direct descriptor needs a normal one first.
    pub(super) fn release_descriptor(&mut self, token: Token) {
        match self.entry_descriptor(token) {
            Descriptor::Direct(_) => self.install(token),
            Descriptor::Normal(_) => {
                let mut slot = self.slots.free(token);
                if token.slot >= self.config.handshake_slots {
                    self.normal_descriptors -= 1;
                }
                self.tell_release(token, slot.take_descriptor().ok_or(Errno::BADF));
            }
        }
    }

    /// There is a normal descriptor of the direct one, or there is none for it.
    pub(super) fn on_release_install(&mut self, token: Token, installed: rustix::io::Result<OwnedFd>) {
        match (installed, self.entry_descriptor(token)) {
            (Ok(descriptor), entry) => {
                self.releases.entry(token).or_default().descriptor = Some(descriptor);
                self.slots.owned(token).flags.set(CLOSE);
                self.push(Entry::close(entry), Op::Close(token));
            }
            (Err(error), _) => self.keep(token, error),
        }
    }

    /// The direct descriptor is closed, and the slot free.
    pub(super) fn on_release_close(&mut self, token: Token) {
        let descriptor = self.releases.get_mut(&token).and_then(|release| release.descriptor.take());
        self.tell_release(token, descriptor.ok_or(Errno::BADF));
    }

    fn tell_release(&mut self, token: Token, descriptor: rustix::io::Result<OwnedFd>) {
        let unread = self.releases.remove(&token).unwrap_or_default().unread;
        self.early.push(Event::Released { token, descriptor, unread });
    }
}
