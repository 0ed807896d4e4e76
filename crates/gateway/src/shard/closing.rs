//! The closing handshake: who begins it and why, and what is said (RFC 6455 section 7).

use bytes::Bytes;
use holdfast_proto::{ProtocolError, answer_code, encode_close};
use holdfast_ring::Driver;

use super::connection::{CloseRequest, State, ends_for_good};
use super::planted::{Planted, is_planted};
use super::policy::Policy;
use super::{Context, Core, Shard};
use crate::ConnectionId;
use crate::application::Application;
use crate::counters::{CloseCode, CloseReason, Limit};
use crate::limits::plan::with_allowance;

impl<D: Driver, A: Application> Shard<D, A> {
    /// Begins some of the closing handshakes that were asked for.
    pub(super) fn begin_requested_closes(&mut self, most: usize) {
        for _ in 0..most {
            let Some(request) = self.core.closing.pop_front() else { return };
            if self.core.connection(request.id).is_some() {
                self.begin_close(request.id.key, request.reason, request.code, &request.text);
            }
        }
    }

    /// Begins a closing handshake, after whatever the application has to say.
    pub(super) fn begin_close(&mut self, key: u32, reason: CloseReason, code: u16, text: &str) {
        if self.connection(key).state().may_send() {
            self.say_last_words(key, reason, text);
            self.core.begin_close(key, reason, code, text);
        } else if self.connection(key).state() == State::Away && !self.connection(key).is_kept() {
            self.end_away(key, reason, CloseCode::None);
        }
    }

    /// The peer broke the protocol. One whose message is wrong or too long understands what is said to it; with one
    /// whose frames are wrong there is nothing more to talk about.
    #[cold]
    pub(super) fn fail(&mut self, key: u32, error: ProtocolError) {
        let reason = reason_of(error);
        if matches!(error.close_code(), 1007 | 1009) {
            self.say_last_words(key, reason, &error.to_string());
        }
        self.core.fail(key, error, reason);
    }

    /// The peer sends more than it may and is to be closed for it.
    #[cold]
    pub(super) fn fail_for_rate(&mut self, key: u32, limit: Limit) {
        const TEXT: &str = "more was sent in a second than is allowed";
        self.say_last_words(key, CloseReason::Rate, TEXT);
        self.core.fail_for_rate(key, limit, TEXT);
    }

    /// What the application has to say to one that it can talk to, before our close frame.
    fn say_last_words(&mut self, key: u32, reason: CloseReason, text: &str) {
        if self.connection(key).state().may_send() && !is_planted(Planted::ClosesSilently) {
            let id = self.core.id(key);
            self.application.closing(&mut Context::new(&mut self.core), id, reason, text);
        }
    }
}

impl Core {
    /// Asks for a closing handshake, in one of the next turns. Whether there is such a connection.
    pub(crate) fn request_close(
        &mut self,
        id: ConnectionId,
        reason: CloseReason,
        code: u16,
        text: &str,
    ) -> bool {
        let connection = self.connection(id);
        let Some(connection) = connection else { return false };
        let was_kept = connection.is_kept();
        if was_kept && ends_for_good(reason, CloseCode::of(code)) && !is_planted(Planted::ForgetsTheLastWord)
        {
            // Whatever becomes of its socket before its turn comes, and whatever was asked for before.
            connection.end_for_good();
        }
        if !connection.state().may_send() && connection.state() != State::Away {
            return was_kept;
        }
        // The first request counts, so that the list is never longer than the slab.
        if !connection.marks.close_requested() {
            connection.marks.request_close();
            self.closing.push_back(CloseRequest { id, reason, code, text: text.to_owned() });
        }
        true
    }

    /// Begins the closing handshake: our close frame behind what is queued and the broadcasts that were accepted
    /// before, then the peer's, before the deadline.
    pub(crate) fn begin_close(&mut self, key: u32, reason: CloseReason, code: u16, text: &str) {
        if self.connections[key as usize].state().may_send()
            && (is_planted(Planted::SaysGoodbyeFirst) || self.catch_up(key))
        {
            self.begin_close_now(key, reason, code, text);
        }
    }

    pub(super) fn begin_close_now(&mut self, key: u32, reason: CloseReason, code: u16, text: &str) {
        let connection = &mut self.connections[key as usize];
        if !connection.state().may_send() {
            return;
        }
        connection.ends_with(reason, CloseCode::of(code));
        self.say_close(key, Some(code), text, State::CloseSent);
    }

    /// The peer's close frame came; `more` says that input follows it, which nobody will read.
    pub(crate) fn on_close_frame(&mut self, key: u32, code: Option<u16>, more: bool) {
        let connection = &mut self.connections[key as usize];
        // A connection that is closed with input unread is reset, and our close frame may be lost.
        let next = if more { State::Lingering } else { State::Finishing };
        if connection.state() == State::Open {
            connection.ends_with(CloseReason::Peer, code.map_or(CloseCode::Empty, CloseCode::of));
            // RFC 6455 5.5.1: the answer "typically echos the status code it received".
            self.say_close(key, answer_code(code), "", next);
        } else {
            connection.set_state(next);
            self.mark_dirty(key);
        }
    }

    /// The peer broke the protocol: say so, then read on and discard, so that it hears it.
    fn fail(&mut self, key: u32, error: ProtocolError, reason: CloseReason) {
        match error {
            ProtocolError::FrameTooLong => self.counters.limit(Limit::FrameBytes),
            ProtocolError::MessageTooLong => self.counters.limit(Limit::MessageBytes),
            _ => {}
        }
        let connection = &mut self.connections[key as usize];
        let code = error.close_code();
        if connection.state() == State::Open {
            connection.ends_with(reason, CloseCode::of(code));
            self.say_close(key, Some(code), &error.to_string(), State::Lingering);
        } else {
            connection.set_state(State::Lingering);
            self.mark_dirty(key);
        }
    }

    /// The peer sends more than it may and is to be closed for it: say so, then read on and discard.
    fn fail_for_rate(&mut self, key: u32, limit: Limit, text: &str) {
        self.counters.limit(limit);
        let connection = &mut self.connections[key as usize];
        // What was said last may have been too much for one that does not read: then it is being closed already.
        if connection.state() == State::Open {
            connection.ends_with(CloseReason::Rate, CloseCode::Policy);
            self.say_close(key, Some(1008), text, State::Lingering);
        }
    }

    /// Closes a connection that holds more than a little of a message while all together hold too much. `before` is
    /// what it held when [`Held::partial`](super::held::Held::partial) was right.
    pub(crate) fn check_partial_bytes(&mut self, key: u32, before: usize) {
        let connection = &mut self.connections[key as usize];
        let held = connection.receiver.partial_bytes();
        let all = self.held.partial - before + held;
        // Past a quarter more even a little is too much: very many have a little.
        let most = self.policy.shard_partial_bytes_max;
        let free = if all > with_allowance(most) { 0 } else { Policy::PARTIAL_BYTES_FREE };
        if held <= before.max(free) || all <= most {
            return;
        }
        self.counters.limit(Limit::ShardPartialBytes);
        if connection.state() == State::Open {
            connection.ends_with(CloseReason::TooBig, CloseCode::TryAgain);
            self.say_close(key, Some(1013), "too many messages are not whole", State::Lingering);
        } else {
            connection.set_state(State::Lingering);
            self.mark_dirty(key);
        }
    }

    /// Queues our close frame, whatever the outbox's limit, and goes to `next`.
    fn say_close(&mut self, key: u32, code: Option<u16>, text: &str, next: State) {
        let deadline = self.clock.second_after(self.policy.close_timeout);
        let frame = Bytes::copy_from_slice(encode_close(code, text).as_bytes());
        self.outbox(key, |outbox| outbox.push(frame));
        let connection = &mut self.connections[key as usize];
        connection.set_state(next);
        connection.extra().close_deadline = Some(deadline);
        self.mark_dirty(key);
    }
}

/// Why a connection ends whose peer has broken the protocol.
fn reason_of(error: ProtocolError) -> CloseReason {
    if error.close_code() == 1009 { CloseReason::TooBig } else { CloseReason::Protocol }
}
