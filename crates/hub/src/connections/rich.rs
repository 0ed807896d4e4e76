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
    /// A [`Rest`].
    rest: u32,
}

/// What else is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The number of its grants.
    Grants(u32),
    /// That of its [`Extra`], which has the number of its grants.
    Extra(u32),
}

impl Rest {
    /// Even is grants, and of those the last number is none; odd is an extra.
    fn pack(self) -> u32 {
        match self {
            Self::Grants(grants) => grants << 1,
            Self::Extra(extra) => extra << 1 | 1,
        }
    }

    fn unpack(packed: u32) -> Self {
        match packed {
            _ if packed & 1 == 1 => Self::Extra(packed >> 1),
            _ if packed == NONE << 1 => Self::Grants(NONE),
            _ => Self::Grants(packed >> 1),
        }
    }
}

impl Rich {
    pub(crate) fn new(hub: Hub, form: Form) -> Self {
        let rest = Rest::Grants(NONE).pack();
        Self { hub, form, groups: 0, first: NONE, user: NONE, user_position: NONE, rest }
    }

    pub(crate) fn rest(&self) -> Rest {
        Rest::unpack(self.rest)
    }

    pub(crate) fn set_rest(&mut self, rest: Rest) {
        self.rest = rest.pack();
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
#[derive(Debug)]
pub(crate) struct Extra {
    pub(crate) grants: u32,
    pub(crate) acks: Acks,
    pub(crate) changes: Option<Box<Changes>>,
    pub(crate) state: Option<Box<str>>,
}

impl Extra {
    pub(crate) fn new(grants: u32) -> Self {
        Self { grants, acks: Acks::default(), changes: None, state: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_small_as_they_are_said_to_be() {
        assert_eq!((size_of::<Rich>(), size_of::<Membership>(), size_of::<Extra>()), (20, 12, 56));
    }

    #[test]
    fn the_rest_comes_back_as_it_was() {
        let numbers = [0, 1, 7, (1 << 31) - 2];
        let rests = numbers.map(Rest::Grants).into_iter().chain(numbers.map(Rest::Extra));
        for rest in rests.chain([Rest::Grants(NONE)]) {
            let mut rich = Rich::new(Hub(0), Form(0));
            assert_eq!(rich.rest(), Rest::Grants(NONE));
            rich.set_rest(rest);
            assert_eq!(rich.rest(), rest);
        }
    }
}
