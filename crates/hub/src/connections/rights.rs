//! Permissions and ack ids of connections.

use super::Connections;
use crate::permission::{Action, TooManyGrants};

impl Connections {
    /// Whether a connection may do this to a group. Who is in no hub may nothing.
    pub(crate) fn may(&self, key: u32, action: Action, group: &str) -> bool {
        let (grants, changes) = self.grants(key);
        match changes {
            Some(changes) => changes.may(grants, action, group),
            None => grants.may(action, group),
        }
    }

    /// Grants an action for a group, or for all, or takes it.
    pub(crate) fn set_right(
        &mut self,
        key: u32,
        action: Action,
        group: Option<&str>,
        may: bool,
    ) -> Result<(), TooManyGrants> {
        if group.is_some_and(|group| self.may(key, action, group) == may) {
            return Ok(());
        }
        let Some(extra) = self.make_extra(key) else { return Ok(()) };
        let mut changes = extra.changes.take().unwrap_or_default();
        let (grants, _) = self.grants(key);
        let result = match group {
            Some(group) => changes.set(grants, action, group, may),
            None => {
                changes.set_all(action, may);
                Ok(())
            }
        };
        if let Some(extra) = self.make_extra(key) {
            extra.changes = Some(changes);
        }
        result
    }

    /// Whether a request of a connection with this ack id has succeeded.
    pub(crate) fn has_acked(&self, key: u32, id: u64) -> bool {
        self.extra(key).is_some_and(|extra| extra.acks.has(id))
    }

    /// Notes that it has.
    pub(crate) fn note_ack(&mut self, key: u32, id: u64) {
        if let Some(extra) = self.make_extra(key) {
            extra.acks.note(id);
        }
    }
}
