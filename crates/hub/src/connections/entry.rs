//! What is known of each key in 4 bytes.

use crate::hub::{Form, Hub};

/// A key's entry in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// In no hub: a connection that is none of ours, or none at all.
    Outside,
    /// In a hub, and nothing else is known of it.
    Simple(Hub, Form),
    /// In a hub, with a record of its own, by its number.
    Rich(u32),
}

impl Entry {
    /// 0 is outside, so that an untouched table needs no memory; odd is simple; even is a record's number, from 1.
    #[inline]
    pub(crate) fn pack(self) -> u32 {
        match self {
            Self::Outside => 0,
            Self::Simple(hub, form) => u32::from(hub.0) << 16 | u32::from(form.0) << 8 | 1,
            Self::Rich(index) => (index + 1) << 1,
        }
    }

    #[inline]
    pub(crate) fn unpack(packed: u32) -> Self {
        match packed {
            0 => Self::Outside,
            _ if packed & 1 == 0 => Self::Rich((packed >> 1) - 1),
            _ => {
                let [_, form, hub, _] = packed.to_le_bytes();
                Self::Simple(Hub(hub), Form(form))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were() {
        let simple = |hub, form| Entry::Simple(Hub(hub), Form(form));
        let entries = [simple(0, 0), simple(255, 0), simple(0, 255), simple(255, 255)];
        let rich = [Entry::Rich(0), Entry::Rich(1), Entry::Rich((1 << 31) - 2)];
        for entry in entries.into_iter().chain(rich).chain([Entry::Outside]) {
            assert_eq!(Entry::unpack(entry.pack()), entry);
            assert_eq!(entry.pack() == 0, entry == Entry::Outside);
        }
    }
}
