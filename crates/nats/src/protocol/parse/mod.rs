//! Bytes from a server to events. Fed in pieces, it finds the same as in one.

use std::fmt;

use bytes::Bytes;
use memchr::memchr;

use super::headers::{Headers, decode};
use super::info::Info;
use crate::message::Received;

/// Longest line: what a server takes from a publisher, and what it adds.
const LINE_LEN_MAX: usize = 4096 + 256;
/// Longest line of what a server says of itself: it names the whole cluster.
const INFO_LEN_MAX: usize = 64 * 1024;
/// Longest message that is kept, whatever a server says.
pub(crate) const MESSAGE_LEN_MAX: usize = 64 << 20;
/// A message may be longer by so much than what the server takes itself.
pub(crate) const ROOM: usize = 64 * 1024;
/// Longest message that is passed over. Lengths are 31 bits.
const PASSED_OVER_MAX: u64 = i32::MAX as u64;
/// Capacity that is kept for lines that come in pieces.
const KEPT: usize = 1024;
/// Behind a message.
const END: &[u8] = b"\r\n";

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Info(Box<Info>),
    Message(Received),
    /// A message whose headers are not understood, without them.
    Bare(Received),
    /// A message that was too long, and passed over.
    TooLong,
    Ping,
    Pong,
    Ok,
    /// What it complains of.
    Error(String),
}

/// This is no NATS: the rest of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Garbage(String);

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads what a server says.
#[derive(Debug)]
pub(crate) struct Parser {
    /// A line of which there is a part.
    line: Vec<u8>,
    /// A message whose line was read.
    body: Option<Body>,
    /// Bytes of a message that is too long.
    skip: u64,
    message_max: usize,
}

/// A message whose line was read.
#[derive(Debug)]
struct Body {
    subject: String,
    headers: Option<usize>,
    total: usize,
    /// What has come of it, if that is not all.
    part: Vec<u8>,
}

type Read = Result<(usize, Option<Event>), Garbage>;

impl Parser {
    /// One that keeps messages of so many bytes.
    pub(crate) fn new(message_max: usize) -> Self {
        Self { line: Vec::new(), body: None, skip: 0, message_max }
    }

    /// Longer messages are passed over from now on.
    pub(crate) fn set_message_max(&mut self, bytes: usize) {
        self.message_max = bytes;
    }

    /// Takes some of what has come, at least a byte if there is one: how many, and what that was the end of.
    pub(crate) fn next(&mut self, input: &[u8]) -> Read {
        if self.skip > 0 {
            return Ok(self.pass(input));
        }
        match self.body.take() {
            Some(body) => self.message(body, input),
            None => self.line(input),
        }
    }

    fn pass(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let left = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let taken = left.min(input.len());
        self.skip -= taken as u64;
        (taken, (self.skip == 0).then_some(Event::TooLong))
    }

    fn line(&mut self, input: &[u8]) -> Read {
        let end = memchr(b'\n', input);
        let piece = &input[..end.unwrap_or(input.len())];
        if self.line.len() + piece.len() > self.line_max(piece) {
            return Err(Garbage("its line is too long".to_owned()));
        }
        let Some(end) = end else {
            self.line.extend_from_slice(piece);
            return Ok((input.len(), None));
        };
        if self.line.is_empty() {
            return Ok((end + 1, self.act(piece)?));
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(piece);
        let event = self.act(&line)?;
        if line.capacity() <= KEPT {
            line.clear();
            self.line = line;
        }
        Ok((end + 1, event))
    }

    fn line_max(&self, piece: &[u8]) -> usize {
        let start = self.line.iter().chain(piece).take(4);
        let is_info = start.map(u8::to_ascii_uppercase).eq(*b"INFO");
        if is_info { INFO_LEN_MAX } else { LINE_LEN_MAX }
    }

    fn act(&mut self, line: &[u8]) -> Result<Option<Event>, Garbage> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let end = line.iter().position(|byte| is_gap(*byte)).unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        let event = if is(b"MSG") {
            self.begin(false, rest).ok_or_else(|| garbage(line))?
        } else if is(b"HMSG") {
            self.begin(true, rest).ok_or_else(|| garbage(line))?
        } else if is(b"PING") {
            Some(Event::Ping)
        } else if is(b"PONG") {
            Some(Event::Pong)
        } else if is(b"+OK") {
            Some(Event::Ok)
        } else if is(b"-ERR") {
            Some(Event::Error(complaint(rest)))
        } else if is(b"INFO") {
            Some(Event::Info(Box::new(Info::read(rest).ok_or_else(|| garbage(line))?)))
        } else {
            return Err(garbage(line));
        };
        Ok(event)
    }

    /// The line of a message: subject, subscription, perhaps where to answer, perhaps bytes of headers, bytes.
    #[allow(clippy::option_option)] // no message, and nothing that has happened
    fn begin(&mut self, has_headers: bool, rest: &[u8]) -> Option<Option<Event>> {
        let mut words: [&[u8]; 5] = [&[]; 5];
        let mut count = 0;
        for word in rest.split(|byte| is_gap(*byte)).filter(|word| !word.is_empty()) {
            *words.get_mut(count)? = word;
            count += 1;
        }
        let least = 3 + usize::from(has_headers);
        if count != least && count != least + 1 {
            return None;
        }
        let total = length(words[count - 1])?;
        let headers = if has_headers { Some(length(words[count - 2])?) } else { None };
        if headers.is_some_and(|headers| headers > total) {
            return None;
        }
        if total > self.message_max as u64 {
            self.skip = total + END.len() as u64;
            return Some(None);
        }
        let subject = String::from_utf8_lossy(words[0]).into_owned();
        // Both are no more than message_max.
        let (headers, total) = (headers.and_then(|bytes| bytes.try_into().ok()), total.try_into().ok()?);
        self.body = Some(Body { subject, headers, total, part: Vec::new() });
        Some(None)
    }

    fn message(&mut self, mut body: Body, input: &[u8]) -> Read {
        let all = body.total + END.len();
        if body.part.is_empty() && input.len() >= all {
            return Ok((all, Some(body.finish(&input[..all], None)?)));
        }
        if body.part.is_empty() {
            body.part.reserve_exact(all);
        }
        let taken = (all - body.part.len()).min(input.len());
        body.part.extend_from_slice(&input[..taken]);
        if body.part.len() < all {
            self.body = Some(body);
            return Ok((taken, None));
        }
        let part = std::mem::take(&mut body.part);
        let is_plain = body.headers.is_none();
        let event = if is_plain {
            let part = Bytes::from(part);
            body.finish(&part.clone(), Some(part))?
        } else {
            body.finish(&part, None)?
        };
        Ok((taken, Some(event)))
    }
}

impl Body {
    /// All of it has come. `owned` is the same, if it may be kept.
    fn finish(self, all: &[u8], owned: Option<Bytes>) -> Result<Event, Garbage> {
        let Self { subject, headers, total, .. } = self;
        if &all[total..] != END {
            return Err(Garbage("a message is not as long as its line says".to_owned()));
        }
        let start = headers.unwrap_or(0);
        let payload = match owned {
            Some(owned) => owned.slice(..total),
            None => Bytes::copy_from_slice(&all[start..total]),
        };
        let bare = |payload| Received { subject, status: None, headers: Vec::new(), payload };
        Ok(match headers.map(|bytes| decode(&all[..bytes])) {
            None => Event::Message(bare(payload)),
            Some(None) => Event::Bare(bare(payload)),
            Some(Some(Headers { status, lines })) => {
                Event::Message(Received { status, headers: lines, ..bare(payload) })
            }
        })
    }
}

fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A number of bytes.
fn length(word: &[u8]) -> Option<u64> {
    let is_number = (1..=10).contains(&word.len()) && word.iter().all(u8::is_ascii_digit);
    let number = || word.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    is_number.then(number).filter(|number| *number <= PASSED_OVER_MAX)
}

/// `'Authorization Violation'` without its quotes.
fn complaint(rest: &[u8]) -> String {
    let text = String::from_utf8_lossy(rest);
    let text = text.trim();
    let bare = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    match bare.unwrap_or(text) {
        "" => "no reason".to_owned(),
        text => text.to_owned(),
    }
}

fn garbage(line: &[u8]) -> Garbage {
    const SHOWN_MAX: usize = 40;
    let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN_MAX)]).into_owned();
    Garbage(format!("it says {shown:?}"))
}

#[cfg(test)]
mod tests;
