//! RFC 6455 5.2: the header of a frame, as clients send it and as this server sends it.

use super::Opcode;
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
/// FIN is set. RFC 6455 5.1: "A server MUST NOT mask any frames that it sends to the client." The header a client
/// sends for the same payload is four bytes longer, so there is always room for this one in front of a payload
/// that was unmasked in place.
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

/// The header of a frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    pub(crate) opcode: Opcode,
    pub(crate) key: [u8; 4],
    pub(crate) payload_len: usize,
}

/// What the next frame may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// An extension that gives RSV1 a meaning was negotiated.
    pub(crate) rsv1_allowed: bool,
    /// A fragmented message was begun and not ended.
    pub(crate) message_open: bool,
    /// Longest payload of a data frame.
    pub(crate) frame_bytes_max: u64,
    /// How much longer the message may become.
    pub(crate) message_room: usize,
}

/// Reads a client's frame header from the start of `input`: the header and its length, or `None` when it is not
/// all there yet.
///
/// Each byte is judged as soon as it is there and in the order of the wire, so the verdict does not depend on how
/// the bytes were cut into reads.
pub(crate) fn decode(input: &[u8], rules: &Rules) -> Result<Option<(Header, usize)>, ProtocolError> {
    let Some(&first) = input.first() else { return Ok(None) };
    let opcode = judge_first_byte(first, rules)?;
    let Some(&second) = input.get(1) else { return Ok(None) };
    judge_second_byte(second, opcode)?;
    let Some((payload_len, key_at)) = decode_length(second & !MASK, &input[2..])? else { return Ok(None) };
    let payload_len = judge_length(payload_len, opcode, rules)?;
    let Some(key) = input[2 + key_at..].first_chunk::<4>() else { return Ok(None) };
    let header = Header { fin: first & FIN != 0, opcode, key: *key, payload_len };
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
    // RFC 6455 5.4: a fragmented message is one frame with an opcode other than 0, then continuation frames; "the
    // fragments of one message MUST NOT be interleaved between the fragments of another message".
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
    // RFC 6455 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer".
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

/// RFC 6455 10.4: "Implementations that have implementation- and/or platform-specific limitations regarding the
/// frame size or total message size after reassembly from multiple frames MUST protect themselves against
/// exceeding those limits." Control frames are bounded already.
fn judge_length(payload_len: u64, opcode: Opcode, rules: &Rules) -> Result<usize, ProtocolError> {
    let len = usize::try_from(payload_len).map_err(|_| ProtocolError::FrameTooLong)?;
    if opcode.is_control() {
        return Ok(len);
    }
    if payload_len > rules.frame_bytes_max {
        return Err(ProtocolError::FrameTooLong);
    }
    if len > rules.message_room {
        return Err(ProtocolError::MessageTooLong);
    }
    Ok(len)
}
