//! One record of TLS 1.2 with an AEAD (RFC 5246 6.2.3.3, RFC 5288, RFC 7905).

use std::ops::Range;

use crate::alert::Alert;
use crate::header::{Header, Kind};
use crate::keys::Keys;
use crate::lens::{CONTENT_LEN_MAX, EXPLICIT_LEN, HEADER_LEN, IV_LEN, TAG_LEN};
use crate::suite::Suite;

/// Bytes that a record has behind its content.
pub(crate) const BEHIND: usize = TAG_LEN;

/// Bytes that a record has before its content.
pub(crate) const fn front(suite: Suite) -> usize {
    HEADER_LEN + if suite.has_explicit_nonce() { EXPLICIT_LEN } else { 0 }
}

/// Opens a whole record in place: what it is, and where in it the content lies.
pub(crate) fn open(
    suite: Suite,
    keys: &Keys,
    number: u32,
    header: &Header,
    record: &mut [u8],
) -> Result<(Kind, Range<usize>), Alert> {
    let front = front(suite);
    let (before, sealed) = record.split_at_mut_checked(front).ok_or(Alert::InternalError)?;
    let len = sealed.len().checked_sub(TAG_LEN).ok_or(Alert::BadRecordMac)?;
    let mut nonce = keys.nonce(number);
    if suite.has_explicit_nonce() {
        nonce[IV_LEN - EXPLICIT_LEN..].copy_from_slice(&before[HEADER_LEN..]);
    }
    let aad = additional(number, header.kind, len).ok_or(Alert::RecordOverflow)?;
    let len = keys.open(nonce, &aad, sealed).ok_or(Alert::BadRecordMac)?;
    // RFC 5246 6.2.1: and so is a content that is too long.
    if len > CONTENT_LEN_MAX {
        return Err(Alert::RecordOverflow);
    }
    Ok((header.kind, front..front + len))
}

/// Seals a whole record in place. Its content lies behind [`front`] bytes already, and [`BEHIND`] bytes follow it.
pub(crate) fn seal(suite: Suite, keys: &Keys, number: u32, kind: Kind, record: &mut [u8]) -> Option<()> {
    let [high, low] = u16::try_from(record.len().checked_sub(HEADER_LEN)?).ok()?.to_be_bytes();
    let (before, sealed) = record.split_at_mut_checked(front(suite))?;
    before[..HEADER_LEN].copy_from_slice(&[kind as u8, 3, 3, high, low]);
    // The library of the handshake has counted up in this way, and whoever goes on with its keys must not come upon a
    // nonce that it has used.
    let nonce = keys.nonce(number);
    if suite.has_explicit_nonce() {
        before[HEADER_LEN..].copy_from_slice(&nonce[IV_LEN - EXPLICIT_LEN..]);
    }
    let aad = additional(number, kind, sealed.len().checked_sub(TAG_LEN)?)?;
    keys.seal(nonce, &aad, sealed)
}

/// What is not encrypted and yet must not be changed (RFC 5246 6.2.3.3).
fn additional(number: u32, kind: Kind, len: usize) -> Option<[u8; 13]> {
    let mut additional = [0; 13];
    additional[4..8].copy_from_slice(&number.to_be_bytes());
    additional[8..11].copy_from_slice(&[kind as u8, 3, 3]);
    additional[11..].copy_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
    Some(additional)
}
