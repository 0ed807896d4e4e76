//! The connections of a shard: which hub, user and groups each is in, and what else is known of it. Knows nothing of
//! publications.

mod entry;
mod groups;
mod newcomer;
mod permitted;
mod rich;
mod rights;

use slab::Slab;

use self::entry::Entry;
pub use self::newcomer::{Bounds, Left, Newcomer, TooMany};
use self::rich::{Extra, Membership, Rest, Rich};
use crate::hub::{Counts, Form, Hub, Kind};
use crate::interned::Interned;
use crate::permission::{Changes, Grants};
use crate::planted::{Defect, is_planted};
use crate::pool::{NONE, Pool, index_of};
use crate::sets::{Removed, Sets};
use crate::watch::{Watched, Watcher};

/// The connections of a shard, by key.
///
/// A connection of which only hub and form are known costs 4 bytes. Any other has a record of 20 bytes, 12 for each
/// membership in a group and 4 in the group's list; a user costs 16 bytes, 10 to 20 in the table of names, and the cell
/// of its name.
#[derive(Debug)]
pub(crate) struct Connections {
    bounds: Bounds,
    /// An [`Entry`] for each key. Zeroed at once, so that what is never used needs no memory.
    table: Vec<u32>,
    /// Behind the last key that has ever been used.
    end: u32,
    rich: Pool<Rich>,
    memberships: Pool<Membership>,
    extras: Slab<Extra>,
    sets: Sets,
    grants: Interned,
    /// By hub, as far as they are used.
    counts: Vec<Counts>,
    /// Groups of all hubs.
    groups: u32,
}

impl Connections {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            table: vec![0; bounds.connections as usize],
            end: 0,
            rich: Pool::new(),
            memberships: Pool::new(),
            extras: Slab::new(),
            sets: Sets::new(),
            grants: Interned::new(),
            counts: Vec::new(),
            groups: 0,
        }
    }

    /// From now on there is one who is told what has members. Nothing has any yet.
    pub(crate) fn watch(&mut self, watcher: Box<dyn Watcher>) {
        self.sets.watch(watcher);
    }

    /// How many keys there may be.
    pub(crate) fn capacity(&self) -> usize {
        self.table.len()
    }

    /// Behind the last key that has ever been used.
    #[inline]
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// A key is somebody's from now on, outside of hubs. Whoever had it before is gone.
    pub(crate) fn arrive(&mut self, key: u32) {
        assert!(key < self.bounds.connections, "a key is less than there may be connections");
        self.leave(key);
        self.end = self.end.max(key + 1);
    }

    /// A key is a newcomer's from now on. If that is in too many groups, it is in no hub, and nothing has changed.
    pub(crate) fn enter(&mut self, key: u32, newcomer: Newcomer<'_>) -> Result<(), TooMany> {
        self.arrive(key);
        let Newcomer { hub, form, user, groups, grants, state } = newcomer;
        self.count_in(hub);
        self.table[key as usize] = Entry::Simple(hub, form).pack();
        if user.is_none() && groups.is_empty() && grants.is_empty() && state.is_none() {
            return Ok(());
        }
        let Some(rich) = self.make_rich(key) else { return Ok(()) };
        let grants = self.grants.hold(grants);
        self.rich[rich].set_rest(Rest::Grants(grants));
        if let Some(user) = user {
            self.set_user(key, rich, hub, user);
        }
        if state.is_some() {
            self.set_state(key, state);
        }
        let joined = groups.iter().try_for_each(|group| self.join(key, group).map(drop));
        joined.inspect_err(|_| {
            self.leave(key);
        })
    }

    /// A key is nobody's from now on. Returns what it was, if it was in a hub.
    pub(crate) fn leave(&mut self, key: u32) -> Option<Left> {
        let entry = self.entry(key);
        let (hub, form) = self.spoken(key)?;
        let mut left = Left { hub, form, user: None, state: None };
        if let Entry::Rich(rich) = entry {
            self.quit_all(key);
            left.user = self.leave_user(rich);
            let grants = match self.rich.remove(rich).rest() {
                Rest::Grants(grants) => grants,
                Rest::Extra(extra) => {
                    let extra = self.extras.remove(extra as usize);
                    left.state = extra.state;
                    extra.grants
                }
            };
            self.grants.let_go(grants);
        }
        self.table[key as usize] = Entry::Outside.pack();
        self.count_out(hub);
        Some(left)
    }

    /// A connection's hub and form.
    #[inline]
    pub(crate) fn spoken(&self, key: u32) -> Option<(Hub, Form)> {
        match self.entry(key) {
            Entry::Outside => None,
            Entry::Simple(hub, form) => Some((hub, form)),
            Entry::Rich(rich) => {
                let rich = &self.rich[rich];
                Some((rich.hub, rich.form))
            }
        }
    }

    /// A connection's user.
    pub(crate) fn user(&self, key: u32) -> Option<&str> {
        let rich = self.rich(key)?;
        (rich.user != NONE).then(|| self.sets.name(rich.user))
    }

    /// A connection's state.
    pub(crate) fn state(&self, key: u32) -> Option<&str> {
        self.extra(key)?.state.as_deref()
    }

    /// Sets it or takes it away. Nothing happens if the connection is in no hub.
    pub(crate) fn set_state(&mut self, key: u32, state: Option<&str>) {
        if self.state(key) != state
            && let Some(extra) = self.make_extra(key)
        {
            extra.state = state.map(Box::from);
        }
    }

    pub(crate) fn is_in_hub(&self, key: u32, hub: Hub) -> bool {
        self.spoken(key).is_some_and(|(its, _)| its == hub)
    }

    pub(crate) fn counts(&self, hub: Hub) -> Counts {
        self.counts.get(usize::from(hub.0)).copied().unwrap_or_default()
    }

    pub(crate) fn sets(&self) -> &Sets {
        &self.sets
    }

    fn counts_mut(&mut self, hub: Hub) -> &mut Counts {
        let index = usize::from(hub.0);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, Counts::default());
        }
        &mut self.counts[index]
    }

    /// One connection of a hub more.
    fn count_in(&mut self, hub: Hub) {
        let connections = &mut self.counts_mut(hub).connections;
        *connections += 1;
        if *connections == 1 {
            self.tell_of_hub(hub, true);
        }
    }

    /// One connection of a hub less.
    fn count_out(&mut self, hub: Hub) {
        let connections = &mut self.counts_mut(hub).connections;
        *connections -= 1;
        if *connections == 0 && !is_planted(Defect::HubNeverEnds) {
            self.tell_of_hub(hub, false);
        }
    }

    #[cold]
    fn tell_of_hub(&mut self, hub: Hub, has_members: bool) {
        match self.sets.watcher() {
            Some(watcher) if has_members => watcher.begins(hub, Watched::Hub),
            Some(watcher) => watcher.ends(hub, Watched::Hub),
            None => {}
        }
    }

    #[inline]
    fn entry(&self, key: u32) -> Entry {
        self.table.get(key as usize).map_or(Entry::Outside, |packed| Entry::unpack(*packed))
    }

    fn rich(&self, key: u32) -> Option<&Rich> {
        match self.entry(key) {
            Entry::Rich(rich) => Some(&self.rich[rich]),
            _ => None,
        }
    }

    fn extra(&self, key: u32) -> Option<&Extra> {
        match self.rich(key)?.rest() {
            Rest::Grants(_) => None,
            Rest::Extra(extra) => self.extras.get(extra as usize),
        }
    }

    /// What a connection was granted when it came, and what has changed since. Who is in no hub may nothing.
    fn grants(&self, key: u32) -> (&Grants, Option<&Changes>) {
        match self.rich(key).map_or(Rest::Grants(NONE), Rich::rest) {
            Rest::Grants(grants) => (self.grants.get(grants), None),
            Rest::Extra(extra) => {
                let extra = &self.extras[extra as usize];
                (self.grants.get(extra.grants), extra.changes.as_deref())
            }
        }
    }

    /// The number of a connection's record, which is made if there is none. None: it is in no hub.
    fn make_rich(&mut self, key: u32) -> Option<u32> {
        match self.entry(key) {
            Entry::Outside => None,
            Entry::Rich(rich) => Some(rich),
            Entry::Simple(hub, form) => {
                let rich = self.rich.insert(Rich::new(hub, form));
                self.table[key as usize] = Entry::Rich(rich).pack();
                Some(rich)
            }
        }
    }

    /// What only some have, which is made if a connection has it not. None: it is in no hub.
    fn make_extra(&mut self, key: u32) -> Option<&mut Extra> {
        let rich = self.make_rich(key)?;
        let rich = &mut self.rich[rich];
        if let Rest::Grants(grants) = rich.rest() {
            rich.set_rest(Rest::Extra(index_of(self.extras.insert(Extra::new(grants)))));
        }
        match rich.rest() {
            Rest::Grants(_) => None,
            Rest::Extra(extra) => self.extras.get_mut(extra as usize),
        }
    }

    fn set_user(&mut self, key: u32, rich: u32, hub: Hub, user: &str) {
        let (set, position, is_new) = self.sets.add(hub, Kind::User, user, key);
        self.counts_mut(hub).users += u32::from(is_new);
        let rich = &mut self.rich[rich];
        (rich.user, rich.user_position) = (set, position);
    }

    /// Takes a connection out of its user. Returns that one's id.
    fn leave_user(&mut self, rich: u32) -> Option<Box<str>> {
        let Rich { hub, user, user_position, .. } = self.rich[rich];
        if user == NONE {
            return None;
        }
        self.rich[rich].user = NONE;
        let id = self.sets.name(user).into();
        if self.remove_from(user, user_position) == Removed::Emptied {
            self.counts_mut(hub).users -= 1;
        }
        Some(id)
    }
}
