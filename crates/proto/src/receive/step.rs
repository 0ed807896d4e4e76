//! What the receiver found.

use std::ops::Range;

use super::Assembled;
use crate::Opcode;

/// What kind of data a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text; what the receiver hands out is valid.
    Text,
    /// Bytes of any kind.
    Binary,
}

impl MessageKind {
    /// The opcode that starts a message of this kind.
    #[must_use]
    pub fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// One step of a connection's input.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// All input was consumed. The rest of a frame or message may be to come.
    NeedMore,
    /// A fragment that is not the last of its message; what it carried is kept. So that every frame is one step, and
    /// whoever counts frames counts these too (RFC 6455 5.4 bounds neither their number nor how short they are).
    Fragment,
    /// A whole message, unmasked and, if text, valid UTF-8.
    Message {
        /// Text or binary.
        kind: MessageKind,
        /// The message.
        payload: Payload,
    },
    /// A Ping. RFC 6455 5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received a
    /// Close frame"; 5.5.3: with "identical" application data.
    Ping {
        /// At most 125 bytes.
        payload: Payload,
    },
    /// A Pong, asked for or not. RFC 6455 5.5.3: "A response to an unsolicited Pong frame is not expected."
    Pong {
        /// At most 125 bytes.
        payload: Payload,
    },
    /// A Close frame. The receiver ignores what comes behind it (RFC 6455 1.4).
    Close {
        /// `None` when the payload was empty; else valid as of [`valid_close_code`](crate::valid_close_code).
        code: Option<u16>,
        /// Valid UTF-8, at most 123 bytes.
        reason: Payload,
    },
}

/// Where an unmasked payload is.
#[derive(Debug, PartialEq, Eq)]
pub enum Payload {
    /// In the input itself, at these indices from its start. At least [`header_len`](crate::header_len) bytes
    /// in front of it (for a Close frame's reason: and two more) held the client's header and are free now,
    /// so a server's header can be written there and the frame sent from the same buffer.
    InBuffer(Range<usize>),
    /// It or its header was cut by the end of a read, or it came in fragments: it was put together in memory
    /// of its own, with room for a server's header too.
    Assembled(Assembled),
}

impl Payload {
    /// The bytes, given the input that [`Receiver::next`](crate::Receiver::next) was called with.
    #[must_use]
    pub fn bytes<'b>(&'b self, input: &'b [u8]) -> &'b [u8] {
        match self {
            Self::InBuffer(range) => &input[range.clone()],
            Self::Assembled(assembled) => assembled,
        }
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::InBuffer(range) => range.len(),
            Self::Assembled(assembled) => assembled.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
