//! Gathers the records of a handshake: one whole record after the other, within bounds.

use crate::bounds::{GATHERED_RECORDS_MAX, HANDSHAKE_BYTES_MAX};
use crate::lens::{CONTENT_LEN_MAX, HEADER_LEN};

/// Records that are still needed, and behind them one that has not come whole.
#[derive(Default)]
pub(crate) struct Gather {
    bytes: Vec<u8>,
    /// How many of the bytes are whole records.
    whole: usize,
    heard: usize,
    records: usize,
}

/// What became of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// One more record is whole.
    Record,
    /// All input is used, and more is needed.
    Waits,
    /// More has come than a handshake takes.
    TooMuch,
}

impl Gather {
    /// Takes as much of the input as belongs to the present record.
    pub(crate) fn take(&mut self, input: &mut &[u8]) -> Gathered {
        loop {
            let missing = self.missing();
            if missing == 0 {
                self.whole = self.bytes.len();
                self.records += 1;
                return Gathered::Record;
            }
            let (taken, rest) = input.split_at(missing.min(input.len()));
            if taken.is_empty() {
                return Gathered::Waits;
            }
            if self.heard + taken.len() > HANDSHAKE_BYTES_MAX || self.records >= GATHERED_RECORDS_MAX {
                return Gathered::TooMuch;
            }
            self.bytes.extend_from_slice(taken);
            self.heard += taken.len();
            *input = rest;
        }
    }

    /// The records that are whole and still needed.
    pub(crate) fn whole(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.whole]
    }

    /// Lets go of the first bytes of them.
    pub(crate) fn discard(&mut self, len: usize) {
        let len = len.min(self.whole);
        self.bytes.drain(..len);
        self.whole -= len;
    }

    /// How many bytes have come so far.
    pub(crate) fn heard(&self) -> usize {
        self.heard
    }

    /// Bytes that the present record lacks, as far as is known: those of its header come first.
    fn missing(&self) -> usize {
        let record = &self.bytes[self.whole..];
        let Some([_, _, _, high, low]) = record.first_chunk() else { return HEADER_LEN - record.len() };
        // Beyond this length rustls refuses it by the header alone.
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let len = if len > CONTENT_LEN_MAX + 2048 { 0 } else { len };
        (HEADER_LEN + len).saturating_sub(record.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Gather, Gathered};
    use crate::bounds::{GATHERED_RECORDS_MAX, HANDSHAKE_BYTES_MAX};

    #[test]
    fn records_come_whole_however_they_are_cut() {
        let bytes = [22, 3, 1, 0, 2, 7, 8, 22, 3, 1, 0, 0, 22, 3, 1, 0, 1, 9, 22];
        for cut in 1..bytes.len() {
            let (mut gather, mut records) = (Gather::default(), Vec::new());
            for mut piece in bytes.chunks(cut) {
                while gather.take(&mut piece) == Gathered::Record {
                    records.push(gather.whole().to_vec());
                    gather.discard(usize::MAX);
                }
                assert!(piece.is_empty());
            }
            assert_eq!(records, [&bytes[..7], &bytes[7..12], &bytes[12..18]], "{cut}");
            assert_eq!(gather.heard(), bytes.len());
        }
    }

    #[test]
    fn what_is_needed_for_longer_stays_and_there_are_bounds() {
        let mut gather = Gather::default();
        let mut input = &[22, 3, 1, 0, 1, 7, 22, 3, 1, 0, 1, 8][..];
        assert_eq!((gather.take(&mut input), gather.take(&mut input)), (Gathered::Record, Gathered::Record));
        assert_eq!(gather.whole(), [22, 3, 1, 0, 1, 7, 22, 3, 1, 0, 1, 8]);
        gather.discard(6);
        assert_eq!(gather.whole(), [22, 3, 1, 0, 1, 8]);
        let small = [22, 3, 1, 0, 0];
        let count = (0..).find(|_| gather.take(&mut &small[..]) == Gathered::TooMuch);
        assert_eq!(count, Some(GATHERED_RECORDS_MAX - 2));
        let (mut gather, long) = (Gather::default(), [&[22, 3, 1, 0x48, 0][..], &[0; 0x4800]].concat());
        assert_eq!(gather.take(&mut &long[..]), Gathered::Record);
        let mut input = &long[..];
        while !input.is_empty() && gather.take(&mut input) != Gathered::TooMuch {}
        assert!(!input.is_empty() && gather.heard() <= HANDSHAKE_BYTES_MAX);
    }
}
