//! Storage for what could not stay in the caller's buffer.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::frame::{HEADER_LEN_MAX, Opcode, header_len, write_header};

/// The first allocation, so that a message of single bytes does not start by doubling from one.
const CAPACITY_MIN: usize = 64;

/// A payload that was put together from several reads or fragments.
///
/// It owns its bytes and has room for a server's header in front of them: [`into_frame`](Self::into_frame)
/// makes a frame to send, and [`into_bytes`](Self::into_bytes) a shared payload, without copying the payload.
#[derive(PartialEq, Eq)]
pub struct Assembled {
    /// Empty, or [`HEADER_LEN_MAX`] bytes of room and then the payload.
    room_and_payload: Vec<u8>,
}

impl Assembled {
    pub(crate) fn new() -> Self {
        Self { room_and_payload: Vec::new() }
    }

    pub(super) fn from_slice(payload: &[u8]) -> Self {
        let mut assembled = Self::new();
        assembled.push(payload, payload.len());
        assembled
    }

    /// Appends `piece`. `len_max` is the most that this payload can come to, as far as it is known.
    ///
    /// The capacity follows what has arrived, never what was announced: at most double of it, and no more
    /// than
    /// `len_max`.
    pub(crate) fn push(&mut self, piece: &[u8], len_max: usize) {
        let held = self.room_and_payload.len().max(HEADER_LEN_MAX);
        let needed = held + piece.len();
        let capacity = self.room_and_payload.capacity();
        if needed > capacity {
            let ceiling = len_max.saturating_add(HEADER_LEN_MAX);
            let target = capacity.saturating_mul(2).max(CAPACITY_MIN).min(ceiling).max(needed);
            self.room_and_payload.reserve_exact(target - self.room_and_payload.len());
        }
        self.room_and_payload.resize(held, 0);
        self.room_and_payload.extend_from_slice(piece);
    }

    /// Gives back what growing by doubling took too much, when that is more than a quarter.
    pub(crate) fn shrink(&mut self) {
        let len = self.room_and_payload.len();
        if self.room_and_payload.capacity() - len > len / 4 {
            self.room_and_payload.shrink_to_fit();
        }
    }

    /// How many bytes of heap this holds.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.room_and_payload.capacity()
    }

    /// The payload as shared bytes; it is not copied.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        let start = self.room_and_payload.len() - self.len();
        Bytes::from(self.room_and_payload).slice(start..)
    }

    /// An unfragmented, unmasked frame with this payload, ready to be sent; the payload is not copied.
    #[must_use]
    pub fn into_frame(mut self, opcode: Opcode) -> Bytes {
        let payload_len = self.len();
        if self.room_and_payload.is_empty() {
            self.room_and_payload.resize(HEADER_LEN_MAX, 0);
        }
        let start = HEADER_LEN_MAX - header_len(payload_len);
        write_header(opcode, payload_len, &mut self.room_and_payload[start..]);
        Bytes::from(self.room_and_payload).slice(start..)
    }
}

impl Deref for Assembled {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.room_and_payload.get(HEADER_LEN_MAX..).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Assembled {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Assembled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Assembled").field(&&**self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_follows_what_arrived_and_ends_at_the_length() {
        let announced = 1_000_000;
        let mut assembled = Assembled::new();
        let mut arrived = 0;
        for piece in [0, 1, 10, 100, 1000, 10_000, 100_000, 400_000, 488_889] {
            assembled.push(&vec![7; piece], announced);
            arrived += piece;
            assert!(assembled.capacity_bytes() <= (2 * (arrived + HEADER_LEN_MAX)).max(CAPACITY_MIN));
        }
        assert_eq!(arrived, announced);
        assert_eq!(assembled.capacity_bytes(), announced + HEADER_LEN_MAX);
    }

    #[test]
    fn single_bytes_are_copied_a_logarithmic_number_of_times() {
        let mut assembled = Assembled::new();
        let mut grown = 0;
        for index in 0..1_000_000_usize {
            let before = assembled.capacity_bytes();
            assembled.push(&[1], 16 << 20);
            grown += usize::from(assembled.capacity_bytes() != before);
            assert_eq!(assembled.len(), index + 1);
        }
        assert!(grown <= 15, "{grown}");
    }

    #[test]
    fn shrinking_gives_back_more_than_a_quarter_and_leaves_less_alone() {
        for (len, shrinks) in [(1000, true), (1900, false)] {
            let mut assembled = Assembled::new();
            assembled.room_and_payload.reserve_exact(2000);
            assembled.push(&vec![7; len], 1 << 20);
            assembled.shrink();
            assert_eq!(assembled.capacity_bytes() < 2000, shrinks, "{len}");
            assert_eq!(*assembled, vec![7; len]);
        }
    }

    #[test]
    fn shared_bytes_and_frames_are_the_same_memory() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![0x5A; len];
            let assembled = Assembled::from_slice(&payload);
            let start = assembled.as_ptr();
            let frame = assembled.into_frame(Opcode::Binary);
            assert_eq!(frame[header_len(len)..], payload);
            assert_eq!(frame[0], 0x82);
            assert_eq!(frame.len(), header_len(len) + len);
            assert!(len == 0 || frame[header_len(len)..].as_ptr() == start);

            let assembled = Assembled::from_slice(&payload);
            let start = assembled.as_ptr();
            let shared = assembled.into_bytes();
            assert_eq!(shared, payload);
            assert!(len == 0 || shared.as_ptr() == start);
        }
        assert!(Assembled::new().into_bytes().is_empty());
        assert_eq!(Assembled::new().into_frame(Opcode::Text)[..], [0x81, 0]);
    }
}
