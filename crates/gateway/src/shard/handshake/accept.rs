//! An opening handshake that was accepted becomes a connection.

use holdfast_proto::deflate::Agreement;
use holdfast_proto::write_accept;
use holdfast_ring::Driver;

use super::record::{Handshake, Terms};
use crate::ConnectionId;
use crate::application::Application;
use crate::counters::HandshakeOutcome;
use crate::id::Serial;
use crate::quota::AddressPermit;
use crate::shard::connection::{Connection, key_of};
use crate::shard::planted::{Planted, is_planted};
use crate::shard::{Context, Shard};

impl<D: Driver, A: Application> Shard<D, A> {
    /// Makes a connection of it: a slot, a record, the 101 answer; then the application hears of it, and last comes
    /// what the peer sent behind its head.
    pub(super) fn accept(&mut self, key: usize, terms: Terms, subprotocol: Option<&str>, rest: &mut [u8]) {
        let (from, handshake_id) = (self.token_of(key), self.handshake_id(key));
        self.leave_opening(key);
        let handshake = self.core.handshakes.remove(key);
        let owner = match handshake.reserved() {
            Some(id) if !is_planted(Planted::GivesAnotherId) => self.core.unreserve(id),
            Some(id) => {
                self.core.unreserve(id);
                self.core.next_owner()
            }
            None => self.core.next_owner(),
        };
        let to = self.connection_token(self.core.connections.vacant_key(), owner.generation());
        if self.driver.promote(from, to).is_err() {
            self.lose(handshake);
            return self.application.abandoned(&mut Context::new(&mut self.core), handshake_id);
        }
        let id = self.begin_connection(&terms, handshake.origin.permit, owner);
        self.core.counters.handshake(HandshakeOutcome::Accepted);
        self.core.counters.handshake_duration.record(self.core.clock.now() - handshake.accepted);
        let preferred = terms.subprotocol.and_then(|index| self.core.policy.rules.subprotocol(index));
        let subprotocol = subprotocol.or(preferred).map(str::to_owned);
        self.welcome(id.key, &terms, subprotocol.as_deref());
        if let Some(asked) = handshake.asked {
            let visitor = self.application.visitor(handshake_id);
            self.core.log_open(id, handshake.origin.address, *asked, subprotocol, visitor);
        }
        self.application.opened(&mut Context::new(&mut self.core), id, handshake_id);
        if rest.is_empty() {
            self.go_on_receiving(id.key);
        } else {
            self.on_input(id.key, rest);
        }
    }

    /// The kernel has refused to go on with its descriptor.
    pub(super) fn lose(&self, handshake: Handshake) {
        self.core.counters.handshake(HandshakeOutcome::Gone);
        if let Some(asked) = handshake.asked {
            self.core.log_refusal(handshake.origin.address, *asked, HandshakeOutcome::Gone, None);
        }
    }

    /// A record for it, where sweep, drain and broadcasts find it.
    fn begin_connection(
        &mut self,
        terms: &Terms,
        permit: Option<AddressPermit>,
        owner: Serial,
    ) -> ConnectionId {
        let window = terms.deflate.map(Agreement::window_bits);
        let (now, next_ping) =
            (self.core.clock.second(), self.first_ping(self.core.connections.vacant_key()));
        let key = self.core.connections.insert(Connection::new(owner, now, next_ping, window));
        self.sweep.cover(key);
        let id = self.core.id(key_of(key));
        self.core.begin_record(id.key, permit);
        self.core.counters.opened.add(1);
        self.core.counters.deflate.opened.add(u64::from(window.is_some()));
        id
    }

    /// Sends the 101 answer.
    pub(super) fn welcome(&mut self, key: u32, terms: &Terms, subprotocol: Option<&str>) {
        let mut answer = std::mem::take(&mut self.scratch);
        write_accept(&mut answer, &terms.key, subprotocol, terms.deflate.map(Agreement::answer));
        self.connection_mut(key).answer_left = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        self.send_first(key, &answer);
        answer.clear();
        self.scratch = answer;
    }
}
