//! The record of an opening handshake: what is known of a peer, and how far it has come.

use std::os::fd::OwnedFd;
use std::time::Instant;

use holdfast_proto::AcceptKey;
use holdfast_proto::deflate::Agreement;

use super::refusal::Refusal;
use crate::ConnectionId;
use crate::handle::{Origin, RequestPermit};
use crate::observe::access_log::Asked;

/// A peer that is not a connection yet, or never will be.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) generation: u32,
    /// Second of the shard's clock at which it is given up.
    pub(crate) deadline: u32,
    /// Second from which on it has to have sent its request if others wait for its slot.
    pub(super) evictable_from: u32,
    pub(super) accepted: Instant,
    pub(super) origin: Origin,
    /// What it asks for, as far as that is known, if it is to be logged.
    pub(super) asked: Option<Box<Asked>>,
    pub(super) stage: Stage,
    /// Whether the driver was asked for the next bytes and has not answered.
    pub(super) receiving: bool,
}

/// How far it is on its way to a connection, or to an end without one.
#[derive(Debug)]
pub(super) enum Stage {
    /// Something of it is to come.
    Reading(Reading),
    /// The application will answer later.
    Deferred(Box<Deferred>),
    /// It recovers a connection that has still a socket: until that is closed.
    Recovering(Box<Recovering>),
    /// Its request is for the control side, or for another shard: the driver was asked for the descriptor.
    HandedOff(Box<HandedOff>),
    /// The answer, which is not 101, is on its way; or there is none, and the end is.
    Refusing,
    /// It has gone: read and discard until the peer closes.
    Lingering { discarded: usize },
    /// The driver was asked to close.
    Released,
}

/// What is being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) expects: Expects,
    /// What came of it so far.
    pub(super) came: Vec<u8>,
    /// What it will hear once its request has come, where it was turned away before.
    pub(super) refusal: Option<Refusal>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expects {
    /// A proxy says for whom it connects.
    ProxyHeader,
    /// The head of a request.
    Head,
}

/// What goes along with a descriptor.
#[derive(Debug)]
pub(super) struct HandedOff {
    /// All that came.
    pub(super) bytes: Vec<u8>,
    pub(super) origin: Origin,
    pub(super) to: Destination,
}

/// To whom a descriptor goes.
#[derive(Debug)]
pub(super) enum Destination {
    /// To the control side, in this place.
    Control(RequestPermit),
    /// To the shard that has the connection that it recovers.
    Shard(u16),
}

/// What is needed to recover a connection a little later.
#[derive(Debug)]
pub(super) struct Recovering {
    pub(super) id: ConnectionId,
    pub(super) terms: Terms,
    pub(super) subprotocol: Option<String>,
    /// What the peer sent behind its head.
    pub(super) rest: Vec<u8>,
}

/// What is needed to answer later.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) terms: Terms,
    /// What the peer sent behind its head.
    pub(super) rest: Vec<u8>,
    /// The connection that it may become, where that has its id already.
    pub(super) reserved: Option<ConnectionId>,
}

impl Handshake {
    pub(super) fn new(generation: u32, deadline: u32, accepted: Instant, reading: Reading) -> Self {
        Self {
            generation,
            deadline,
            evictable_from: u32::MAX,
            accepted,
            origin: Origin::default(),
            asked: None,
            stage: Stage::Reading(reading),
            receiving: false,
        }
    }

    /// Since when its slot would be of more use to another, if it is of none to itself.
    pub(super) fn in_the_way(&self, now: u32) -> Option<u32> {
        (self.is_awaited() && now >= self.evictable_from).then_some(self.evictable_from)
    }

    /// Whether the rest of its request is to come.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self.stage, Stage::Reading(_))
    }

    /// Whether it may still become a connection.
    pub(crate) fn is_open(&self) -> bool {
        match &self.stage {
            Stage::Reading(reading) => reading.refusal.is_none(),
            Stage::Deferred(_) => true,
            _ => false,
        }
    }

    /// Whether it waits for a connection.
    #[cfg(test)]
    pub(in crate::shard) fn is_recovering(&self) -> bool {
        self.recovers().is_some()
    }

    /// The connection that it waits for.
    pub(super) fn recovers(&self) -> Option<ConnectionId> {
        match &self.stage {
            Stage::Recovering(recovering) => Some(recovering.id),
            _ => None,
        }
    }

    /// What it will hear once its request has come, where it was turned away before.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match &self.stage {
            Stage::Reading(reading) => reading.refusal,
            _ => None,
        }
    }

    /// The connection that it may become, where that has its id already.
    pub(in crate::shard) fn reserved(&self) -> Option<ConnectionId> {
        match &self.stage {
            Stage::Deferred(deferred) => deferred.reserved,
            _ => None,
        }
    }

    /// The application asks for more time: until this second of the shard's clock.
    pub(in crate::shard) fn postpone(&mut self, deadline: u32) {
        if matches!(self.stage, Stage::Deferred(_)) {
            self.deadline = deadline;
        }
    }

    /// What it is to send next, while something is.
    pub(super) fn expects(&self) -> Option<Expects> {
        match &self.stage {
            Stage::Reading(reading) => Some(reading.expects),
            _ => None,
        }
    }
}

/// A peer that waits for its opening handshake.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(super) descriptor: OwnedFd,
    pub(super) accepted: Instant,
    pub(super) origin: Origin,
    /// What it has sent already, where it comes back from the control side.
    pub(super) bytes: Option<Vec<u8>>,
}

/// What a 101 answer says, whatever the application's verdict adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) key: AcceptKey,
    pub(super) deflate: Option<Agreement>,
    /// Index of the one of `subprotocols` that the peer offers and the gateway prefers.
    pub(super) subprotocol: Option<usize>,
}
