//! All that a connection may do, for whoever looks.

use super::Connections;
use crate::permission::{Action, Permitted};

impl Connections {
    /// What a connection may do. Who is in no hub may nothing.
    pub(crate) fn permitted(&self, key: u32, action: Action) -> Permitted<'_> {
        let Some(rich) = self.rich(key) else { return Permitted::default() };
        let permitted = self.grants.get(rich.grants).permitted(action);
        match self.extra(key).and_then(|extra| extra.changes.as_ref()) {
            Some(changes) => changes.permitted(permitted, action),
            None => permitted,
        }
    }
}
