//! The five bytes before every record, and what they may say.

use crate::alert::Alert;
use crate::lens::{CONTENT_LEN_MAX, EXPLICIT_LEN, HEADER_LEN, TAG_LEN};
use crate::suite::{Suite, Version};

/// What a record has inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Alert = 21,
    Handshake = 22,
    Data = 23,
}

impl Kind {
    /// None for what nobody may send once the handshake is over.
    pub(crate) fn of(number: u8) -> Option<Self> {
        [Self::Alert, Self::Handshake, Self::Data].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// A header that was read and may stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) bytes: [u8; HEADER_LEN],
    /// Bytes that follow the header.
    pub(crate) len: usize,
}

impl Header {
    /// Reads the next header, or None if it has not come whole. What can be told from its bytes is told at once, so
    /// that nobody waits for a record that cannot be good.
    pub(crate) fn read(suite: Suite, bytes: &[u8]) -> Result<Option<Self>, Alert> {
        let Some(kind) = bytes.first() else { return Ok(None) };
        let kind = Kind::of(*kind).ok_or(Alert::UnexpectedMessage)?;
        // RFC 8446 5.2: outside, every record is one of data. The version means nothing.
        if suite.version() == Version::V13 && kind != Kind::Data {
            return Err(Alert::UnexpectedMessage);
        }
        let Some(bytes) = bytes.first_chunk() else { return Ok(None) };
        let [_, major, minor, high, low] = *bytes;
        if suite.version() == Version::V12 && (major, minor) != (3, 3) {
            return Err(Alert::ProtocolVersion);
        }
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len > sealed_len_max(suite.version()) {
            return Err(Alert::RecordOverflow);
        }
        if len < sealed_len_min(suite) {
            return Err(Alert::BadRecordMac);
        }
        Ok(Some(Self { kind, bytes: *bytes, len }))
    }

    /// Bytes of the whole record.
    pub(crate) fn record_len(&self) -> usize {
        HEADER_LEN + self.len
    }
}

/// RFC 8446 5.2, RFC 5246 6.2.3.
const fn sealed_len_max(version: Version) -> usize {
    match version {
        Version::V13 => CONTENT_LEN_MAX + 256,
        Version::V12 => CONTENT_LEN_MAX + 2048,
    }
}

/// A record with nothing inside.
const fn sealed_len_min(suite: Suite) -> usize {
    TAG_LEN + if suite.has_explicit_nonce() { EXPLICIT_LEN } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{Header, Kind};
    use crate::alert::Alert;
    use crate::suite::Suite;

    #[test]
    fn what_cannot_be_good_is_refused_by_its_first_bytes() {
        let v13 = |bytes: &[u8]| Header::read(Suite::Aes128V13, bytes).map(|header| header.map(|it| it.len));
        assert_eq!((v13(&[]), v13(&[23]), v13(&[23, 3, 3, 0])), (Ok(None), Ok(None), Ok(None)));
        assert_eq!(v13(&[23, 3, 3, 0x41, 0]), Ok(Some(0x4100)));
        // RFC 8446 5.1: the version of the header is to be ignored.
        assert_eq!(v13(&[23, 9, 9, 0, 17]), Ok(Some(17)));
        assert_eq!(v13(&[23, 3, 3, 0x41, 1]), Err(Alert::RecordOverflow));
        assert_eq!(v13(&[23, 3, 3, 0, 15]), Err(Alert::BadRecordMac));
        for kind in [0, 20, 21, 22, 24, 255] {
            assert_eq!(v13(&[kind]), Err(Alert::UnexpectedMessage));
        }
        let v12 = |bytes: &[u8]| Header::read(Suite::Aes128V12, bytes).map(|header| header.map(|it| it.kind));
        assert_eq!(v12(&[22, 3, 3, 0, 24]), Ok(Some(Kind::Handshake)));
        assert_eq!(v12(&[22, 3, 3, 0, 23]), Err(Alert::BadRecordMac));
        assert_eq!(v12(&[22, 3, 1, 0, 24]), Err(Alert::ProtocolVersion));
        assert_eq!(v12(&[23, 3, 3, 0x48, 1]), Err(Alert::RecordOverflow));
        assert_eq!(v12(&[20]), Err(Alert::UnexpectedMessage));
    }
}
