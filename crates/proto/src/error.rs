//! What a peer can do wrong after the opening handshake, and the close code that says so.

use std::fmt;

/// A peer broke the protocol or passed a limit: the connection must be failed.
///
/// RFC 6455 7.1.7: _Fail the WebSocket Connection_ sends a Close frame with [`close_code`](Self::close_code)
/// and then closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolError {
    /// RFC 6455 5.2: RSV1, RSV2 and RSV3 "MUST be 0 unless an extension is negotiated that defines meanings for
    /// non-zero values". RFC 7692 6.1: permessage-deflate gives RSV1 a meaning in the first frame of a message only.
    ReservedBits,
    /// RFC 6455 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket
    /// Connection_." Opcodes 3 to 7 and 11 to 15.
    ReservedOpcode,
    /// RFC 6455 5.1: "The server MUST close the connection upon receiving a frame that is not masked."
    Unmasked,
    /// RFC 6455 5.5: "All control frames MUST have a payload length of 125 bytes or less".
    ControlTooLong,
    /// RFC 6455 5.5: control frames "MUST NOT be fragmented".
    ControlFragmented,
    /// RFC 6455 5.4: a continuation frame goes on with a fragmented message, and none was begun.
    ContinuationWithoutStart,
    /// RFC 6455 5.4: the fragments of one message "MUST NOT be interleaved between the fragments of another
    /// message": a new message began before the last fragment of the one before.
    StartInsideMessage,
    /// RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length".
    LengthNotMinimal,
    /// RFC 6455 5.2: of a 64-bit length "the most significant bit MUST be 0".
    LengthTopBit,
    /// RFC 6455 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
    /// integer": a body of one byte has no room for it.
    ClosePayloadOneByte,
    /// RFC 6455 7.4: a close code that may not be sent in a Close frame.
    CloseCode,
    /// RFC 6455 5.5.1: the reason of a Close frame is "UTF-8-encoded data".
    CloseReasonNotUtf8,
    /// RFC 6455 8.1: text that is not valid UTF-8 fails the connection.
    TextNotUtf8,
    /// RFC 7692 7.2.2: a compressed message that is not DEFLATE data (RFC 1951), or ends inside a block. The frames are
    /// right and what they carry is not what they say it is, so this is 1007 and not 1002.
    NotDeflate,
    /// RFC 6455 10.4: a limit of this implementation on the payload of one frame.
    FrameTooLong,
    /// RFC 6455 10.4: a limit of this implementation on "the total message size after reassembly from
    /// multiple frames".
    MessageTooLong,
}

impl ProtocolError {
    /// Every variant, for tables of metrics and tests.
    pub const ALL: [Self; 16] = [
        Self::ReservedBits,
        Self::ReservedOpcode,
        Self::Unmasked,
        Self::ControlTooLong,
        Self::ControlFragmented,
        Self::ContinuationWithoutStart,
        Self::StartInsideMessage,
        Self::LengthNotMinimal,
        Self::LengthTopBit,
        Self::ClosePayloadOneByte,
        Self::CloseCode,
        Self::CloseReasonNotUtf8,
        Self::TextNotUtf8,
        Self::NotDeflate,
        Self::FrameTooLong,
        Self::MessageTooLong,
    ];

    /// The code of the Close frame that answers this error.
    ///
    /// RFC 6455 7.4.1: 1002 "due to a protocol error", 1007 "data within a message that was not consistent
    /// with the type of the message", 1009 "a message that is too big for it to process".
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::Unmasked
            | Self::ControlTooLong
            | Self::ControlFragmented
            | Self::ContinuationWithoutStart
            | Self::StartInsideMessage
            | Self::LengthNotMinimal
            | Self::LengthTopBit
            | Self::ClosePayloadOneByte
            | Self::CloseCode => 1002,
            Self::CloseReasonNotUtf8 | Self::TextNotUtf8 | Self::NotDeflate => 1007,
            Self::FrameTooLong | Self::MessageTooLong => 1009,
        }
    }

    /// A sentence that fits into a Close frame's reason (at most 123 bytes).
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => {
                "a reserved bit is set in a frame where nothing that was negotiated allows it"
            }
            Self::ReservedOpcode => "the opcode is reserved",
            Self::Unmasked => "frames from a client must be masked",
            Self::ControlTooLong => "a control frame's payload is at most 125 bytes",
            Self::ControlFragmented => "a control frame must not be fragmented",
            Self::ContinuationWithoutStart => "a continuation frame came without a message to continue",
            Self::StartInsideMessage => "a new message began before the last fragment of the one before",
            Self::LengthNotMinimal => "the payload length must use as few bytes as possible",
            Self::LengthTopBit => "the top bit of a 64-bit payload length must be 0",
            Self::ClosePayloadOneByte => "a close frame's payload is empty or at least 2 bytes",
            Self::CloseCode => "this close code must not be sent",
            Self::CloseReasonNotUtf8 => "the close reason is not valid UTF-8",
            Self::TextNotUtf8 => "the text is not valid UTF-8",
            Self::NotDeflate => "the compressed message is not whole, valid DEFLATE data",
            Self::FrameTooLong => "the frame is longer than this server accepts",
            Self::MessageTooLong => "the message is longer than this server accepts",
        }
    }

    /// A short name in snake case, for metric labels and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved_bits",
            Self::ReservedOpcode => "reserved_opcode",
            Self::Unmasked => "unmasked",
            Self::ControlTooLong => "control_too_long",
            Self::ControlFragmented => "control_fragmented",
            Self::ContinuationWithoutStart => "continuation_without_start",
            Self::StartInsideMessage => "start_inside_message",
            Self::LengthNotMinimal => "length_not_minimal",
            Self::LengthTopBit => "length_top_bit",
            Self::ClosePayloadOneByte => "close_payload_one_byte",
            Self::CloseCode => "close_code",
            Self::CloseReasonNotUtf8 => "close_reason_not_utf8",
            Self::TextNotUtf8 => "text_not_utf8",
            Self::NotDeflate => "not_deflate",
            Self::FrameTooLong => "frame_too_long",
            Self::MessageTooLong => "message_too_long",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CLOSE_REASON_LEN_MAX, valid_close_code};
    use std::collections::HashSet;

    #[test]
    fn every_error_has_a_code_that_may_be_sent_and_a_reason_that_fits() {
        for error in ProtocolError::ALL {
            assert!(valid_close_code(error.close_code()), "{error:?}");
            assert!(error.reason().len() <= CLOSE_REASON_LEN_MAX, "{error:?}");
        }
    }

    #[test]
    fn names_and_reasons_tell_the_errors_apart() {
        let names: HashSet<_> = ProtocolError::ALL.iter().map(|error| error.name()).collect();
        let reasons: HashSet<_> = ProtocolError::ALL.iter().map(|error| error.reason()).collect();
        assert_eq!((names.len(), reasons.len()), (16, 16));
    }
}
