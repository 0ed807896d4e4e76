//! Named sets of connections: users and groups.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::hub::{Hub, Kind};
use crate::lists::Lists;
use crate::names::{Name, Names};
use crate::planted::{Defect, is_planted};
use crate::pool::{NONE, Place, Pool};
use crate::watch::{Watched, Watcher};

/// A named set. While it is there it has a member.
#[derive(Debug)]
struct Set {
    /// Kept once, for this.
    name: Name,
    /// The members' keys, where they have ever been more than one.
    list: u32,
    /// The one member where they have not. Of a free place: the next one.
    one: u32,
    hub: Hub,
    /// None: the place is free.
    kind: Option<Kind>,
}

impl Place for Set {
    fn free(next: u32) -> Self {
        Self { name: Name::NONE, list: NONE, one: next, hub: Hub::default(), kind: None }
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
    names: Names,
    lists: Lists,
    table: HashTable<Named>,
    /// Has a key of its own in each process, so that nobody can choose names that collide.
    hasher: RandomState,
    /// Told of sets that are made and freed.
    watcher: Option<Box<dyn Watcher>>,
}

impl Sets {
    pub(crate) fn new() -> Self {
        Self {
            sets: Pool::new(),
            names: Names::new(),
            lists: Lists::new(),
            table: HashTable::new(),
            hasher: RandomState::new(),
            watcher: None,
        }
    }

    /// From now on there is one who is told.
    pub(crate) fn watch(&mut self, watcher: Box<dyn Watcher>) {
        self.watcher = Some(watcher);
    }

    /// Who is told. Of hubs it is told by those who count their connections.
    pub(crate) fn watcher(&mut self) -> Option<&mut Box<dyn Watcher>> {
        self.watcher.as_mut()
    }

    /// The set with this name.
    pub(crate) fn find(&self, hub: Hub, kind: Kind, name: &str) -> Option<u32> {
        self.find_hashed(self.hash(hub, kind, name), hub, kind, name)
    }

    /// Adds a connection, which is not a member. Returns the set, the position there, and whether the set is new.
    pub(crate) fn add(&mut self, hub: Hub, kind: Kind, name: &str, key: u32) -> (u32, u32, bool) {
        let hash = self.hash(hub, kind, name);
        if let Some(set) = self.find_hashed(hash, hub, kind, name) {
            return (set, self.push(set, key), false);
        }
        if let Some(watcher) = &mut self.watcher
            && !is_planted(Defect::BeginsUntold)
        {
            watcher.begins(hub, Watched::Named(kind, name));
        }
        let name = self.names.keep(name);
        let set = self.sets.insert(Set { name, list: NONE, one: key, hub, kind: Some(kind) });
        self.table.insert_unique(spread(hash), Named { hash, set }, |named| spread(named.hash));
        (set, 0, true)
    }

    /// Adds a member, behind all others. Returns its position.
    fn push(&mut self, set: u32, key: u32) -> u32 {
        let set = &mut self.sets[set];
        if set.list != NONE {
            return self.lists.push(set.list, key);
        }
        set.list = self.lists.insert([set.one, key]);
        1
    }

    /// Takes out the member at a position; the last one moves there. Returns what became of the set: with its last
    /// member it is no more.
    pub(crate) fn remove(&mut self, set: u32, position: u32) -> Removed {
        if self.members(set).len() > 1 {
            self.end_early(set);
            let moved = self.lists.swap_remove(self.sets[set].list, position);
            return moved.map_or(Removed::Last, Removed::Moved);
        }
        let &Set { name, list, hub, kind: Some(kind), .. } = &self.sets[set] else { return Removed::Last };
        let text = self.names.text(name);
        let hash = self.hash(hub, kind, text);
        if let Ok(entry) = self.table.find_entry(spread(hash), |named| named.set == set) {
            entry.remove();
        }
        self.sets.remove(set);
        if let Some(watcher) = &mut self.watcher
            && !is_planted(Defect::EndsUntold)
        {
            watcher.ends(hub, Watched::Named(kind, text));
        }
        self.names.remove(name);
        if list != NONE {
            self.lists.remove(list);
        }
        Removed::Emptied
    }

    /// A defect.
    #[inline(always)]
    fn end_early(&mut self, set: u32) {
        if is_planted(Defect::EndsWithTheFirst)
            && let &Set { name, hub, kind: Some(kind), .. } = &self.sets[set]
            && let Some(watcher) = &mut self.watcher
        {
            watcher.ends(hub, Watched::Named(kind, self.names.text(name)));
        }
    }

    /// The keys of a set's members, in no order: who leaves is replaced by the last one. Of a free place: none.
    #[inline]
    pub(crate) fn members(&self, set: u32) -> &[u32] {
        let set = &self.sets[set];
        match set.kind {
            None => &[],
            Some(_) if set.list == NONE => std::slice::from_ref(&set.one),
            Some(_) => self.lists.keys(set.list),
        }
    }

    /// The name of a set.
    pub(crate) fn name(&self, set: u32) -> &str {
        self.names.text(self.sets[set].name)
    }

    /// Whether it is such a set of this hub, whatever its name. A free place is none.
    pub(crate) fn is_of(&self, set: u32, hub: Hub, kind: Kind) -> bool {
        let set = &self.sets[set];
        set.hub == hub && set.kind == Some(kind)
    }

    /// How many places there are, free ones included.
    pub(crate) fn places(&self) -> u32 {
        self.sets.places()
    }

    fn find_hashed(&self, hash: u32, hub: Hub, kind: Kind, name: &str) -> Option<u32> {
        let is_called = |set: u32| self.names.bytes(self.sets[set].name) == name.as_bytes();
        let is_it =
            |named: &Named| named.hash == hash && self.is_of(named.set, hub, kind) && is_called(named.set);
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
    Emptied,
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
        assert_eq!(sets.remove(set, 0), Removed::Emptied);
        assert!(sets.find(HUB, Kind::Group, "a").is_none() && sets.members(set).is_empty());
        assert_eq!(sets.add(HUB, Kind::User, "b", 8).0, set);
    }

    #[test]
    fn the_last_moves_where_one_leaves() {
        let mut sets = Sets::new();
        let positions = [5, 6, 7].map(|key| sets.add(HUB, Kind::Group, "a", key).1);
        let set = sets.find(HUB, Kind::Group, "a").expect("a set");
        assert_eq!((positions, sets.members(set)), ([0, 1, 2], &[5, 6, 7][..]));
        assert_eq!(sets.remove(set, 0), Removed::Moved(7));
        assert_eq!(sets.remove(set, 1), Removed::Last);
        assert_eq!(sets.members(set), [7]);
        assert_eq!(sets.remove(set, 0), Removed::Emptied);
    }

    #[test]
    fn a_place_costs_16_bytes() {
        assert_eq!((size_of::<Set>(), size_of::<Named>()), (16, 8));
    }
}
