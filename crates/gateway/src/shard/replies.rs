//! From messages to frames: what an application sends, and what is answered in the buffer it came in.

use std::ops::Range;

use bytes::Bytes;
use holdfast_proto::{MessageKind, Opcode, Payload, frame, header_len, write_header};

use super::Core;
use super::deflate::compressed;
use super::outbox::Outbox;
use super::policy::Policy;
use crate::publish::Numbering;
use crate::{ConnectionId, Prepared};

impl Core {
    /// Queues a message for one of this shard's connections. Whether there is such a connection.
    pub(crate) fn send_message(&mut self, to: ConnectionId, kind: MessageKind, parts: &[&[u8]]) -> bool {
        if !self.connection(to).is_some_and(|connection| connection.state().may_send()) {
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

    /// Queues a message that was made for many for one of this shard's connections. Whether there is such a connection.
    pub(crate) fn send_prepared(&mut self, to: ConnectionId, message: &Prepared) -> bool {
        let Some(connection) = self.connection(to) else { return false };
        if !connection.is_ordinary_and_open() {
            let (is_open, takes) = (connection.state().may_send(), connection.takes_messages());
            let is_reliable = connection.is_reliable() && takes;
            if let Some(numbering) = message.numbering().filter(|_| is_reliable) {
                return self.keep_prepared(to.key, message, numbering);
            }
            if !is_open {
                // One that is away is there.
                return takes;
            }
        }
        let window = self.connections[to.key as usize].marks.window();
        self.count_sent(to.key, message.kind());
        let (policy, counters) = (&self.policy.deflate, &self.counters.deflate);
        let compressed = window.and_then(|it| compressed(message, it, policy, counters, &mut self.deflater));
        self.push(to.key, compressed.unwrap_or_else(|| message.plain()));
        true
    }

    /// Puts a message into the queue of a reliable client, behind what was published before.
    fn keep_prepared(&mut self, key: u32, message: &Prepared, numbering: &'static Numbering) -> bool {
        self.count_sent(key, message.kind());
        // Whether it has a socket does not matter.
        self.catch_up(key);
        let frame = self.reliable.shared.count(message.plain());
        self.keep(key, frame, numbering);
        self.send_what_is_kept(key);
        true
    }

    /// Answers a message with itself: compressed, or as any other frame.
    #[inline]
    pub(crate) fn echo(
        &mut self,
        key: u32,
        kind: MessageKind,
        payload: Payload,
        input: &mut [u8],
        replies: &mut Range<usize>,
    ) {
        self.count_sent(key, kind);
        match self.compressed(key, kind, &[payload.bytes(input)]) {
            Some(frame) => self.push(key, frame),
            None => self.reply(key, kind.opcode(), payload, input, replies),
        }
    }

    /// A compressed frame for a connection, if that was agreed on and makes the message shorter.
    #[inline]
    fn compressed(&mut self, key: u32, kind: MessageKind, parts: &[&[u8]]) -> Option<Bytes> {
        let window = self.connections[key as usize].marks.window()?;
        self.compress(window, kind, parts)
    }

    /// Queues an answer: where much waits already, a pong in place of one of which nothing has gone. Some clients, and
    /// Autobahn's case 2.11, expect a pong for each of a few pings.
    fn push_reply(&mut self, key: u32, opcode: Opcode, frame: Bytes) {
        // RFC 6455 5.5.3: with several Pings unanswered, an endpoint "MAY elect to send a Pong frame for only the most
        // recently processed Ping frame".
        if opcode == Opcode::Pong && self.connections[key as usize].outbox_bytes() > Policy::PONGS_BYTES_FREE
        {
            self.outbox(key, Outbox::drop_newest_pong);
        }
        // Whoever answers has caught up.
        self.push_frame(key, frame);
    }
}
