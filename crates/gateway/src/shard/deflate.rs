//! permessage-deflate in a shard: what is compressed. One compressor for each window size and one
//! decompressor serve all connections, since no context is taken over from one message to the next; a connection keeps
//! its window size, in its record's [`Marks`](super::connection::Marks).

use bytes::Bytes;
use holdfast_proto::{Deflater, MessageKind, WindowBits};

use super::Core;
use super::policy::DeflatePolicy;
use crate::Prepared;
use crate::counters::DeflateCounters;

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
    /// A message's compressed frame, if that is shorter.
    pub(super) fn compress(
        &mut self,
        window: WindowBits,
        kind: MessageKind,
        parts: &[&[u8]],
    ) -> Option<Bytes> {
        let len = parts.iter().map(|part| part.len()).sum();
        if len < self.policy.deflate.bytes_min {
            return None;
        }
        let frame = self.deflater.frame(window, kind.opcode(), parts)?;
        self.counters.deflate.sent(len, &frame);
        Some(frame)
    }
}
