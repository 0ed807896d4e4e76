//! The records of connections of which more is known than hub and form.

use crate::acks::Acks;
use crate::hub::{Form, Hub};
use crate::permission::Changes;
use crate::pool::{NONE, Place};

/// What is known of a connection. Numbers are [`NONE`] where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rich {
    pub(crate) hub: Hub,
    pub(crate) form: Form,
    /// How many groups it is in.
    pub(crate) groups: u16,
    /// The first of its memberships. Of a free place: the next one.
    pub(crate) first: u32,
    /// The set that is its user, and where it is there.
    pub(crate) user: u32,
    pub(crate) user_position: u32,
    pub(crate) grants: u32,
    pub(crate) extra: u32,
}

impl Rich {
    pub(crate) fn new(hub: Hub, form: Form) -> Self {
        Self { hub, form, groups: 0, first: NONE, user: NONE, user_position: NONE, grants: NONE, extra: NONE }
    }
}

impl Place for Rich {
    fn free(next: u32) -> Self {
        Self { first: next, ..Self::new(Hub::default(), Form::default()) }
    }

    fn next_free(&self) -> u32 {
        self.first
    }
}

/// A membership of a connection in a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) set: u32,
    /// Where the connection is in the set's list.
    pub(crate) position: u32,
    /// The connection's next membership. Of a free place: the next one.
    pub(crate) next: u32,
}

impl Place for Membership {
    fn free(next: u32) -> Self {
        Self { set: NONE, position: NONE, next }
    }

    fn next_free(&self) -> u32 {
        self.next
    }
}

/// What only some connections have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) acks: Acks,
    pub(crate) changes: Option<Box<Changes>>,
    pub(crate) state: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_small_as_they_are_said_to_be() {
        assert_eq!((size_of::<Rich>(), size_of::<Membership>(), size_of::<Extra>()), (24, 12, 48));
    }
}
