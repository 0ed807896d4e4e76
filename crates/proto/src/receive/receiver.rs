//! The receiver: bytes in, [`Step`]s out.

use std::ops::Range;

use super::partial::{CutFrame, End, FrameProgress, HeaderBytes, Message, Partial};
use super::{Assembled, MessageKind, Payload, Step, utf8};
use crate::frame::{Header, Opcode, Rules, decode, unmask};
use crate::{Inflater, ProtocolError, valid_close_code};

/// What one connection may send at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest payload of one data frame.
    pub frame_bytes_max: u64,
    /// Longest message: the payloads of all its fragments together; of a compressed one, what it inflates to.
    pub message_bytes_max: usize,
}

impl Limits {
    /// How much longer than the two limits the frames of a compressed message may be on the wire: a sixteenth of the
    /// longest message, and 64 bytes. What cannot be compressed goes in blocks that copy it, with five bytes each;
    /// those of zlib cover at least 127 bytes (its smallest memLevel), which is a twenty-fifth.
    #[must_use]
    pub fn compressed_slack(&self) -> usize {
        self.message_bytes_max / 16 + 64
    }

    /// Most bytes of a compressed message on the wire, all its fragments together.
    #[must_use]
    pub fn compressed_bytes_max(&self) -> usize {
        self.message_bytes_max.saturating_add(self.compressed_slack())
    }
}

/// One connection's input after the opening handshake.
///
/// It is one pointer, null between messages. What it points to holds only bytes that have arrived (at most
/// about double of them, and never more than [`Limits::message_bytes_max`] plus some 200 bytes), whatever
/// length a peer announces, and is freed with the frame or message it was for.
///
/// # Use
///
/// ```
/// use holdfast_proto::{Limits, MessageKind, Payload, Receiver, Step};
///
/// let limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };
/// let mut receiver = Receiver::default();
/// // "Hello" as a client sends it (RFC 6455 5.7).
/// let mut input = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
/// let mut at = 0;
/// let step = receiver.next(&mut input, &mut at, &limits).unwrap();
/// assert_eq!(step, Step::Message { kind: MessageKind::Text, payload: Payload::InBuffer(6..11) });
/// assert_eq!(&input[6..11], b"Hello");
/// assert_eq!(receiver.next(&mut input, &mut at, &limits), Ok(Step::NeedMore));
/// assert_eq!(at, 11);
/// ```
#[derive(Debug, Default)]
pub struct Receiver {
    partial: Option<Box<Partial>>,
}

const _: () = assert!(size_of::<Receiver>() == size_of::<usize>());

impl Receiver {
    /// A receiver at the start of a connection.
    #[must_use]
    pub const fn new() -> Self {
        Self { partial: None }
    }

    /// Whether nothing is held: the next byte begins a new message, and no Close frame or error was seen.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Bytes of heap held: 0 when idle.
    #[must_use]
    pub fn partial_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.heap_bytes())
    }

    /// Since when a frame or a message is not whole: `now`, where this is asked for the first time since it began.
    /// `now` is the caller's time in whatever unit; it is kept beside what is held and goes with it. `None` when
    /// nothing is held.
    pub fn unfinished_since(&mut self, now: u32) -> Option<u32> {
        self.partial.as_mut().map(|partial| *partial.since.get_or_insert(now))
    }

    /// From now on what is held counts as begun at `now`: for a caller who has not taken input for a while.
    pub fn restart_unfinished(&mut self, now: u32) {
        if let Some(partial) = &mut self.partial {
            partial.since = Some(now);
        }
    }

    /// Consumes input from `input[*at..]` up to the next event, moves `at` behind what was consumed, and says
    /// what it found. Call it again until it says [`Step::NeedMore`]; then `*at == input.len()`, and every
    /// byte of the input may be overwritten by the next read.
    ///
    /// Bytes that are consumed are unmasked in place. Those of a [`Payload::InBuffer`] stay where they are
    /// and are never touched by later calls.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol or passed a limit. The receiver is poisoned then: it frees what it held,
    /// and this call and every later one consumes all of its input and returns the same error. Messages that
    /// were whole before the error have been handed out.
    pub fn next(&mut self, input: &mut [u8], at: &mut usize, limits: &Limits) -> Result<Step, ProtocolError> {
        self.next_of(input, at, limits, None)
    }

    /// As [`next`](Self::next), for a connection that has agreed on permessage-deflate: messages with RSV1 are inflated
    /// and come as [`Payload::Assembled`]. A connection is fed by either of the two, always by the same.
    ///
    /// Of a compressed message whose frames did not lie in one read, the compressed bytes are held until it is whole,
    /// and then inflated in one go, so that no connection needs a decompressor of its own.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); and when a message is not valid DEFLATE data, or passes the limit while it is inflated.
    pub fn next_compressed(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        limits: &Limits,
        inflater: &mut Inflater,
    ) -> Result<Step, ProtocolError> {
        self.next_of(input, at, limits, Some(inflater))
    }

    fn next_of(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        limits: &Limits,
        inflater: Option<&mut Inflater>,
    ) -> Result<Step, ProtocolError> {
        let found = self.advance(input, at, limits, inflater);
        if let Err(error) = found {
            *at = input.len();
            self.partial = Some(Box::new(Partial::ended(End::Failed(error))));
        }
        found
    }

    fn advance(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        limits: &Limits,
        mut inflater: Option<&mut Inflater>,
    ) -> Result<Step, ProtocolError> {
        loop {
            match self.partial.as_ref().and_then(|partial| partial.end) {
                Some(End::Failed(error)) => return Err(error),
                // RFC 6455 1.4: "After receiving a control frame indicating the connection should be closed,
                // a peer discards any further data received."
                Some(End::Closed) => {
                    *at = input.len();
                    return Ok(Step::NeedMore);
                }
                None => {}
            }
            if *at == input.len() {
                return Ok(Step::NeedMore);
            }
            let found = if self.cut_frame().is_some() {
                self.continue_frame(input, at, limits, inflater.as_deref_mut())?
            } else {
                self.begin_frame(input, at, limits, inflater.as_deref_mut())?
            };
            if let Some(step) = found {
                return Ok(step);
            }
        }
    }

    /// Reads the header of the next frame, and its payload if all of it is there.
    fn begin_frame(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        limits: &Limits,
        inflater: Option<&mut Inflater>,
    ) -> Result<Option<Step>, ProtocolError> {
        let header_at = *at;
        let Some(header) = self.read_header(input, at, limits, inflater.is_some())? else { return Ok(None) };
        // Only behind a client's whole header is there room for a server's header.
        let header_is_whole = *at - header_at == header.client_len();
        if !header_is_whole || input.len() - *at < header.payload_len {
            let cut = CutFrame { header, received: 0, control: Assembled::new() };
            self.hold().frame = FrameProgress::Payload(cut);
            return self.continue_frame(input, at, limits, inflater);
        }
        let payload = *at..*at + header.payload_len;
        *at = payload.end;
        unmask(&mut input[payload.clone()], header.key, 0);
        match data_kind(header.opcode) {
            Data::Control => self.control_frame(header.opcode, Payload::InBuffer(payload), input).map(Some),
            Data::Start(kind) if header.fin && header.compressed => {
                let inflater = inflater.ok_or(ProtocolError::ReservedBits)?;
                let whole = inflater.inflate(&input[payload], kind, limits.message_bytes_max)?;
                Ok(Some(Step::Message { kind, payload: Payload::Assembled(whole) }))
            }
            Data::Start(kind) if header.fin => {
                if kind == MessageKind::Text {
                    // RFC 6455 8.1, as in Message::push.
                    utf8::check_whole(&input[payload.clone()]).map_err(|_| ProtocolError::TextNotUtf8)?;
                }
                Ok(Some(Step::Message { kind, payload: Payload::InBuffer(payload) }))
            }
            Data::Start(_) | Data::Continuation => {
                self.store_data(&header, &input[payload], 0, limits)?;
                self.end_fragment(&header, limits, inflater)
            }
        }
    }

    /// Takes what has arrived of the payload of the frame that was cut.
    fn continue_frame(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        limits: &Limits,
        inflater: Option<&mut Inflater>,
    ) -> Result<Option<Step>, ProtocolError> {
        let Some(cut) = self.cut_frame() else { return Ok(None) };
        let (header, before) = (cut.header, cut.received);
        let piece = *at..*at + (header.payload_len - before).min(input.len() - *at);
        *at = piece.end;
        cut.received += piece.len();
        let whole = cut.received == header.payload_len;
        let bytes = &mut input[piece];
        unmask(bytes, header.key, before);
        if header.opcode.is_control() {
            cut.control.push(bytes, header.payload_len);
            if !whole {
                return Ok(None);
            }
            let payload = std::mem::replace(&mut cut.control, Assembled::new());
            self.end_frame();
            return self.control_frame(header.opcode, Payload::Assembled(payload), &[]).map(Some);
        }
        self.store_data(&header, bytes, before, limits)?;
        if !whole {
            return Ok(None);
        }
        self.end_fragment(&header, limits, inflater)
    }

    /// Appends a piece of a data frame's payload to the message. `before` is how much of this payload is
    /// stored already.
    fn store_data(
        &mut self,
        header: &Header,
        piece: &[u8],
        before: usize,
        limits: &Limits,
    ) -> Result<(), ProtocolError> {
        let message = &mut self.hold().message;
        let message = match data_kind(header.opcode) {
            Data::Start(kind) => message.get_or_insert_with(|| Message::new(kind, header.compressed)),
            Data::Continuation => match message {
                Some(message) => message,
                None => return Err(ProtocolError::ContinuationWithoutStart),
            },
            Data::Control => return Ok(()),
        };
        let len_max = if header.fin {
            message.payload.len() + header.payload_len - before
        } else if message.compressed {
            limits.compressed_bytes_max()
        } else {
            limits.message_bytes_max
        };
        message.push(piece, len_max)
    }

    /// A fragment's payload is all in; with FIN, so is its message.
    fn end_fragment(
        &mut self,
        header: &Header,
        limits: &Limits,
        inflater: Option<&mut Inflater>,
    ) -> Result<Option<Step>, ProtocolError> {
        let message = if header.fin { self.hold().message.take() } else { None };
        self.end_frame();
        let Some(message) = message else { return Ok(Some(Step::Fragment)) };
        let (kind, payload) = message.finish(inflater, limits.message_bytes_max)?;
        Ok(Some(Step::Message { kind, payload: Payload::Assembled(payload) }))
    }

    /// A control frame is whole. `input` is what `payload` refers to.
    fn control_frame(
        &mut self,
        opcode: Opcode,
        payload: Payload,
        input: &[u8],
    ) -> Result<Step, ProtocolError> {
        match opcode {
            Opcode::Ping => Ok(Step::Ping { payload }),
            Opcode::Pong => Ok(Step::Pong { payload }),
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                let step = close_frame(payload, input)?;
                self.partial = Some(Box::new(Partial::ended(End::Closed)));
                Ok(step)
            }
        }
    }

    /// The header of the next frame, when it is all there; `at` moves behind it, or behind the part that is.
    fn read_header(
        &mut self,
        input: &[u8],
        at: &mut usize,
        limits: &Limits,
        rsv1_allowed: bool,
    ) -> Result<Option<Header>, ProtocolError> {
        let rules = self.rules(limits, rsv1_allowed);
        let mut held = match self.partial.as_deref() {
            Some(Partial { frame: FrameProgress::Header(held), .. }) => *held,
            Some(_) | None => HeaderBytes::default(),
        };
        let unread = &input[*at..];
        let held_before = held.len();
        let decoded = if held_before == 0 {
            decode(unread, &rules)?
        } else {
            held.fill(unread);
            decode(held.as_slice(), &rules)?
        };
        if let Some((header, header_len)) = decoded {
            *at += header_len - held_before;
            if held_before > 0 {
                self.end_frame();
            }
            return Ok(Some(header));
        }
        if held_before == 0 {
            held.fill(unread);
        }
        *at = input.len();
        self.hold().frame = FrameProgress::Header(held);
        Ok(None)
    }

    fn rules(&self, limits: &Limits, rsv1_allowed: bool) -> Rules {
        let message = self.partial.as_ref().and_then(|partial| partial.message.as_ref());
        let message_len = message.map_or(0, |message| message.payload.len());
        let message_compressed = message.is_some_and(|message| message.compressed);
        let message_max =
            if message_compressed { limits.compressed_bytes_max() } else { limits.message_bytes_max };
        Rules {
            rsv1_allowed,
            message_open: message.is_some(),
            message_compressed,
            frame_bytes_max: limits.frame_bytes_max,
            message_room: message_max.saturating_sub(message_len),
            compressed_slack: limits.compressed_slack(),
        }
    }

    fn cut_frame(&mut self) -> Option<&mut CutFrame> {
        match self.partial.as_deref_mut() {
            Some(Partial { frame: FrameProgress::Payload(cut), .. }) => Some(cut),
            Some(_) | None => None,
        }
    }

    /// What is held, made if there is nothing.
    fn hold(&mut self) -> &mut Partial {
        self.partial.get_or_insert_default()
    }

    /// The current frame is over. Without a message to go on with, nothing is held any more.
    fn end_frame(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.frame = FrameProgress::None;
            if partial.message.is_none() {
                self.partial = None;
            }
        }
    }
}

/// What a frame's opcode means for the message.
enum Data {
    Start(MessageKind),
    Continuation,
    Control,
}

fn data_kind(opcode: Opcode) -> Data {
    match opcode {
        Opcode::Text => Data::Start(MessageKind::Text),
        Opcode::Binary => Data::Start(MessageKind::Binary),
        Opcode::Continuation => Data::Continuation,
        Opcode::Close | Opcode::Ping | Opcode::Pong => Data::Control,
    }
}

/// RFC 6455 5.5.1: "the first two bytes of the body MUST be a 2-byte unsigned integer (in network byte order)
/// representing a status code", after which "the body MAY contain UTF-8-encoded data".
fn close_frame(payload: Payload, input: &[u8]) -> Result<Step, ProtocolError> {
    let bytes = payload.bytes(input);
    if bytes.is_empty() {
        return Ok(Step::Close { code: None, reason: payload });
    }
    let (code, reason) = bytes.split_first_chunk::<2>().ok_or(ProtocolError::ClosePayloadOneByte)?;
    let code = u16::from_be_bytes(*code);
    if !valid_close_code(code) {
        return Err(ProtocolError::CloseCode);
    }
    utf8::check_whole(reason).map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
    let reason = match &payload {
        Payload::InBuffer(Range { start, end }) => Payload::InBuffer(start + 2..*end),
        Payload::Assembled(_) => Payload::Assembled(Assembled::from_slice(reason)),
    };
    Ok(Step::Close { code: Some(code), reason })
}
