//! Handshake messages after the handshake: KeyUpdate, and a client's tickets. Whatever else comes is refused.
//!
//! They are read byte by byte, since a peer may cut them into records as it likes.

use crate::alert::Alert;
use crate::bounds::TICKET_LEN_MAX;
use crate::marks::{CLIENT, HEAD_LEN, Marks, TICKET};
use crate::suite::Version;

const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const NEW_SESSION_TICKET: u8 = 4;
pub(crate) const KEY_UPDATE: u8 = 24;

/// KeyUpdate as a message (RFC 8446 4.6.3).
pub(crate) const fn key_update(ask: bool) -> [u8; 5] {
    [KEY_UPDATE, 0, 0, 1, ask as u8]
}

/// What a record of handshake messages has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing yet, or nothing of interest.
    Nothing,
    /// The peer has new keys from the next record on.
    KeyUpdate {
        /// And wants the same of this end.
        asks: bool,
    },
}

/// Reads the content of one record, which has at least one byte.
pub(crate) fn hear(marks: &mut Marks, version: Version, content: &[u8]) -> Result<Said, Alert> {
    if version == Version::V12 {
        return Err(refusal(content));
    }
    let mut content = content;
    while let Some((byte, rest)) = content.split_first() {
        if marks.head < HEAD_LEN {
            head(marks, *byte)?;
            content = rest;
        } else if marks.has(TICKET) {
            let skipped = content.len().min(usize::try_from(marks.left).unwrap_or(usize::MAX));
            marks.left -= u32::try_from(skipped).unwrap_or(marks.left);
            content = &content[skipped..];
            if marks.left == 0 {
                (marks.head, marks.flags) = (0, marks.flags & !TICKET);
            }
        } else {
            (marks.head, marks.left) = (0, 0);
            // RFC 8446 5.1: no message shares a record with a change of keys before it.
            return match (*byte, rest) {
                (asks @ 0..=1, []) => Ok(Said::KeyUpdate { asks: asks == 1 }),
                (0..=1, _) => Err(Alert::UnexpectedMessage),
                _ => Err(Alert::IllegalParameter),
            };
        }
    }
    Ok(Said::Nothing)
}

/// One byte of a message's head: its kind, or one of the three of its length.
fn head(marks: &mut Marks, byte: u8) -> Result<(), Alert> {
    if marks.head == 0 {
        match byte {
            KEY_UPDATE => marks.clear(TICKET),
            NEW_SESSION_TICKET if marks.has(CLIENT) => marks.set(TICKET),
            _ => return Err(Alert::UnexpectedMessage),
        }
        marks.left = 0;
    } else {
        marks.left = marks.left << 8 | u32::from(byte);
    }
    marks.head += 1;
    let longest = if marks.has(TICKET) { TICKET_LEN_MAX } else { 1 };
    if marks.left > longest
        || (marks.head == HEAD_LEN && (marks.left == 0 || marks.left != 1 && longest == 1))
    {
        return Err(Alert::DecodeError);
    }
    Ok(())
}

/// Why a handshake message of TLS 1.2 is refused.
fn refusal(content: &[u8]) -> Alert {
    match content.first() {
        Some(&(HELLO_REQUEST | CLIENT_HELLO)) => Alert::NoRenegotiation,
        _ => Alert::UnexpectedMessage,
    }
}
