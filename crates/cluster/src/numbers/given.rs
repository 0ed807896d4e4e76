//! The numbers that a publisher gives out.

use std::collections::BTreeMap;

use super::{OfHub, Way, at};
use crate::id::NodeId;
use crate::subject::Slot;

/// What a node has given out. Its size follows from the hubs that it serves and the nodes that are there.
#[derive(Debug)]
pub struct Given {
    hubs: Vec<OfHub>,
    nodes: BTreeMap<NodeId, u64>,
    /// The greatest number given out to a node that is not kept any more. A node that comes back has others behind it.
    of_others: u64,
    count: u64,
}

impl Given {
    /// Nothing so far, for a node with so many hubs.
    #[must_use]
    pub fn new(hubs: usize) -> Self {
        Self {
            hubs: std::iter::repeat_with(|| None).take(hubs).collect(),
            nodes: BTreeMap::new(),
            of_others: 0,
            count: 0,
        }
    }

    /// How many numbers were given out.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number of the next message to a slot of a hub, which it has once it is [`taken`](Self::took): what is not
    /// sent takes none, so that whoever misses one has lost it on its way.
    pub fn next_in_hub(&mut self, hub: u16, slot: Slot) -> u64 {
        at(&mut self.hubs, hub, slot).map_or(1, |last| *last + 1)
    }

    /// The number of the next message to a node.
    pub fn next_to(&mut self, node: NodeId) -> u64 {
        self.nodes.get(&node).copied().unwrap_or(self.of_others) + 1
    }

    /// The message with this number is on its way. `to` is its node, where it goes to one.
    pub fn took(&mut self, way: Way, to: NodeId, number: u64) {
        self.count += 1;
        match way {
            Way::Node => drop(self.nodes.insert(to, number)),
            Way::Hub(hub, slot) => {
                if let Some(last) = at(&mut self.hubs, hub, slot) {
                    *last = number;
                }
            }
        }
    }

    /// A node has gone.
    pub fn forget(&mut self, node: NodeId) {
        self.of_others = self.of_others.max(self.nodes.remove(&node).unwrap_or_default());
    }
}
