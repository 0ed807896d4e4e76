//! Fields: what only some operations have. A reader skips those that it does not know.

use super::bounds::{FIELD_HEAD_LEN, NAME_LEN_MAX, REASON_LEN_MAX, RELEASE_LEN_MAX};
use super::list::Hubs;

/// The group of a join, a leave, a permission.
const GROUP: u8 = 1;
/// The reason of a close.
const REASON: u8 = 2;
/// Where a list begins or goes on.
const PLACE: u8 = 3;
/// The release of a node.
const RELEASE: u8 = 4;
/// What a node has drawn at its start.
const START: u8 = 5;
/// How many connections a node has.
const CONNECTIONS: u8 = 6;
/// How many numbers a node has given out.
const PUBLISHED: u8 = 7;
/// What an answer counts, or the most that a list is to have.
const COUNT: u8 = 8;
/// Why something was not done.
const REFUSAL: u8 = 9;
/// Which hubs a node serves.
const HUBS: u8 = 10;

/// The fields that are known. Texts are empty where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'m> {
    pub(super) group: &'m str,
    pub(super) reason: &'m str,
    pub(super) place: &'m str,
    pub(super) release: &'m str,
    pub(super) start: Option<u64>,
    pub(super) connections: Option<u64>,
    pub(super) published: Option<u64>,
    pub(super) count: Option<u64>,
    pub(super) refusal: Option<u64>,
    pub(super) hubs: Option<Hubs<'m>>,
}

impl<'m> Fields<'m> {
    /// Reads them.
    pub(super) fn read(mut rest: &'m [u8]) -> Result<Self, &'static str> {
        let mut fields = Self::default();
        while !rest.is_empty() {
            let Some((&[tag, low, high], behind)) = rest.split_first_chunk::<FIELD_HEAD_LEN>() else {
                return Err("a field without a length");
            };
            let len = usize::from(u16::from_le_bytes([low, high]));
            let value = behind.get(..len).ok_or("a field that is cut off")?;
            rest = &behind[len..];
            fields.set(tag, value)?;
        }
        Ok(fields)
    }

    fn set(&mut self, tag: u8, value: &'m [u8]) -> Result<(), &'static str> {
        match tag {
            GROUP => self.group = text(value, NAME_LEN_MAX)?,
            REASON => self.reason = text(value, REASON_LEN_MAX)?,
            PLACE => self.place = text(value, REASON_LEN_MAX)?,
            RELEASE => self.release = text(value, RELEASE_LEN_MAX)?,
            START => self.start = Some(number(value)?),
            CONNECTIONS => self.connections = Some(number(value)?),
            PUBLISHED => self.published = Some(number(value)?),
            COUNT => self.count = Some(number(value)?),
            REFUSAL => self.refusal = Some(number(value)?),
            HUBS => self.hubs = Some(Hubs::of(value).ok_or("a field that is no list of hubs")?),
            _ => {}
        }
        Ok(())
    }

    /// Writes those that are there. The name of one that is too long otherwise.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let texts = [
            (GROUP, self.group, NAME_LEN_MAX, "the group"),
            (REASON, self.reason, REASON_LEN_MAX, "the reason"),
            (PLACE, self.place, REASON_LEN_MAX, "the place"),
            (RELEASE, self.release, RELEASE_LEN_MAX, "the release"),
        ];
        for (tag, text, len_max, what) in texts {
            if text.len() > len_max {
                return Err(what);
            }
            if !text.is_empty() {
                put(out, tag, text.as_bytes());
            }
        }
        let numbers = [
            (START, self.start),
            (CONNECTIONS, self.connections),
            (PUBLISHED, self.published),
            (COUNT, self.count),
            (REFUSAL, self.refusal),
        ];
        if let Some(hubs) = self.hubs {
            put(out, HUBS, hubs.as_bytes());
        }
        for (tag, number) in numbers {
            if let Some(number) = number {
                put(out, tag, &number.to_le_bytes());
            }
        }
        Ok(())
    }
}

/// `value` is no longer than a length of 2 bytes can say.
fn put(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    out.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(value);
}

fn text(value: &[u8], len_max: usize) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(value).map_err(|_| "a field that is no text")?;
    if text.len() <= len_max { Ok(text) } else { Err("a field that is too long") }
}

fn number(value: &[u8]) -> Result<u64, &'static str> {
    value.try_into().map(u64::from_le_bytes).map_err(|_| "a field that is no number")
}
