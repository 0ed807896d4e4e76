//! Which names have members on this node, and in which shards: a filter, so that what comes for nobody here wakes no
//! shard.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use crate::planted::{Defect, is_planted};
use crate::subject::Named;

/// Parts of the filter, each with a lock of its own: shards rarely wait for each other.
const STRIPES: usize = 64;

/// A name's members in a shard, by the name's hash. 8 bytes, and with its share of the table 10 to 21: the tables grow
/// by doubling and are between 7/16 and 7/8 full.
#[derive(Debug)]
struct Entry {
    hash: u32,
    shard: u16,
    /// How many names with this hash have members in the shard. As many as a u16 can say stay that many: then the entry
    /// is never removed.
    names: u16,
}

const _: () = assert!(size_of::<Entry>() == 8);

/// The filter. Names are known by 32 bits of a hash, so one in four thousand million others is taken for one that is
/// there. One that is there is never taken for another: what is said here to have no members has none.
///
/// A shard says when a name gets its first member there, before whoever joins is told so, and when it loses its last.
/// For a hub as a whole the name is empty: its first and last connection.
#[derive(Debug)]
pub struct Names {
    stripes: Box<[Mutex<HashTable<Entry>>]>,
    hasher: RandomState,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        let stripes = std::iter::repeat_with(Mutex::default).take(STRIPES).collect();
        Self { stripes, hasher: RandomState::new() }
    }

    /// A name of a hub has a member in a shard that has had none.
    pub fn enter(&self, hub: u16, named: Named, name: &str, shard: u16) {
        let (hash, mut stripe) = self.stripe(hub, named, name);
        let is_it = |entry: &Entry| entry.hash == hash && entry.shard == shard;
        match stripe.find_mut(spread(hash), is_it) {
            Some(entry) => entry.names = entry.names.saturating_add(1),
            None => {
                stripe.insert_unique(spread(hash), Entry { hash, shard, names: 1 }, |it| spread(it.hash));
            }
        }
    }

    /// A name of a hub has lost its last member in a shard.
    pub fn leave(&self, hub: u16, named: Named, name: &str, shard: u16) {
        let (hash, mut stripe) = self.stripe(hub, named, name);
        if is_planted(Defect::NameGoesWithTheFirst) {
            return stripe.retain(|entry| entry.hash != hash);
        }
        let is_it = |entry: &Entry| entry.hash == hash && entry.shard == shard;
        let Ok(mut found) = stripe.find_entry(spread(hash), is_it) else { return };
        match found.get().names {
            u16::MAX => {}
            0 | 1 => {
                found.remove();
                give_back(&mut stripe);
            }
            more => found.get_mut().names = more - 1,
        }
    }

    /// A shard has ended: nothing has members there.
    pub fn end(&self, shard: u16) {
        for stripe in &self.stripes {
            let mut stripe = lock(stripe);
            stripe.retain(|entry| entry.shard != shard);
            give_back(&mut stripe);
        }
    }

    /// The shards in which a name of a hub has members, each once; others only where another name has the same hash.
    #[must_use]
    pub fn shards(&self, hub: u16, named: Named, name: &str) -> Vec<u16> {
        let (hash, stripe) = self.stripe(hub, named, name);
        let own = stripe.iter_hash(spread(hash)).filter(|entry| entry.hash == hash);
        own.map(|entry| entry.shard).collect()
    }

    /// How many names there are, each once for each shard that has members. Those with the same hash count as one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stripes.iter().map(|stripe| lock(stripe).len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the tables have taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.stripes.iter().map(|stripe| lock(stripe).allocation_size()).sum()
    }

    fn stripe(&self, hub: u16, named: Named, name: &str) -> (u32, MutexGuard<'_, HashTable<Entry>>) {
        let [a, b, c, d, e, ..] = self.hasher.hash_one((hub, named, name)).to_le_bytes();
        (u32::from_le_bytes([a, b, c, d]), lock(&self.stripes[usize::from(e) % STRIPES]))
    }
}

/// Gives back what a flood of names has taken.
fn give_back(stripe: &mut HashTable<Entry>) {
    if stripe.capacity() > 64 && stripe.len() < stripe.capacity() / 8 {
        stripe.shrink_to(32, |it| spread(it.hash));
    }
}

/// The hash by which a table places an entry, made of what the entry has.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A shard that has panicked has left the table whole: it is changed in one step.
fn lock(stripe: &Mutex<HashTable<Entry>>) -> MutexGuard<'_, HashTable<Entry>> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn sorted(names: &Names, hub: u16, named: Named, name: &str) -> Vec<u16> {
        let mut shards = names.shards(hub, named, name);
        shards.sort_unstable();
        shards
    }

    #[test]
    fn the_same_name_of_another_hub_or_kind_is_another() {
        let names = Names::new();
        names.enter(0, Named::Group, "a", 3);
        assert_eq!(names.shards(0, Named::Group, "a"), [3]);
        for (hub, named, name) in [(1, Named::Group, "a"), (0, Named::User, "a"), (0, Named::Group, "A")] {
            assert_eq!(names.shards(hub, named, name), []);
        }
    }

    #[test]
    fn a_count_that_is_full_stays() {
        let names = Names::new();
        (0..70_000).for_each(|_| names.enter(0, Named::User, "u", 1));
        (0..70_000).for_each(|_| names.leave(0, Named::User, "u", 1));
        assert_eq!(names.shards(0, Named::User, "u"), [1]);
    }

    #[test]
    fn with_a_shard_go_its_names_and_no_others() {
        let names = Names::new();
        for at in 0..10_000 {
            [1, 2].into_iter().for_each(|shard| names.enter(0, Named::User, &at.to_string(), shard));
        }
        // One whose count is full would stay without this.
        (0..70_000).for_each(|_| names.enter(0, Named::Group, "g", 2));
        let most = names.bytes();
        names.end(2);
        assert_eq!((names.len(), names.shards(0, Named::Group, "g")), (10_000, vec![]));
        assert!((0..10_000).all(|at| names.shards(0, Named::User, &at.to_string()) == [1]));
        names.end(1);
        assert!(names.is_empty() && names.bytes() < most / 5, "{} of {most}", names.bytes());
    }

    #[test]
    fn what_a_flood_has_taken_is_given_back() {
        let names = Names::new();
        let each = |with: &dyn Fn(&str)| (0..100_000).for_each(|at| with(&at.to_string()));
        each(&|name| names.enter(0, Named::User, name, 0));
        let most = names.bytes();
        each(&|name| names.leave(0, Named::User, name, 0));
        assert!(names.is_empty() && names.bytes() < most / 20, "{} of {most}", names.bytes());
    }

    proptest! {
        /// Held against a table of the names themselves.
        #[test]
        fn a_name_that_has_members_is_never_missed(
            deeds in prop::collection::vec((any::<bool>(), 0u16..2, 0u8..30, 0u16..4), 0..400),
        ) {
            let (names, mut truth) = (Names::new(), BTreeMap::<_, BTreeSet<u16>>::new());
            for (is_enter, hub, name, shard) in deeds {
                let (named, text) = (Named::User, name.to_string());
                let there = truth.entry((hub, name)).or_default();
                if is_enter && there.insert(shard) {
                    names.enter(hub, named, &text, shard);
                } else if !is_enter && there.remove(&shard) {
                    names.leave(hub, named, &text, shard);
                }
            }
            for ((hub, name), shards) in &truth {
                let found = sorted(&names, *hub, Named::User, &name.to_string());
                prop_assert_eq!(found, shards.iter().copied().collect::<Vec<_>>());
            }
            prop_assert_eq!(names.len(), truth.values().map(BTreeSet::len).sum::<usize>());
        }
    }
}
