//! Lists in an envelope: bytes that are looked through once, when they are read, and taken apart when they are walked
//! over.

use super::bounds::{CONNECTION_LEN, EXCLUDED_MAX, GROUPS_MAX, HUBS_MAX, NAME_LEN_MAX};
use crate::id::ConnectionName;
use crate::planted::{Defect, is_planted};

/// Connections that are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excluded<'m>(&'m [u8]);

impl<'m> Excluded<'m> {
    /// The list's bytes, to make one of with [`Self::of`].
    #[must_use]
    pub fn bytes(names: impl IntoIterator<Item = ConnectionName>) -> Vec<u8> {
        names.into_iter().flat_map(|name| name.bits().to_le_bytes()).collect()
    }

    /// The list with these bytes. None where they are none, or too many.
    #[must_use]
    pub fn of(bytes: &'m [u8]) -> Option<Self> {
        let is_list =
            bytes.len().is_multiple_of(CONNECTION_LEN) && bytes.len() <= EXCLUDED_MAX * CONNECTION_LEN;
        is_list.then_some(Self(if is_planted(Defect::ForgetsTheExcluded) { &[] } else { bytes }))
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = ConnectionName> + 'm {
        let name = |bytes: &'m [u8]| bytes.try_into().ok().map(u128::from_le_bytes).map(ConnectionName::new);
        self.0.chunks_exact(CONNECTION_LEN).filter_map(name)
    }

    /// Whether one of them is this one.
    #[must_use]
    pub fn has(self, name: ConnectionName) -> bool {
        self.iter().any(|own| own == name)
    }

    /// Whether nobody is left out.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_bytes(self) -> &'m [u8] {
        self.0
    }
}

/// Which hubs a node serves, each by 4 bytes of a hash. Where two have the same, a node is taken to serve one that it
/// does not: it is waited for in vain, but nobody is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hubs<'m>(&'m [u8]);

impl<'m> Hubs<'m> {
    /// The list's bytes, to make one of with [`Self::of`].
    #[must_use]
    pub fn bytes<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<u8> {
        names.into_iter().take(HUBS_MAX).flat_map(|name| hash(name).to_le_bytes()).collect()
    }

    /// The list with these bytes. None where they are none.
    #[must_use]
    pub fn of(bytes: &'m [u8]) -> Option<Self> {
        (bytes.len().is_multiple_of(4) && bytes.len() <= 4 * HUBS_MAX).then_some(Self(bytes))
    }

    /// Whether this hub is one of them.
    #[must_use]
    pub fn has(self, hub: &str) -> bool {
        let hash = hash(hub).to_le_bytes();
        self.0.chunks_exact(4).any(|own| own == hash)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(self) -> &'m [u8] {
        self.0
    }
}

/// The same in every release. (FNV-1a, Fowler, Noll and Vo, 32 bits.)
fn hash(hub: &str) -> u32 {
    hub.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Names of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups<'m>(&'m [u8]);

impl<'m> Groups<'m> {
    /// The list's bytes, to make one of with [`Self::of`].
    #[must_use]
    pub fn bytes<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<u8> {
        let mut out = Vec::new();
        names.into_iter().for_each(|name| put(&mut out, name));
        out
    }

    /// The list with these bytes. None where they are none: each has a length of 2 bytes before it, none is empty or
    /// too long, and there are 1 to [`GROUPS_MAX`].
    #[must_use]
    pub fn of(bytes: &'m [u8]) -> Option<Self> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            take(&mut rest).filter(|name| !name.is_empty())?;
            count += 1;
        }
        (1..=GROUPS_MAX).contains(&count).then_some(Self(bytes))
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = &'m str> {
        let mut rest = self.0;
        std::iter::from_fn(move || take(&mut rest))
    }

    pub(super) fn as_bytes(self) -> &'m [u8] {
        self.0
    }
}

/// A member of a group, as a page of a list has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'m> {
    /// The connection.
    pub connection: ConnectionName,
    /// Its user, if it has one.
    pub user: Option<&'m str>,
}

/// Members of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Members<'m>(&'m [u8]);

impl<'m> Members<'m> {
    /// The list's bytes, to make one of with [`Self::of`].
    #[must_use]
    pub fn bytes<'n>(members: impl IntoIterator<Item = Member<'n>>) -> Vec<u8> {
        let mut out = Vec::new();
        for member in members {
            out.extend(member.connection.bits().to_le_bytes());
            put(&mut out, member.user.unwrap_or_default());
        }
        out
    }

    /// The list with these bytes. None where they are none.
    #[must_use]
    pub fn of(bytes: &'m [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            take_member(&mut rest)?;
        }
        Some(Self(bytes))
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = Member<'m>> {
        let mut rest = self.0;
        std::iter::from_fn(move || take_member(&mut rest))
    }
}

fn take_member<'m>(rest: &mut &'m [u8]) -> Option<Member<'m>> {
    let (name, behind) = rest.split_first_chunk::<CONNECTION_LEN>()?;
    *rest = behind;
    let user = Some(take(rest)?).filter(|user| !user.is_empty());
    Some(Member { connection: ConnectionName::new(u128::from_le_bytes(*name)), user })
}

/// Takes a text with its length off.
fn take<'m>(rest: &mut &'m [u8]) -> Option<&'m str> {
    let (len, behind) = rest.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_le_bytes(*len));
    let text = behind.get(..len).filter(|text| text.len() <= NAME_LEN_MAX)?;
    *rest = &behind[len..];
    std::str::from_utf8(text).ok()
}

/// Puts a text with its length behind. What is too long for a name is no name, and nobody's: it becomes none.
fn put(out: &mut Vec<u8>, text: &str) {
    let text = if text.len() > NAME_LEN_MAX { "" } else { text };
    out.extend(u16::try_from(text.len()).unwrap_or_default().to_le_bytes());
    out.extend(text.as_bytes());
}
