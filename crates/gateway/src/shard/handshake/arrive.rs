//! A peer was accepted: a place for it, a slot, and its turn.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use holdfast_ring::{Driver, Token};

use super::record::{Arrival, Expects, Handshake, Reading};
use super::refusal::Refusal;
use crate::application::Application;
use crate::counters::{HandshakeOutcome, Limit};
use crate::handle::{Newcomer, Origin};
use crate::observe::access_log::Asked;
use crate::shard::Shard;
use crate::shard::connection::key_of;
use crate::shard::policy::Policy;

impl<D: Driver, A: Application> Shard<D, A> {
    /// A peer comes for which a place has been claimed here.
    pub(in crate::shard) fn on_newcomer(&mut self, newcomer: Newcomer) {
        self.claimed += 1;
        match newcomer {
            Newcomer::HandedOver(descriptor) => self.on_peer(descriptor, true),
            Newcomer::Back { descriptor, bytes, origin } => self.on_return(descriptor, bytes, origin),
        }
    }

    /// A peer is back whose last request somebody else has served. Its origin is known: no proxy is asked.
    fn on_return(&mut self, descriptor: OwnedFd, bytes: Vec<u8>, origin: Origin) {
        let accepted = self.core.clock.now();
        let arrival = Arrival { descriptor, accepted, origin, bytes: Some(bytes) };
        if self.drain.is_some() { self.turn_back(arrival, Refusal::GOING_AWAY) } else { self.arrive(arrival) }
    }

    /// A peer was accepted here, or handed over by a shard that was full.
    pub(in crate::shard) fn on_peer(&mut self, descriptor: OwnedFd, handed_over: bool) {
        self.core.counters.accepted.add(u64::from(!handed_over));
        let address = self.address_of(&descriptor);
        if !self.may_connect(address) {
            if self.core.is_logged(self.core.counters.accepted.get()) {
                self.core.log_refusal(address, Asked::default(), HandshakeOutcome::Untrusted, None);
            }
            return self.core.counters.handshake(HandshakeOutcome::Untrusted);
        }
        if self.drain.is_some() {
            return self.turn_away(descriptor, Refusal::GOING_AWAY);
        }
        if !handed_over && !self.claim() {
            if let Some(descriptor) = self.hand_over(descriptor) {
                self.core.counters.limit(self.core.policy.connections_limit);
                self.turn_away(descriptor, Refusal::FULL);
            }
            return;
        }
        match self.count(address) {
            Err(limit) => {
                self.core.counters.limit(limit);
                self.turn_away(descriptor, Refusal::of(limit));
            }
            Ok(origin) => {
                let accepted = self.core.clock.now();
                self.arrive(Arrival { descriptor, accepted, origin, bytes: None });
            }
        }
    }

    /// Counts a peer toward what is limited for all shards together.
    fn count(&self, address: Option<IpAddr>) -> Result<Origin, Limit> {
        let mut origin =
            if self.core.policy.proxy_protocol { Origin::default() } else { self.identify(address)? };
        // Where it may be a request it counts when it has turned out to be none.
        if !self.application.takes_requests() {
            self.core.quota.begin_handshake(self.core.clock.now())?;
            origin.is_counted = true;
        }
        Ok(origin)
    }

    pub(super) fn arrive(&mut self, arrival: Arrival) {
        if self.may_begin_handshake() {
            self.begin_handshake(arrival);
        } else {
            self.core.counters.limit(Limit::Handshakes);
            self.waiting.push_back(arrival);
        }
    }

    /// Takes one of this shard's places for a peer, if there is one.
    pub(super) fn claim(&mut self) -> bool {
        let core = &self.core;
        let mut claimed = core.handle.mailbox(core.shard).claim();
        if !claimed {
            // Places may have become free in this very turn.
            self.settle();
            claimed = self.core.handle.mailbox(self.core.shard).claim();
        }
        self.claimed += u32::from(claimed);
        claimed
    }

    /// Gives back the places of those who have ended.
    pub(in crate::shard) fn settle(&mut self) {
        let free = self.claimed.saturating_sub(self.load());
        if free > 0 {
            self.claimed -= free;
            self.core.handle.mailbox(self.core.shard).release(free);
        }
    }

    /// Whether one more may be in its opening handshake. A peer that was refused keeps its slot for a while, so that
    /// slots may be fewer than handshakes-max says.
    pub(super) fn may_begin_handshake(&self) -> bool {
        let deferred = self.deferred_handshakes.saturating_sub(self.core.policy.deferred_max);
        self.open_handshakes + deferred < self.core.policy.handshakes_max
            && self.core.handshakes.len() < self.core.policy.handshake_slots() as usize
    }

    /// How many slots those have that will not become connections.
    pub(super) fn refusals(&self) -> u32 {
        key_of(self.core.handshakes.len()) - self.open_handshakes - self.deferred_handshakes
    }

    /// Connections, and those who may become some.
    pub(in crate::shard) fn load(&self) -> u32 {
        let connections = self.core.len() + self.waiting.len();
        key_of(connections) + self.open_handshakes + self.deferred_handshakes
    }

    pub(super) fn hand_over(&mut self, descriptor: OwnedFd) -> Option<OwnedFd> {
        let back = self.core.handle.hand_over(self.core.shard, descriptor);
        self.core.counters.handed_over.add(u64::from(back.is_none()));
        back
    }

    pub(super) fn begin_handshake(&mut self, Arrival { descriptor, accepted, origin, bytes }: Arrival) {
        let deadline = self.core.clock.second_after(self.core.policy.handshake_timeout);
        let expects = if bytes.is_some() { Expects::Head } else { self.expected_first() };
        let reading = Reading { expects, came: Vec::new(), refusal: None };
        let Ok(key) = self.add_handshake(descriptor, deadline, accepted, reading) else { return };
        self.open_handshakes += 1;
        let wait = self.core.policy.handshake_timeout / Policy::EVICTABLE_SHARE;
        let evictable_from = self.core.clock.second_after(wait);
        let is_logged = self.core.is_logged(self.core.handshakes[key].generation.into());
        let handshake = &mut self.core.handshakes[key];
        handshake.evictable_from = evictable_from;
        handshake.origin = origin;
        handshake.asked = is_logged.then(Box::default);
        match bytes {
            Some(mut bytes) if !bytes.is_empty() => self.read_head(key, &mut bytes),
            _ => self.receive_head(key),
        }
    }

    /// What a peer sends first.
    pub(super) fn expected_first(&self) -> Expects {
        if self.core.policy.proxy_protocol { Expects::ProxyHeader } else { Expects::Head }
    }

    pub(super) fn add_handshake(
        &mut self,
        descriptor: OwnedFd,
        deadline: u32,
        accepted: Instant,
        reading: Reading,
    ) -> rustix::io::Result<usize> {
        let generation = Token::short(self.core.next_owner().generation());
        let key = self.core.handshakes.vacant_key();
        self.driver.adopt(self.handshake_token(key, generation), descriptor)?;
        Ok(self.core.handshakes.insert(Handshake::new(generation, deadline, accepted, reading)))
    }

    /// Lets those go on who waited for an opening handshake to end.
    pub(in crate::shard) fn admit_waiting(&mut self) {
        while self.may_begin_handshake() {
            let Some(arrival) = self.waiting.pop_front() else { return };
            self.begin_handshake(arrival);
        }
    }
}
