//! Whole frames, made in memory of their own.

use bytes::Bytes;

use super::header::{header_len, write_header};
use super::opcode::Opcode;

/// A whole frame, unmasked, from a payload in parts.
#[must_use]
pub fn frame(opcode: Opcode, parts: &[&[u8]]) -> Bytes {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut frame = vec![0; header_len(len)];
    write_header(opcode, len, &mut frame);
    frame.reserve_exact(len);
    for part in parts {
        frame.extend_from_slice(part);
    }
    Bytes::from(frame)
}
