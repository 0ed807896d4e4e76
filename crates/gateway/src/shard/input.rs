//! From received bytes to messages.

use std::ops::Range;

use holdfast_proto::{MessageKind, Opcode, ProtocolError, Receiver, Step};
use holdfast_ring::{Buffers, Close, Driver, Lent, Outgoing};

use super::planted::{Planted, is_planted};
use super::policy::Policy;
use super::{Context, Shard, State};
use crate::application::{Application, Message, Reply};
use crate::counters::{CloseCode, CloseReason, Limit};

impl<D: Driver, A: Application> Shard<D, A> {
    /// Bytes came for a connection. The buffer goes out again with the answers, or back to the pool.
    pub(super) fn on_received(&mut self, key: u32, mut buffer: Lent) {
        let now = self.core.clock.second();
        let connection = self.connection_mut(key);
        connection.set_receiving(false);
        connection.last_heard = now;
        self.count_in(key, buffer.len());
        if self.connection(key).state() == State::Lingering {
            let len = buffer.len();
            drop(buffer);
            return self.discard(key, len);
        }
        let replies = self.process(key, &mut buffer);
        if !replies.is_empty() {
            buffer.set_range(replies);
            self.send_at_once(key, Outgoing::Lent(buffer));
        }
        self.note_wait(key);
        self.go_on_receiving(key);
    }

    /// Input that lies elsewhere than in a lent buffer: what came behind the head of an opening handshake.
    pub(super) fn on_input(&mut self, key: u32, input: &mut [u8]) {
        self.count_in(key, input.len());
        let replies = self.process(key, input);
        if !replies.is_empty() {
            self.send_first(key, &input[replies]);
        }
        self.note_wait(key);
        self.go_on_receiving(key);
    }

    fn count_in(&mut self, key: u32, len: usize) {
        self.core.counters.bytes_in.add(len as u64);
        self.core.note(key, |visit| visit.bytes_in += len as u64);
    }

    /// Handles every frame in `input`. Answers that can go out at once are left in `input`, in the returned range.
    fn process(&mut self, key: u32, input: &mut [u8]) -> Range<usize> {
        let mut replies = 0..0;
        let mut at = 0;
        let partial_before = self.connection(key).receiver.partial_bytes();
        let inflated_before = self.core.inflater.totals().plain_bytes;
        self.count_bytes(key, input.len());
        while matches!(self.connection(key).state(), State::Open | State::CloseSent) {
            match self.next_step(key, input, &mut at) {
                Ok(Step::NeedMore) => break,
                Ok(step) if self.is_too_many(key, &step) => {}
                Ok(step) => self.on_step(key, step, input, at, &mut replies),
                Err(error) => self.fail(key, error),
            }
        }
        // What a peer has made out of few bytes is not to pass for few bytes.
        let inflated = self.core.inflater.totals().plain_bytes - inflated_before;
        if inflated > 0 {
            self.count_bytes(key, usize::try_from(inflated).unwrap_or(usize::MAX));
        }
        if self.connection(key).receiver.partial_bytes() != partial_before {
            self.core.check_partial_bytes(key, partial_before);
        }
        let connection = self.connection_mut(key);
        if connection.state() == State::Lingering {
            // Nothing more can be understood: what has come so far is of no use.
            connection.receiver = Receiver::new();
        }
        if self.connection(key).receiver.partial_bytes() != partial_before {
            self.core.settle_partial(key, partial_before);
        }
        replies
    }

    /// The next step of a connection's input, as [`Receiver::next`](holdfast_proto::Receiver::next) has it.
    fn next_step(&mut self, key: u32, input: &mut [u8], at: &mut usize) -> Result<Step, ProtocolError> {
        let connection = &mut self.core.connections[key as usize];
        let limits = &self.core.policy.input;
        match connection.marks.window() {
            Some(_) => connection.receiver.next_compressed(input, at, limits, &mut self.core.inflater),
            None => connection.receiver.next(input, at, limits),
        }
    }

    /// Counts bytes toward the connection's rate, if there is one, and closes it if they are too many.
    #[inline]
    fn count_bytes(&mut self, key: u32, len: usize) {
        if self.core.meters.is_some() {
            self.meter_bytes(key, len);
        }
    }

    #[inline(never)]
    fn meter_bytes(&mut self, key: u32, len: usize) {
        let now = self.core.clock.nanos();
        let over = self.core.meters.as_mut().and_then(|meters| meters.count_bytes(key, now, len));
        if let Some(limit) = over.filter(|_| self.connection(key).state().may_send()) {
            self.fail_for_rate(key, limit);
        }
    }

    /// Counts a frame toward the connection's rate, if there is one, and closes it if it is one too many. A close frame
    /// never is.
    #[inline]
    fn is_too_many(&mut self, key: u32, step: &Step) -> bool {
        self.core.meters.is_some() && self.meter_frame(key, step)
    }

    #[inline(never)]
    fn meter_frame(&mut self, key: u32, step: &Step) -> bool {
        let Some(meters) = &mut self.core.meters else { return false };
        if matches!(step, Step::Close { .. }) || !self.core.connections[key as usize].state().may_send() {
            return false;
        }
        let over = meters.count_frame(key, self.core.clock.nanos());
        if let Some(limit) = over {
            self.fail_for_rate(key, limit);
        }
        over.is_some()
    }

    /// Counts that a connection is not read from for a while, if it has sent more than it may.
    fn note_wait(&mut self, key: u32) {
        if self.connection(key).state().may_send()
            && let Some(limit) = self.waits_for(key)
        {
            self.core.counters.limit(limit);
        }
    }

    /// The limit for which a connection is not read from just now.
    pub(super) fn waits_for(&mut self, key: u32) -> Option<Limit> {
        let meters = self.core.meters.as_mut()?;
        meters.waits_for(key, self.core.clock.nanos())
    }

    fn on_step(&mut self, key: u32, step: Step, input: &mut [u8], at: usize, replies: &mut Range<usize>) {
        let open = self.connection(key).state().may_send();
        match step {
            // RFC 6455 5.5.1: what arrives between our close frame and the peer's is of no use any more.
            Step::Message { .. } | Step::Ping { .. } if !open => {}
            Step::Message { kind, payload } => {
                match kind {
                    MessageKind::Text => self.core.counters.text_in.add(1),
                    MessageKind::Binary => self.core.counters.binary_in.add(1),
                }
                self.core.note(key, |visit| visit.messages_in += 1);
                let id = self.core.id(key);
                let message = Message { kind, payload: payload.bytes(input) };
                let reply = self.application.message(&mut Context::new(&mut self.core), id, message);
                // The application may have sent too much to this very connection, and so begun to close it.
                if reply == Reply::Echo && self.connection(key).state().may_send() {
                    self.core.echo(key, kind, payload, input, replies);
                }
            }
            // RFC 6455 5.5.3: a Pong carries "identical" application data.
            Step::Ping { payload } => self.core.reply(key, Opcode::Pong, payload, input, replies),
            Step::Pong { .. } | Step::Fragment | Step::NeedMore => {}
            Step::Close { code, .. } => self.core.on_close_frame(key, code, at < input.len()),
        }
    }

    /// Input of a peer that was told why it is closed, and goes on sending.
    fn discard(&mut self, key: u32, len: usize) {
        let extra = self.connection_mut(key).extra();
        extra.discarded += len;
        if extra.discarded > Policy::DISCARD_BYTES_MAX {
            self.release(key, Close::Reset);
        } else {
            self.go_on_receiving(key);
        }
    }

    /// Asks for the next bytes, unless too much waits to be sent, or too much was received, or the application wants no
    /// more: a peer that does not read
    /// is not read from, and one that has to wait is not until the sweep finds that it may go on. One that is closing
    /// is: nothing is answered any more, and it may have to finish sending before it reads.
    pub(super) fn go_on_receiving(&mut self, key: u32) {
        let unsent_bytes_max = self.core.policy.unsent_bytes_max;
        let connection = self.connection_mut(key);
        let wanted = connection.state().may_receive() && !connection.is_receiving();
        let may_wait = connection.state().may_send();
        let is_paused = connection.is_paused() && !is_planted(Planted::ReadsThePaused);
        let is_full = is_paused || connection.outbox_bytes() > unsent_bytes_max;
        let waits = may_wait && (is_full || self.waits_for(key).is_some());
        if wanted && !waits {
            let buffers = self.buffers_for(key);
            self.connection_mut(key).set_receiving(true);
            self.driver.receive(self.token(key), buffers);
        }
    }

    /// The buffers a connection is read into. What it has compressed becomes a thousand times as much, all of a read in
    /// one turn: short ones only.
    fn buffers_for(&self, key: u32) -> Buffers {
        let compresses = self.connection(key).marks.window().is_some();
        if compresses { Buffers::Short } else { self.core.policy.buffers }
    }

    /// The peer's end of stream.
    pub(super) fn on_ended(&mut self, key: u32) {
        let connection = self.connection_mut(key);
        connection.set_receiving(false);
        connection.ends_with(CloseReason::Gone, CloseCode::None);
        match connection.state() {
            State::Released => {}
            // It may still read what was sent to it before.
            _ if connection.is_sending() && !connection.is_kept() => self.finish(key),
            _ => self.release(key, Close::Orderly),
        }
    }

    /// Receiving failed: the peer reset the connection, or TCP gave it up.
    pub(super) fn on_failed(&mut self, key: u32) {
        let connection = self.connection_mut(key);
        connection.set_receiving(false);
        connection.ends_with(CloseReason::Reset, CloseCode::None);
        if connection.state() != State::Released {
            self.release(key, Close::Reset);
        }
    }
}
