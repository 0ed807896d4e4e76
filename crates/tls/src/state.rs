//! All that is kept of a connection: two secrets and a few numbers.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::lens::{MARKS_LEN, SECRET_LEN_MAX};
use crate::marks::{CLIENT, Marks};
use crate::suite::{Suite, Width};

/// Bytes of a state in a narrow table, and in a wide one.
pub const NARROW_LEN: usize = Width::Narrow.state_len();
/// See [`NARROW_LEN`].
pub const WIDE_LEN: usize = Width::Wide.state_len();

const _: () = assert!(NARROW_LEN == 80 && WIDE_LEN == 112);

/// The most bytes that a state has where it is carried to another process.
pub const CARRIED_LEN_MAX: usize = CARRIED_HEAD_LEN + 2 * SECRET_LEN_MAX;

/// The form, the marks, and how long each secret is.
const CARRIED_HEAD_LEN: usize = 1 + MARKS_LEN + 1;

/// The form of a carried state that this release writes, and the only one that it reads.
const FORM: u8 = 1;

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer has connected to this end.
    Server,
    /// This end has connected to the peer.
    Client,
}

/// One direction, as the handshake leaves it.
pub struct Direction<'d> {
    /// Under TLS 1.3 the traffic secret; under TLS 1.2 the key, and behind it twelve bytes of IV.
    pub secret: &'d [u8],
    /// The number of the next record.
    pub number: u64,
}

/// The state of one connection, with an owner of its own: on its way from a handshake into a table, or from a table
/// elsewhere. It is wiped when it is dropped.
pub struct State {
    /// As in a wide table. On the heap, so that no move of it leaves a copy behind.
    bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for State {
    /// No secret is shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("State").field("marks", &self.marks()).finish_non_exhaustive()
    }
}

impl State {
    /// From what a handshake has agreed on. None if a secret has another length than the suite's, or a number is far
    /// beyond what a handshake can have used.
    pub fn new(suite: Suite, role: Role, rx: &Direction<'_>, tx: &Direction<'_>) -> Option<Self> {
        let number = |number: u64| u32::try_from(number).ok().filter(|number| *number < suite.records_max());
        let marks = Marks {
            rx_number: number(rx.number)?,
            tx_number: number(tx.number)?,
            suite: suite as u8,
            flags: if role == Role::Client { CLIENT } else { 0 },
            ..Marks::default()
        };
        Self::of(marks, rx.secret, tx.secret)
    }

    /// None if the secrets are not what the suite keeps.
    fn of(marks: Marks, rx: &[u8], tx: &[u8]) -> Option<Self> {
        let len = marks.valid()?.kept_len();
        if rx.len() != len || tx.len() != len {
            return None;
        }
        let mut bytes = Zeroizing::new(vec![0; WIDE_LEN]);
        bytes[..len].copy_from_slice(rx);
        bytes[SECRET_LEN_MAX..SECRET_LEN_MAX + len].copy_from_slice(tx);
        marks.write(bytes.last_chunk_mut()?);
        Some(Self { bytes })
    }

    /// To open and seal with.
    pub fn session(&mut self) -> Option<Session<'_>> {
        Session::of(&mut self.bytes[..])
    }

    /// What the connection is sealed with.
    pub fn suite(&self) -> Option<Suite> {
        self.marks().valid()
    }

    /// As bytes, for another process: [`State::read`] makes the same of them. They are secret.
    ///
    /// The form, the marks, how long each secret is, then what comes and what goes.
    pub fn carried(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(CARRIED_LEN_MAX));
        let marks = self.marks();
        let len = marks.valid().map_or(0, Suite::kept_len);
        let mut bytes = [0; MARKS_LEN];
        marks.write(&mut bytes);
        out.push(FORM);
        out.extend_from_slice(&bytes);
        out.push(u8::try_from(len).unwrap_or(0));
        out.extend_from_slice(&self.bytes[..len]);
        out.extend_from_slice(&self.bytes[SECRET_LEN_MAX..SECRET_LEN_MAX + len]);
        out
    }

    /// A state that another process has written, and how many bytes it had. None if it is of another form, is cut or
    /// says what no state says.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (head, secrets) = bytes.split_at_checked(CARRIED_HEAD_LEN)?;
        let (form, head) = head.split_first()?;
        let len = usize::from(*head.last()?);
        let secrets = secrets.get(..2 * len).filter(|_| *form == FORM)?;
        let state = Self::of(Marks::read(head.first_chunk()?), &secrets[..len], &secrets[len..])?;
        Some((state, CARRIED_HEAD_LEN + 2 * len))
    }

    fn marks(&self) -> Marks {
        self.bytes.last_chunk().map(Marks::read).unwrap_or_default()
    }
}

/// A connection's state, lent to open or to seal with.
pub struct Session<'s> {
    /// What comes, then what goes; half of the bytes each.
    secrets: &'s mut [u8],
    home: &'s mut [u8; MARKS_LEN],
    pub(crate) marks: Marks,
    pub(crate) suite: Suite,
}

impl fmt::Debug for Session<'_> {
    /// No secret is shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("marks", &self.marks).finish_non_exhaustive()
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.marks.write(self.home);
    }
}

impl<'s> Session<'s> {
    /// Over the place of a state. None if nobody is there.
    pub(crate) fn of(place: &'s mut [u8]) -> Option<Self> {
        let (secrets, home) = place.split_last_chunk_mut()?;
        let marks = Marks::read(home);
        let suite = marks.valid()?;
        Some(Self { secrets, home, marks, suite })
    }

    /// What the connection is sealed with.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn rx(&mut self) -> &mut [u8] {
        let half = self.secrets.len() / 2;
        &mut self.secrets[..half]
    }

    pub(crate) fn tx(&mut self) -> &mut [u8] {
        let half = self.secrets.len() / 2;
        &mut self.secrets[half..]
    }

    /// An owned copy.
    pub(crate) fn copied(&self) -> Option<State> {
        let (len, half) = (self.suite.kept_len(), self.secrets.len() / 2);
        State::of(self.marks, self.secrets.get(..len)?, self.secrets.get(half..half + len)?)
    }

    /// Puts an owned state into a place, which has one of the two lengths. False if it is too narrow.
    pub(crate) fn put(state: &State, place: &mut [u8]) -> bool {
        let Some(suite) = state.suite() else { return false };
        let (len, Some((secrets, home))) = (suite.kept_len(), place.split_last_chunk_mut()) else {
            return false;
        };
        let half = secrets.len() / 2;
        if len > half {
            return false;
        }
        secrets.zeroize();
        secrets[..len].copy_from_slice(&state.bytes[..len]);
        secrets[half..half + len].copy_from_slice(&state.bytes[SECRET_LEN_MAX..SECRET_LEN_MAX + len]);
        state.marks().write(home);
        true
    }
}
