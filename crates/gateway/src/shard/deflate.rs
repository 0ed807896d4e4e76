//! permessage-deflate in a shard: what is compressed. One compressor for each window size and one
//! decompressor serve all connections, since no context is taken over from one message to the next; a connection keeps
//! its window size, in its record's [`Marks`](super::connection::Marks).

use std::ops::Range;

use bytes::Bytes;
use holdfast_proto::{Deflater, MessageKind, Payload, ProtocolError, Step, WindowBits};

use super::Core;
use super::policy::DeflatePolicy;
use crate::counters::DeflateCounters;
use crate::{ConnectionId, Prepared};

/// The compressed frame of a message that was made for many, if it is worth it.
pub(super) fn compressed(
    message: &Prepared,
    window: WindowBits,
    policy: &DeflatePolicy,
    counters: &DeflateCounters,
    deflater: &mut Deflater,
) -> Option<Bytes> {
    if message.len() < policy.bytes_min {
        return None;
    }
    let frame = message.compressed(window, deflater)?;
    counters.sent(message.len(), &frame);
    Some(frame)
}

impl Core {
    /// The next step of a connection's input, as [`Receiver::next`](holdfast_proto::Receiver::next) has it.
    pub(crate) fn receive(
        &mut self,
        key: u32,
        input: &mut [u8],
        at: &mut usize,
    ) -> Result<Step, ProtocolError> {
        let connection = &mut self.connections[key as usize];
        let limits = &self.policy.input;
        match connection.marks.window() {
            Some(_) => connection.receiver.next_compressed(input, at, limits, &mut self.inflater),
            None => connection.receiver.next(input, at, limits),
        }
    }

    /// Queues a message that was made for many for one of this shard's connections. Whether there is such a connection.
    pub(crate) fn send_prepared(&mut self, to: ConnectionId, message: &Prepared) -> bool {
        let connection = self.connection(to.key, to.generation);
        let Some(connection) = connection.filter(|connection| connection.state.may_send()) else {
            return false;
        };
        let window = connection.marks.window();
        self.count_sent(to.key, message.kind());
        let (policy, counters) = (&self.policy.deflate, &self.counters.deflate);
        let compressed = window.and_then(|it| compressed(message, it, policy, counters, &mut self.deflater));
        self.push(to.key, compressed.unwrap_or_else(|| message.plain()));
        true
    }

    /// A compressed frame for a connection, if that was agreed on and makes the message shorter.
    pub(super) fn compressed(&mut self, key: u32, kind: MessageKind, parts: &[&[u8]]) -> Option<Bytes> {
        let window = self.connections[key as usize].marks.window()?;
        let len = parts.iter().map(|part| part.len()).sum();
        if len < self.policy.deflate.bytes_min {
            return None;
        }
        let frame = self.deflater.frame(window, kind.opcode(), parts)?;
        self.counters.deflate.sent(len, &frame);
        Some(frame)
    }

    /// Answers a message with itself: compressed, or as any other frame.
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
}
