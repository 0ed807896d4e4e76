//! All that a connection may do, for whoever looks.

use super::Connections;
use crate::permission::{Action, Permitted};

impl Connections {
    /// What a connection may do. Who is in no hub may nothing.
    pub(crate) fn permitted(&self, key: u32, action: Action) -> Permitted<'_> {
        let (grants, changes) = self.grants(key);
        let permitted = grants.permitted(action);
        match changes {
            Some(changes) => changes.permitted(permitted, action),
            None => permitted,
        }
    }
}
