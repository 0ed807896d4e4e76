//! Opens what a peer has sent, in place.

use std::ops::Range;

use crate::alert::{Alert, FATAL, USER_CANCELED, WARNING};
use crate::bounds::{HANDSHAKE_RECORDS_MAX, QUIET_MAX};
use crate::header::{Header, Kind};
use crate::keys::{self, Keys};
use crate::marks::{ASK, ASKED, DEAF, MUTE, UPDATE_DUE};
use crate::post::{self, Said};
use crate::state::Session;
use crate::suite::Version;
use crate::{v12, v13};

/// After how many records with one key the peer is asked to take a new one.
pub(crate) const ASK_AT: u32 = 1 << 31;

/// What a call has opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Where in the buffer the plaintext of all records lies, in one piece.
    ///
    /// There is always as much before and behind it as is needed to seal there an answer that is no longer, if no new
    /// keys are due: a record had its header, its kind and its tag there.
    pub plain: Range<usize>,
    /// Where in the buffer the record begins that has not come whole. Its bytes must be kept, and come first in the
    /// next call.
    pub rest: Range<usize>,
    /// How long the record is that has not come whole, as far as its header has come; 0 if it has not. It is what a
    /// peer says, and no reason to have as much memory ready.
    pub rest_len: usize,
    /// Whole records that were opened.
    pub records: u32,
    /// KeyUpdates among them.
    pub key_updates: u32,
    /// That nothing more will come, and why. What came before it is good.
    pub end: Option<End>,
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer has said that it has sent all. It may still be sent to.
    Closed,
    /// The peer has hung up, with an alert of this number. Nothing is sent any more, not even an alert.
    Alerted(u8),
    /// The peer does what it must not; this is to be said to it by [`alert`](crate::alert()), and then there is an end.
    Fault(Alert),
}

/// Opens all whole records of `range` in place, and moves what was in them together.
///
/// Nothing is ever given out that the peer has not sealed with this connection's keys, in this order. After an end
/// everything that comes is ignored.
pub fn open(session: &mut Session<'_>, buffer: &mut [u8], range: Range<usize>) -> Opened {
    let end = range.end.min(buffer.len());
    let start = range.start.min(end);
    let mut opened = Opened { plain: start..start, rest: end..end, ..Opened::default() };
    if session.marks.has(DEAF) {
        opened.end = Some(End::Closed);
        return opened;
    }
    if let Err(why) = records(session, &mut buffer[..end], start, &mut opened) {
        session.marks.set(DEAF);
        if why != End::Closed {
            session.marks.clear(UPDATE_DUE | ASK);
        }
        if let End::Alerted(_) = why {
            session.marks.set(MUTE);
        }
        (opened.rest, opened.rest_len, opened.end) = (end..end, 0, Some(why));
    }
    opened
}

/// Opens one record after the other, up to the first that has not come whole.
fn records(
    session: &mut Session<'_>,
    buffer: &mut [u8],
    start: usize,
    opened: &mut Opened,
) -> Result<(), End> {
    let (mut at, mut keys, mut handshakes) = (start, None, 0);
    loop {
        let found = Header::read(session.suite, &buffer[at..]).map_err(End::Fault)?;
        let len = found.map_or(0, |header| header.record_len());
        let (Some(header), Some(record)) = (found, buffer[at..].get_mut(..len)) else {
            (opened.rest, opened.rest_len) = (at..buffer.len(), len);
            return Ok(());
        };
        let (kind, content) = record_of(session, &mut keys, &header, record)?;
        opened.records = opened.records.saturating_add(1);
        let content = at + content.start..at + content.end;
        at += len;
        match kind {
            // RFC 8446 5.1: nothing comes between the parts of a message.
            _ if kind != Kind::Handshake && session.marks.head != 0 => {
                return Err(End::Fault(Alert::UnexpectedMessage));
            }
            Kind::Data if content.is_empty() => quiet(session)?,
            Kind::Data => {
                session.marks.quiet = 0;
                join(&mut opened.plain, content, buffer);
            }
            Kind::Alert => alerted(session, &buffer[content])?,
            Kind::Handshake => {
                handshakes += 1;
                if handshakes > HANDSHAKE_RECORDS_MAX {
                    return Err(End::Fault(Alert::UnexpectedMessage));
                }
                if handshake(session, &buffer[content])? {
                    keys = None;
                    opened.key_updates += 1;
                }
            }
        }
    }
}

/// Opens one record, with the number that it must have.
fn record_of(
    session: &mut Session<'_>,
    keys: &mut Option<Keys>,
    header: &Header,
    record: &mut [u8],
) -> Result<(Kind, Range<usize>), End> {
    let (suite, number) = (session.suite, session.marks.rx_number);
    let keys = match keys {
        Some(keys) => keys,
        None => keys.insert(Keys::of(suite, session.rx()).ok_or(End::Fault(Alert::InternalError))?),
    };
    // No number is used twice. Under TLS 1.3 the peer was asked long ago.
    session.marks.rx_number = number.checked_add(1).ok_or(End::Fault(Alert::InternalError))?;
    let found = match suite.version() {
        Version::V13 => v13::open(keys, number, header, record),
        Version::V12 => v12::open(suite, keys, number, header, record),
    };
    if number >= ASK_AT && suite.version() == Version::V13 && !session.marks.has(ASKED) {
        session.marks.set(UPDATE_DUE | ASK);
    }
    found.map_err(End::Fault)
}

/// Moves data to what there is. The first stays where it is.
fn join(plain: &mut Range<usize>, content: Range<usize>, buffer: &mut [u8]) {
    if plain.start == plain.end {
        *plain = content;
        return;
    }
    let len = content.len();
    buffer.copy_within(content, plain.end);
    plain.end += len;
}

/// One more record that has brought nothing.
fn quiet(session: &mut Session<'_>) -> Result<(), End> {
    if session.marks.quiet >= QUIET_MAX {
        return Err(End::Fault(Alert::UnexpectedMessage));
    }
    session.marks.quiet += 1;
    Ok(())
}

/// An alert has come (RFC 8446 6, RFC 5246 7.2).
fn alerted(session: &mut Session<'_>, content: &[u8]) -> Result<(), End> {
    const CLOSE_NOTIFY: u8 = Alert::CloseNotify.number();
    let &[level, number] = content else {
        // RFC 8446 5.1: no alert is empty, and none comes in parts.
        let empty = content.is_empty();
        return Err(End::Fault(if empty { Alert::UnexpectedMessage } else { Alert::DecodeError }));
    };
    let is_v13 = session.suite.version() == Version::V13;
    match (level, number) {
        // RFC 8446 6: the level says nothing any more.
        (_, CLOSE_NOTIFY) => Err(End::Closed),
        (_, USER_CANCELED) if is_v13 => quiet(session),
        (WARNING, _) if !is_v13 => quiet(session),
        (WARNING | FATAL, _) => Err(End::Alerted(number)),
        _ => Err(End::Fault(Alert::IllegalParameter)),
    }
}

/// A record of handshake messages has come; true if the peer has new keys.
fn handshake(session: &mut Session<'_>, content: &[u8]) -> Result<bool, End> {
    // RFC 8446 5.1: no handshake record is empty.
    if content.is_empty() {
        return Err(End::Fault(Alert::UnexpectedMessage));
    }
    let suite = session.suite;
    let said = post::hear(&mut session.marks, suite.version(), content).map_err(End::Fault)?;
    let Said::KeyUpdate { asks } = said else { return Ok(false) };
    keys::update(suite, session.rx());
    session.marks.rx_number = 0;
    session.marks.clear(ASK | ASKED);
    // RFC 8446 4.6.3: one answer is enough for many requests, and it is due before the next data.
    if asks {
        session.marks.set(UPDATE_DUE);
    }
    Ok(true)
}
