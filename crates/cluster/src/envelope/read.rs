//! From a message to its parts.

use super::bounds::{CONNECTION_LEN, EXCLUDED_MAX, FILTER_LEN_MAX, FIXED_LEN, HUB_LEN_MAX, NAME_LEN_MAX};
use super::fields::Fields;
use super::head::{Head, MAGIC, Unknown, Unread, VERSION};
use super::list::Excluded;
use super::operation::Target;
use super::parts::Parts;
use crate::id::{ConnectionName, NodeId, QuestionId};

/// Reads a message.
pub(super) fn read(message: &[u8]) -> Result<(Head, Parts<'_>), Unread> {
    let Some((fixed, rest)) = message.split_first_chunk::<FIXED_LEN>() else {
        return Err(Unread::Garbage("too short"));
    };
    let head = head(fixed)?;
    if fixed[1] != VERSION {
        return Err(Unread::Later(Unknown::Version(fixed[1]), head));
    }
    parts(fixed, rest, head).map(|parts| (head, parts)).map_err(Unread::Garbage)
}

fn head(fixed: &[u8; FIXED_LEN]) -> Result<Head, Unread> {
    if fixed[0] != MAGIC {
        return Err(Unread::Garbage("no envelope"));
    }
    let node = number(fixed, 8);
    if node > NodeId::MAX {
        return Err(Unread::Garbage("no node"));
    }
    Ok(Head {
        operation: fixed[2],
        flags: fixed[3],
        epoch: u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        node: NodeId::new(node),
        number: number(fixed, 16),
        question: QuestionId::new(number(fixed, 24)),
    })
}

fn parts<'m>(fixed: &[u8; FIXED_LEN], rest: &'m [u8], head: Head) -> Result<Parts<'m>, &'static str> {
    let mut rest = rest;
    let short = |at: usize| usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]));
    let hub = text(&mut rest, usize::from(fixed[34]), HUB_LEN_MAX, "the hub")?;
    let target = match (fixed[32], short(36)) {
        (0, 0) => None,
        (1, 0) => Some(Target::All),
        (kind @ (2 | 3), 1..) => {
            let name = text(&mut rest, short(36), NAME_LEN_MAX, "the target")?;
            Some(if kind == 2 { Target::User(name) } else { Target::Group(name) })
        }
        (4, CONNECTION_LEN) => {
            let (name, behind) = rest.split_first_chunk::<CONNECTION_LEN>().ok_or("the target")?;
            rest = behind;
            Some(Target::Connection(ConnectionName::new(u128::from_le_bytes(*name))))
        }
        _ => return Err("the target"),
    };
    let sender = text(&mut rest, short(38), NAME_LEN_MAX, "the sender")?;
    let filter = text(&mut rest, short(40), FILTER_LEN_MAX, "the filter")?;
    let excluded = take(&mut rest, short(42) * CONNECTION_LEN, EXCLUDED_MAX * CONNECTION_LEN);
    let excluded = excluded.and_then(Excluded::of).ok_or("the excluded")?;
    let len = usize::try_from(u32::from_le_bytes([fixed[44], fixed[45], fixed[46], fixed[47]]));
    let fields = len.ok().and_then(|len| take(&mut rest, len, len)).ok_or("the fields")?;
    Ok(Parts {
        operation: head.operation,
        flags: head.flags,
        hub,
        target,
        kind: fixed[33],
        sender,
        filter,
        excluded,
        fields: Fields::read(fields)?,
        payload: rest,
    })
}

/// Takes so many bytes off, if there are, and no more than these.
fn take<'m>(rest: &mut &'m [u8], len: usize, len_max: usize) -> Option<&'m [u8]> {
    let (taken, behind) = rest.split_at_checked(len).filter(|_| len <= len_max)?;
    *rest = behind;
    Some(taken)
}

fn text<'m>(
    rest: &mut &'m [u8],
    len: usize,
    len_max: usize,
    what: &'static str,
) -> Result<&'m str, &'static str> {
    take(rest, len, len_max).and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(what)
}

fn number(fixed: &[u8; FIXED_LEN], at: usize) -> u64 {
    fixed[at..at + 8].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
}
