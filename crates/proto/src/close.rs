//! Close frames and their codes (RFC 6455 5.5.1 and section 7). How far a closing handshake is depends on the
//! transport, and is for whoever has one to know.

use crate::frame::{CONTROL_PAYLOAD_LEN_MAX, Opcode, write_header};

/// The longest reason that fits into a Close frame beside its code, in bytes of UTF-8.
pub const CLOSE_REASON_LEN_MAX: usize = CONTROL_PAYLOAD_LEN_MAX - 2;

/// A server's Close frame is at most two bytes of header and 125 of payload.
const CLOSE_FRAME_LEN_MAX: usize = 2 + CONTROL_PAYLOAD_LEN_MAX;

/// A Close frame ready to be sent, header included.
#[derive(Clone, Copy, Debug)]
pub struct CloseFrame {
    bytes: [u8; CLOSE_FRAME_LEN_MAX],
    len: usize,
}

impl CloseFrame {
    /// The whole frame, 2 to 127 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl AsRef<[u8]> for CloseFrame {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Makes the Close frame for `code` and `reason`; without a code the payload is empty and the reason is left
/// out.
///
/// A reason over [`CLOSE_REASON_LEN_MAX`] bytes is cut at the last code point that fits.
///
/// # Panics
///
/// In debug builds, when the code is one that may not be sent (see [`valid_close_code`]): a bug of the
/// caller.
#[must_use]
pub fn encode_close(code: Option<u16>, reason: &str) -> CloseFrame {
    let mut frame = CloseFrame { bytes: [0; CLOSE_FRAME_LEN_MAX], len: 2 };
    if let Some(code) = code {
        debug_assert!(valid_close_code(code), "close code {code} must not be sent");
        let reason = cut(reason, CLOSE_REASON_LEN_MAX);
        frame.bytes[2..4].copy_from_slice(&code.to_be_bytes());
        frame.bytes[4..4 + reason.len()].copy_from_slice(reason.as_bytes());
        frame.len = 4 + reason.len();
    }
    write_header(Opcode::Close, frame.len - 2, &mut frame.bytes);
    frame
}

/// The longest prefix of `text` with at most `len_max` bytes that ends between code points.
fn cut(text: &str, len_max: usize) -> &str {
    let mut len = text.len().min(len_max);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    &text[..len]
}

/// Whether a peer may send this close code.
///
/// RFC 6455 7.4.1: 1004 is "Reserved"; 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close
/// control frame by an endpoint". 7.4.2: "Status codes in the range 0-999 are not used"; 1000-2999 "are
/// reserved for definition by this protocol, its future revisions, and extensions"; 3000-3999 "for use by
/// libraries, frameworks, and applications", 4000-4999 "for private use". 1012 (service restart), 1013 (try
/// again later) and 1014 (bad gateway) were registered with IANA since.
#[must_use]
pub fn valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The code to answer a received Close frame with.
///
/// RFC 6455 5.5.1: "When sending a Close frame in response, the endpoint typically echos the status code it
/// received." A Close frame without a code is answered by one without a code.
#[must_use]
pub fn answer_code(received: Option<u16>) -> Option<u16> {
    received
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_are_valid_in_the_ranges_of_the_standard() {
        // RFC 6455 7.4.1, 7.4.2 and the IANA registry for 1012 to 1014.
        for code in 0..=u16::MAX {
            let valid = match code {
                0..=999 => false,
                1000..=1003 => true,
                1004..=1006 => false,
                1007..=1014 => true,
                1015..=2999 => false,
                3000..=4999 => true,
                5000..=u16::MAX => false,
            };
            assert_eq!(valid_close_code(code), valid, "{code}");
        }
    }

    #[test]
    fn a_close_frame_carries_code_and_reason() {
        assert_eq!(encode_close(Some(1000), "").as_bytes(), [0x88, 2, 0x03, 0xE8]);
        assert_eq!(encode_close(Some(1001), "bye").as_bytes(), [0x88, 5, 0x03, 0xE9, b'b', b'y', b'e']);
    }

    #[test]
    fn a_close_frame_without_a_code_is_empty() {
        assert_eq!(encode_close(None, "left out").as_bytes(), [0x88, 0]);
    }

    #[test]
    fn a_long_reason_is_cut_between_code_points() {
        let frame = encode_close(Some(1000), &"é".repeat(100));
        assert_eq!(frame.as_bytes()[1], 2 + 122);
        assert_eq!(std::str::from_utf8(&frame.as_bytes()[4..]), Ok("é".repeat(61).as_str()));
        assert_eq!(encode_close(Some(1000), &"e".repeat(123)).as_bytes().len(), 127);
    }

    #[test]
    fn a_close_frame_is_answered_with_its_own_code() {
        assert_eq!(answer_code(Some(4321)), Some(4321));
        assert_eq!(answer_code(None), None);
    }
}
