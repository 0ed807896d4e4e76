//! What a state has beside its secrets: 16 bytes.

use crate::bounds::{QUIET_MAX, TICKET_LEN_MAX};
use crate::lens::MARKS_LEN;
use crate::suite::Suite;

/// How far a connection has come, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The number of the next record that comes, under its key.
    pub(crate) rx_number: u32,
    /// The number of the next record that goes, under its key.
    pub(crate) tx_number: u32,
    /// Bytes that a handshake message in parts still has, or, while its head is read, its length so far.
    pub(crate) left: u32,
    /// The number of the suite; 0 says that nobody is here.
    pub(crate) suite: u8,
    pub(crate) flags: u8,
    /// Records without data in a row.
    pub(crate) quiet: u8,
    /// Bytes of a handshake message's head that have come.
    pub(crate) head: u8,
}

/// This end is the client's.
pub(crate) const CLIENT: u8 = 1;
/// New keys are to be taken before the next data goes.
pub(crate) const UPDATE_DUE: u8 = 2;
/// And the peer is to be asked for the same.
pub(crate) const ASK: u8 = 4;
/// It was asked, and has not answered.
pub(crate) const ASKED: u8 = 8;
/// The peer sends nothing more, or is no longer listened to.
pub(crate) const DEAF: u8 = 16;
/// Nothing more is sent.
pub(crate) const MUTE: u8 = 32;
/// The handshake message that has come in part is a ticket.
pub(crate) const TICKET: u8 = 64;

/// Every flag that there is.
const FLAGS: u8 = CLIENT | UPDATE_DUE | ASK | ASKED | DEAF | MUTE | TICKET;

/// The head of a handshake message: its kind and its length (RFC 8446 4).
pub(crate) const HEAD_LEN: u8 = 4;

impl Marks {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn set(&mut self, flags: u8) {
        self.flags |= flags;
    }

    pub(crate) fn clear(&mut self, flags: u8) {
        self.flags &= !flags;
    }

    pub(crate) fn read(bytes: &[u8; MARKS_LEN]) -> Self {
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let [.., suite, flags, quiet, head] = *bytes;
        Self { rx_number: number(0), tx_number: number(4), left: number(8), suite, flags, quiet, head }
    }

    pub(crate) fn write(&self, bytes: &mut [u8; MARKS_LEN]) {
        bytes[..4].copy_from_slice(&self.rx_number.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.tx_number.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.left.to_le_bytes());
        bytes[12..].copy_from_slice(&[self.suite, self.flags, self.quiet, self.head]);
    }

    /// The suite, if these are the marks of a connection as this crate leaves them.
    pub(crate) fn valid(&self) -> Option<Suite> {
        let is_whole = self.flags & !FLAGS == 0
            && self.head <= HEAD_LEN
            && self.left <= TICKET_LEN_MAX
            && self.quiet <= QUIET_MAX;
        Suite::of_number(self.suite).filter(|_| is_whole)
    }
}
