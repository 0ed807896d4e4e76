//! Opening handshakes: from an accepted socket to an open connection, or to an answer that says why not.
//!
//! [`record`] is what is kept of each, [`refusal`] why one is refused. In the order of the path: [`arrive`] gives an
//! accepted peer its place, [`proxy`] and [`caller`] find out whom it is for, [`head`] reads what it asks for,
//! [`accept`] makes a connection of it, [`recover`] gives it back one that it had, [`plain`] deals with those that ask
//! for no WebSocket, [`refuse`] ends those that do not become connections, [`turned_away`] those that were not to be
//! served whatever they ask for, and [`deadline`] those that take too long.

mod accept;
mod arrive;
mod caller;
mod deadline;
mod head;
mod plain;
mod proxy;
mod record;
mod recover;
mod refusal;
mod refuse;
mod turned_away;

use holdfast_ring::{Driver, Token};

pub(super) use record::{Arrival, Handshake};

use super::Shard;
use super::connection::key_of;
use crate::HandshakeId;
use crate::application::Application;

impl<D: Driver, A: Application> Shard<D, A> {
    fn handshake_token(&self, key: usize, generation: u32) -> Token {
        Token { slot: key_of(key), generation }
    }

    fn token_of(&self, key: usize) -> Token {
        self.handshake_token(key, self.core.handshakes[key].generation)
    }

    fn handshake_id(&self, key: usize) -> HandshakeId {
        let token = self.token_of(key);
        HandshakeId { shard: self.core.shard, key: token.slot, generation: token.generation }
    }
}
