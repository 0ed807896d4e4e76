//! RFC 6455 5.2: the header of a frame, as clients send it and as this server sends it.

use super::opcode::Opcode;
use crate::ProtocolError;

/// The longest header this server sends: two bytes and a 64-bit length.
pub const HEADER_LEN_MAX: usize = 10;

/// The longest header a client sends: a server's, and four bytes of masking key.
pub(crate) const CLIENT_HEADER_LEN_MAX: usize = HEADER_LEN_MAX + 4;

/// RFC 6455 5.5: "All control frames MUST have a payload length of 125 bytes or less".
pub const CONTROL_PAYLOAD_LEN_MAX: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASK: u8 = 0x80;
/// In the length's seven bits: 16 bits of length follow.
const LENGTH_16: u8 = 126;
/// In the length's seven bits: 64 bits of length follow.
const LENGTH_64: u8 = 127;

/// How long the header of a frame from this server is: 2, 4 or 10 bytes.
#[must_use]
pub fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => HEADER_LEN_MAX,
    }
}

/// Writes the header of an unfragmented frame from this server and returns its length.
///
/// FIN is set. RFC 6455 5.1: "A server MUST NOT mask any frames that it sends to the client." The header a
/// client sends for the same payload is four bytes longer, so there is always room for this one in front of a
/// payload that was unmasked in place.
///
/// # Panics
///
/// When `out` is shorter than [`header_len`] of `payload_len`; [`HEADER_LEN_MAX`] bytes are always enough.
pub fn write_header(opcode: Opcode, payload_len: usize, out: &mut [u8]) -> usize {
    let len = (payload_len as u64).to_be_bytes();
    let header_len = header_len(payload_len);
    out[0] = FIN | opcode as u8;
    // RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length".
    match header_len {
        2 => out[1] = len[7],
        4 => {
            out[1] = LENGTH_16;
            out[2..4].copy_from_slice(&len[6..]);
        }
        _ => {
            out[1] = LENGTH_64;
            out[2..10].copy_from_slice(&len);
        }
    }
    header_len
}

/// As [`write_header`], for a frame that is a whole compressed message.
///
/// RFC 7692 section 6: 'A message with the "Per-Message Compressed" bit set on the first fragment of the message is
/// called a "compressed message".' The bit is RSV1.
pub(crate) fn write_compressed_header(opcode: Opcode, payload_len: usize, out: &mut [u8]) -> usize {
    let header_len = write_header(opcode, payload_len, out);
    out[0] |= RSV1;
    header_len
}

/// The header of a frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    pub(crate) opcode: Opcode,
    /// The frame begins a compressed message.
    pub(crate) compressed: bool,
    pub(crate) key: [u8; 4],
    pub(crate) payload_len: usize,
}

impl Header {
    /// How long this header is on the wire.
    pub(crate) fn client_len(&self) -> usize {
        header_len(self.payload_len) + self.key.len()
    }
}

/// What the next frame may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// An extension that gives RSV1 a meaning was negotiated.
    pub(crate) rsv1_allowed: bool,
    /// A fragmented message was begun and not ended.
    pub(crate) message_open: bool,
    /// That message is compressed.
    pub(crate) message_compressed: bool,
    /// Longest payload of a data frame.
    pub(crate) frame_bytes_max: u64,
    /// How much longer the message may become.
    pub(crate) message_room: usize,
    /// How much longer than those two a compressed frame and message may be: what cannot be compressed becomes a little
    /// longer.
    pub(crate) compressed_slack: usize,
}

/// Reads a client's frame header from the start of `input`: the header and its length, or `None` when it is
/// not all there yet.
///
/// Each byte is judged as soon as it is there and in the order of the wire, so the verdict does not depend on
/// how the bytes were cut into reads.
pub(crate) fn decode(input: &[u8], rules: &Rules) -> Result<Option<(Header, usize)>, ProtocolError> {
    let Some(&first) = input.first() else { return Ok(None) };
    let opcode = judge_first_byte(first, rules)?;
    let Some(&second) = input.get(1) else { return Ok(None) };
    judge_second_byte(second, opcode)?;
    let Some((payload_len, key_at)) = decode_length(second & !MASK, &input[2..])? else { return Ok(None) };
    let compressed = first & RSV1 != 0;
    let payload_len = judge_length(payload_len, opcode, compressed, rules)?;
    let Some(key) = input[2 + key_at..].first_chunk::<4>() else { return Ok(None) };
    let header = Header { fin: first & FIN != 0, opcode, compressed, key: *key, payload_len };
    Ok(Some((header, 2 + key_at + 4)))
}

fn judge_first_byte(first: u8, rules: &Rules) -> Result<Opcode, ProtocolError> {
    // RFC 6455 5.2: RSV1, RSV2, RSV3 "MUST be 0 unless an extension is negotiated that defines meanings for
    // non-zero values".
    let reserved = if rules.rsv1_allowed { RSV2_RSV3 } else { RSV1 | RSV2_RSV3 };
    if first & reserved != 0 {
        return Err(ProtocolError::ReservedBits);
    }
    // RFC 6455 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket
    // Connection_."
    let opcode = Opcode::from_bits(first).ok_or(ProtocolError::ReservedOpcode)?;
    if opcode.is_control() {
        // RFC 6455 5.5: control frames "MUST NOT be fragmented".
        if first & FIN == 0 {
            return Err(ProtocolError::ControlFragmented);
        }
        // RFC 7692 6.1: the bit that says "compressed" has no meaning on control frames.
        if first & RSV1 != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        return Ok(opcode);
    }
    // RFC 6455 5.4: a fragmented message is one frame with an opcode other than 0, then continuation frames;
    // "the fragments of one message MUST NOT be interleaved between the fragments of another message".
    match (opcode == Opcode::Continuation, rules.message_open) {
        (true, false) => Err(ProtocolError::ContinuationWithoutStart),
        (false, true) => Err(ProtocolError::StartInsideMessage),
        // RFC 7692 6.1: only the first fragment of a message says whether it is compressed.
        (true, true) if first & RSV1 != 0 => Err(ProtocolError::ReservedBits),
        (true, true) | (false, false) => Ok(opcode),
    }
}

fn judge_second_byte(second: u8, opcode: Opcode) -> Result<(), ProtocolError> {
    // RFC 6455 5.1: "The server MUST close the connection upon receiving a frame that is not masked."
    if second & MASK == 0 {
        return Err(ProtocolError::Unmasked);
    }
    let short_len = second & !MASK;
    // RFC 6455 5.5: "All control frames MUST have a payload length of 125 bytes or less".
    if opcode.is_control() && usize::from(short_len) > CONTROL_PAYLOAD_LEN_MAX {
        return Err(ProtocolError::ControlTooLong);
    }
    // RFC 6455 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
    // integer".
    if opcode == Opcode::Close && short_len == 1 {
        return Err(ProtocolError::ClosePayloadOneByte);
    }
    Ok(())
}

/// The payload's length and how many bytes after the first two it took. `rest` follows the first two bytes.
fn decode_length(short_len: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, ProtocolError> {
    match short_len {
        LENGTH_16 => {
            let Some(bytes) = rest.first_chunk::<2>() else { return Ok(None) };
            let len = u16::from_be_bytes(*bytes);
            // RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length".
            if len < u16::from(LENGTH_16) {
                return Err(ProtocolError::LengthNotMinimal);
            }
            Ok(Some((u64::from(len), 2)))
        }
        LENGTH_64 => {
            // RFC 6455 5.2: "the most significant bit MUST be 0".
            if rest.first().is_some_and(|byte| byte & 0x80 != 0) {
                return Err(ProtocolError::LengthTopBit);
            }
            // Six zeros in front: 16 bits would have held it, whatever the last two bytes are.
            if rest.starts_with(&[0; 6]) {
                return Err(ProtocolError::LengthNotMinimal);
            }
            Ok(rest.first_chunk::<8>().map(|bytes| (u64::from_be_bytes(*bytes), 8)))
        }
        _ => Ok(Some((u64::from(short_len), 0))),
    }
}

/// RFC 6455 10.4: "Implementations that have implementation- and/or platform-specific limitations regarding
/// the frame size or total message size after reassembly from multiple frames MUST protect themselves against
/// exceeding those limits." Control frames are bounded already.
fn judge_length(
    payload_len: u64,
    opcode: Opcode,
    compressed: bool,
    rules: &Rules,
) -> Result<usize, ProtocolError> {
    let len = usize::try_from(payload_len).map_err(|_| ProtocolError::FrameTooLong)?;
    if opcode.is_control() {
        return Ok(len);
    }
    let slack = |applies| if applies { rules.compressed_slack } else { 0 };
    let frame_slack = slack(compressed || rules.message_compressed);
    if payload_len > rules.frame_bytes_max.saturating_add(frame_slack as u64) {
        return Err(ProtocolError::FrameTooLong);
    }
    // Of a message that is open it is in the room already.
    if len > rules.message_room.saturating_add(slack(compressed)) {
        return Err(ProtocolError::MessageTooLong);
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        rsv1_allowed: false,
        message_open: false,
        message_compressed: false,
        frame_bytes_max: 1 << 40,
        message_room: 1 << 40,
        compressed_slack: 0,
    };

    fn verdict(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProtocolError> {
        decode(bytes, &RULES)
    }

    /// The error of `bytes`, after checking that it is there at the last byte and not before.
    fn error_at_last_byte(bytes: &[u8], rules: &Rules) -> ProtocolError {
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], rules), Ok(None), "{len} bytes of {bytes:X?}");
        }
        decode(bytes, rules).unwrap_err()
    }

    #[test]
    fn server_headers_are_two_four_or_ten_bytes() {
        // RFC 6455 5.7: "256 bytes binary message in a single unmasked frame", "64KiB binary message [...]".
        let table: [(usize, &[u8]); 7] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (256, &[0x82, 0x7E, 0x01, 0x00]),
            (65_535, &[0x82, 126, 0xFF, 0xFF]),
            (65_536, &[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]),
            (0x0102_0304_0506, &[0x82, 127, 0, 0, 1, 2, 3, 4, 5, 6]),
        ];
        for (payload_len, expected) in table {
            let mut out = [0xEE; HEADER_LEN_MAX];
            let len = write_header(Opcode::Binary, payload_len, &mut out);
            assert_eq!(&out[..len], expected);
            assert_eq!(len, header_len(payload_len));
            assert!(out[len..].iter().all(|byte| *byte == 0xEE), "wrote behind the header");
        }
    }

    #[test]
    fn client_headers_of_every_length_form_are_read_when_their_last_byte_is_there() {
        let table: [(&[u8], usize); 3] = [
            (&[0x81, 0x85, 1, 2, 3, 4], 5),
            (&[0x81, 0xFE, 0x00, 0x7E, 1, 2, 3, 4], 126),
            (&[0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], 65_536),
        ];
        for (bytes, payload_len) in table {
            for len in 0..bytes.len() {
                assert_eq!(verdict(&bytes[..len]), Ok(None), "{len} bytes of {bytes:X?}");
            }
            let (opcode, key) = (Opcode::Text, [1, 2, 3, 4]);
            let header = Header { fin: true, opcode, compressed: false, key, payload_len };
            assert_eq!(verdict(bytes), Ok(Some((header, bytes.len()))));
            assert_eq!(header.client_len(), bytes.len());
        }
    }

    #[test]
    fn every_first_byte_is_judged_alone_with_and_without_a_message_open() {
        for message_open in [false, true] {
            for first in 0..=0xFF_u8 {
                let rules = Rules { message_open, ..RULES };
                let fin = first & 0x80 != 0;
                let expected = match (first & 0x70, first & 0x0F) {
                    (1.., _) => Err(ProtocolError::ReservedBits),
                    (0, 3..=7 | 11..) => Err(ProtocolError::ReservedOpcode),
                    (0, 8..=10) if !fin => Err(ProtocolError::ControlFragmented),
                    (0, 0) if !message_open => Err(ProtocolError::ContinuationWithoutStart),
                    (0, 1 | 2) if message_open => Err(ProtocolError::StartInsideMessage),
                    (0, _) => Ok(None),
                };
                assert_eq!(decode(&[first], &rules), expected, "{first:#X}, message open: {message_open}");
            }
        }
    }

    #[test]
    fn rsv1_may_be_allowed_on_the_first_frame_of_a_message_only() {
        // RFC 7692 6.1: "the "Per-Message Compressed" bit" is set on the first fragment, never on the others,
        // and never on control frames.
        let start = Rules { rsv1_allowed: true, ..RULES };
        let inside = Rules { message_open: true, ..start };
        assert_eq!(decode(&[0xC1], &start), Ok(None));
        assert_eq!(decode(&[0x41], &start), Ok(None));
        for first in [0xC8, 0xC9, 0xCA, 0xA1, 0x91, 0xF1] {
            assert_eq!(decode(&[first], &start), Err(ProtocolError::ReservedBits), "{first:#X}");
        }
        for first in [0x40, 0xC0] {
            assert_eq!(decode(&[first], &inside), Err(ProtocolError::ReservedBits), "{first:#X}");
        }
    }

    #[test]
    fn a_compressed_frame_of_this_server_has_rsv1_and_nothing_else_in_it() {
        for len in [0, 126, 70_000] {
            let (mut plain, mut compressed) = ([0; HEADER_LEN_MAX], [0; HEADER_LEN_MAX]);
            let header_len = write_header(Opcode::Text, len, &mut plain);
            assert_eq!(write_compressed_header(Opcode::Text, len, &mut compressed), header_len);
            plain[0] |= 0x40;
            assert_eq!(plain, compressed);
        }
    }

    #[test]
    fn a_frame_without_a_mask_is_refused_at_its_second_byte() {
        for second in 0..0x80_u8 {
            assert_eq!(error_at_last_byte(&[0x82, second], &RULES), ProtocolError::Unmasked);
        }
    }

    #[test]
    fn each_control_frame_has_at_most_125_bytes() {
        for first in [0x88, 0x89, 0x8A] {
            assert!(verdict(&[first, 0x80 | 125, 0, 0, 0, 0]).is_ok_and(|header| header.is_some()));
            for second in [0x80 | 126, 0x80 | 127] {
                assert_eq!(error_at_last_byte(&[first, second], &RULES), ProtocolError::ControlTooLong);
            }
        }
    }

    #[test]
    fn a_close_frame_of_one_byte_is_refused_at_its_second_byte() {
        assert_eq!(error_at_last_byte(&[0x88, 0x81], &RULES), ProtocolError::ClosePayloadOneByte);
        assert_eq!(verdict(&[0x89, 0x81]), Ok(None));
    }

    #[test]
    fn lengths_must_be_minimal() {
        for len in 0..126_u8 {
            let bytes = [0x82, 0xFE, 0, len];
            assert_eq!(error_at_last_byte(&bytes, &RULES), ProtocolError::LengthNotMinimal);
        }
        assert_eq!(verdict(&[0x82, 0xFE, 0, 126]), Ok(None));
        // Whatever the last two bytes are, 16 bits would have held them.
        let bytes = [0x82, 0xFF, 0, 0, 0, 0, 0, 0];
        assert_eq!(error_at_last_byte(&bytes, &RULES), ProtocolError::LengthNotMinimal);
        assert_eq!(verdict(&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0]), Ok(None));
    }

    #[test]
    fn the_top_bit_of_a_64_bit_length_must_be_zero() {
        assert_eq!(error_at_last_byte(&[0x82, 0xFF, 0x80], &RULES), ProtocolError::LengthTopBit);
        assert_eq!(verdict(&[0x82, 0xFF, 0x7F]), Ok(None));
    }

    #[test]
    fn limits_are_judged_before_the_masking_key() {
        let rules = Rules { frame_bytes_max: 1000, message_room: 500, ..RULES };
        assert_eq!(decode(&[0x82, 0xFE, 0x01, 0xF4], &rules), Ok(None));
        assert_eq!(error_at_last_byte(&[0x82, 0xFE, 0x01, 0xF5], &rules), ProtocolError::MessageTooLong);
        assert_eq!(error_at_last_byte(&[0x82, 0xFE, 0x03, 0xE9], &rules), ProtocolError::FrameTooLong);
        let huge = [0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(error_at_last_byte(&huge, &rules), ProtocolError::FrameTooLong);
        // What is compressed may be a little longer, from its first frame to its last.
        let rules = Rules { rsv1_allowed: true, compressed_slack: 10, ..rules };
        assert_eq!(decode(&[0xC2, 0xFE, 0x01, 0xFE], &rules), Ok(None));
        assert_eq!(error_at_last_byte(&[0xC2, 0xFE, 0x01, 0xFF], &rules), ProtocolError::MessageTooLong);
        assert_eq!(error_at_last_byte(&[0x82, 0xFE, 0x01, 0xFE], &rules), ProtocolError::MessageTooLong);
        let inside = Rules { message_open: true, message_compressed: true, ..rules };
        assert_eq!(error_at_last_byte(&[0x80, 0xFE, 0x01, 0xF5], &inside), ProtocolError::MessageTooLong);
        let roomy = Rules { message_room: 2000, ..inside };
        assert_eq!(decode(&[0x80, 0xFE, 0x03, 0xF2], &roomy), Ok(None));
        assert_eq!(error_at_last_byte(&[0x80, 0xFE, 0x03, 0xF3], &roomy), ProtocolError::FrameTooLong);
        // Control frames have a limit of their own.
        let tight = Rules { frame_bytes_max: 0, message_room: 0, ..RULES };
        assert!(decode(&[0x89, 0x85, 0, 0, 0, 0], &tight).is_ok_and(|header| header.is_some()));
    }
}
