//! The driver's own record of each slot: 8 bytes, so that a million idle connections cost 8 MB here.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::Token;

/// What is going on with a slot: a set of the bits that a driver defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    pub(crate) fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) fn set(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    pub(crate) fn clear(&mut self, flag: Flags) {
        self.0 &= !flag.0;
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// One slot. `OWNED` says that it has an owner at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    descriptor: RawFd,
    generation: u16,
    pub(crate) flags: Flags,
}

const _: () = assert!(size_of::<Slot>() == 8);

impl Slot {
    const FREE: Slot = Slot { descriptor: -1, generation: 0, flags: Flags(0) };

    /// The normal descriptor; -1 where there is none (a direct descriptor, or a free slot).
    pub(crate) fn raw(&self) -> RawFd {
        self.descriptor
    }

    /// The normal descriptor to make a system call on.
    pub(crate) fn borrow(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: a descriptor is in a slot from `Slots::put` to `Slot::take_descriptor`, and nobody else closes it in
        // between.
        (self.descriptor >= 0).then(|| unsafe { BorrowedFd::borrow_raw(self.descriptor) })
    }

    /// Takes the normal descriptor out.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        let raw = std::mem::replace(&mut self.descriptor, -1);
        // SAFETY: `Slots::put` took it from an `OwnedFd`, and it has just been removed here.
        (raw >= 0).then(|| unsafe { OwnedFd::from_raw_fd(raw) })
    }

    /// Gives up the normal descriptor to the kernel, which closes it.
    pub(crate) fn forget_descriptor(&mut self) {
        self.descriptor = -1;
    }
}

/// Set while a slot has an owner. The one below it belongs to `size.rs`, the other fourteen to the driver.
pub(crate) const OWNED: Flags = Flags(1 << 15);

/// The slots of a driver. Memory is reserved for all, and touched only as far as slots have been in use.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    max: u32,
    owned: usize,
}

impl Slots {
    pub(crate) fn new(max: u32) -> Self {
        Self { slots: Vec::with_capacity(max as usize), max, owned: 0 }
    }

    /// Gives the slot an owner with a normal descriptor.
    ///
    /// # Panics
    /// When the slot is out of range or has an owner: a bug of the caller.
    pub(crate) fn put(&mut self, token: Token, descriptor: OwnedFd) -> &mut Slot {
        assert!(token.slot < self.max, "slot within the table");
        let index = token.slot as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, Slot::FREE);
        }
        let slot = &mut self.slots[index];
        assert!(!slot.flags.has(OWNED), "a slot has one owner at a time");
        *slot =
            Slot { descriptor: descriptor.into_raw_fd(), generation: low(token.generation), flags: OWNED };
        self.owned += 1;
        slot
    }

    /// The slot, if this token is its owner.
    pub(crate) fn get(&mut self, token: Token) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(token.slot as usize)?;
        (slot.flags.has(OWNED) && slot.generation == low(token.generation)).then_some(slot)
    }

    /// What is going on with a token; nothing, if it owns no slot.
    pub(crate) fn flags(&self, token: Token) -> Flags {
        let slot =
            self.slots.get(token.slot as usize).filter(|slot| slot.generation == low(token.generation));
        slot.map_or(Flags::default(), |slot| slot.flags)
    }

    /// The slot of a token that must be its owner.
    ///
    /// # Panics
    /// When it is not: a bug, here or in the caller.
    pub(crate) fn owned(&mut self, token: Token) -> &mut Slot {
        match self.get(token) {
            Some(slot) => slot,
            None => panic!("{token:?} owns its slot"),
        }
    }

    /// Frees the slot and returns what it was; its descriptor, if it still has one, is the caller's to close.
    pub(crate) fn free(&mut self, token: Token) -> Slot {
        let slot = std::mem::replace(self.owned(token), Slot::FREE);
        self.owned -= 1;
        slot
    }

    /// Bytes of the records in use.
    pub(crate) fn bytes_in_use(&self) -> usize {
        self.owned * size_of::<Slot>()
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            drop(slot.take_descriptor());
        }
    }
}

/// The part of a generation that a slot keeps.
#[allow(clippy::cast_possible_truncation, reason = "the lower bits are what is wanted")]
fn low(generation: u32) -> u16 {
    generation as u16
}

/// The raw value of a descriptor that stays open: for operations that name it.
pub(crate) fn raw(descriptor: &impl AsRawFd) -> RawFd {
    descriptor.as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_descriptor() -> OwnedFd {
        rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap()
    }

    #[test]
    fn an_old_owner_does_not_reach_the_slot_of_the_new_one() {
        let mut slots = Slots::new(4);
        let old = Token { slot: 2, generation: 7 };
        slots.put(old, any_descriptor());
        drop(slots.free(old).take_descriptor());
        let new = Token { slot: 2, generation: 8 };
        slots.put(new, any_descriptor());
        assert!(slots.get(old).is_none());
        assert!(slots.get(new).is_some());
        assert_eq!(slots.bytes_in_use(), 8);
    }

    #[test]
    #[should_panic(expected = "one owner at a time")]
    fn a_slot_is_not_given_away_twice() {
        let mut slots = Slots::new(4);
        slots.put(Token { slot: 0, generation: 0 }, any_descriptor());
        slots.put(Token { slot: 0, generation: 1 }, any_descriptor());
    }
}
