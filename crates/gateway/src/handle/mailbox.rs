//! A shard's mailbox: what is asked of it, and how much room it has.

use std::any::Any;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use holdfast_hub::Hub;
use holdfast_proto::MessageKind;
use holdfast_ring::Waker;

use super::origin::Origin;
use super::plan::DrainPlan;
use super::wakes;
use crate::admission::Verdict;
use crate::publish::{Forms, LineRoom, Part, Prepared};
use crate::{ConnectionId, HandshakeId};

/// Most commands that wait in the mailbox of one shard.
pub const MAILBOX_MAX: usize = 65_536;

/// Why a shard does not take what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// [`MAILBOX_MAX`] commands wait in its mailbox: later there is room again.
    MailboxFull,
    /// The shard has ended.
    ShardEnded,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MailboxFull => "the shard's mailbox is full",
            Self::ShardEnded => "the shard has ended",
        })
    }
}

impl std::error::Error for NotTaken {}

/// For whom something is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every connection, in a hub or not.
    Everyone,
    /// Every connection of a hub.
    Hub(Hub),
    /// The members of a group.
    Group(Hub, Arc<str>),
    /// The connections of a user.
    User(Hub, Arc<str>),
}

/// What other threads ask of a shard.
#[derive(Debug)]
pub(crate) enum Command {
    Send {
        to: ConnectionId,
        kind: MessageKind,
        payload: Bytes,
    },
    SendPrepared {
        to: ConnectionId,
        message: Prepared,
    },
    /// To many connections.
    Publish {
        to: Audience,
        excluded: Box<[ConnectionId]>,
        message: Forms,
        part: Part,
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
    /// Something for the shard's application.
    Tell(Box<dyn Any + Send>),
    /// A peer for which a place has been claimed here.
    Adopt(Newcomer),
    /// A peer that recovers a connection of this shard, with what it has sent. It needs no place.
    Recover {
        descriptor: OwnedFd,
        bytes: Vec<u8>,
        origin: Origin,
    },
    /// Take nobody in any more, say goodbye to those who are there.
    Drain(DrainPlan),
    /// Take back a drain that is not for the end.
    Resume,
    /// All shards are drained: close the listeners.
    Unlisten,
    /// End now, whatever is open.
    End,
}

/// A peer that comes to a shard by another way than its listeners.
#[derive(Debug)]
pub(crate) enum Newcomer {
    /// Another shard accepted it and had no room for it.
    HandedOver(OwnedFd),
    /// It has been here before, and sent these bytes of its next request.
    Back { descriptor: OwnedFd, bytes: Vec<u8>, origin: Origin },
}

/// No shard has room: what was to be served comes back.
#[derive(Debug)]
pub struct NotServed {
    /// The peer's socket.
    pub descriptor: OwnedFd,
    /// What it has sent.
    pub bytes: Vec<u8>,
    /// Whose connection it is.
    pub origin: Origin,
}

/// One shard as the others see it.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    commands: Mutex<Vec<Command>>,
    phase: Mutex<Phase>,
    /// Places taken: by what the shard holds, and by peers that are on their way to it.
    taken: AtomicU32,
    /// How many places there are.
    capacity: AtomicU32,
    /// A drain for the end has left it with nothing, or it has ended.
    pub(super) drained: AtomicBool,
    /// What it has accepted for many and not finished, what is in its mailbox included.
    pub(super) line: LineRoom,
}

/// How far a shard is.
#[derive(Debug, Default)]
enum Phase {
    /// It will look into its mailbox when it is up.
    #[default]
    Starting,
    /// It looks when it is woken.
    Up(Waker),
    /// It will not look any more.
    Ended,
}

impl Mailbox {
    pub(super) fn with_line(publications_max: u32, bytes_max: usize) -> Self {
        Self { line: LineRoom::of(publications_max, bytes_max), ..Self::default() }
    }

    /// There will be a shard with so many places.
    pub(crate) fn open(&self, capacity: u32) {
        self.capacity.store(capacity, Relaxed);
    }

    /// The shard is up and can be woken. What it was told before wakes it at once.
    pub(crate) fn start(&self, waker: Waker) {
        waker.wake();
        *self.phase() = Phase::Up(waker);
    }

    /// The shard takes no peers any more.
    pub(crate) fn shut(&self) {
        self.capacity.store(0, Relaxed);
    }

    /// The shard has ended and takes nothing any more. Returns what was in its mailbox.
    pub(crate) fn end(&self) -> Vec<Command> {
        self.shut();
        *self.phase() = Phase::Ended;
        self.take_all()
    }

    /// Takes a place for one peer, if there is one: for a peer of the shard's own, or for one that is handed to it.
    pub(crate) fn claim(&self) -> bool {
        let capacity = self.capacity.load(Relaxed);
        let claim = |taken: u32| (taken < capacity).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, claim).is_ok()
    }

    /// Gives places back.
    pub(crate) fn release(&self, count: u32) {
        self.taken.fetch_sub(count, Relaxed);
    }

    /// Asks the shard with this number for its part of what is published.
    pub(super) fn publish(
        &self,
        shard: u16,
        to: &Audience,
        excluded: &[ConnectionId],
        message: &Forms,
        part: Part,
    ) {
        let there = excluded.iter().filter(|id| id.shard == shard);
        let (to, excluded, message) = (to.clone(), there.copied().collect(), message.clone());
        // One that has ended drops its part, and so ends it. There is no more room to ask for than a place.
        let _ = self.push(Command::Publish { to, excluded, message, part }, usize::MAX);
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(Relaxed)
    }

    /// Everything in the mailbox, in order.
    pub(crate) fn take_all(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn room(&self) -> u32 {
        self.capacity.load(Relaxed).saturating_sub(self.taken.load(Relaxed))
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command into the mailbox, or gives it back when there are `most` already or the shard has ended.
    pub(super) fn push(&self, command: Command, most: usize) -> Result<(), (NotTaken, Command)> {
        // Held until the command is in the mailbox: a shard that starts or ends meanwhile finds it there.
        let phase = self.phase();
        if matches!(*phase, Phase::Ended) {
            return Err((NotTaken::ShardEnded, command));
        }
        {
            let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            if commands.len() >= most {
                return Err((NotTaken::MailboxFull, command));
            }
            commands.push(command);
        }
        if let Phase::Up(waker) = &*phase {
            wakes::wake(waker);
        }
        Ok(())
    }
}
