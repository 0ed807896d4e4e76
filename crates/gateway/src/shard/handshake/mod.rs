//! Opening handshakes: from an accepted socket to an open connection, or to an answer that says why not.
//!
//! In the order of the path: [`arrive`] gives an accepted peer its place, [`proxy`] and [`caller`] find out whom it is
//! for, [`head`] reads what it asks for and answers, [`refuse`] ends those that do not become connections,
//! [`turned_away`] those that were not to be served whatever they ask for, and [`deadline`] those that take too long.

mod arrive;
mod caller;
mod deadline;
mod head;
mod proxy;
mod refuse;
mod turned_away;

use std::os::fd::OwnedFd;
use std::time::Instant;

use holdfast_proto::AcceptKey;
use holdfast_proto::deflate::Agreement;
use holdfast_ring::{Driver, Token};

use super::Shard;
use crate::HandshakeId;
use crate::access::Asked;
use crate::application::Application;
use crate::counters::Limit;
use caller::Caller;

/// A peer that is not a connection yet, or never will be.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) generation: u32,
    /// Second of the shard's clock at which it is given up.
    pub(crate) deadline: u32,
    /// Second from which on it has to have sent its request if others wait for its slot.
    evictable_from: u32,
    accepted: Instant,
    caller: Caller,
    /// What it asks for, as far as that is known, if it is to be logged.
    asked: Option<Box<Asked>>,
    /// What it will hear once its request has come, where it was turned away before.
    refusal: Option<Refusal>,
    stage: Stage,
    /// Whether a proxy is still to say for whom it connects.
    proxy_header_due: bool,
    /// Whether the driver was asked for the next bytes and has not answered.
    receiving: bool,
}

#[derive(Debug)]
enum Stage {
    /// What came of the head so far.
    Reading(Vec<u8>),
    /// The application will answer later.
    Deferred(Box<Deferred>),
    /// The answer, which is not 101, is on its way.
    Refusing,
    /// It has gone: read and discard until the peer closes.
    Lingering { discarded: usize },
    /// The driver was asked to close.
    Released,
}

/// The answer to a newcomer that is not to be served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    status: u16,
    text: &'static str,
}

impl Refusal {
    const FULL: Self = Self { status: 503, text: "all connections are taken, please try again later" };
    /// What newcomers hear while the gateway drains.
    pub(super) const GOING_AWAY: Self =
        Self { status: 503, text: "the gateway is going away, please connect again" };

    /// What a newcomer hears that passes a limit.
    fn of(limit: Limit) -> Self {
        match limit {
            Limit::AddressConnections => Self { status: 429, text: "too many connections from this address" },
            _ => Self { status: 503, text: "too many connections at once, please try again later" },
        }
    }
}

/// What is needed to answer later.
#[derive(Debug)]
struct Deferred {
    terms: Terms,
    /// What the peer sent behind its head.
    rest: Vec<u8>,
}

impl Handshake {
    fn new(generation: u32, deadline: u32, accepted: Instant, stage: Stage) -> Self {
        Self {
            generation,
            deadline,
            evictable_from: u32::MAX,
            accepted,
            caller: Caller::default(),
            asked: None,
            refusal: None,
            stage,
            proxy_header_due: false,
            receiving: false,
        }
    }

    /// Since when its slot would be of more use to another, if it is of none to itself.
    fn in_the_way(&self, now: u32) -> Option<u32> {
        (self.is_awaited() && now >= self.evictable_from).then_some(self.evictable_from)
    }

    /// Whether the rest of its request is to come.
    fn is_awaited(&self) -> bool {
        matches!(self.stage, Stage::Reading(_))
    }

    /// Whether it may still become a connection.
    pub(crate) fn is_open(&self) -> bool {
        self.refusal.is_none() && matches!(self.stage, Stage::Reading(_) | Stage::Deferred(_))
    }
}

/// A peer that waits for its opening handshake.
#[derive(Debug)]
pub(crate) struct Arrival {
    descriptor: OwnedFd,
    accepted: Instant,
    caller: Caller,
}

/// What a 101 answer says, whatever the application's verdict adds.
#[derive(Clone, Copy, Debug)]
struct Terms {
    key: AcceptKey,
    deflate: Option<Agreement>,
    /// Index of the one of `subprotocols` that the peer offers and the gateway prefers.
    subprotocol: Option<usize>,
}

impl<D: Driver, A: Application> Shard<D, A> {
    fn handshake_token(&self, key: usize, generation: u32) -> Token {
        Token { slot: u32::try_from(key).unwrap_or(u32::MAX), generation }
    }

    fn token_of(&self, key: usize) -> Token {
        self.handshake_token(key, self.core.handshakes[key].generation)
    }

    fn handshake_id(&self, key: usize) -> HandshakeId {
        let token = self.token_of(key);
        HandshakeId { shard: self.core.shard, key: token.slot, generation: token.generation }
    }
}
