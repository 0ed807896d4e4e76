//! A peer was accepted: a place for it, a slot, and its turn.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use holdfast_ring::Driver;

use super::record::{Arrival, Caller, Handshake, Stage};
use super::refusal::Refusal;
use crate::application::Application;
use crate::counters::{HandshakeOutcome, Limit};
use crate::observe::access_log::Asked;
use crate::shard::Shard;
use crate::shard::policy::Policy;

impl<D: Driver, A: Application> Shard<D, A> {
    /// A peer was accepted here, or handed over by a shard that was full.
    pub(in crate::shard) fn on_peer(&mut self, descriptor: OwnedFd, handed_over: bool) {
        self.core.counters.accepted.add(u64::from(!handed_over));
        // Who hands a peer over has claimed a place for it.
        self.claimed += u32::from(handed_over);
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
            Ok(caller) => self.arrive(Arrival { descriptor, accepted: self.core.clock.now(), caller }),
        }
    }

    /// Counts a peer toward what is limited for all shards together.
    fn count(&self, address: Option<IpAddr>) -> Result<Caller, Limit> {
        let caller =
            if self.core.policy.proxy_protocol { Caller::default() } else { self.identify(address)? };
        self.core.quota.begin_handshake(self.core.clock.now())?;
        Ok(caller)
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
        self.open_handshakes < self.core.policy.handshakes_max
            && self.core.handshakes.len() < self.core.policy.handshake_slots() as usize
    }

    /// How many slots those have that will not become connections.
    pub(super) fn refusals(&self) -> u32 {
        u32::try_from(self.core.handshakes.len()).unwrap_or(u32::MAX) - self.open_handshakes
    }

    /// Connections, and those who may become some.
    pub(in crate::shard) fn load(&self) -> u32 {
        let connections = self.core.connections.len() + self.waiting.len();
        u32::try_from(connections).unwrap_or(u32::MAX).saturating_add(self.open_handshakes)
    }

    pub(super) fn hand_over(&mut self, descriptor: OwnedFd) -> Option<OwnedFd> {
        let back = self.core.handle.hand_over(self.core.shard, descriptor);
        self.core.counters.handed_over.add(u64::from(back.is_none()));
        back
    }

    pub(super) fn begin_handshake(&mut self, Arrival { descriptor, accepted, caller }: Arrival) {
        let deadline = self.core.clock.second_after(self.core.policy.handshake_timeout);
        let stage = Stage::Reading(Vec::new());
        if let Ok(key) = self.add_handshake(descriptor, deadline, accepted, stage) {
            self.open_handshakes += 1;
            let wait = self.core.policy.handshake_timeout / Policy::EVICTABLE_SHARE;
            self.core.handshakes[key].evictable_from = self.core.clock.second_after(wait);
            self.core.handshakes[key].caller = caller;
            let generation = self.core.handshakes[key].generation;
            self.core.handshakes[key].asked = self.core.is_logged(generation.into()).then(Box::default);
            self.core.handshakes[key].proxy_header_due = self.core.policy.proxy_protocol;
            self.receive_head(key);
        }
    }

    pub(super) fn add_handshake(
        &mut self,
        descriptor: OwnedFd,
        deadline: u32,
        accepted: Instant,
        stage: Stage,
    ) -> rustix::io::Result<usize> {
        let generation = self.core.next_generation();
        let key = self.core.handshakes.vacant_key();
        self.driver.adopt(self.handshake_token(key, generation), descriptor)?;
        Ok(self.core.handshakes.insert(Handshake::new(generation, deadline, accepted, stage)))
    }

    /// Lets those go on who waited for an opening handshake to end.
    pub(in crate::shard) fn admit_waiting(&mut self) {
        while self.may_begin_handshake() {
            let Some(arrival) = self.waiting.pop_front() else { return };
            self.begin_handshake(arrival);
        }
    }
}
