//! One record of TLS 1.3 (RFC 8446 5.2).

use std::ops::Range;

use crate::alert::Alert;
use crate::header::{Header, Kind};
use crate::keys::Keys;
use crate::lens::{CONTENT_LEN_MAX, HEADER_LEN, TAG_LEN};

/// Bytes that a record has before its content.
pub(crate) const FRONT: usize = HEADER_LEN;

/// Bytes that a record has behind its content: what it is, and the tag.
pub(crate) const BEHIND: usize = 1 + TAG_LEN;

/// Opens a whole record in place: what it is, and where in it the content lies.
pub(crate) fn open(
    keys: &Keys,
    number: u32,
    header: &Header,
    record: &mut [u8],
) -> Result<(Kind, Range<usize>), Alert> {
    let sealed = record.get_mut(HEADER_LEN..).ok_or(Alert::InternalError)?;
    let len = keys.open(keys.nonce(number), &header.bytes, sealed).ok_or(Alert::BadRecordMac)?;
    // RFC 8446 5.4: padding counts toward the limit.
    if len > CONTENT_LEN_MAX + 1 {
        return Err(Alert::RecordOverflow);
    }
    // Zeros are padding. A record of nothing else has no kind.
    let last = sealed[..len].iter().rposition(|byte| *byte != 0).ok_or(Alert::UnexpectedMessage)?;
    let kind = Kind::of(sealed[last]).ok_or(Alert::UnexpectedMessage)?;
    Ok((kind, HEADER_LEN..HEADER_LEN + last))
}

/// Seals a whole record in place. Its content lies behind [`FRONT`] bytes already, and [`BEHIND`] bytes follow it.
pub(crate) fn seal(keys: &Keys, number: u32, kind: Kind, record: &mut [u8]) -> Option<()> {
    let len = record.len().checked_sub(HEADER_LEN)?;
    let [high, low] = u16::try_from(len).ok()?.to_be_bytes();
    let header = [Kind::Data as u8, 3, 3, high, low];
    let (front, sealed) = record.split_at_mut(HEADER_LEN);
    front.copy_from_slice(&header);
    *sealed.get_mut(len.checked_sub(BEHIND)?)? = kind as u8;
    keys.seal(keys.nonce(number), &header, sealed)
}
