//! The sweep: deadlines without timers. At each beat it looks at a slice of the records, so that each is looked at once
//! a second, and what falls due is spread over that second.

use std::time::Duration;

use holdfast_proto::{Opcode, write_header};
use holdfast_ring::{Close, Driver};

use super::connection::key_of;
use super::policy::spread;
use super::{Context, Shard};
use crate::application::Application;
use crate::counters::{CloseCode, CloseReason, Limit};

/// Time between two beats.
const BEAT: Duration = Duration::from_millis(250);

impl<D: Driver, A: Application> Shard<D, A> {
    pub(super) fn sweep_if_due(&mut self) {
        let now = self.core.clock.now();
        if !self.sweep.is_due(now) {
            return;
        }
        self.sweep.next = Some(now + BEAT);
        for key in self.sweep.slice() {
            if self.core.connections.contains(key) {
                self.check_connection(key_of(key));
            }
        }
        let second = std::mem::replace(&mut self.sweep.second, self.core.clock.second());
        self.check_handshakes(second);
        if self.core.shard == 0 {
            self.core.counters.publication_bytes.set(self.core.handle.publication_bytes() as u64);
        }
        self.core.show_reliable();
        self.application.beat(&mut Context::new(&mut self.core));
        // Pings and closes wait in outboxes now.
        self.flush_dirty();
    }

    /// When a new connection is pinged first: at a moment of its own, so that those who came together are not pinged
    /// together for ever.
    pub(super) fn first_ping(&self, key: usize) -> u32 {
        let Some(interval) = self.core.policy.ping_interval else { return u32::MAX };
        self.core.clock.second() + 1 + phase(key, interval)
    }

    fn check_connection(&mut self, key: u32) {
        let now = self.core.clock.second();
        let connection = self.connection(key);
        let silent = now.saturating_sub(connection.last_heard);
        let deadlines = connection.extra.as_ref().map(|extra| (extra.close_deadline, extra.send_deadline));
        let due = |deadline: Option<u32>| deadline.is_some_and(|deadline| now >= deadline);
        if !connection.has_socket() {
            return self.check_away(key, now);
        }
        if deadlines.is_some_and(|(close, _)| due(close)) {
            return self.on_close_deadline(key);
        }
        if deadlines.is_some_and(|(_, send)| due(send)) {
            self.core.counters.limit(Limit::SendTime);
            self.connection_mut(key).ends_with(CloseReason::Slow, CloseCode::None);
            return self.release(key, Close::Reset);
        }
        if self.core.side_tables.is_too_old(key, now) {
            let text = "connected for long enough, please connect again";
            return self.limit(key, Limit::Age, CloseReason::Age, 1001, text);
        }
        let connection = self.connection_mut(key);
        if connection.state().may_send() && !connection.is_receiving() {
            // It is not heard because it is not listened to: its silence begins when it is.
            connection.last_heard = now;
            connection.receiver.restart_unfinished(now);
            return self.go_on_receiving(key);
        }
        if self.is_unfinished(key, now) {
            let text = "the rest of a message did not come in time";
            return self.limit(key, Limit::MessageTime, CloseReason::Unfinished, 1008, text);
        }
        // Both seconds are cut off, so that only one more than the time limit shows that all of it has passed.
        if self.core.policy.idle_timeout.is_some_and(|most| silent > most) {
            self.limit(key, Limit::IdleTime, CloseReason::Idle, 1001, "nothing was heard for too long");
        } else if now >= self.connection(key).next_ping {
            self.ping(key, now, silent);
        }
    }

    /// The peer has not answered our close frame in time; unless that waits for us.
    #[cold]
    fn on_close_deadline(&mut self, key: u32) {
        if !self.connection(key).is_dirty() {
            self.core.counters.limit(Limit::CloseTime);
            self.release(key, Close::Orderly);
        }
    }

    /// Whether a message of a connection has not been whole for too long. The sweep is what looks at the clock, so that
    /// time begins when it first sees the message.
    fn is_unfinished(&mut self, key: u32, now: u32) -> bool {
        let Some(most) = self.core.policy.message_timeout else { return false };
        let since = self.connection_mut(key).receiver.unfinished_since(now);
        since.is_some_and(|since| now.saturating_sub(since) > most)
    }

    /// Says goodbye to a connection whose time is over: not at once, since thousands that came or fell silent together
    /// would hold up those who talk.
    fn limit(&mut self, key: u32, limit: Limit, reason: CloseReason, code: u16, text: &str) {
        if matches!(limit, Limit::IdleTime | Limit::Pings) && self.driver.has_unread(self.token(key)) {
            // It has said something, which lies unread.
            return;
        }
        let connection = self.connection(key);
        if connection.state().may_send() && !connection.marks.close_requested() {
            self.core.counters.limit(limit);
            let id = self.core.id(key);
            self.core.request_close(id, reason, code, text);
        }
    }

    fn ping(&mut self, key: u32, now: u32, silent: u32) {
        let interval = self.core.policy.ping_interval.unwrap_or(u32::MAX);
        let lately = self.core.policy.heard_lately;
        let connection = self.connection_mut(key);
        let last_ping = connection.next_ping.saturating_sub(interval);
        let heard_since = connection.last_heard >= last_ping;
        connection.next_ping = now.saturating_add(interval);
        // One from which something came lately needs no ping; one with unsent bytes would not get it, and may not be
        // read from.
        if connection.state().may_send() && silent >= lately && !connection.is_sending() {
            let unanswered = self.core.side_tables.unanswered(key, !heard_since);
            if self.core.policy.pings_unanswered_max.is_some_and(|most| unanswered >= most) {
                return self.limit(
                    key,
                    Limit::Pings,
                    CloseReason::Unanswered,
                    1001,
                    "pings were not answered",
                );
            }
            self.core.side_tables.pinged(key);
            let mut frame = [0; 2];
            write_header(Opcode::Ping, 0, &mut frame);
            self.send_first(key, &frame);
        }
    }
}

/// Where in the interval the pings of a record lie, in seconds: 0 to `interval - 1`.
fn phase(key: usize, interval: u32) -> u32 {
    spread(key_of(key)) % interval
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_of_neighbours_are_spread_evenly_over_the_interval() {
        for interval in [1, 2, 30, 60, 64, 3600] {
            let mut pings = vec![0; interval as usize];
            (0..36_000).for_each(|key| pings[phase(key, interval) as usize] += 1);
            let fair = 36_000 / interval;
            assert!(pings.iter().all(|count| (fair / 2..=fair * 2).contains(count)), "{interval}: {pings:?}");
        }
    }
}
