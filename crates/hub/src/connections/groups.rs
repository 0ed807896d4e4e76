//! Memberships.

use super::entry::Entry;
use super::rich::Membership;
use super::{Connections, TooMany};
use crate::hub::{Hub, Kind};
use crate::planted::{Defect, is_planted};
use crate::pool::{NONE, index_of};
use crate::sets::Removed;

impl Connections {
    /// Makes a connection a member of a group. Whether it has become one now: it may be one already, or be in no hub.
    pub(crate) fn join(&mut self, key: u32, group: &str) -> Result<bool, TooMany> {
        if !self.would_join(key, group)? {
            return Ok(false);
        }
        let (Some(rich), Some((hub, _))) = (self.make_rich(key), self.spoken(key)) else { return Ok(false) };
        let (set, position, is_new) = self.sets.add(hub, Kind::Group, group, key);
        let next = self.rich[rich].first;
        self.rich[rich].first = self.memberships.insert(Membership { set, position, next });
        self.rich[rich].groups += 1;
        self.groups += u32::from(is_new);
        let counts = self.counts_mut(hub);
        counts.groups += u32::from(is_new);
        counts.members += 1;
        Ok(true)
    }

    /// Whether a connection would become a member of a group by joining.
    pub(crate) fn would_join(&self, key: u32, group: &str) -> Result<bool, TooMany> {
        let Some((hub, _)) = self.spoken(key) else { return Ok(false) };
        let set = self.sets.find(hub, Kind::Group, group);
        if set.is_some_and(|set| self.is_in_set(key, set)) {
            return Ok(false);
        }
        if self.rich(key).map_or(0, |rich| rich.groups) >= self.bounds.groups_per_connection {
            return Err(TooMany::GroupsOfConnection);
        }
        if set.is_none() && self.groups >= self.bounds.groups {
            return Err(TooMany::Groups);
        }
        Ok(true)
    }

    /// Takes a connection out of a group. Whether it was in it.
    pub(crate) fn quit(&mut self, key: u32, group: &str) -> bool {
        let Some((hub, _)) = self.spoken(key) else { return false };
        self.sets.find(hub, Kind::Group, group).is_some_and(|set| self.unlink(key, set))
    }

    /// Takes a connection out of all groups. Returns how many those were.
    pub(crate) fn quit_all(&mut self, key: u32) -> u16 {
        let mut count = 0;
        while let Some(first) = self.rich(key).map(|rich| rich.first).filter(|first| *first != NONE) {
            self.unlink(key, self.memberships[first].set);
            count += 1;
        }
        count
    }

    /// How many groups a connection is in.
    pub(crate) fn groups_count(&self, key: u32) -> u16 {
        self.rich(key).map_or(0, |rich| rich.groups)
    }

    /// The groups of a connection, those that it joined last first.
    pub(crate) fn groups(&self, key: u32) -> GroupsOf<'_> {
        GroupsOf { connections: self, next: self.rich(key).map_or(NONE, |rich| rich.first) }
    }

    /// Whether a connection is in this set: a group, or its user.
    pub(crate) fn is_in_set(&self, key: u32, set: u32) -> bool {
        let Some(rich) = self.rich(key) else { return false };
        rich.user == set || self.groups(key).any_in(set)
    }

    /// The members of a set, in no order: who leaves is replaced by the last one.
    #[inline]
    pub(crate) fn members(&self, set: u32) -> &[u32] {
        self.sets.members(set)
    }

    /// How many members a set has.
    pub(crate) fn set_len(&self, set: u32) -> u32 {
        index_of(self.members(set).len())
    }

    /// Takes a membership out of a connection's list, and the connection out of the group. Whether there was one.
    fn unlink(&mut self, key: u32, set: u32) -> bool {
        let Entry::Rich(rich) = self.entry(key) else { return false };
        let (mut before, mut at) = (NONE, self.rich[rich].first);
        while at != NONE && self.memberships[at].set != set {
            (before, at) = (at, self.memberships[at].next);
        }
        if at == NONE {
            return false;
        }
        let Membership { position, next, .. } = self.memberships.remove(at);
        match before {
            NONE => self.rich[rich].first = next,
            _ => self.memberships[before].next = next,
        }
        self.rich[rich].groups -= 1;
        let hub = self.rich[rich].hub;
        let is_gone = self.remove_from(set, position) == Removed::Emptied;
        self.note_quit(hub, is_gone);
        true
    }

    fn note_quit(&mut self, hub: Hub, is_gone: bool) {
        self.groups -= u32::from(is_gone);
        let counts = self.counts_mut(hub);
        counts.groups -= u32::from(is_gone);
        counts.members -= 1;
    }

    /// Takes out the member at a position of a set, and tells the one who moves there.
    pub(super) fn remove_from(&mut self, set: u32, position: u32) -> Removed {
        let removed = self.sets.remove(set, position);
        if let Removed::Moved(key) = removed
            && !is_planted(Defect::KeepsPosition)
        {
            self.set_position(key, set, position);
        }
        removed
    }

    /// Notes where a connection is in a set.
    fn set_position(&mut self, key: u32, set: u32, position: u32) {
        let Entry::Rich(rich) = self.entry(key) else { return };
        if self.rich[rich].user == set {
            self.rich[rich].user_position = position;
            return;
        }
        let mut at = self.rich[rich].first;
        while at != NONE && self.memberships[at].set != set {
            at = self.memberships[at].next;
        }
        if at != NONE {
            self.memberships[at].position = position;
        }
    }
}

/// The groups of a connection.
#[derive(Clone, Debug)]
pub(crate) struct GroupsOf<'c> {
    connections: &'c Connections,
    next: u32,
}

impl GroupsOf<'_> {
    fn any_in(mut self, set: u32) -> bool {
        std::iter::from_fn(|| self.next_membership()).any(|membership| membership.set == set)
    }

    fn next_membership(&mut self) -> Option<Membership> {
        if self.next == NONE {
            return None;
        }
        let membership = self.connections.memberships[self.next];
        self.next = membership.next;
        Some(membership)
    }
}

impl<'c> Iterator for GroupsOf<'c> {
    type Item = &'c str;

    fn next(&mut self) -> Option<&'c str> {
        self.next_membership().map(|membership| self.connections.sets.name(membership.set))
    }
}
