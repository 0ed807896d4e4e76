//! Peers that do not become connections: the answer that says why, and the time to hear it.

use bytes::Bytes;
use holdfast_proto::handshake::write_healthy;
use holdfast_proto::write_refusal;
use holdfast_ring::{Close, Driver, Outgoing, Progress};

use super::record::Stage;
use super::refusal::Refusal;
use crate::application::Application;
use crate::counters::{HandshakeOutcome, Limit};
use crate::shard::planted::{Planted, is_planted};
use crate::shard::policy::Policy;
use crate::shard::{Context, Shard};

/// Longest time after which a peer that was refused is asked to come again.
const RETRY_SECONDS: u32 = 10;

impl<D: Driver, A: Application> Shard<D, A> {
    /// Answers with an HTTP status and ends.
    pub(super) fn refuse(&mut self, key: usize, status: u16, text: &str) {
        self.refuse_as(key, HandshakeOutcome::of(status), status, text);
    }

    /// Answers one that was to be turned away in any case.
    pub(super) fn refuse_early(&mut self, key: usize) {
        if let Some(Refusal { status, text }) = self.core.handshakes[key].refusal() {
            self.refuse(key, status, text);
        }
    }

    /// The same for a limit.
    pub(super) fn refuse_for(&mut self, key: usize, limit: Limit) {
        self.core.counters.limit(limit);
        let Refusal { status, text } = Refusal::of(limit);
        self.refuse(key, status, text);
    }

    /// The same, counted under an outcome of its own.
    pub(super) fn refuse_as(&mut self, key: usize, outcome: HandshakeOutcome, status: u16, text: &str) {
        let answer = self.refusal(status, text);
        self.end_handshake(key, outcome, Some(status));
        self.send_refusal(key, Bytes::from(answer));
    }

    /// Tells a health check that all is well. One that comes during a drain is refused like everyone else: 503.
    pub(super) fn answer_health(&mut self, key: usize, is_head: bool) {
        let mut answer = Vec::new();
        write_healthy(&mut answer, is_head);
        self.end_handshake(key, HandshakeOutcome::Health, Some(200));
        self.send_refusal(key, Bytes::from(answer));
    }

    pub(super) fn send_refusal(&mut self, key: usize, answer: Bytes) {
        self.core.handshakes[key].stage = Stage::Refusing;
        if self.transmit(self.token_of(key), Outgoing::Shared(answer)) == Progress::Done {
            self.on_refusal_sent(key);
        }
    }

    /// A handshake will not become a connection: counts how it ended, with this status if it is answered, and gives it
    /// the time to hear so.
    pub(super) fn end_handshake(&mut self, key: usize, outcome: HandshakeOutcome, status: Option<u16>) {
        let deadline = self.core.clock.second_after(self.core.policy.close_timeout);
        let handshake = &mut self.core.handshakes[key];
        let is_recovering = handshake.recovers().is_some();
        if !handshake.is_open() && handshake.refusal().is_none() && !is_recovering {
            return;
        }
        self.recovering -= u32::from(is_recovering);
        self.leave_opening(key);
        let handshake = &mut self.core.handshakes[key];
        let was_deferred = matches!(handshake.stage, Stage::Deferred(_));
        let reserved = handshake.reserved();
        handshake.stage = Stage::Refusing;
        handshake.deadline = deadline;
        handshake.origin.permit = None;
        let (asked, address) = (handshake.asked.take(), handshake.origin.address);
        self.core.counters.handshake(outcome);
        if let Some(asked) = asked {
            self.core.log_refusal(address, *asked, outcome, status);
        }
        if let Some(reserved) = reserved {
            self.core.unreserve(reserved);
        }
        if was_deferred && !is_planted(Planted::AbandonsSilently) {
            let id = self.handshake_id(key);
            if is_planted(Planted::AbandonsTwice) {
                self.application.abandoned(&mut Context::new(&mut self.core), id);
            }
            self.application.abandoned(&mut Context::new(&mut self.core), id);
        }
    }

    /// A handshake that may become a connection does, or will not any more.
    pub(super) fn leave_opening(&mut self, key: usize) {
        match &self.core.handshakes[key].stage {
            Stage::Reading(reading) if reading.refusal.is_none() => self.open_handshakes -= 1,
            Stage::Deferred(_) => self.deferred_handshakes -= 1,
            _ => {}
        }
    }

    /// The answer has gone: say end of stream, and discard what the peer still sends, so that no reset overtakes it.
    pub(in crate::shard) fn on_refusal_sent(&mut self, key: usize) {
        if !matches!(self.core.handshakes[key].stage, Stage::Refusing) {
            return;
        }
        if self.refusals() > Policy::REFUSALS_MAX / 2 {
            // Others will need the slot: this one has its answer, and may lose it if it has more to say.
            return self.release_handshake(key, Close::Orderly);
        }
        self.core.handshakes[key].stage = Stage::Lingering { discarded: 0 };
        self.driver.shutdown(self.token_of(key));
        if !self.core.handshakes[key].receiving {
            self.receive_head(key);
        }
    }

    /// An answer that is not 101.
    pub(super) fn refusal(&self, status: u16, text: &str) -> Vec<u8> {
        let mut answer = Vec::new();
        // Those who are refused together are not to come back together. (Any number will do that seldom repeats.)
        let spread = self.core.counters.accepted.get() % u64::from(RETRY_SECONDS);
        let seconds = 1 + u32::try_from(spread).unwrap_or(0);
        write_refusal(&mut answer, status, text, matches!(status, 429 | 503).then_some(seconds));
        answer
    }

    /// End of stream, or an error: whatever stage it is in, nothing more can come of it.
    pub(in crate::shard) fn on_handshake_end(&mut self, key: usize) {
        self.core.handshakes[key].receiving = false;
        match self.core.handshakes[key].stage {
            Stage::Released => {}
            // The answer is still on its way to a peer that has ended its own direction; or whoever has its descriptor
            // next will find the end.
            Stage::Refusing | Stage::HandedOff(_) => {}
            _ => {
                self.end_handshake(key, HandshakeOutcome::Gone, None);
                self.release_handshake(key, Close::Orderly);
            }
        }
    }

    /// Whether an answer, or the whole of it, is on its way to somewhere else.
    pub(in crate::shard) fn is_refusing(&self) -> bool {
        self.core.handshakes.iter().any(|(_, it)| matches!(it.stage, Stage::Refusing | Stage::HandedOff(_)))
    }

    pub(in crate::shard) fn release_handshake(&mut self, key: usize, how: Close) {
        if matches!(self.core.handshakes[key].stage, Stage::Released | Stage::HandedOff(_)) {
            return;
        }
        let token = self.token_of(key);
        self.core.handshakes[key].stage = Stage::Released;
        self.driver.close(token, how);
    }
}
