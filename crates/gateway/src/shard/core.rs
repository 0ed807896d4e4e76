//! What a shard holds, without its driver and its application: the part that both the loop and the applications work
//! on. Here output is queued and closing begins; sending and closing descriptors is the loop's.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use holdfast_proto::{
    Deflater, Inflater, MessageKind, Opcode, Payload, ProtocolError, answer_code, encode_close, header_len,
    write_header,
};
use slab::Slab;

use super::access::Log;
use super::broadcast::Broadcasts;
use super::clock::Clock;
use super::connection::{Connection, State, opcode_of, queued_bytes};
use super::handshake::Handshake;
use super::meters::Meters;
use super::policy::{Policy, SlowPolicy};
use super::side_tables::SideTables;
use crate::counters::{CloseCode, CloseReason, Counters, Limit};
use crate::limits::plan::with_allowance;
use crate::quota::{AddressPermit, Quota};
use crate::{ConnectionId, Handle};

/// A closing handshake that is to begin.
#[derive(Debug)]
pub(crate) struct CloseRequest {
    key: u32,
    generation: u32,
    reason: CloseReason,
    code: u16,
    text: String,
}

/// The state of a shard.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shard: u16,
    pub(crate) handle: Handle,
    pub(crate) counters: Arc<Counters>,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    pub(crate) connections: Slab<Connection>,
    pub(crate) handshakes: Slab<Handshake>,
    /// What is counted over all shards.
    pub(crate) quota: Arc<Quota>,
    /// What limits need to know of each connection.
    pub(crate) side_tables: SideTables,
    /// What connections have sent lately, where that is limited.
    pub(crate) meters: Option<Box<Meters>>,
    /// The access log, where there is one.
    pub(crate) log: Option<Box<Log>>,
    /// What goes to everybody and has not reached all yet.
    pub(crate) broadcasts: Broadcasts,
    /// Connections with something to send, each once.
    pub(crate) dirty: VecDeque<u32>,
    /// Closing handshakes that are to begin, a few each turn, so that ten thousand of them hold up nobody.
    pub(crate) closing: VecDeque<CloseRequest>,
    /// Compresses for all connections of the shard that have agreed on it.
    pub(crate) deflater: Deflater,
    /// Inflates what they send.
    pub(crate) inflater: Inflater,
    /// Bytes in all outboxes.
    pub(crate) outbox_bytes: usize,
    /// Bytes that have left outboxes in sends that wait for their peers, and what the kernel may hold of those.
    pub(crate) waiting_bytes: usize,
    /// Bytes of messages that are not whole.
    pub(crate) partial_bytes: usize,
    generation: u32,
}

impl Core {
    pub(crate) fn new(
        shard: u16,
        handle: Handle,
        counters: Arc<Counters>,
        policy: Policy,
        quota: Arc<Quota>,
    ) -> Self {
        Self {
            shard,
            handle,
            counters,
            clock: Clock::start(Instant::now()),
            // Reserved for the most there can be: growth would copy all records and, for a while, hold them twice.
            connections: Slab::with_capacity(policy.connections_max as usize),
            handshakes: Slab::with_capacity(policy.handshake_slots() as usize),
            deflater: Deflater::new(policy.deflate.level),
            inflater: Inflater::new(),
            side_tables: SideTables::new(&policy, &quota),
            quota,
            meters: Meters::new(&policy.rates, policy.connections_max).map(Box::new),
            policy,
            log: None,
            broadcasts: Broadcasts::default(),
            dirty: VecDeque::new(),
            closing: VecDeque::new(),
            outbox_bytes: 0,
            waiting_bytes: 0,
            partial_bytes: 0,
            generation: 0,
        }
    }

    /// A generation for the next owner of whatever slot.
    pub(crate) fn next_generation(&mut self) -> u32 {
        self.generation = holdfast_ring::Token::next_generation(self.generation);
        self.generation
    }

    /// A record has a new owner: its address, how long it may stay, buckets that are full, and no broadcast to come.
    pub(crate) fn begin_record(&mut self, key: u32, permit: Option<AddressPermit>) {
        self.connections[key as usize].marks.set_broadcast(self.broadcasts.newest());
        let leave_at =
            self.policy.age.map(|age| self.clock.second_after(age.max) - age.share(self.generation));
        self.side_tables.begin(key, permit, leave_at);
        if let Some(meters) = &mut self.meters {
            meters.begin(key);
        }
    }

    /// A record is free: its address has a place more.
    pub(crate) fn end_record(&mut self, key: u32) {
        let block = self.side_tables.end(key);
        self.quota.leave(block);
    }

    /// Bytes that each connection has beside its record.
    pub(crate) fn side_table_bytes(&self) -> usize {
        self.side_tables.bytes_each() + self.meters.as_ref().map_or(0, |meters| meters.bytes_each())
    }

    pub(crate) fn id(&self, key: u32) -> ConnectionId {
        ConnectionId { shard: self.shard, key, generation: self.connections[key as usize].generation }
    }

    /// The connection with this key and generation, if it is still that one.
    pub(crate) fn connection(&mut self, key: u32, generation: u32) -> Option<&mut Connection> {
        self.connections.get_mut(key as usize).filter(|connection| connection.generation == generation)
    }

    /// Queues a message for one of this shard's connections. Whether there is such a connection.
    pub(crate) fn send_message(&mut self, to: ConnectionId, kind: MessageKind, parts: &[&[u8]]) -> bool {
        if !self.connection(to.key, to.generation).is_some_and(|connection| connection.state.may_send()) {
            return false;
        }
        self.count_sent(to.key, kind);
        let frame = self.compressed(to.key, kind, parts).unwrap_or_else(|| frame(kind.opcode(), parts));
        self.push(to.key, frame);
        true
    }

    pub(crate) fn count_sent(&mut self, key: u32, kind: MessageKind) {
        self.note(key, |visit| visit.messages_out += 1);
        self.counters.message_sent(kind);
    }

    /// Answers a frame with its own payload: in the buffer it came in, behind the answers before it, or by way of the
    /// outbox when something else is to be sent first. `replies` is the range of the answers in `input`.
    pub(crate) fn reply(
        &mut self,
        key: u32,
        opcode: Opcode,
        payload: Payload,
        input: &mut [u8],
        replies: &mut Range<usize>,
    ) {
        if !self.catch_up(key) {
            return;
        }
        match payload {
            Payload::Assembled(assembled) => self.push_reply(key, opcode, assembled.into_frame(opcode)),
            Payload::InBuffer(range) if self.connections[key as usize].is_sending() => {
                self.push_reply(key, opcode, frame(opcode, &[&input[range]]));
            }
            Payload::InBuffer(range) => {
                // The peer's header, four bytes longer than ours, has left room in front of the payload.
                let start = range.start - header_len(range.len());
                write_header(opcode, range.len(), &mut input[start..]);
                if replies.start == replies.end {
                    *replies = start..range.end;
                } else {
                    let len = range.end - start;
                    input.copy_within(start..range.end, replies.end);
                    replies.end += len;
                }
            }
        }
    }

    /// Puts a whole frame into a connection's outbox, behind the broadcasts that it has not got yet.
    pub(crate) fn push(&mut self, key: u32, frame: Bytes) {
        if self.catch_up(key) {
            self.push_frame(key, frame);
        }
    }

    /// Puts a whole frame into a connection's outbox. Where it would pass a limit, slow-policy decides what becomes of
    /// it.
    pub(crate) fn push_frame(&mut self, key: u32, frame: Bytes) {
        if let Some(limit) = self.limit_of(key, &frame) {
            self.counters.limit(limit);
            match self.policy.slow {
                SlowPolicy::Close => return self.close_slow(key),
                SlowPolicy::DropOldest => {
                    if !self.make_room(key, &frame) {
                        return self.count_dropped(&frame);
                    }
                }
            }
        }
        self.outbox_bytes += queued_bytes(&frame);
        self.connections[key as usize].push(frame);
        self.mark_dirty(key);
    }

    /// Gives up one that reads too slowly, and what waits for it.
    fn close_slow(&mut self, key: u32) {
        self.outbox_bytes -= self.connections[key as usize].clear_outbox();
        self.begin_close_now(key, CloseReason::Slow, 1013, "reading too slowly");
    }

    /// The limit that a frame would pass in a connection's outbox.
    fn limit_of(&self, key: u32, frame: &Bytes) -> Option<Limit> {
        let (connection, policy) = (&self.connections[key as usize], &self.policy);
        let after = connection.outbox_bytes() + queued_bytes(frame);
        if after > policy.outbox_bytes_max {
            return Some(Limit::OutboxBytes);
        }
        let held = self.outbox_bytes + self.waiting_bytes + queued_bytes(frame);
        if held <= policy.shard_outbox_bytes_max {
            return None;
        }
        // Those who do not read are not to harm those who do: one for whom little or nothing waits may get this one.
        // Past a quarter more, only a little: else very many for whom little waits would have more than there is.
        let keeps_up = match self.is_crowded(queued_bytes(frame)) {
            true => !connection.is_sending() && frame.len() <= Policy::OUTBOX_BYTES_FREE,
            false => !connection.is_sending() || after <= policy.unsent_bytes_max,
        };
        (!keeps_up).then_some(Limit::ShardOutboxBytes)
    }

    /// Whether so many bytes more are more than what waits to be sent may have even for a while.
    pub(crate) fn is_crowded(&self, more: usize) -> bool {
        self.outbox_bytes + self.waiting_bytes + more > with_allowance(self.policy.shard_outbox_bytes_max)
    }

    /// A send of so many bytes that waited for its peer is over.
    pub(crate) fn end_waiting(&mut self, len: u32) {
        self.waiting_bytes -= len as usize + self.policy.kernel_bytes;
    }

    /// Drops the oldest frames that wait for a connection until there is room for one more. Whether there is.
    fn make_room(&mut self, key: u32, frame: &Bytes) -> bool {
        while self.limit_of(key, frame).is_some() {
            let Some(oldest) = self.connections[key as usize].drop_oldest() else { return false };
            self.outbox_bytes -= queued_bytes(&oldest);
            self.count_dropped(&oldest);
        }
        true
    }

    fn count_dropped(&self, frame: &Bytes) {
        let is_message = opcode_of(frame).is_some_and(|opcode| !opcode.is_control());
        self.counters.dropped.add(u64::from(is_message));
    }

    /// Queues an answer: where much waits already, a pong in place of one of which nothing has gone. Some clients, and
    /// Autobahn's case 2.11, expect a pong for each of a few pings.
    fn push_reply(&mut self, key: u32, opcode: Opcode, frame: Bytes) {
        // RFC 6455 5.5.3: with several Pings unanswered, an endpoint "MAY elect to send a Pong frame for only the most
        // recently processed Ping frame".
        if opcode == Opcode::Pong
            && self.connections[key as usize].outbox_bytes() > Policy::PONGS_BYTES_FREE
            && let Some(older) = self.connections[key as usize].drop_newest_pong()
        {
            self.outbox_bytes -= queued_bytes(&older);
        }
        self.push(key, frame);
    }

    pub(crate) fn mark_dirty(&mut self, key: u32) {
        let connection = &mut self.connections[key as usize];
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push_back(key);
        }
    }

    /// Takes the next bytes to send out of a connection's outbox.
    pub(crate) fn pop(&mut self, key: u32) -> Option<Bytes> {
        let bytes = self.connections[key as usize].pop()?;
        self.outbox_bytes -= queued_bytes(&bytes);
        Some(bytes)
    }

    /// Puts the rest of what did not go back to the front. Whoever does so flushes.
    pub(crate) fn push_front(&mut self, key: u32, rest: Bytes) {
        self.outbox_bytes += queued_bytes(&rest);
        self.connections[key as usize].push_front(rest);
    }

    /// Puts back what did not go of a frame that was never in the outbox, as far as the limits allow that.
    pub(crate) fn put_back(&mut self, key: u32, rest: Bytes) {
        let limit = self.limit_of(key, &rest).filter(|_| self.policy.slow == SlowPolicy::Close);
        self.push_front(key, rest);
        if let Some(limit) = limit.filter(|_| self.connections[key as usize].state.may_send()) {
            self.counters.limit(limit);
            self.close_slow(key);
        }
    }

    /// Asks for a closing handshake, in one of the next turns. Whether there is such a connection.
    pub(crate) fn request_close(
        &mut self,
        id: ConnectionId,
        reason: CloseReason,
        code: u16,
        text: &str,
    ) -> bool {
        let connection = self.connection(id.key, id.generation);
        let Some(connection) = connection.filter(|connection| connection.state.may_send()) else {
            return false;
        };
        // The first request counts, so that the list is never longer than the slab.
        if !connection.marks.close_requested() {
            connection.marks.request_close();
            let (key, generation, text) = (id.key, id.generation, text.to_owned());
            self.closing.push_back(CloseRequest { key, generation, reason, code, text });
        }
        true
    }

    /// Begins some of the closing handshakes that were asked for.
    pub(crate) fn begin_requested_closes(&mut self, most: usize) {
        for _ in 0..most {
            let Some(request) = self.closing.pop_front() else { return };
            if self.connection(request.key, request.generation).is_some() {
                self.begin_close(request.key, request.reason, request.code, &request.text);
            }
        }
    }

    /// Begins the closing handshake: our close frame behind what is queued and the broadcasts that were accepted
    /// before, then the peer's, before the deadline.
    pub(crate) fn begin_close(&mut self, key: u32, reason: CloseReason, code: u16, text: &str) {
        if self.connections[key as usize].state.may_send() && self.catch_up(key) {
            self.begin_close_now(key, reason, code, text);
        }
    }

    fn begin_close_now(&mut self, key: u32, reason: CloseReason, code: u16, text: &str) {
        let connection = &mut self.connections[key as usize];
        if !connection.state.may_send() {
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
        if connection.state == State::Open {
            connection.ends_with(CloseReason::Peer, code.map_or(CloseCode::Empty, CloseCode::of));
            // RFC 6455 5.5.1: the answer "typically echos the status code it received".
            self.say_close(key, answer_code(code), "", next);
        } else {
            connection.state = next;
            self.mark_dirty(key);
        }
    }

    /// The peer broke the protocol: say so, then read on and discard, so that it hears it.
    pub(crate) fn fail(&mut self, key: u32, error: ProtocolError) {
        match error {
            ProtocolError::FrameTooLong => self.counters.limit(Limit::FrameBytes),
            ProtocolError::MessageTooLong => self.counters.limit(Limit::MessageBytes),
            _ => {}
        }
        let connection = &mut self.connections[key as usize];
        let code = error.close_code();
        let reason = if code == 1009 { CloseReason::TooBig } else { CloseReason::Protocol };
        if connection.state == State::Open {
            connection.ends_with(reason, CloseCode::of(code));
            self.say_close(key, Some(code), &error.to_string(), State::Lingering);
        } else {
            connection.state = State::Lingering;
            self.mark_dirty(key);
        }
    }

    /// The peer sends more than it may and is to be closed for it: say so, then read on and discard.
    pub(crate) fn fail_for_rate(&mut self, key: u32, limit: Limit) {
        self.counters.limit(limit);
        self.connections[key as usize].ends_with(CloseReason::Rate, CloseCode::Policy);
        self.say_close(key, Some(1008), "more was sent in a second than is allowed", State::Lingering);
    }

    /// Closes a connection that holds more than a little of a message while all together hold too much. `before` is
    /// what it held when [`Core::partial_bytes`] was right.
    pub(crate) fn check_partial_bytes(&mut self, key: u32, before: usize) {
        let connection = &mut self.connections[key as usize];
        let held = connection.receiver.partial_bytes();
        let all = self.partial_bytes - before + held;
        // Past a quarter more even a little is too much: very many have a little.
        let most = self.policy.shard_partial_bytes_max;
        let free = if all > with_allowance(most) { 0 } else { Policy::PARTIAL_BYTES_FREE };
        if held <= before.max(free) || all <= most {
            return;
        }
        self.counters.limit(Limit::ShardPartialBytes);
        if connection.state == State::Open {
            connection.ends_with(CloseReason::TooBig, CloseCode::TryAgain);
            self.say_close(key, Some(1013), "too many messages are not whole", State::Lingering);
        } else {
            connection.state = State::Lingering;
            self.mark_dirty(key);
        }
    }

    /// Queues our close frame, whatever the outbox's limit, and goes to `next`.
    fn say_close(&mut self, key: u32, code: Option<u16>, text: &str, next: State) {
        let deadline = self.clock.second_after(self.policy.close_timeout);
        let frame = Bytes::copy_from_slice(encode_close(code, text).as_bytes());
        self.outbox_bytes += queued_bytes(&frame);
        let connection = &mut self.connections[key as usize];
        connection.push(frame);
        connection.state = next;
        connection.extra().close_deadline = Some(deadline);
        self.mark_dirty(key);
    }
}

/// A whole frame from a payload in parts.
pub(crate) fn frame(opcode: Opcode, parts: &[&[u8]]) -> Bytes {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut frame = vec![0; header_len(len)];
    write_header(opcode, len, &mut frame);
    frame.reserve_exact(len);
    for part in parts {
        frame.extend_from_slice(part);
    }
    Bytes::from(frame)
}
