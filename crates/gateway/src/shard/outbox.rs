//! What waits to be sent to a connection.

use std::collections::VecDeque;

use bytes::Bytes;
use holdfast_proto::Opcode;

use super::policy::Policy;

/// Whole frames, and the rest of one, in the order in which they are sent. Whoever works on one keeps the total of its
/// shard right: see [`Core::outbox`](super::Core::outbox), the only one who does.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
    /// Of all pieces, with what each takes besides.
    bytes: usize,
    /// The first of them is the rest of something that has gone in part: nothing else may be sent before it.
    front_is_rest: bool,
}

/// What a piece of output takes while it is queued: its bytes, and 64 for its place in the queue (32, and as many spare
/// ones) and the allocator. Millions of tiny frames are not to pass for a few megabytes.
pub(crate) fn queued_bytes(bytes: &Bytes) -> usize {
    bytes.len() + Policy::QUEUED_BYTES
}

/// The opcode of a whole frame.
pub(crate) fn opcode_of(frame: &Bytes) -> Option<Opcode> {
    // RFC 6455 5.2: the low four bits of the first byte.
    frame.first().and_then(|byte| Opcode::from_bits(byte & 0x0f))
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes of all pieces, with what each takes besides.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What [`bytes`](Self::bytes) must be.
    #[cfg(test)]
    pub(crate) fn sum(&self) -> usize {
        self.pieces.iter().map(queued_bytes).sum()
    }

    /// Whether the first piece is the rest of something, or nothing may come before it for another reason.
    pub(crate) fn has_rest(&self) -> bool {
        self.front_is_rest
    }

    /// The next piece to send.
    pub(crate) fn front(&self) -> Option<&Bytes> {
        self.pieces.front()
    }

    /// Puts bytes at the end of the outbox.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.bytes += queued_bytes(&bytes);
        self.pieces.push_back(bytes);
    }

    /// Puts the rest of a frame back to the front, or something else that nothing may come before.
    pub(crate) fn push_front(&mut self, bytes: Bytes) {
        self.bytes += queued_bytes(&bytes);
        self.pieces.push_front(bytes);
        self.front_is_rest = true;
    }

    /// Takes the next bytes to send.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let bytes = self.pieces.pop_front()?;
        self.bytes -= queued_bytes(&bytes);
        self.front_is_rest = false;
        Some(bytes)
    }

    /// Takes out the oldest message of which nothing has gone yet. Control frames stay.
    pub(crate) fn drop_oldest(&mut self) -> Option<Bytes> {
        let is_message = |frame: &Bytes| opcode_of(frame).is_some_and(|opcode| !opcode.is_control());
        let rest = usize::from(self.front_is_rest);
        let index = rest + self.pieces.iter().skip(rest).position(is_message)?;
        let bytes = self.pieces.remove(index)?;
        self.bytes -= queued_bytes(&bytes);
        Some(bytes)
    }

    /// Takes out the newest frame if it is a pong of which nothing has gone yet.
    pub(crate) fn drop_newest_pong(&mut self) -> Option<Bytes> {
        let whole = self.pieces.len() > usize::from(self.front_is_rest);
        if !whole || self.pieces.back().and_then(opcode_of) != Some(Opcode::Pong) {
            return None;
        }
        let bytes = self.pieces.pop_back()?;
        self.bytes -= queued_bytes(&bytes);
        Some(bytes)
    }

    /// Throws the outbox away. What is in flight stays, and so does the rest of what has gone in part, or the peer
    /// would take the next frame for it.
    pub(crate) fn clear(&mut self) {
        self.pieces.truncate(usize::from(self.front_is_rest));
        self.bytes = self.pieces.iter().map(queued_bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_frame_stays_when_the_outbox_is_thrown_away() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"a whole frame"));
        outbox.push_front(Bytes::from_static(b"rest"));
        assert_eq!((outbox.clear(), outbox.bytes()), ((), 4 + 64));
        assert_eq!(outbox.pop().as_deref(), Some(&b"rest"[..]));
        outbox.push(Bytes::from_static(b"a whole frame"));
        assert_eq!((outbox.clear(), outbox.bytes()), ((), 0));
    }

    const PONG: Bytes = Bytes::from_static(b"\x8a\x01a");
    const TEXT: Bytes = Bytes::from_static(b"\x81\x01a");

    #[test]
    fn the_oldest_message_is_dropped_and_never_the_rest_of_one_or_a_control_frame() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.drop_oldest(), None);
        outbox.push(PONG);
        outbox.push(TEXT);
        outbox.push(Bytes::from_static(b"\x82\x00"));
        // It looks like a message, and is the end of one.
        outbox.push_front(TEXT);
        assert_eq!(outbox.drop_oldest(), Some(TEXT));
        assert_eq!(outbox.drop_oldest().as_deref(), Some(&b"\x82\x00"[..]));
        assert_eq!((outbox.drop_oldest(), outbox.bytes()), (None, 2 * (3 + 64)));
        assert_eq!([outbox.pop(), outbox.pop()], [Some(TEXT), Some(PONG)]);
    }

    #[test]
    fn only_a_pong_that_is_whole_and_last_is_replaced() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.drop_newest_pong(), None);
        // The rest of something may look like a pong.
        outbox.push_front(PONG);
        assert_eq!(outbox.drop_newest_pong(), None);
        outbox.push(PONG);
        assert_eq!((outbox.drop_newest_pong(), outbox.bytes()), (Some(PONG), 3 + 64));
        outbox.push(PONG);
        outbox.push(TEXT);
        assert_eq!(outbox.drop_newest_pong(), None);
        let opcodes = [TEXT, PONG, Bytes::new(), Bytes::from_static(b"\x03")].map(|frame| opcode_of(&frame));
        assert_eq!(opcodes, [Some(Opcode::Text), Some(Opcode::Pong), None, None]);
    }
}
