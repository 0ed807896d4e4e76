//! From an envelope to a message.

use std::fmt;

use super::bounds::{CONNECTION_LEN, FILTER_LEN_MAX, FIXED_LEN, HUB_LEN_MAX, NAME_LEN_MAX};
use super::head::{Head, MAGIC, VERSION};
use super::operation::Target;
use super::parts::Parts;

/// Something is longer than others would read: the group, the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub &'static str);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is too long for other nodes", self.0)
    }
}

impl std::error::Error for TooLong {}

/// Writes a message behind what is in `out`.
pub(super) fn write(head: Head, parts: &Parts<'_>, out: &mut Vec<u8>) -> Result<(), TooLong> {
    let start = out.len();
    let written = put(head, parts, out).map_err(TooLong);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn put(head: Head, parts: &Parts<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let connection;
    let (kind, target): (u8, &[u8]) = match parts.target {
        None => (0, &[]),
        Some(Target::All) => (1, &[]),
        Some(Target::User(name)) => (2, name.as_bytes()),
        Some(Target::Group(name)) => (3, name.as_bytes()),
        Some(Target::Connection(name)) => {
            connection = name.bits().to_le_bytes();
            (4, &connection)
        }
    };
    let excluded = parts.excluded.as_bytes();
    let hub = bounded(parts.hub.as_bytes(), HUB_LEN_MAX, "the hub")?;
    bounded(target, NAME_LEN_MAX, "the target")?;
    bounded(parts.sender.as_bytes(), NAME_LEN_MAX, "the sender")?;
    bounded(parts.filter.as_bytes(), FILTER_LEN_MAX, "the filter")?;
    let named = hub.len() + target.len() + parts.sender.len() + parts.filter.len() + excluded.len();
    out.reserve(FIXED_LEN + named + parts.payload.len());
    out.extend([MAGIC, VERSION, head.operation, head.flags]);
    out.extend(head.epoch.to_le_bytes());
    out.extend(head.node.bits().to_le_bytes());
    out.extend(head.number.to_le_bytes());
    out.extend(head.question.map_or(0, |question| question.number()).to_le_bytes());
    out.extend([kind, parts.kind, u8::try_from(hub.len()).unwrap_or_default(), 0]);
    for len in [target.len(), parts.sender.len(), parts.filter.len(), excluded.len() / CONNECTION_LEN] {
        out.extend(u16::try_from(len).unwrap_or_default().to_le_bytes());
    }
    let len_at = out.len();
    out.extend([0; 4]);
    for part in [hub, target, parts.sender.as_bytes(), parts.filter.as_bytes(), excluded] {
        out.extend_from_slice(part);
    }
    let fields_at = out.len();
    parts.fields.write(out)?;
    let len = u32::try_from(out.len() - fields_at).map_err(|_| "the fields")?;
    out[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
    out.extend_from_slice(parts.payload);
    Ok(())
}

/// Bytes that are no more than these, which are no more than a length in the message can say.
fn bounded<'b>(bytes: &'b [u8], len_max: usize, what: &'static str) -> Result<&'b [u8], &'static str> {
    if bytes.len() <= len_max { Ok(bytes) } else { Err(what) }
}
