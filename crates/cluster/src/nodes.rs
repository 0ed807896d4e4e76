//! The list of nodes: who is there, by heartbeats.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::envelope::{Heartbeat, Hubs};
use crate::id::NodeId;
use crate::numbers::REMEMBERED;
use crate::planted::{Defect, is_planted};

/// How often a node says that it is there.
pub const BEAT: Duration = Duration::from_secs(2);
/// A node that has said nothing for so long has gone.
pub const GONE: Duration = Duration::from_secs(7);
/// A bus that is heard of less often than that has not been heard of for a time.
pub(crate) const PROBED: Duration = BEAT.saturating_add(Duration::from_secs(1));
/// Most nodes of a cluster beside oneself.
pub const NODES_MAX: usize = 64;

/// Why a node is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It has said goodbye.
    Goodbye,
    /// It has said nothing for [`GONE`]: it has died, or it can't be heard. Its connections are gone with it, and
    /// nobody says that they are.
    Silent,
}

/// What has become of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node is there that was not.
    Joined(NodeId),
    /// A node is not there any more. It had so many connections when it was heard last.
    Left(NodeId, Leave, u64),
    /// Two nodes have the same id: what they say is mixed up. One of them must be started anew.
    Twins(NodeId),
    /// There is a node more than [`NODES_MAX`]. It is not heard.
    TooMany(NodeId),
}

/// A node of the list.
#[derive(Clone, Debug)]
pub struct Other {
    /// What it has drawn at its start.
    pub start: u64,
    /// The release that it runs.
    pub release: Box<str>,
    /// How many connections it has.
    pub connections: u64,
    /// Whether it is draining.
    pub is_draining: bool,
    /// When it was heard first, since it was not there.
    pub since: Instant,
    /// When it was heard last.
    pub heard: Instant,
    /// The hubs that it serves, as [`Hubs`] has them; perhaps all where it has not said it.
    hubs: Option<Box<[u8]>>,
    /// The number of its last heartbeat.
    beat: u64,
}

impl Other {
    fn serves(&self, hub: &str) -> bool {
        self.hubs.as_deref().and_then(Hubs::of).is_none_or(|hubs| hubs.has(hub))
    }
}

/// The list.
#[derive(Debug)]
pub struct Nodes {
    own: NodeId,
    start: u64,
    others: BTreeMap<NodeId, Other>,
    /// When the bus was heard of last.
    bus: Option<Instant>,
    /// Nodes that have gone, the numbers of their last heartbeats, and when. A heartbeat from before does not bring
    /// them back.
    gone: VecDeque<(NodeId, u64, Instant)>,
}

impl Nodes {
    /// Nobody but this node, which has drawn this at its start.
    #[must_use]
    pub fn new(own: NodeId, start: u64) -> Self {
        Self { own, start, others: BTreeMap::new(), bus: None, gone: VecDeque::new() }
    }

    /// The others, in order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Other)> {
        self.others.iter().map(|(node, other)| (*node, other))
    }

    /// The names of the others, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<NodeId> {
        self.others.keys().copied().collect()
    }

    /// Whether another node is there.
    #[must_use]
    pub fn has(&self, node: NodeId) -> bool {
        self.others.contains_key(&node)
    }

    /// The names of the others that serve a hub, in order.
    #[must_use]
    pub fn serving(&self, hub: &str) -> Vec<NodeId> {
        let serving = self.others.iter().filter(|(_, other)| other.serves(hub));
        serving.map(|(node, _)| *node).collect()
    }

    /// Whether another node is there that serves a hub.
    #[must_use]
    pub fn serves(&self, node: NodeId, hub: &str) -> bool {
        self.others.get(&node).is_some_and(|other| other.serves(hub))
    }

    /// A node has said that it is there. `number` is one more than that of its heartbeat before.
    pub fn heartbeat(
        &mut self,
        now: Instant,
        node: NodeId,
        number: u64,
        said: &Heartbeat<'_>,
    ) -> Option<Change> {
        if node == self.own {
            return (said.start != self.start).then_some(Change::Twins(node));
        }
        let is_new = !self.others.contains_key(&node);
        if is_new && self.is_from_before(node, number) {
            return None;
        }
        if is_new && self.others.len() >= NODES_MAX {
            return Some(Change::TooMany(node));
        }
        let other = self.others.entry(node).or_insert_with(|| Other {
            start: said.start,
            release: said.release.into(),
            connections: 0,
            is_draining: false,
            since: now,
            heard: now,
            hubs: said.hubs.map(|hubs| hubs.as_bytes().into()),
            beat: 0,
        });
        if other.start != said.start {
            return Some(Change::Twins(node));
        }
        if is_new || number > other.beat {
            (other.beat, other.heard) = (number, now);
            (other.connections, other.is_draining) = (said.connections, said.is_draining);
        }
        is_new.then_some(Change::Joined(node))
    }

    /// A node has said goodbye.
    pub fn goodbye(&mut self, now: Instant, node: NodeId, number: u64) -> Option<Change> {
        self.others.get(&node).filter(|other| number > other.beat)?;
        self.leave(now, node, number, Leave::Goodbye)
    }

    /// The bus was heard of then. Time in which it was not does not count against others: they would all be taken for
    /// gone when it is this node that hears nothing, and whoever asks for their users would be told that there are
    /// none.
    pub fn bus(&mut self, heard: Instant) {
        let passed = self.bus.map_or(Duration::ZERO, |last| heard.saturating_duration_since(last));
        if passed > PROBED {
            self.others.values_mut().for_each(|other| other.heard = heard.min(other.heard + passed));
        }
        self.bus = self.bus.max(Some(heard));
    }

    /// One that has said nothing for too long, if there is one, by the time when the bus was heard of last. It is to be
    /// called until there is none.
    pub fn silent(&mut self, now: Instant) -> Option<Change> {
        let until = if is_planted(Defect::BlamesOthers) { now } else { self.bus? };
        let is_silent = |other: &Other| until.saturating_duration_since(other.heard) >= GONE;
        let (node, other) = self.others.iter().find(|(_, other)| is_silent(other))?;
        let (node, beat) = (*node, other.beat);
        self.leave(now, node, beat, Leave::Silent)
    }

    fn leave(&mut self, now: Instant, node: NodeId, beat: u64, why: Leave) -> Option<Change> {
        let other = self.others.remove(&node)?;
        self.gone.retain(|(own, _, at)| *own != node && now.saturating_duration_since(*at) < REMEMBERED);
        if self.gone.len() >= NODES_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back((node, beat, now));
        Some(Change::Left(node, why, other.connections))
    }

    /// Whether a node has gone since it said this.
    fn is_from_before(&self, node: NodeId, number: u64) -> bool {
        self.gone.iter().any(|(own, beat, _)| *own == node && number <= *beat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: NodeId = NodeId::new(1);
    const OTHER: NodeId = NodeId::new(2);
    const SAID: Heartbeat<'_> = Heartbeat {
        start: 5,
        release: "0.2.0",
        connections: 3,
        published: 0,
        is_draining: false,
        hubs: None,
    };

    fn list() -> (Nodes, Instant) {
        let (mut nodes, now) = (Nodes::new(OWN, 4), Instant::now());
        nodes.bus(now);
        (nodes, now)
    }

    /// Who is silent at a time up to which the bus was heard of.
    fn silent(nodes: &mut Nodes, now: Instant) -> Option<Change> {
        let last = nodes.bus.unwrap();
        for seconds in 0..now.saturating_duration_since(last).as_secs() {
            nodes.bus(last + Duration::from_secs(seconds));
        }
        nodes.bus(now);
        nodes.silent(now)
    }

    #[test]
    fn whoever_hears_nothing_of_the_bus_takes_nobody_for_gone() {
        let (mut nodes, start) = list();
        nodes.heartbeat(start, OTHER, 1, &SAID);
        let later = start + 3 * GONE;
        assert_eq!(nodes.silent(later), None);
        nodes.bus(later);
        assert_eq!(nodes.silent(later), None, "it may say something now");
        assert_eq!(silent(&mut nodes, later + GONE - BEAT), None);
        assert!(silent(&mut nodes, later + GONE).is_some());
    }

    #[test]
    fn a_node_joins_with_its_first_heartbeat_and_leaves_in_silence() {
        let (mut nodes, start) = list();
        assert_eq!(nodes.heartbeat(start, OTHER, 1, &SAID), Some(Change::Joined(OTHER)));
        let draining = Heartbeat { is_draining: true, connections: 2, ..SAID };
        assert_eq!(nodes.heartbeat(start + BEAT, OTHER, 2, &draining), None);
        let (_, other) = nodes.iter().next().unwrap();
        assert!(other.is_draining && other.connections == 2 && &*other.release == "0.2.0");
        assert_eq!(silent(&mut nodes, start + GONE), None);
        let left = Change::Left(OTHER, Leave::Silent, 2);
        assert_eq!(silent(&mut nodes, start + BEAT + GONE), Some(left));
        assert_eq!((silent(&mut nodes, start + BEAT + GONE), nodes.ids()), (None, Vec::new()));
    }

    #[test]
    fn what_is_late_neither_keeps_a_node_nor_brings_it_back() {
        let (mut nodes, start) = list();
        nodes.heartbeat(start, OTHER, 7, &SAID);
        assert_eq!(nodes.heartbeat(start + GONE, OTHER, 6, &SAID), None);
        assert_eq!(nodes.goodbye(start, OTHER, 6), None);
        assert!(silent(&mut nodes, start + GONE).is_some());
        assert_eq!(nodes.heartbeat(start + GONE, OTHER, 7, &SAID), None);
        assert!(!nodes.has(OTHER));
        assert_eq!(nodes.heartbeat(start + GONE, OTHER, 8, &SAID), Some(Change::Joined(OTHER)));
        assert_eq!(nodes.goodbye(start, OTHER, 9), Some(Change::Left(OTHER, Leave::Goodbye, 3)));
        assert_eq!(nodes.heartbeat(start + GONE, OTHER, 9, &SAID), None);
    }

    #[test]
    fn two_nodes_with_one_id_are_noticed() {
        let (mut nodes, start) = list();
        assert_eq!(nodes.heartbeat(start, OWN, 1, &Heartbeat { start: 4, ..SAID }), None, "one's own");
        assert_eq!(nodes.heartbeat(start, OWN, 1, &SAID), Some(Change::Twins(OWN)));
        nodes.heartbeat(start, OTHER, 1, &SAID);
        let twin = Heartbeat { start: 6, ..SAID };
        assert_eq!(nodes.heartbeat(start, OTHER, 9, &twin), Some(Change::Twins(OTHER)));
        assert_eq!(nodes.heartbeat(start, OTHER, 2, &SAID), None);
    }

    #[test]
    fn there_are_no_more_nodes_than_are_said() {
        let (mut nodes, start) = list();
        let node = |at: usize| NodeId::new(at as u64 + 10);
        for at in 0..NODES_MAX {
            assert_eq!(nodes.heartbeat(start, node(at), 1, &SAID), Some(Change::Joined(node(at))));
        }
        let more = node(NODES_MAX);
        assert_eq!(nodes.heartbeat(start, more, 1, &SAID), Some(Change::TooMany(more)));
        // Of those who have gone, no more are kept either.
        for round in 1..3u64 {
            while silent(&mut nodes, start + GONE).is_some() {}
            assert!(nodes.gone.len() <= NODES_MAX && nodes.others.is_empty());
            for at in 0..NODES_MAX {
                let node = NodeId::new(at as u64 + 100 * round);
                assert!(nodes.heartbeat(start, node, 1, &SAID).is_some());
            }
        }
    }
}
