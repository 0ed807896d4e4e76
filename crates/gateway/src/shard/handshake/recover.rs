//! Clients that want a connection back: it is found where it is, on whatever shard, and needs no place of newcomers.

use std::os::fd::OwnedFd;

use bytes::Bytes;
use holdfast_proto::deflate::Agreement;
use holdfast_proto::{HeadStatus, encode_close, parse_head, write_accept};
use holdfast_ring::Driver;

use super::record::{Arrival, Destination, HandedOff, Handshake, Recovering, Stage, Terms};
use super::refusal::Refusal;
use crate::ConnectionId;
use crate::application::Application;
use crate::counters::{HandshakeOutcome, Limit};
use crate::handle::Origin;
use crate::shard::planted::{Planted, is_planted};
use crate::shard::{Context, Shard};

/// What a client hears whose connection is not there any more.
const GONE: &str = "this connection cannot be recovered";

impl<D: Driver, A: Application> Shard<D, A> {
    /// Another shard sends somebody whose connection is here. No place was claimed for it.
    pub(in crate::shard) fn on_recovery(&mut self, descriptor: OwnedFd, bytes: Vec<u8>, origin: Origin) {
        let arrival = Arrival { descriptor, accepted: self.core.clock.now(), origin, bytes: Some(bytes) };
        let refusal = if self.drain.is_some() { Refusal::GOING_AWAY } else { Refusal::BUSY };
        self.turn_back(arrival, refusal);
    }

    /// Whether a request may be that of a client that wants its connection back. During a drain nobody gets one.
    pub(super) fn asks_for_recovery(&self, input: &[u8]) -> bool {
        self.drain.is_none()
            && matches!(
                parse_head(input, &self.core.policy.head),
                Ok(HeadStatus::Upgrade { request, .. }) if self.application.may_recover(&request)
            )
    }

    /// Sends somebody to the shard that has its connection, with all that it has sent.
    pub(super) fn hand_across(&mut self, key: usize, shard: u16, input: &[u8]) {
        self.leave_opening(key);
        let handshake = &mut self.core.handshakes[key];
        let origin = std::mem::take(&mut handshake.origin);
        handshake.asked = None;
        let handed_off = HandedOff { bytes: input.to_vec(), origin, to: Destination::Shard(shard) };
        handshake.stage = Stage::HandedOff(Box::new(handed_off));
        self.driver.release(self.token_of(key));
    }

    /// It is on its way to another shard.
    pub(super) fn send_across(&self, shard: u16, descriptor: OwnedFd, bytes: Vec<u8>, origin: Origin) {
        if let Err((descriptor, bytes, origin)) = self.core.handle.recover(shard, descriptor, bytes, origin) {
            self.answer_now(&descriptor, &bytes, origin.address, Refusal::BUSY);
        }
    }

    /// Gives a client of this shard its connection back: at once, or when that has lost the socket it has.
    pub(super) fn recover(
        &mut self,
        key: usize,
        terms: Terms,
        id: ConnectionId,
        subprotocol: Option<String>,
        rest: &mut [u8],
    ) {
        // Whoever waits for the same connection has not got it yet, and will not, unless it tries again: which of the
        // two is the older one, which its client has left, is not known.
        if let Some((older, _)) = self.take_recovering(id) {
            self.refuse(older, 503, "another one has come for this connection, please try again");
        }
        match self.make_recoverable(id) {
            Some(true) => {
                if let Err(limit) = self.take_address(key, id) {
                    return self.refuse_for(key, limit);
                }
                if !is_planted(Planted::KeepsTwoPlaces) {
                    self.leave_opening(key);
                }
                self.hand_back(key, &terms, id, subprotocol.as_deref(), rest);
            }
            Some(false) => {
                self.leave_opening(key);
                let deadline = self.core.clock.second_after(self.core.policy.close_timeout);
                let recovering = Recovering { id, terms, subprotocol, rest: rest.to_vec() };
                let handshake = &mut self.core.handshakes[key];
                (handshake.stage, handshake.deadline) = (Stage::Recovering(Box::new(recovering)), deadline);
                self.recovering += 1;
            }
            None => self.refuse_recovery(key, &terms, subprotocol.as_deref()),
        }
    }

    /// A connection is away: somebody may wait for it.
    pub(in crate::shard) fn recover_the_next(&mut self, id: ConnectionId) {
        if let Some((key, recovering)) = self.take_recovering(id) {
            let Recovering { id, terms, subprotocol, mut rest } = recovering;
            if let Err(limit) = self.take_address(key, id) {
                return self.refuse_for(key, limit);
            }
            self.hand_back(key, &terms, id, subprotocol.as_deref(), &mut rest);
        }
    }

    /// A connection has the place that its new socket has of its address: one that this brought, or, where the address
    /// has as many as it may, that of its last socket.
    fn take_address(&mut self, key: usize, id: ConnectionId) -> Result<(), Limit> {
        let core = &mut self.core;
        let origin = &mut core.handshakes[key].origin;
        let (permit, address) = (origin.permit.take(), origin.address);
        let last = core.side_tables.block(id.key);
        if permit.is_none() && address.is_some_and(|address| core.quota.is_of(last, address)) {
            return Ok(());
        }
        let permit = match permit {
            Some(permit) => Some(permit),
            None => address.map_or(Ok(None), |address| core.quota.enter(address))?,
        };
        let last = core.side_tables.end(id.key);
        core.quota.leave(last);
        core.side_tables.begin(id.key, permit, None);
        Ok(())
    }

    /// A connection is not to be recovered.
    pub(in crate::shard) fn lose_the_next(&mut self, id: ConnectionId) {
        if let Some((key, recovering)) = self.take_recovering(id) {
            self.refuse_recovery(key, &recovering.terms, recovering.subprotocol.as_deref());
        }
    }

    fn refuse_recovery(&mut self, key: usize, terms: &Terms, subprotocol: Option<&str>) {
        self.core.counters.recoveries_refused.add(1);
        self.close_at_once(key, terms, subprotocol, 1008, GONE);
    }

    /// Who waits for a connection. It has to get an answer now.
    fn take_recovering(&mut self, id: ConnectionId) -> Option<(usize, Recovering)> {
        if self.recovering == 0 {
            return None;
        }
        let waits = |handshake: &Handshake| handshake.recovers() == Some(id);
        let (key, handshake) = self.core.handshakes.iter_mut().find(|(_, it)| waits(it))?;
        let Stage::Recovering(recovering) = &mut handshake.stage else { return None };
        let Recovering { terms, subprotocol, rest, .. } = &mut **recovering;
        let (subprotocol, rest) = (subprotocol.take(), std::mem::take(rest));
        Some((key, Recovering { id, terms: *terms, subprotocol, rest }))
    }

    /// Moves the socket of an opening handshake to a connection that is away.
    fn hand_back(
        &mut self,
        key: usize,
        terms: &Terms,
        id: ConnectionId,
        subprotocol: Option<&str>,
        rest: &mut [u8],
    ) {
        let (from, to) = (self.token_of(key), self.token(id.key));
        let handshake = self.core.handshakes.remove(key);
        self.recovering -= u32::from(handshake.recovers().is_some());
        if self.driver.promote(from, to).is_err() {
            // It may try again.
            return self.lose(handshake);
        }
        let window = terms.deflate.map(Agreement::window_bits);
        let address = handshake.origin.address;
        self.come_back(id.key, window);
        self.core.counters.handshake(HandshakeOutcome::Accepted);
        self.core.counters.handshake_duration.record(self.core.clock.now() - handshake.accepted);
        self.core.counters.recovered.add(1);
        self.core.counters.deflate.opened.add(u64::from(window.is_some()));
        self.core.log_recovery(id, address);
        self.welcome(id.key, terms, subprotocol);
        self.application.recovered(&mut Context::new(&mut self.core), id);
        if rest.is_empty() {
            self.go_on_receiving(id.key);
        } else {
            self.on_input(id.key, rest);
        }
    }

    /// Answers 101 and closes: the client hears by its close code why.
    pub(super) fn close_at_once(
        &mut self,
        key: usize,
        terms: &Terms,
        subprotocol: Option<&str>,
        code: u16,
        reason: &str,
    ) {
        let mut answer = Vec::new();
        write_accept(&mut answer, &terms.key, subprotocol, None);
        answer.extend_from_slice(encode_close(Some(code), reason).as_bytes());
        self.end_handshake(key, HandshakeOutcome::Closed, Some(101));
        self.send_refusal(key, Bytes::from(answer));
    }
}
