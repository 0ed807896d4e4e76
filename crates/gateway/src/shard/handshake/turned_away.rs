//! Newcomers that will not be served, whatever they ask for: the gateway is full, or drains.
//!
//! Requests that ask for no WebSocket are served all the same, where somebody takes them: they take no place.
//!
//! The others are answered when their request has come. A proxy that keeps connections open in advance takes an answer
//! that comes before it has asked for a broken server, and may hand it to another client (RFC 9112 9.2).

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use holdfast_proto::proxy::{ProxyStatus, parse_proxy};
use holdfast_proto::{HeadStatus, parse_head};
use holdfast_ring::Driver;
use rustix::net::{RecvFlags, recv};

use super::record::{Arrival, Expects, Handshake, Reading, Stage};
use super::refusal::Refusal;
use crate::application::Application;
use crate::counters::{HandshakeOutcome, Limit};
use crate::handle::Origin;
use crate::observe::access_log::Asked;
use crate::shard::Shard;
use crate::shard::output::send_off;
use crate::shard::policy::Policy;

/// What is read of a request at once; more than most have.
const REQUEST_BYTES: usize = 4096;

impl<D: Driver, A: Application> Shard<D, A> {
    /// Answers a newcomer that is not to be served: at once if its request is there, else on a slot of its own when
    /// that has come. Where as many as may be have one already, it is answered without its request.
    pub(in crate::shard) fn turn_away(&mut self, descriptor: OwnedFd, refusal: Refusal) {
        let mut memory = [0; REQUEST_BYTES];
        let request = take_in(&descriptor, &mut memory);
        let is_request = self.behind_proxy_header(request).is_some_and(|it| self.turns_out_a_request(it));
        if is_request && !self.core.policy.proxy_protocol {
            let origin = self.origin_of(self.address_of(&descriptor));
            return self.hand_in(descriptor, request.to_vec(), origin);
        }
        // What more there may be would reset the connection, and the answer be lost.
        let recovers = self.behind_proxy_header(request).is_some_and(|it| self.asks_for_recovery(it));
        if !is_request && !recovers && request.len() < REQUEST_BYTES && self.is_whole(request) {
            return self.answer_at_once(&descriptor, request, refusal);
        }
        if self.refusals() >= Self::refusals_max(recovers) {
            self.core.counters.refused_early.add(1);
            return self.answer_at_once(&descriptor, request, refusal);
        }
        let origin = self.origin_of(self.address_of(&descriptor));
        self.hear_first(descriptor, origin, self.expected_first(), request, refusal);
    }

    /// The same for one that came back from the control side, which is known.
    pub(super) fn turn_back(&mut self, arrival: Arrival, refusal: Refusal) {
        let Arrival { descriptor, origin, bytes, .. } = arrival;
        let mut bytes = bytes.unwrap_or_default();
        if self.turns_out_a_request(&bytes) {
            return self.hand_in(descriptor, bytes, origin);
        }
        let recovers = self.asks_for_recovery(&bytes);
        let is_whole =
            !recovers && !matches!(parse_head(&bytes, &self.core.policy.head), Ok(HeadStatus::NeedMore));
        if is_whole || self.refusals() >= Self::refusals_max(recovers) {
            self.core.counters.refused_early.add(u64::from(!is_whole));
            return self.answer_now(&descriptor, &bytes, origin.address, refusal);
        }
        let origin = Origin { permit: origin.permit.filter(|_| recovers), ..origin };
        self.hear_first(descriptor, origin, Expects::Head, &mut bytes, refusal);
    }

    /// How many may have slots that were turned away. Some slots are for those alone who recover a connection.
    const fn refusals_max(recovers: bool) -> u32 {
        Policy::REFUSALS_MAX + if recovers { Policy::RECOVERIES_MAX } else { 0 }
    }

    /// Gives a slot to one that will be refused, until its request has come.
    fn hear_first(
        &mut self,
        descriptor: OwnedFd,
        origin: Origin,
        expects: Expects,
        request: &mut [u8],
        refusal: Refusal,
    ) {
        let deadline = self.core.clock.second_after(Policy::REFUSAL_TIME);
        let reading = Reading { expects, came: Vec::new(), refusal: Some(refusal) };
        let Ok(key) = self.add_handshake(descriptor, deadline, self.core.clock.now(), reading) else {
            return;
        };
        let is_logged = self.core.is_logged(self.core.counters.accepted.get());
        let handshake = &mut self.core.handshakes[key];
        handshake.origin = origin;
        handshake.asked = is_logged.then(Box::default);
        if request.is_empty() { self.receive_head(key) } else { self.read_head(key, request) }
    }

    /// Turns away one that has a slot already, unless its request is one that is served all the same. Whether there is
    /// room for it among those.
    pub(super) fn turn_away_later(&mut self, key: usize, limit: Limit) -> bool {
        if self.core.handshakes[key].refusal().is_some() {
            return true;
        }
        if self.refusals() >= Policy::REFUSALS_MAX + Policy::RECOVERIES_MAX {
            return false;
        }
        self.leave_opening(key);
        if let Stage::Reading(reading) = &mut self.core.handshakes[key].stage {
            reading.refusal = Some(Refusal::of(limit));
        }
        true
    }

    /// The end was ordered: answers a newcomer as far as that goes at once.
    pub(in crate::shard) fn turn_away_at_once(&mut self, descriptor: &OwnedFd) {
        let mut memory = [0; REQUEST_BYTES];
        let request = take_in(descriptor, &mut memory);
        self.answer_at_once(descriptor, request, Refusal::GOING_AWAY);
    }

    /// The same for one that is known, and has sent these bytes.
    pub(in crate::shard) fn turn_back_at_once(
        &self,
        descriptor: &OwnedFd,
        bytes: &[u8],
        address: Option<IpAddr>,
    ) {
        self.answer_now(descriptor, bytes, address, Refusal::GOING_AWAY);
    }

    /// A drain began: those who are not connections yet are turned away.
    pub(in crate::shard) fn turn_away_handshakes(&mut self) {
        let Refusal { status, text } = Refusal::GOING_AWAY;
        let deadline = self.core.clock.second_after(Policy::REFUSAL_TIME);
        for key in self.handshakes_that(|it| it.is_open() || it.recovers().is_some()) {
            if self.core.handshakes[key].is_awaited() {
                self.leave_opening(key);
            }
            let handshake = &mut self.core.handshakes[key];
            if let Stage::Reading(reading) = &mut handshake.stage {
                reading.refusal = Some(Refusal::GOING_AWAY);
                handshake.deadline = handshake.deadline.min(deadline);
                handshake.evictable_from = u32::MAX;
                handshake.origin.permit = None;
            } else {
                self.refuse(key, status, text);
            }
        }
        while let Some(arrival) = self.waiting.pop_front() {
            match arrival.bytes {
                None => self.turn_away(arrival.descriptor, Refusal::GOING_AWAY),
                Some(_) => self.turn_back(arrival, Refusal::GOING_AWAY),
            }
        }
    }

    /// The end was ordered: whoever is not a connection yet is told so, whether it has asked or not.
    pub(in crate::shard) fn refuse_handshakes(&mut self) {
        let Refusal { status, text } = Refusal::GOING_AWAY;
        let is_here = |it: &Handshake| it.is_open() || it.refusal().is_some() || it.recovers().is_some();
        for key in self.handshakes_that(is_here) {
            self.refuse(key, status, text);
        }
        while let Some(arrival) = self.waiting.pop_front() {
            match &arrival.bytes {
                None => self.turn_away_at_once(&arrival.descriptor),
                Some(bytes) => self.turn_back_at_once(&arrival.descriptor, bytes, arrival.origin.address),
            }
        }
    }

    fn handshakes_that(&self, wanted: impl Fn(&Handshake) -> bool) -> Vec<usize> {
        self.core.handshakes.iter().filter(|(_, it)| wanted(it)).map(|(key, _)| key).collect()
    }

    /// Looks at all that came of the request of one that is turned away.
    pub(super) fn read_refused_head(&mut self, key: usize, input: &mut [u8]) {
        if self.turns_out_a_request(input) {
            return self.hand_off(key, input);
        }
        if self.asks_for_recovery(input) {
            return self.read_whole_head(key, input);
        }
        let handshake = &mut self.core.handshakes[key];
        let Some(Refusal { status, text }) = handshake.refusal() else { return };
        match parse_head(input, &self.core.policy.head) {
            Ok(HeadStatus::NeedMore) => return self.read_on(key, input),
            Ok(HeadStatus::Upgrade { request, .. }) => {
                if let Some(asked) = &mut handshake.asked {
                    **asked = Asked::new(request.path(), request.origin());
                }
            }
            // It is no opening handshake, nor for anybody else, and hears the same.
            Ok(HeadStatus::Plain { .. }) | Err(_) => {}
        }
        self.refuse(key, status, text);
    }

    /// Whether all of a request is there, or enough to see that it is none.
    fn is_whole(&self, input: &[u8]) -> bool {
        let request = self.behind_proxy_header(input);
        request.is_some_and(|it| !matches!(parse_head(it, &self.core.policy.head), Ok(HeadStatus::NeedMore)))
    }

    /// The client's own bytes, behind what its proxy says of it where that is due.
    fn behind_proxy_header<'b>(&self, input: &'b [u8]) -> Option<&'b [u8]> {
        if !self.core.policy.proxy_protocol {
            return Some(input);
        }
        match parse_proxy(input) {
            Ok(ProxyStatus::Complete { header_len, .. }) => Some(&input[header_len..]),
            Ok(ProxyStatus::NeedMore) | Err(_) => None,
        }
    }

    /// Sends the answer from here, and closes. `input` may begin with what a proxy says.
    fn answer_at_once(&self, descriptor: &OwnedFd, input: &[u8], refusal: Refusal) {
        let request = self.behind_proxy_header(input).unwrap_or_default();
        self.answer_now(descriptor, request, self.address_of(descriptor), refusal);
    }

    /// The same, where the address is known and `request` is the client's own.
    pub(super) fn answer_now(
        &self,
        descriptor: &OwnedFd,
        request: &[u8],
        address: Option<IpAddr>,
        Refusal { status, text }: Refusal,
    ) {
        let outcome = HandshakeOutcome::of(status);
        self.core.counters.handshake(outcome);
        if self.core.is_logged(self.core.counters.accepted.get()) {
            let asked = match parse_head(request, &self.core.policy.head) {
                Ok(HeadStatus::Upgrade { request, .. }) => Asked::new(request.path(), request.origin()),
                _ => Asked::default(),
            };
            self.core.log_refusal(address, asked, outcome, Some(status));
        }
        send_off(descriptor, &self.refusal(status, text));
    }
}

/// What has come of a request, as far as it fits.
fn take_in<'b>(descriptor: &OwnedFd, memory: &'b mut [u8]) -> &'b mut [u8] {
    let len = recv(descriptor, &mut *memory, RecvFlags::DONTWAIT).map_or(0, |(len, _)| len);
    &mut memory[..len]
}
