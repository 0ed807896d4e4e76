//! Which users and groups there are, some at a time: for whoever looks, while everybody else is served.

use crate::hub::{Hub, Kind};
use crate::pool::index_of;
use crate::sets::Sets;

/// How much one look takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Places of the table that are looked at, whosever they are: what the look costs.
    pub places: u32,
    /// Names that it gives.
    pub names: u32,
    /// Bytes of names after which it ends.
    pub bytes: usize,
}

/// Some users or groups of a hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names<'m> {
    /// Each with how many connections it has here, in no order.
    pub names: Vec<(&'m str, u32)>,
    /// Where to go on, if there is more to look at.
    pub rest: Option<u32>,
}

/// Those from a place of the table on. A name keeps its place while it is there.
pub(crate) fn names(sets: &Sets, hub: Hub, kind: Kind, from: u32, most: Most) -> Names<'_> {
    let mut found = Names::default();
    let (mut place, mut bytes) = (from, 0);
    let end = from.saturating_add(most.places.max(1)).min(sets.places());
    while place < end && found.names.len() < most.names as usize && bytes < most.bytes {
        if sets.is_of(place, hub, kind) {
            let name = sets.name(place);
            bytes += name.len();
            found.names.push((name, index_of(sets.members(place).len())));
        }
        place += 1;
    }
    found.rest = (place < sets.places()).then_some(place);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: Hub = Hub(3);
    const ALL: Most = Most { places: u32::MAX, names: u32::MAX, bytes: usize::MAX };

    /// So many groups of one hub, and behind them a user and a group of another.
    fn crowd(groups: u32) -> Sets {
        let mut sets = Sets::new();
        for key in 0..groups {
            sets.add(Hub(1), Kind::Group, &key.to_string(), key);
        }
        sets.add(HUB, Kind::User, "ann", 0);
        sets.add(HUB, Kind::Group, "a", 0);
        sets.add(HUB, Kind::Group, "a", 1);
        sets
    }

    #[test]
    fn a_look_at_a_million_names_ends_at_its_bound_and_goes_on_there() {
        let sets = crowd(1_000_000);
        let most = Most { places: 4096, ..ALL };
        let (mut from, mut looks, mut seen) = (0, 0, Vec::new());
        loop {
            let some = names(&sets, HUB, Kind::Group, from, most);
            looks += 1;
            seen.extend(some.names);
            let Some(rest) = some.rest else { break };
            assert_eq!(rest, from + 4096, "no look is longer, though it has found nothing");
            from = rest;
        }
        assert_eq!((seen, looks), (vec![("a", 2)], 1_000_002_u32.div_ceil(4096)));
    }

    #[test]
    fn a_page_has_as_many_names_and_about_as_many_bytes_as_it_may() {
        let sets = crowd(1000);
        let few = names(&sets, Hub(1), Kind::Group, 10, Most { names: 3, ..ALL });
        assert_eq!((few.names, few.rest), (vec![("10", 1), ("11", 1), ("12", 1)], Some(13)));
        let short = names(&sets, Hub(1), Kind::Group, 10, Most { bytes: 3, ..ALL });
        assert_eq!((short.names.len(), short.rest), (2, Some(12)), "the name that passes the bound is in it");
        let one = names(&sets, Hub(1), Kind::Group, 10, Most { places: 0, ..ALL });
        assert_eq!(one.rest, Some(11), "it goes on in any case");
    }

    #[test]
    fn only_those_of_the_hub_and_the_kind_are_shown_and_the_end_is_said() {
        let sets = crowd(10);
        let users = names(&sets, HUB, Kind::User, 0, ALL);
        assert_eq!((users.names, users.rest), (vec![("ann", 1)], None));
        for from in [12, 13, u32::MAX] {
            assert_eq!(names(&sets, HUB, Kind::User, from, ALL), Names::default(), "from {from}");
        }
    }

    #[test]
    fn places_that_are_free_are_passed_over() {
        let mut sets = crowd(3);
        sets.remove(1, 0);
        let left = names(&sets, Hub(1), Kind::Group, 0, ALL);
        assert_eq!(left.names, [("0", 1), ("2", 1)]);
    }
}
