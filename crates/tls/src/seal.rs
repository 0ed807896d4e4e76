//! Seals what goes to a peer, in place.

use std::ops::Range;

use crate::alert::Alert;
use crate::header::Kind;
use crate::keys::{self, Keys};
use crate::lens::CONTENT_LEN_MAX;
use crate::marks::{ASK, ASKED, MUTE, UPDATE_DUE};
use crate::post;
use crate::state::Session;
use crate::suite::{Suite, Version};
use crate::{v12, v13};

/// The most bytes that are around the content of one record.
pub const OVERHEAD_MAX: usize = 29;

/// The most bytes of a sealed alert.
pub const ALERT_LEN_MAX: usize = OVERHEAD_MAX + 2;

const _: () = assert!(v13::FRONT + v13::BEHIND < OVERHEAD_MAX);
const _: () = assert!(v12::front(Suite::Aes128V12) + v12::BEHIND == OVERHEAD_MAX);

/// Why something was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsealed {
    /// The buffer is too small.
    NoRoom,
    /// This end has said that it has sent all, or one of both has hung up.
    Ended,
    /// Under TLS 1.2 no more may be sealed with these keys: the connection must be closed.
    Exhausted,
    /// The library has failed: it has no memory. Nothing more can be sent.
    Failed,
}

/// How many bytes so many bytes of data will be when sealed now.
pub fn sealed_len(session: &Session<'_>, len: usize) -> usize {
    let records = len.div_ceil(CONTENT_LEN_MAX);
    len + records * overhead(session.suite) + update_len(session, len)
}

/// How many bytes lie before the first data once it is sealed: what [`seal`] needs before it, or else it moves it.
pub fn front(session: &Session<'_>) -> usize {
    update_len(session, 1) + record_front(session.suite)
}

/// Takes new keys before the next data, and asks the peer for the same if `ask` says so and no question is open.
/// TLS 1.2 has no such thing.
pub fn refresh(session: &mut Session<'_>, ask: bool) {
    if session.suite.version() == Version::V13 {
        let may_ask = ask && !session.marks.has(ASKED);
        session.marks.set(UPDATE_DUE | if may_ask { ASK } else { 0 });
    }
}

/// Seals the data that lies at `plain`, and gives back where the records lie then. It begins as far before the data as
/// is needed if that is there; else the data is moved back. What is behind it is overwritten.
///
/// # Errors
///
/// [`Unsealed::NoRoom`] if the buffer ends too early, and the others.
pub fn seal(
    session: &mut Session<'_>,
    buffer: &mut [u8],
    plain: Range<usize>,
) -> Result<Range<usize>, Unsealed> {
    if session.marks.has(MUTE) {
        return Err(Unsealed::Ended);
    }
    if plain.end > buffer.len() || plain.start > plain.end {
        return Err(Unsealed::NoRoom);
    }
    let len = plain.len();
    if len == 0 {
        return Ok(plain.start..plain.start);
    }
    let records = len.div_ceil(CONTENT_LEN_MAX);
    is_within_limits(session, records)?;
    let update = update_len(session, len);
    let start = plain.start.saturating_sub(update + record_front(session.suite));
    let out = start..start + sealed_len(session, len);
    let whole = buffer.get_mut(out.clone()).ok_or(Unsealed::NoRoom)?;
    // Keys come first: what fails here has changed nothing.
    let keys = Keys::of(session.suite, session.tx()).ok_or(Unsealed::Failed)?;
    spread(session.suite, whole, plain.start - start, len, update);
    if let Err(why) = seal_all(session, keys, whole, update) {
        // Whatever is sealed by now would have no use for the peer.
        session.marks.set(MUTE);
        return Err(why);
    }
    Ok(out)
}

/// Seals records that lie where they will be sent from: first a KeyUpdate if one is due.
fn seal_all(
    session: &mut Session<'_>,
    mut keys: Keys,
    whole: &mut [u8],
    update: usize,
) -> Result<(), Unsealed> {
    let (before, mut behind) = whole.split_at_mut(update);
    if update > 0 {
        update_keys(session, &mut keys, before)?;
    }
    while !behind.is_empty() {
        let record_len = behind.len().min(CONTENT_LEN_MAX + overhead(session.suite));
        let (record, next) = behind.split_at_mut(record_len);
        seal_one(session, &keys, Kind::Data, record)?;
        behind = next;
    }
    Ok(())
}

/// Copies data into a buffer and seals it there; how many bytes of the buffer are records then.
///
/// # Errors
///
/// As [`seal`].
pub fn seal_copy(session: &mut Session<'_>, data: &[u8], buffer: &mut [u8]) -> Result<usize, Unsealed> {
    let start = front(session);
    let plain = start..start + data.len();
    if data.is_empty() {
        return Ok(0);
    }
    buffer.get_mut(plain.clone()).ok_or(Unsealed::NoRoom)?.copy_from_slice(data);
    seal(session, buffer, plain).map(|records| records.end)
}

/// Writes an alert into a buffer of at least [`ALERT_LEN_MAX`] bytes; how many it has. Nothing goes behind it, and
/// nothing is written behind another or where the peer has hung up: 0.
pub fn alert(session: &mut Session<'_>, alert: Alert, buffer: &mut [u8]) -> usize {
    let content = alert.content();
    let (front, len) = (record_front(session.suite), overhead(session.suite) + content.len());
    let Some(record) = buffer.get_mut(..len).filter(|_| !session.marks.has(MUTE)) else { return 0 };
    record[front..front + content.len()].copy_from_slice(&content);
    let Some(keys) = Keys::of(session.suite, session.tx()) else { return 0 };
    let sealed = seal_one(session, &keys, Kind::Alert, record);
    session.marks.set(MUTE);
    sealed.map_or(0, |()| len)
}

/// Whether anything may still be sent.
pub fn is_open(session: &Session<'_>) -> bool {
    !session.marks.has(MUTE)
}

/// Sees to it that no key seals more than it may.
fn is_within_limits(session: &mut Session<'_>, records: usize) -> Result<(), Unsealed> {
    let next = (session.marks.tx_number as usize).saturating_add(records);
    if next <= session.suite.records_max() as usize {
        return Ok(());
    }
    match session.suite.version() {
        Version::V12 => Err(Unsealed::Exhausted),
        Version::V13 => {
            session.marks.set(UPDATE_DUE);
            Ok(())
        }
    }
}

/// Bytes of the KeyUpdate that goes before data of this length.
fn update_len(session: &Session<'_>, len: usize) -> usize {
    let next = (session.marks.tx_number as usize).saturating_add(len.div_ceil(CONTENT_LEN_MAX));
    let is_due = session.marks.has(UPDATE_DUE) || next > session.suite.records_max() as usize;
    let goes = is_due && len > 0 && session.suite.version() == Version::V13;
    if goes { post::key_update(false).len() + overhead(session.suite) } else { 0 }
}

/// Moves the data to where the records will have it, the last of them first.
fn spread(suite: Suite, whole: &mut [u8], plain: usize, len: usize, update: usize) {
    let step = CONTENT_LEN_MAX + overhead(suite);
    for record in (0..len.div_ceil(CONTENT_LEN_MAX)).rev() {
        let from = plain + record * CONTENT_LEN_MAX;
        let to = update + record * step + record_front(suite);
        let content = from..(from + CONTENT_LEN_MAX).min(plain + len);
        if from != to {
            whole.copy_within(content, to);
        }
    }
}

/// Seals a KeyUpdate with the old keys, and takes the new ones.
fn update_keys(session: &mut Session<'_>, keys: &mut Keys, record: &mut [u8]) -> Result<(), Unsealed> {
    let (suite, asks) = (session.suite, session.marks.has(ASK));
    let message = post::key_update(asks);
    let front = record_front(suite);
    record.get_mut(front..front + message.len()).ok_or(Unsealed::NoRoom)?.copy_from_slice(&message);
    seal_one(session, keys, Kind::Handshake, record)?;
    keys::update(suite, session.tx());
    session.marks.tx_number = 0;
    session.marks.clear(UPDATE_DUE | ASK);
    if asks {
        session.marks.set(ASKED);
    }
    *keys = Keys::of(suite, session.tx()).ok_or(Unsealed::Failed)?;
    Ok(())
}

/// Seals one record, with a number that is used once.
fn seal_one(session: &mut Session<'_>, keys: &Keys, kind: Kind, record: &mut [u8]) -> Result<(), Unsealed> {
    let (suite, number) = (session.suite, session.marks.tx_number);
    session.marks.tx_number = number.checked_add(1).ok_or(Unsealed::Exhausted)?;
    let sealed = match suite.version() {
        Version::V13 => v13::seal(keys, number, kind, record),
        Version::V12 => v12::seal(suite, keys, number, kind, record),
    };
    sealed.ok_or(Unsealed::Failed)
}

const fn record_front(suite: Suite) -> usize {
    match suite.version() {
        Version::V13 => v13::FRONT,
        Version::V12 => v12::front(suite),
    }
}

const fn overhead(suite: Suite) -> usize {
    record_front(suite)
        + match suite.version() {
            Version::V13 => v13::BEHIND,
            Version::V12 => v12::BEHIND,
        }
}
