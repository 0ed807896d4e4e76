//! Named sets of connections: users and groups.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::hub::Hub;
use crate::pool::{Place, Pool, index_of};

/// What a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// All connections of a hub with the same user id.
    User,
    /// Those who joined it.
    Group,
}

/// A named set. While it is there it has a member.
#[derive(Debug)]
pub(crate) struct Set {
    /// Kept once, here.
    name: Box<str>,
    /// The members' keys, where they have ever been more than one.
    #[expect(
        clippy::box_collection,
        reason = "most sets are users with one connection: 16 bytes less for each"
    )]
    more: Option<Box<Vec<u32>>>,
    /// The one member where they have not. Of a free place: the next one.
    one: u32,
    hub: Hub,
    /// None: the place is free.
    kind: Option<Kind>,
}

impl Set {
    /// The members' keys, in no order.
    #[inline]
    pub(crate) fn members(&self) -> &[u32] {
        match (&self.more, self.kind) {
            (Some(more), _) => more,
            (None, Some(_)) => std::slice::from_ref(&self.one),
            (None, None) => &[],
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn is(&self, hub: Hub, kind: Kind, name: &str) -> bool {
        self.is_of(hub, kind) && *self.name == *name
    }

    /// Whether it is such a set of this hub, whatever its name. A free place is none.
    pub(crate) fn is_of(&self, hub: Hub, kind: Kind) -> bool {
        self.hub == hub && self.kind == Some(kind)
    }

    /// Adds a member, behind all others. Returns its position.
    fn push(&mut self, key: u32) -> u32 {
        let one = self.one;
        let more = self.more.get_or_insert_with(|| Box::new(vec![one]));
        more.push(key);
        index_of(more.len() - 1)
    }

    /// Takes out the member at a position; the last one moves there. Returns that one.
    fn swap_remove(&mut self, position: u32) -> Option<u32> {
        let more = self.more.as_mut()?;
        more.swap_remove(position as usize);
        if more.capacity() >= 64 && more.len() < more.capacity() / 4 {
            more.shrink_to(more.capacity() / 2);
        }
        more.get(position as usize).copied()
    }
}

impl Place for Set {
    fn free(next: u32) -> Self {
        Self { name: Box::default(), more: None, one: next, hub: Hub::default(), kind: None }
    }

    fn next_free(&self) -> u32 {
        self.one
    }
}

/// A set's entry in the table of names. With half a hash, so that the table grows without a look at the names.
#[derive(Clone, Copy, Debug)]
struct Named {
    hash: u32,
    set: u32,
}

/// All sets of all hubs.
#[derive(Debug)]
pub(crate) struct Sets {
    sets: Pool<Set>,
    table: HashTable<Named>,
    /// Has a key of its own in each process, so that nobody can choose names that collide.
    hasher: RandomState,
}

impl Sets {
    pub(crate) fn new() -> Self {
        Self { sets: Pool::new(), table: HashTable::new(), hasher: RandomState::new() }
    }

    /// The set with this name.
    pub(crate) fn find(&self, hub: Hub, kind: Kind, name: &str) -> Option<u32> {
        self.find_hashed(self.hash(hub, kind, name), hub, kind, name)
    }

    /// Adds a connection, which is not a member. Returns the set, the position there, and whether the set is new.
    pub(crate) fn add(&mut self, hub: Hub, kind: Kind, name: &str, key: u32) -> (u32, u32, bool) {
        let hash = self.hash(hub, kind, name);
        if let Some(set) = self.find_hashed(hash, hub, kind, name) {
            return (set, self.sets[set].push(key), false);
        }
        let set = self.sets.insert(Set { name: name.into(), more: None, one: key, hub, kind: Some(kind) });
        self.table.insert_unique(spread(hash), Named { hash, set }, |named| spread(named.hash));
        (set, 0, true)
    }

    /// Takes out the member at a position. Returns who moved there, or the name of the set, which is no more, if that
    /// was the last one.
    pub(crate) fn remove(&mut self, set: u32, position: u32) -> Removed {
        if self.sets[set].members().len() > 1 {
            return self.sets[set].swap_remove(position).map_or(Removed::Last, Removed::Moved);
        }
        let gone = self.sets.remove(set);
        if let Some(kind) = gone.kind {
            let hash = self.hash(gone.hub, kind, &gone.name);
            if let Ok(entry) = self.table.find_entry(spread(hash), |named| named.set == set) {
                entry.remove();
            }
        }
        Removed::Emptied(gone.name)
    }

    /// A set. If the place is free, one without members.
    #[inline]
    pub(crate) fn get(&self, set: u32) -> &Set {
        &self.sets[set]
    }

    /// How many places there are, free ones included.
    pub(crate) fn places(&self) -> u32 {
        self.sets.places()
    }

    fn find_hashed(&self, hash: u32, hub: Hub, kind: Kind, name: &str) -> Option<u32> {
        let is_it = |named: &Named| named.hash == hash && self.sets[named.set].is(hub, kind, name);
        self.table.find(spread(hash), is_it).map(|named| named.set)
    }

    fn hash(&self, hub: Hub, kind: Kind, name: &str) -> u32 {
        u32::try_from(self.hasher.hash_one((hub, kind, name)) >> 32).unwrap_or_default()
    }
}

/// What became of a set that lost a member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// It was the last in the list: nobody moved.
    Last,
    /// This one moved to its position.
    Moved(u32),
    /// It was the only one.
    Emptied(Box<str>),
}

/// Half a hash as the table wants it: it looks at the highest bits, too.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: Hub = Hub(0);

    #[test]
    fn a_set_is_there_while_it_has_a_member() {
        let mut sets = Sets::new();
        assert_eq!(sets.find(HUB, Kind::Group, "a"), None);
        let (set, position, is_new) = sets.add(HUB, Kind::Group, "a", 7);
        assert!((position, is_new) == (0, true) && sets.find(HUB, Kind::Group, "a") == Some(set));
        assert_eq!(sets.find(HUB, Kind::User, "a"), None);
        assert_eq!(sets.find(Hub(1), Kind::Group, "a"), None);
        assert_eq!(sets.remove(set, 0), Removed::Emptied("a".into()));
        assert!(sets.find(HUB, Kind::Group, "a").is_none() && sets.get(set).members().is_empty());
        assert_eq!(sets.add(HUB, Kind::User, "b", 8).0, set);
    }

    #[test]
    fn the_last_moves_where_one_leaves() {
        let mut sets = Sets::new();
        let positions = [5, 6, 7].map(|key| sets.add(HUB, Kind::Group, "a", key).1);
        let set = sets.find(HUB, Kind::Group, "a").expect("a set");
        assert_eq!((positions, sets.get(set).members()), ([0, 1, 2], &[5, 6, 7][..]));
        assert_eq!(sets.remove(set, 0), Removed::Moved(7));
        assert_eq!(sets.remove(set, 1), Removed::Last);
        assert_eq!(sets.get(set).members(), [7]);
        assert_eq!(sets.remove(set, 0), Removed::Emptied("a".into()));
    }

    #[test]
    fn a_place_costs_32_bytes_and_room_comes_back() {
        assert_eq!((size_of::<Set>(), size_of::<Named>()), (32, 8));
        let mut sets = Sets::new();
        (0..1000).for_each(|key| {
            sets.add(HUB, Kind::Group, "a", key);
        });
        let set = sets.find(HUB, Kind::Group, "a").expect("a set");
        (0..990).for_each(|_| {
            sets.remove(set, 0);
        });
        assert!(sets.sets[set].more.as_ref().is_some_and(|more| more.capacity() < 64));
    }
}
