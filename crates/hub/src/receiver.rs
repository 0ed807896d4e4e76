//! Whom something is delivered to.

use crate::connections::Connections;
use crate::hub::{Form, Kind};

/// Names are compared up to so many groups; past it the one that is asked for is looked up.
const COMPARED_MAX: u16 = 4;

/// A connection that something is delivered to, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<'c> {
    /// Its key.
    pub key: u32,
    /// How it is spoken to.
    pub form: Form,
    connections: &'c Connections,
}

impl<'c> Receiver<'c> {
    #[inline]
    pub(crate) fn new(key: u32, form: Form, connections: &'c Connections) -> Self {
        Self { key, form, connections }
    }

    /// Its user.
    #[must_use]
    pub fn user(&self) -> Option<&'c str> {
        self.connections.user(self.key)
    }

    /// Whether it is in a group, by its name.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        if self.groups() <= COMPARED_MAX {
            return self.connections.groups(self.key).any(|name| name == group);
        }
        let Some((hub, _)) = self.connections.spoken(self.key) else { return false };
        let set = self.connections.sets().find(hub, Kind::Group, group);
        set.is_some_and(|set| self.connections.is_in_set(self.key, set))
    }

    /// How many groups it is in.
    #[must_use]
    pub fn groups(&self) -> u16 {
        self.connections.groups_count(self.key)
    }
}
