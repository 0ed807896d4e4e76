//! Lists of keys: the members of sets that have, or had, more than one.

use crate::pool::{Place, Pool, index_of};

#[derive(Debug)]
enum List {
    Keys(Vec<u32>),
    Free(u32),
}

impl Place for List {
    fn free(next: u32) -> Self {
        Self::Free(next)
    }

    fn next_free(&self) -> u32 {
        match self {
            Self::Keys(_) => 0,
            Self::Free(next) => *next,
        }
    }
}

/// The lists.
#[derive(Debug)]
pub(crate) struct Lists(Pool<List>);

impl Lists {
    pub(crate) fn new() -> Self {
        Self(Pool::new())
    }

    /// A new list of these two.
    pub(crate) fn insert(&mut self, keys: [u32; 2]) -> u32 {
        self.0.insert(List::Keys(keys.into()))
    }

    pub(crate) fn remove(&mut self, list: u32) {
        self.0.remove(list);
    }

    #[inline]
    pub(crate) fn keys(&self, list: u32) -> &[u32] {
        match &self.0[list] {
            List::Keys(keys) => keys,
            List::Free(_) => &[],
        }
    }

    /// Adds a key behind all others. Returns its position.
    pub(crate) fn push(&mut self, list: u32, key: u32) -> u32 {
        let List::Keys(keys) = &mut self.0[list] else { return 0 };
        keys.push(key);
        index_of(keys.len() - 1)
    }

    /// Takes out the key at a position; the last one moves there. Returns that one.
    pub(crate) fn swap_remove(&mut self, list: u32, position: u32) -> Option<u32> {
        let List::Keys(keys) = &mut self.0[list] else { return None };
        keys.swap_remove(position as usize);
        if keys.capacity() >= 64 && keys.len() < keys.capacity() / 4 {
            keys.shrink_to(keys.capacity() / 2);
        }
        keys.get(position as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_and_places_are_used_again() {
        assert_eq!(size_of::<List>(), 24);
        let mut lists = Lists::new();
        let list = lists.insert([0, 1]);
        assert!((2..1000).all(|key| lists.push(list, key) == key));
        (0..990).for_each(|_| {
            lists.swap_remove(list, 0);
        });
        assert!(matches!(&lists.0[list], List::Keys(keys) if keys.len() == 10 && keys.capacity() < 64));
        lists.remove(list);
        assert_eq!((lists.insert([5, 6]), lists.keys(list)), (list, &[5, 6][..]));
        assert_eq!((lists.swap_remove(list, 1), lists.swap_remove(list, 0)), (None, None));
    }
}
