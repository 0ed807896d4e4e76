//! Slots of a hub's subjects: a few, into which names are hashed, so that a node may listen to some of them one day.

use std::fmt;

/// How many slots names are hashed into.
pub const SLOTS: u16 = 256;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// The hub itself: its name here is empty.
    Hub,
    /// A user.
    User,
    /// A group.
    Group,
}

/// The last token of a hub's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// To all of the hub.
    All,
    /// To a user or a group with this hash.
    Of(u8),
}

impl Slot {
    /// Where a name belongs. It never changes: other nodes, of other releases, must come to the same. (FNV-1a, Fowler,
    /// Noll and Vo, 64 bits, its bytes folded into one.)
    #[must_use]
    pub fn of(named: Named, name: &str) -> Self {
        let kind = match named {
            Named::Hub => return Self::All,
            Named::User => b'u',
            Named::Group => b'g',
        };
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = [kind].into_iter().chain(name.bytes()).fold(0xcbf2_9ce4_8422_2325, mix);
        Self::Of(hash.to_le_bytes().into_iter().fold(0, |all, byte| all ^ byte))
    }

    /// Its place among all of a hub: 0 for all, then the others.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::All => 0,
            Self::Of(hash) => usize::from(hash) + 1,
        }
    }

    /// From its token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        if token == "all" {
            return Some(Self::All);
        }
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_slot = token.len() == 2 && token.bytes().all(is_digit);
        is_slot.then(|| u8::from_str_radix(token, 16).ok().map(Self::Of))?
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Of(hash) => write!(f, "{hash:02x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_slot_that_every_release_gives_it() {
        // Worked out by another program: FNV-1a of `u` or `g` and the name, bytes folded by exclusive or.
        for (named, name, slot) in [
            (Named::Group, "room", "67"),
            (Named::User, "room", "a7"),
            (Named::User, "ann", "7d"),
            (Named::Group, "é", "30"),
        ] {
            assert_eq!(Slot::of(named, name).to_string(), slot, "{named:?} {name}");
        }
        assert_eq!(Slot::of(Named::Hub, ""), Slot::All);
    }

    #[test]
    fn names_are_spread_over_all_slots() {
        let mut counts = [0u32; 257];
        (0..25_600).for_each(|at| counts[Slot::of(Named::Group, &format!("room-{at}")).index()] += 1);
        assert!(counts[0] == 0 && counts[1..].iter().all(|count| (50..200).contains(count)), "{counts:?}");
    }
}
