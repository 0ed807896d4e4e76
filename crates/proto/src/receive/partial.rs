//! What a connection holds while a frame or a message is not whole, and after its input has ended.

use super::utf8::Utf8;
use super::{Assembled, MessageKind};
use crate::frame::{CLIENT_HEADER_LEN_MAX, Header};
use crate::{Inflater, ProtocolError};

/// Everything a receiver remembers between two reads; absent between two messages.
#[derive(Debug, Default)]
pub(super) struct Partial {
    pub(super) frame: FrameProgress,
    pub(super) message: Option<Message>,
    /// When set, the rest is empty.
    pub(super) end: Option<End>,
    /// The caller's time at which it began, as far as the caller has asked.
    pub(super) since: Option<u32>,
}

/// Why nothing that arrives counts any more.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The peer broke the protocol: every further call says so again.
    Failed(ProtocolError),
    /// A Close frame arrived: all that follows is ignored.
    Closed,
}

/// How much of the current frame has arrived.
#[derive(Debug, Default)]
pub(super) enum FrameProgress {
    /// Nothing.
    #[default]
    None,
    /// A part of its header.
    Header(HeaderBytes),
    /// Its header and a part of its payload.
    Payload(CutFrame),
}

/// A header that was cut.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeaderBytes {
    bytes: [u8; CLIENT_HEADER_LEN_MAX],
    len: u8,
}

impl HeaderBytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Appends as much of `input` as fits.
    pub(super) fn fill(&mut self, input: &[u8]) {
        let len = self.len();
        for (slot, byte) in self.bytes[len..].iter_mut().zip(input) {
            *slot = *byte;
            self.len += 1;
        }
    }
}

/// A frame whose payload was cut.
#[derive(Debug)]
pub(super) struct CutFrame {
    pub(super) header: Header,
    /// Payload bytes consumed so far.
    pub(super) received: usize,
    /// The payload so far, when this is a control frame; data goes to the message.
    pub(super) control: Assembled,
}

/// A message that is not whole.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: MessageKind,
    /// What has arrived; if compressed, as it arrived: what it inflates to exists only once the message is whole, since
    /// there is no decompressor for each connection.
    pub(super) payload: Assembled,
    pub(super) compressed: bool,
    utf8: Utf8,
}

impl Message {
    pub(super) fn new(kind: MessageKind, compressed: bool) -> Self {
        Self { kind, payload: Assembled::new(), compressed, utf8: Utf8::default() }
    }

    /// Appends unmasked bytes; `len_max` is the most the message can come to.
    pub(super) fn push(&mut self, piece: &[u8], len_max: usize) -> Result<(), ProtocolError> {
        // RFC 6455 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte
        // stream is not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_."
        // As soon as the bytes are there, whole frame or not.
        match self.kind {
            MessageKind::Text if !self.compressed => {
                self.utf8.push(piece).map_err(|_| ProtocolError::TextNotUtf8)?;
            }
            MessageKind::Text | MessageKind::Binary => {}
        }
        self.payload.push(piece, len_max);
        Ok(())
    }

    /// The last fragment is in. A compressed message becomes at most `bytes_max` bytes.
    pub(super) fn finish(
        mut self,
        inflater: Option<&mut Inflater>,
        bytes_max: usize,
    ) -> Result<(MessageKind, Assembled), ProtocolError> {
        if self.compressed {
            // It was allowed when the message began, so whoever calls has one.
            let inflater = inflater.ok_or(ProtocolError::ReservedBits)?;
            return Ok((self.kind, inflater.inflate(&self.payload, self.kind, bytes_max)?));
        }
        self.utf8.finish().map_err(|_| ProtocolError::TextNotUtf8)?;
        self.payload.shrink();
        Ok((self.kind, self.payload))
    }
}

impl Partial {
    pub(super) fn ended(end: End) -> Self {
        Self { end: Some(end), ..Self::default() }
    }

    /// Bytes of heap, this value's own included.
    pub(super) fn heap_bytes(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| message.payload.capacity_bytes());
        let control = match &self.frame {
            FrameProgress::Payload(cut) => cut.control.capacity_bytes(),
            FrameProgress::None | FrameProgress::Header(_) => 0,
        };
        size_of::<Self>() + message + control
    }
}
