//! Reliable clients that are away: their sockets have gone without a last word, and their records, keys, memberships
//! and queues stay for `recovery-timeout`, so that they may come back to them. A place in the shard stays taken for
//! each.

use holdfast_proto::WindowBits;
use holdfast_ring::{Close, Driver};

use super::connection::State;
use super::planted::{Planted, is_planted};
use super::{Context, Shard};
use crate::ConnectionId;
use crate::application::Application;
use crate::counters::{CloseCode, CloseReason};

impl<D: Driver, A: Application> Shard<D, A> {
    /// The descriptor of a reliable client is closed. During a drain nobody may come back.
    #[cold]
    pub(super) fn on_reliable_closed(&mut self, key: u32) {
        if self.connection(key).is_kept() && self.drain.is_none() {
            return self.go_away(key);
        }
        let id = self.core.id(key);
        self.end_reliable(key);
        self.lose_the_next(id);
    }

    fn end_reliable(&mut self, key: u32) {
        self.core.reliable.end(key);
        self.end_connection(key);
    }

    /// Its record stays, that it may come back to it.
    fn go_away(&mut self, key: u32) {
        let until = self.core.clock.second_after(self.core.policy.recovery_timeout);
        let id = self.core.id(key);
        let connection = self.connection_mut(key);
        connection.set_state(State::Away);
        connection.set_receiving(false);
        connection.marks.forget_close_request();
        // It is not pinged while it is away.
        connection.next_ping = until;
        self.core.reliable.away += 1;
        if is_planted(Planted::LeavesWhenAway)
            && let Some(members) = &mut self.core.members
        {
            members.leave(key);
        }
        self.recover_the_next(id);
    }

    /// Ends one without a socket if it was away and has not come back in time.
    #[cold]
    pub(super) fn check_away(&mut self, key: u32, now: u32) {
        let connection = self.connection(key);
        if connection.state() == State::Away && now >= connection.next_ping {
            let (reason, code) = (connection.reason, connection.code);
            self.end_away(key, reason, code);
        }
    }

    /// One that is away will not come back.
    pub(super) fn end_away(&mut self, key: u32, reason: CloseReason, code: CloseCode) {
        self.core.reliable.away -= 1;
        let connection = self.connection_mut(key);
        (connection.reason, connection.code) = (reason, code);
        self.end_reliable(key);
    }

    /// One that was away has a socket again, which the driver has already.
    pub(super) fn come_back(&mut self, key: u32, window: Option<WindowBits>) {
        let (now, next_ping) = (self.core.clock.second(), self.first_ping(key as usize));
        self.core.reliable.away -= 1;
        if !is_planted(Planted::SendsNothingAgain) {
            self.core.reliable.begin_again(key);
        }
        // Nothing that it was sent before is unanswered.
        self.core.side_tables.begin(key, None, None);
        let connection = self.connection_mut(key);
        connection.set_state(State::Open);
        (connection.last_heard, connection.next_ping) = (now, next_ping);
        (connection.reason, connection.code) = (CloseReason::Gone, CloseCode::None);
        connection.marks.set_window(window);
        self.core.mark_dirty(key);
    }

    /// Makes a connection that may be recovered ready for it: one that still has a socket loses that. Whether it is
    /// ready now; it will be as soon as the socket is closed. None: it is not to be recovered.
    pub(super) fn make_recoverable(&mut self, id: ConnectionId) -> Option<bool> {
        let connection = self.core.connection(id).filter(|connection| connection.is_kept())?;
        match connection.state() {
            State::Away => return Some(true),
            State::Released => {}
            State::Open | State::CloseSent | State::Finishing | State::Lingering => {
                connection.ends_with(CloseReason::Reset, CloseCode::None);
                self.release(id.key, Close::Reset);
            }
        }
        Some(false)
    }

    /// A connection has ended: its record is free.
    pub(super) fn end_connection(&mut self, key: u32) {
        let id = self.core.id(key);
        let connection = self.core.connections.remove(key as usize);
        self.core.log_close(id, connection.reason, connection.code);
        self.core.counters.close(connection.reason, connection.code);
        let context = &mut Context::new(&mut self.core);
        self.application.closed(context, id, connection.reason, connection.code);
        self.core.end_record(key);
    }
}
