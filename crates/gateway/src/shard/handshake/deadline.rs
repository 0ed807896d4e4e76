//! Opening handshakes that take too long. Only time in which it is the peer's turn counts: not that in which its bytes
//! lie unread because the shard has too little CPU, or no buffer.

use holdfast_ring::{Close, Driver};

use super::record::Stage;
use super::refusal::Refusal;
use crate::application::Application;
use crate::counters::Limit;
use crate::shard::Shard;

impl<D: Driver, A: Application> Shard<D, A> {
    /// Looks for those whose time is over. `second` is that of the sweep before, so that a turn lies between: what had
    /// come by then has been read since, or the driver knows of it.
    pub(in crate::shard) fn check_handshakes(&mut self, second: u32) {
        let due: Vec<usize> =
            self.core.handshakes.iter().filter(|(_, it)| second >= it.deadline).map(|(key, _)| key).collect();
        for key in due {
            if !self.waits_for_us(key) {
                self.on_handshake_deadline(key);
            }
        }
        self.make_way(second);
    }

    /// Whether more of its request has come, and has not been read.
    fn waits_for_us(&self, key: usize) -> bool {
        self.core.handshakes[key].is_awaited() && self.driver.has_unread(self.token_of(key))
    }

    fn on_handshake_deadline(&mut self, key: usize) {
        match &self.core.handshakes[key].stage {
            Stage::Reading(reading) => match reading.refusal {
                Some(Refusal { status, text }) => {
                    self.core.counters.refused_early.add(1);
                    self.refuse(key, status, text);
                }
                None => {
                    self.core.counters.limit(Limit::HandshakeTime);
                    self.refuse(key, 408, "the request did not come in time");
                }
            },
            Stage::Deferred(_) => {
                self.core.counters.limit(Limit::HandshakeTime);
                self.refuse(key, 503, "no answer in time, please try again later");
            }
            Stage::Recovering(_) => {
                self.core.counters.limit(Limit::HandshakeTime);
                self.refuse(key, 503, "no connection to go on with in time, please try again");
            }
            Stage::Refusing | Stage::Lingering { .. } => {
                self.core.counters.limit(Limit::CloseTime);
                self.release_handshake(key, Close::Reset);
            }
            // The driver has its descriptor, and gives it back soon.
            Stage::HandedOff(_) | Stage::Released => {}
        }
    }

    /// Others wait for a slot: as many of those who have had one for a while, and have not sent their request, lose
    /// theirs, the oldest first. So thousands who never end their opening handshake do not keep newcomers out until
    /// handshake-timeout.
    fn make_way(&mut self, second: u32) {
        if self.waiting.is_empty() {
            return;
        }
        let in_the_way =
            self.core.handshakes.iter().filter_map(|(key, it)| Some((it.in_the_way(second)?, key)));
        let mut in_the_way: Vec<(u32, usize)> =
            in_the_way.filter(|(_, key)| !self.waits_for_us(*key)).collect();
        in_the_way.sort_unstable();
        for (_, key) in in_the_way.into_iter().take(self.waiting.len()) {
            self.core.counters.limit(Limit::HandshakeTime);
            self.refuse(key, 408, "the request did not come, and others wait");
        }
    }
}
