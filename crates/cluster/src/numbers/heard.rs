//! The numbers that a receiver has heard.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{OfHub, Way, at};
use crate::id::NodeId;
use crate::planted::{Defect, is_planted};

/// How long a node is remembered that says nothing. What it has said may come so late, out of a server that stood
/// still, and is still known to have come.
pub const REMEMBERED: Duration = Duration::from_secs(600);

/// Most nodes that are remembered, there or gone.
pub const REMEMBERED_MAX: usize = 128;

/// One that was not there for so long is forgotten earlier where there is no room for another: whoever starts many
/// nodes after each other must have them heard.
const FORGETTABLE: Duration = Duration::from_secs(60);

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken. So many before it on its way did not come.
    Next {
        /// How many.
        missed: u64,
    },
    /// It has come before, or one behind it has.
    Late,
    /// One's own.
    Own,
    /// There are too many nodes to remember its.
    Crowded,
}

/// What was heard of one node.
#[derive(Debug)]
struct OfNode {
    epoch: u32,
    hubs: Box<[OfHub]>,
    direct: u64,
    /// Whether all that it has said in this epoch was to be heard here: the first number is 1.
    is_from_start: bool,
    /// When it was there last.
    at: Instant,
}

/// What was heard of all nodes.
#[derive(Debug)]
pub struct Heard {
    own: NodeId,
    hubs: usize,
    nodes: BTreeMap<NodeId, OfNode>,
}

impl Heard {
    /// Nothing so far, at a node with so many hubs.
    #[must_use]
    pub fn new(own: NodeId, hubs: usize) -> Self {
        Self { own, hubs, nodes: BTreeMap::new() }
    }

    /// Whether a message is taken. The first of a way is, whichever its number: what came before was not meant to be
    /// heard here, unless the node [has begun](Self::begins) since.
    pub fn take(&mut self, now: Instant, node: NodeId, epoch: u32, way: Way, number: u64) -> Verdict {
        if node == self.own && !is_planted(Defect::HearsItself) {
            return Verdict::Own;
        }
        let hubs = self.hubs;
        let Some(of_node) = self.of(now, node) else { return Verdict::Crowded };
        let ignored = is_planted(Defect::IgnoresNumbers);
        if epoch > of_node.epoch {
            *of_node = OfNode { epoch, is_from_start: true, direct: 0, at: now, hubs: empty(hubs) };
        }
        if epoch < of_node.epoch && !ignored {
            return Verdict::Late;
        }
        judge(of_node, now, way, number, ignored)
    }

    /// A node is there.
    pub fn is_there(&mut self, now: Instant, node: NodeId) {
        if let Some(of_node) = self.nodes.get_mut(&node) {
            of_node.at = now;
        }
    }

    /// A node is there that has said nothing in hubs so far.
    pub fn begins(&mut self, now: Instant, node: NodeId) {
        if node != self.own && !self.nodes.contains_key(&node) && self.of(now, node).is_some() {
            self.nodes.entry(node).and_modify(|of_node| of_node.is_from_start = true);
        }
    }

    /// Forgets those who were not there for [`REMEMBERED`].
    pub fn forget(&mut self, now: Instant) {
        let keeps = |of_node: &mut OfNode| now.saturating_duration_since(of_node.at) < REMEMBERED;
        self.nodes.retain(|_, of_node| keeps(of_node) || is_planted(Defect::RemembersTheDead));
    }

    /// A node has left. It is remembered for a time.
    pub fn left(&mut self, node: NodeId) {
        if is_planted(Defect::ForgetsAtOnce) {
            self.nodes.remove(&node);
        }
    }

    /// How many nodes are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn of(&mut self, now: Instant, node: NodeId) -> Option<&mut OfNode> {
        if self.nodes.len() >= REMEMBERED_MAX && !self.nodes.contains_key(&node) {
            let (oldest, at) =
                self.nodes.iter().map(|(node, it)| (*node, it.at)).min_by_key(|(_, at)| *at)?;
            if now.saturating_duration_since(at) < FORGETTABLE {
                return None;
            }
            self.nodes.remove(&oldest);
        }
        let hubs = self.hubs;
        let new = || OfNode { epoch: 0, hubs: empty(hubs), direct: 0, is_from_start: false, at: now };
        Some(self.nodes.entry(node).or_insert_with(new))
    }
}

fn empty(hubs: usize) -> Box<[OfHub]> {
    std::iter::repeat_with(|| None).take(hubs).collect()
}

fn judge(of_node: &mut OfNode, now: Instant, way: Way, number: u64, ignored: bool) -> Verdict {
    let (last, is_from_start) = match way {
        Way::Hub(hub, slot) => match at(&mut of_node.hubs, hub, slot) {
            Some(last) => (last, of_node.is_from_start),
            // Whoever serves no such hub has not asked for it.
            None => return Verdict::Late,
        },
        // Numbers to a node go on where those to others ended.
        Way::Node => (&mut of_node.direct, false),
    };
    if number <= *last && !ignored {
        return Verdict::Late;
    }
    let is_first = *last == 0 && !is_from_start;
    let missed = if is_first { 0 } else { number.saturating_sub(*last + 1) };
    (*last, of_node.at) = (number, now);
    Verdict::Next { missed: if is_planted(Defect::CountsNoGap) { 0 } else { missed } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Given;
    use super::*;
    use crate::subject::Slot;

    const WAY: Way = Way::Hub(0, Slot::All);
    const OWN: NodeId = NodeId::new(1);
    const OTHER: NodeId = NodeId::new(2);

    fn next(missed: u64) -> Verdict {
        Verdict::Next { missed }
    }

    #[test]
    fn what_is_late_or_ones_own_is_not_taken_and_gaps_are_counted() {
        let (mut heard, now) = (Heard::new(OWN, 1), Instant::now());
        let mut take = |node, number| heard.take(now, node, 0, WAY, number);
        assert_eq!([take(OTHER, 5), take(OTHER, 6), take(OTHER, 9)], [next(0), next(0), next(2)]);
        assert_eq!([take(OTHER, 9), take(OTHER, 7), take(OTHER, 0)], [Verdict::Late; 3]);
        assert_eq!([take(OWN, 10), take(OTHER, 10)], [Verdict::Own, next(0)]);
    }

    #[test]
    fn ways_have_their_own_numbers() {
        let (mut heard, now) = (Heard::new(OWN, 2), Instant::now());
        for way in
            [WAY, Way::Hub(0, Slot::Of(0)), Way::Hub(1, Slot::All), Way::Hub(1, Slot::Of(255)), Way::Node]
        {
            assert_eq!(heard.take(now, OTHER, 0, way, 1), next(0), "{way:?}");
            assert_eq!(heard.take(now, OTHER, 0, way, 1), Verdict::Late, "{way:?}");
        }
        assert_eq!(heard.take(now, OTHER, 0, Way::Hub(2, Slot::All), 1), Verdict::Late, "no such hub");
    }

    #[test]
    fn of_a_node_that_has_just_begun_the_first_is_missed_too() {
        let (mut heard, now) = (Heard::new(OWN, 1), Instant::now());
        heard.begins(now, OTHER);
        assert_eq!(heard.take(now, OTHER, 0, WAY, 3), next(2));
        assert_eq!(heard.take(now, OTHER, 0, Way::Node, 3), next(0));
        // In another epoch all begin with 1, and what is left of the one before is late.
        assert_eq!(heard.take(now, OTHER, 2, WAY, 2), next(1));
        assert_eq!(heard.take(now, OTHER, 1, WAY, 9), Verdict::Late);
        assert_eq!(heard.take(now, OTHER, 2, Way::Node, 1), next(0));
    }

    #[test]
    fn nodes_that_have_gone_are_forgotten_after_a_time_and_their_number_is_bounded() {
        let (mut heard, start) = (Heard::new(OWN, 1), Instant::now());
        let node = |at: usize| NodeId::new(at as u64 + 10);
        for at in 0..REMEMBERED_MAX {
            assert_eq!(heard.take(start, node(at), 0, WAY, 1), next(0));
        }
        assert_eq!(heard.take(start, node(REMEMBERED_MAX), 0, WAY, 1), Verdict::Crowded);
        heard.is_there(start + FORGETTABLE, node(0));
        // Where there is no room, one that was not there for long makes some.
        assert_eq!(heard.take(start + FORGETTABLE, node(REMEMBERED_MAX), 0, WAY, 1), next(0));
        assert_eq!(heard.len(), REMEMBERED_MAX);
        heard.forget(start + REMEMBERED - Duration::from_millis(1));
        assert_eq!(heard.len(), REMEMBERED_MAX);
        heard.forget(start + REMEMBERED);
        assert_eq!(heard.len(), 2);
        assert_eq!(heard.take(start + REMEMBERED, node(0), 0, WAY, 1), Verdict::Late);
    }

    #[test]
    fn a_node_that_comes_back_is_told_greater_numbers() {
        let mut given = Given::new(0);
        for (node, number) in [(OTHER, 1), (OTHER, 2), (OWN, 1)] {
            assert_eq!(given.next_to(node), number);
            given.took(Way::Node, node, number);
        }
        given.forget(OTHER);
        assert_eq!((given.next_to(OTHER), given.next_to(OWN), given.count()), (3, 2, 3));
    }

    proptest! {
        /// Whatever a bus does to what was numbered, each comes at most once and in order, and what is taken and what
        /// is missed are all that there was.
        #[test]
        fn at_most_once_in_order_and_all_are_accounted_for(
            slots in prop::collection::vec(0u8..3, 1..60),
            moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..20),
            lost in prop::collection::vec(any::<bool>(), 60),
        ) {
            let (mut given, mut heard, now) = (Given::new(1), Heard::new(OWN, 1), Instant::now());
            let mut sent: Vec<_> = slots.iter().map(|slot| {
                let number = given.next_in_hub(0, Slot::Of(*slot));
                given.took(Way::Hub(0, Slot::Of(*slot)), OTHER, number);
                (*slot, number)
            }).collect();
            for (from, to) in moves {
                let copy = sent[from.index(sent.len())];
                sent.insert(to.index(sent.len()), copy);
            }
            let mut kept = lost.iter().copied().cycle();
            sent.retain(|_| kept.next().unwrap_or(true));
            heard.begins(now, OTHER);
            let mut last = [0; 3];
            for (slot, number) in sent {
                let verdict = heard.take(now, OTHER, 0, Way::Hub(0, Slot::Of(slot)), number);
                let last = &mut last[usize::from(slot)];
                if number > *last {
                    prop_assert_eq!(verdict, next(number - *last - 1));
                    *last = number;
                } else {
                    prop_assert_eq!(verdict, Verdict::Late);
                }
            }
        }
    }
}
