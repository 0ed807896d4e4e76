//! Reaching shards from other threads: a mailbox each, and a wake-up.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use holdfast_proto::MessageKind;
use holdfast_ring::Waker;

use crate::application::Verdict;
use crate::{ConnectionId, HandshakeId};

/// Most commands that wait in the mailbox of one shard.
pub const MAILBOX_MAX: usize = 65_536;

/// The mailbox has [`MAILBOX_MAX`] commands waiting, or the shard has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxFull;

impl std::fmt::Display for MailboxFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the shard's mailbox is full")
    }
}

impl std::error::Error for MailboxFull {}

/// What other threads ask of a shard.
#[derive(Debug)]
pub(crate) enum Command {
    Send {
        to: ConnectionId,
        kind: MessageKind,
        payload: Bytes,
    },
    Close {
        id: ConnectionId,
        code: u16,
        reason: String,
    },
    Answer {
        handshake: HandshakeId,
        verdict: Verdict,
    },
    /// A peer that another shard accepted and had no room for.
    Adopt(OwnedFd),
    /// Stop accepting, say goodbye, end.
    Drain,
    /// End now, whatever is open.
    End,
}

/// One shard as the others see it.
#[derive(Debug)]
pub(crate) struct Peer {
    mailbox: Mutex<Vec<Command>>,
    waker: Mutex<Option<Waker>>,
    /// Connections and opening handshakes it holds.
    load: AtomicU32,
    /// How many of them fit.
    capacity: AtomicU32,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            mailbox: Mutex::default(),
            waker: Mutex::default(),
            load: AtomicU32::new(0),
            capacity: AtomicU32::new(0),
        }
    }
}

impl Peer {
    /// The shard is up and can be woken.
    pub(crate) fn start(&self, waker: Waker, capacity: u32) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
        self.capacity.store(capacity, Relaxed);
    }

    /// The shard has ended and takes nothing any more.
    pub(crate) fn end(&self) {
        self.capacity.store(0, Relaxed);
        self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.take_all();
    }

    pub(crate) fn set_load(&self, load: u32) {
        self.load.store(load, Relaxed);
    }

    /// Everything in the mailbox, in order.
    pub(crate) fn take_all(&self) -> Vec<Command> {
        std::mem::take(&mut *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn room(&self) -> u32 {
        self.capacity.load(Relaxed).saturating_sub(self.load.load(Relaxed))
    }

    fn push(&self, command: Command, most: usize) -> Result<(), Command> {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waker) = &*waker else { return Err(command) };
        {
            let mut mailbox = self.mailbox.lock().unwrap_or_else(PoisonError::into_inner);
            if mailbox.len() >= most {
                return Err(command);
            }
            mailbox.push(command);
        }
        waker.wake();
        Ok(())
    }
}

/// Reaches the connections of every shard, from any thread. Cheap to clone.
///
/// What is asked for happens later, in order for each shard. A connection that is gone by then is no error.
#[derive(Clone, Debug)]
pub struct Handle {
    peers: Arc<[Peer]>,
}

impl Handle {
    pub(crate) fn new(shards: usize) -> Self {
        Self { peers: (0..shards).map(|_| Peer::default()).collect() }
    }

    pub(crate) fn peer(&self, shard: u16) -> &Peer {
        &self.peers[usize::from(shard)]
    }

    /// Sends a message to a connection. Text must be valid UTF-8.
    ///
    /// # Errors
    /// When the shard's mailbox is full.
    pub fn send(&self, to: ConnectionId, kind: MessageKind, payload: Bytes) -> Result<(), MailboxFull> {
        self.push(to.shard, Command::Send { to, kind, payload })
    }

    /// Starts the closing handshake with a connection.
    ///
    /// # Errors
    /// When the shard's mailbox is full.
    pub fn close(&self, id: ConnectionId, code: u16, reason: &str) -> Result<(), MailboxFull> {
        self.push(id.shard, Command::Close { id, code, reason: reason.to_owned() })
    }

    /// Answers an opening handshake that was put off. One that has ended meanwhile, by its deadline say, is left alone.
    ///
    /// # Errors
    /// When the shard's mailbox is full.
    pub fn answer(&self, handshake: HandshakeId, verdict: Verdict) -> Result<(), MailboxFull> {
        self.push(handshake.shard, Command::Answer { handshake, verdict })
    }

    /// Begins to drain: every shard stops accepting, answers 503 to those who are queued, closes its connections with
    /// 1001, and ends when all are closed.
    pub fn drain(&self) {
        self.tell_all(|| Command::Drain);
    }

    /// Ends every shard at once, whatever is open.
    pub fn end(&self) {
        self.tell_all(|| Command::End);
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for peer in &*self.peers {
            // One that has ended needs no telling.
            let _ = peer.push(command(), usize::MAX);
        }
    }

    /// Gives a peer's socket to the emptiest of the other shards, or back if none has room.
    pub(crate) fn hand_over(&self, from: u16, descriptor: OwnedFd) -> Option<OwnedFd> {
        let others = self.peers.iter().enumerate().filter(|(index, _)| *index != usize::from(from));
        let Some((_, emptiest)) =
            others.max_by_key(|(_, peer)| peer.room()).filter(|(_, peer)| peer.room() > 0)
        else {
            return Some(descriptor);
        };
        match emptiest.push(Command::Adopt(descriptor), MAILBOX_MAX) {
            Err(Command::Adopt(descriptor)) => Some(descriptor),
            _ => None,
        }
    }

    fn push(&self, shard: u16, command: Command) -> Result<(), MailboxFull> {
        let peer = self.peers.get(usize::from(shard)).ok_or(MailboxFull)?;
        peer.push(command, MAILBOX_MAX).map_err(|_| MailboxFull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_is_not_up_takes_nothing() {
        let handle = Handle::new(1);
        let id = ConnectionId { shard: 0, key: 0, generation: 0 };
        assert_eq!(handle.send(id, MessageKind::Text, Bytes::new()), Err(MailboxFull));
        let elsewhere = ConnectionId { shard: 9, ..id };
        assert_eq!(handle.close(elsewhere, 1000, ""), Err(MailboxFull));
    }
}
