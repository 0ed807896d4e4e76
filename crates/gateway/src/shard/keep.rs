//! Reliable clients: what they are sent is kept until they have it, and what becomes of them where it is too much.
//!
//! A connection is reliable from the moment at which its application says so. What it is sent of what is numbered goes
//! into its queue ([`Reliable`](super::reliable::Reliable)) and from there to its socket ([`output`](super::output)).
//! When it loses that it is away ([`away`](super::away)), and its queue goes on filling.

use bytes::Bytes;
use holdfast_hub::Form;

use super::Core;
use super::connection::State;
use super::outbox::Outbox;
use super::planted::{Planted, is_planted};
use super::publication::Publication;
use crate::ConnectionId;
use crate::counters::{CloseCode, CloseReason, Limit};
use crate::publish::Numbering;

/// What those hear who have not acknowledged what they were sent.
const TEXT: &str = "too much was sent that was not acknowledged";

impl Core {
    /// What is numbered of what a connection is sent is kept from now on until it is acknowledged. Whether there is
    /// such a connection.
    pub(crate) fn make_reliable(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connection(id).filter(|it| !it.is_reliable()) else { return false };
        connection.make_reliable();
        self.reliable.begin(id.key, self.policy.connections_max);
        true
    }

    /// A reliable client says that it has all up to this number.
    pub(crate) fn acknowledge(&mut self, id: ConnectionId, number: u64) {
        if self.connection(id).is_some() && !is_planted(Planted::ForgetsAcknowledgements) {
            self.reliable.acknowledge(id.key, number);
        }
    }

    /// Shows what is kept. At each beat only, so that those pay nothing in a turn who have no such clients.
    pub(super) fn show_reliable(&self) {
        self.counters.away.set(self.reliable.away as u64);
        self.counters.unacknowledged_bytes.set(self.reliable.bytes() as u64);
        self.counters.unacknowledged.set(self.reliable.messages() as u64);
    }

    /// Puts a message to many into the queue of one of them.
    #[inline(never)]
    pub(super) fn keep_publication(&mut self, key: u32, form: Form, publication: &Publication) {
        let message = publication.message.of(form);
        self.count_handed(key, message.kind(), publication);
        match message.numbering() {
            Some(numbering) => {
                let frame = publication.kept(form, &self.reliable.shared);
                self.keep(key, frame, numbering);
            }
            None if self.connections[key as usize].state().may_send() => {
                self.push_frame(key, publication.plain(form));
            }
            // It is told to those who are there.
            None => {}
        }
    }

    /// Puts a frame, which is [counted](Shared::count), into the queue of a reliable client. Where that
    /// is too long the client ends, or those with the longest do. Whoever keeps sends.
    pub(super) fn keep(&mut self, key: u32, frame: Bytes, numbering: &'static Numbering) {
        let connection = &self.connections[key as usize];
        if !connection.takes_messages()
            || is_planted(Planted::KeepsForNobodyAway) && connection.state() == State::Away
        {
            return;
        }
        let outbox_waits = connection.outbox_bytes() > 0;
        if !self.reliable.push(key, frame, numbering, outbox_waits) {
            self.counters.limit(Limit::Unacknowledged);
            return self.give_up(key);
        }
        let most = self.policy.shard_unacknowledged_bytes_max;
        if self.reliable.bytes() > most {
            self.give_up_the_largest(most);
        }
    }

    /// What is new in its queue goes to its socket, if it may be sent anything.
    pub(super) fn send_what_is_kept(&mut self, key: u32) {
        if self.connections[key as usize].state().may_send() {
            self.mark_dirty(key);
        }
    }

    /// A little more than has to go goes, so that it is not looked for who has most with each message. What several
    /// keep goes with the last of them.
    #[cold]
    fn give_up_the_largest(&mut self, most: usize) {
        for key in self.reliable.by_size() {
            if self.reliable.bytes() <= most - most / 8 {
                return;
            }
            self.counters.limit(Limit::ShardUnacknowledgedBytes);
            self.give_up(key);
        }
    }

    /// Gives up a reliable client and what it has not acknowledged: it is not to be recovered.
    #[cold]
    fn give_up(&mut self, key: u32) {
        self.reliable.clear(key);
        let id = self.id(key);
        let connection = &mut self.connections[key as usize];
        if connection.state().may_send() {
            self.outbox(key, Outbox::clear);
            return self.begin_close_now(key, CloseReason::Unacknowledged, 1008, TEXT);
        }
        // It ends in any case: not for a while only.
        (connection.reason, connection.code) = (CloseReason::Unacknowledged, CloseCode::None);
        if connection.state() == State::Away {
            self.request_close(id, CloseReason::Unacknowledged, 1008, TEXT);
        }
    }
}
