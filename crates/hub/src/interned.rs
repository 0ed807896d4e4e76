//! Grants, each kept once: most connections share a few.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use slab::Slab;

use crate::permission::Grants;
use crate::pool::{NONE, index_of};

/// Grants, and how many connections have them.
#[derive(Debug)]
struct Shared {
    grants: Grants,
    holders: u32,
}

/// The grants of all connections. [`NONE`] is that of those who may do nothing.
#[derive(Debug)]
pub(crate) struct Interned {
    shared: Slab<Shared>,
    table: HashTable<u32>,
    hasher: RandomState,
    nothing: Grants,
}

impl Interned {
    pub(crate) fn new() -> Self {
        Self {
            shared: Slab::new(),
            table: HashTable::new(),
            hasher: RandomState::new(),
            nothing: Grants::default(),
        }
    }

    /// Holds grants once more.
    pub(crate) fn hold(&mut self, grants: Grants) -> u32 {
        if grants.is_empty() {
            return NONE;
        }
        let hash = self.hasher.hash_one(&grants);
        if let Some(index) = self.table.find(hash, |index| self.shared[*index as usize].grants == grants) {
            self.shared[*index as usize].holders += 1;
            return *index;
        }
        let index = index_of(self.shared.insert(Shared { grants, holders: 1 }));
        let hash_of = |index: &u32| self.hasher.hash_one(&self.shared[*index as usize].grants);
        self.table.insert_unique(hash, index, hash_of);
        index
    }

    /// Holds them once less. With the last one they go.
    pub(crate) fn let_go(&mut self, index: u32) {
        let Some(shared) = self.shared.get_mut(index as usize) else { return };
        shared.holders -= 1;
        if shared.holders > 0 {
            return;
        }
        let hash = self.hasher.hash_one(&shared.grants);
        if let Ok(entry) = self.table.find_entry(hash, |it| *it == index) {
            entry.remove();
        }
        self.shared.remove(index as usize);
    }

    pub(crate) fn get(&self, index: u32) -> &Grants {
        self.shared.get(index as usize).map_or(&self.nothing, |shared| &shared.grants)
    }

    /// How many different ones there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.shared.len(), self.table.len());
        self.shared.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Action;

    #[test]
    fn equal_grants_are_kept_once_and_go_with_the_last_holder() {
        let mut interned = Interned::new();
        let grants = |group: &str| {
            let mut grants = Grants::default();
            grants.allow(Action::Join, group).expect("room");
            grants
        };
        let (a, b, again) =
            (interned.hold(grants("a")), interned.hold(grants("b")), interned.hold(grants("a")));
        assert!(a == again && a != b && interned.len() == 2);
        interned.let_go(a);
        assert!(interned.get(a).may(Action::Join, "a"));
        interned.let_go(a);
        assert_eq!(interned.len(), 1);
        assert_eq!(interned.hold(Grants::default()), NONE);
        assert!(interned.get(NONE).is_empty());
    }
}
