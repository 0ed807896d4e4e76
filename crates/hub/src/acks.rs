//! Which requests of a connection have succeeded, by the ack ids its client gave them.

/// Of a client that jumps about, so many of its last successes are remembered at least.
pub const ACKS_REMEMBERED: usize = 1000;

/// The ack ids of one connection that succeeded.
///
/// Clients count up from 1, and their requests may be answered out of order: the greatest id without a gap before it
/// and the 64 behind it cost 16 bytes and are never forgotten. What is outside of that (a client that began elsewhere,
/// or one of whose requests failed for good 64 ids ago) is kept in runs, [`ACKS_REMEMBERED`] at most: a run is 16
/// bytes, however long it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acks {
    /// All of 1 to this have succeeded.
    upto: u64,
    /// Bit `n` is whether `upto + 1 + n` has. Bit 0 is never set.
    window: u64,
    /// All others. The run that grew last is the last.
    #[expect(clippy::box_collection, reason = "most connections have none: 16 bytes less for each")]
    runs: Option<Box<Vec<Run>>>,
}

/// Ids without a gap, the first and the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u64,
    last: u64,
}

impl Run {
    fn has(self, id: u64) -> bool {
        (self.first..=self.last).contains(&id)
    }

    /// Whether the run could grow by this.
    fn touches(self, id: u64) -> bool {
        self.last.checked_add(1) == Some(id) || self.first.checked_sub(1) == Some(id)
    }
}

impl Acks {
    /// Whether this id has succeeded.
    pub(crate) fn has(&self, id: u64) -> bool {
        let is_near = id != 0 && id <= self.upto || self.bit(id).is_some_and(|bit| self.window & bit != 0);
        is_near || self.runs.as_ref().is_some_and(|runs| runs.iter().rev().any(|run| run.has(id)))
    }

    /// Notes that an id has succeeded.
    pub(crate) fn note(&mut self, id: u64) {
        if self.has(id) {
            return;
        }
        match self.bit(id) {
            Some(bit) => self.note_near(bit),
            None => note_far(self.runs.get_or_insert_default(), id),
        }
    }

    /// The bit of an id in the window, if that is where it belongs.
    fn bit(&self, id: u64) -> Option<u64> {
        let place = id.checked_sub(self.upto)?.checked_sub(1)?;
        (place < 64).then(|| 1 << place)
    }

    fn note_near(&mut self, bit: u64) {
        self.window |= bit;
        let gone = self.window.trailing_ones();
        self.upto += u64::from(gone);
        self.window = self.window.checked_shr(gone).unwrap_or(0);
    }
}

/// Notes an id that no run has.
fn note_far(runs: &mut Vec<Run>, id: u64) {
    let mut grown = Run { first: id, last: id };
    // At most two: one before the id, one behind it.
    while let Some(at) = runs.iter().rposition(|run| run.touches(id)) {
        let run = runs.remove(at);
        grown = Run { first: grown.first.min(run.first), last: grown.last.max(run.last) };
    }
    if runs.len() == ACKS_REMEMBERED {
        runs.remove(0);
    }
    runs.push(grown);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_counts_up_costs_no_heap() {
        let mut acks = Acks::default();
        for id in 1..=100_000u64 {
            // Two at a time come in the wrong order.
            let id = if id % 2 == 0 { id - 1 } else { id + 1 };
            assert!(!acks.has(id));
            acks.note(id);
            assert!(acks.has(id));
        }
        assert_eq!((acks.upto, acks.window, acks.runs), (100_000, 0, None));
    }

    #[test]
    fn a_request_that_failed_for_good_costs_one_run() {
        let mut acks = Acks::default();
        (1..5000).filter(|id| *id != 7).for_each(|id| acks.note(id));
        assert!(!acks.has(7) && acks.has(6) && acks.has(8) && acks.has(4999) && !acks.has(5000));
        assert_eq!(acks.runs.as_ref().map(|runs| runs.len()), Some(1));
        acks.note(7);
        assert!((1..5000).all(|id| acks.has(id)));
    }

    #[test]
    fn the_ends_of_the_numbers_are_ids_like_others() {
        let mut acks = Acks::default();
        for id in [0, u64::MAX, u64::MAX - 1, 1] {
            assert!(!acks.has(id));
            acks.note(id);
            assert!(acks.has(id));
        }
        assert!(!acks.has(2) && !acks.has(u64::MAX - 2));
    }

    #[test]
    fn who_jumps_about_is_remembered_for_the_last_thousand() {
        let mut acks = Acks::default();
        let id = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 << 40;
        (0..3000).for_each(|n| acks.note(id(n)));
        assert!((2000..3000).all(|n| acks.has(id(n))));
        assert!((0..2000).all(|n| !acks.has(id(n))));
    }

    proptest! {
        #[test]
        fn it_is_a_set_as_long_as_nothing_has_to_be_forgotten(
            ids in prop::collection::vec(prop_oneof![0..200u64, 0..2000u64, u64::MAX - 50..=u64::MAX], 0..900)
        ) {
            let (mut acks, mut model) = (Acks::default(), HashSet::new());
            for id in ids {
                prop_assert_eq!(acks.has(id), model.contains(&id));
                acks.note(id);
                model.insert(id);
                for near in id.saturating_sub(70)..=id.saturating_add(70) {
                    prop_assert_eq!(acks.has(near), model.contains(&near));
                }
            }
        }
    }
}
