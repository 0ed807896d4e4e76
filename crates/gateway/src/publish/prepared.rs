//! A message for many connections, made once.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use holdfast_proto::{Deflater, MessageKind, WindowBits, frame};

/// How messages are numbered for clients that count what they get: the payload up to `at`, `before`, the number,
/// `after` and the rest of the payload. Text, and short.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbering {
    pub(crate) at: usize,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

/// A message that is to be sent to many connections: it is framed once, and compressed at most once for each window
/// size that those who get it have agreed on. Cheap to clone; sends share its memory, which is at most eight times the
/// message's (itself, and shorter than that for each window size) and ends with the last clone and send.
///
/// By [`Context::send_prepared`](crate::Context::send_prepared) and
/// [`Handle::send_prepared`](crate::Handle::send_prepared).
#[derive(Clone, Debug)]
pub struct Prepared {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: MessageKind,
    len: usize,
    plain: Bytes,
    /// By window size; `None` inside where compression would not make it shorter.
    compressed: [OnceLock<Option<Bytes>>; WindowBits::COUNT],
    numbering: Option<&'static Numbering>,
}

impl Prepared {
    /// A message whose payload is these parts, one after the other. Text must be valid UTF-8.
    #[must_use]
    pub fn new(kind: MessageKind, parts: &[&[u8]]) -> Self {
        Self::with(kind, parts, None)
    }

    /// A text that those who count what they get have numbered, and keep until they have it.
    pub(crate) fn numbered(parts: &[&[u8]], numbering: &'static Numbering) -> Self {
        Self::with(MessageKind::Text, parts, Some(numbering))
    }

    fn with(kind: MessageKind, parts: &[&[u8]], numbering: Option<&'static Numbering>) -> Self {
        let len = parts.iter().map(|part| part.len()).sum();
        let plain = frame(kind.opcode(), parts);
        Self { inner: Arc::new(Inner { kind, len, plain, compressed: Default::default(), numbering }) }
    }

    /// Text or binary.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.inner.kind
    }

    /// Bytes of the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How it is numbered for those who count what they get, if it is.
    pub(crate) fn numbering(&self) -> Option<&'static Numbering> {
        self.inner.numbering
    }

    /// The frame of the message as it is.
    pub(crate) fn plain(&self) -> Bytes {
        self.inner.plain.clone()
    }

    /// The frame of the message compressed, if that is shorter.
    pub(crate) fn compressed(&self, window: WindowBits, deflater: &mut Deflater) -> Option<Bytes> {
        let inner = &*self.inner;
        let made = &inner.compressed[window.index()];
        if let Some(made) = made.get() {
            return made.clone();
        }
        // A shard must not wait for another one: where two come at the same time, both compress, and one is kept.
        let payload = &inner.plain[inner.plain.len() - inner.len..];
        let frame = deflater.frame(window, inner.kind.opcode(), &[payload]);
        let _ = made.set(frame.clone());
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_receiver_of_one_window_size_shares_one_frame() {
        let mut deflater = Deflater::new(2);
        let message = Prepared::new(MessageKind::Text, &[b"news, ", &b"news, ".repeat(100)]);
        assert_eq!((message.kind(), message.len(), message.is_empty()), (MessageKind::Text, 606, false));
        assert_eq!(message.plain()[..2], [0x81, 126]);
        for window in WindowBits::all() {
            let first = message.compressed(window, &mut deflater).expect("it gets shorter");
            let second = message.clone().compressed(window, &mut deflater).expect("it gets shorter");
            assert_eq!(first.as_ptr(), second.as_ptr());
            assert_eq!(first[0], 0xC1);
        }
        assert_eq!(deflater.runs(), 7);
    }

    #[test]
    fn what_gets_no_shorter_is_tried_once() {
        let mut deflater = Deflater::new(9);
        let message = Prepared::new(MessageKind::Binary, &[b"\x01\xFE"]);
        for _ in 0..3 {
            assert_eq!(message.compressed(WindowBits::default(), &mut deflater), None);
        }
        assert_eq!(deflater.runs(), 1);
        assert_eq!(message.plain()[..], [0x82, 2, 1, 0xFE]);
    }
}
