//! A node of the simulation with the connections that it has: what a gateway is around one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::record::To;
use crate::bus::simulated::SimulatedBus;
use crate::names::Names;
use crate::subject::Named;
use crate::{ConnectionName, Node, NodeId};

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) name: ConnectionName,
    /// By its place among all hubs.
    pub(super) hub: usize,
    pub(super) user: Option<u8>,
    pub(super) groups: BTreeSet<u8>,
    pub(super) shard: u16,
}

impl Connection {
    /// Whether it is meant.
    pub(super) fn is(&self, hub: usize, to: To) -> bool {
        self.hub == hub
            && match to {
                To::All => true,
                To::User(user) => self.user == Some(user),
                To::Group(group) => self.groups.contains(&group),
                To::Connection(name) => self.name == name,
            }
    }
}

/// Messages by one way, as this node has heard them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    pub(super) first: u64,
    pub(super) accepted: u64,
    pub(super) missed: u64,
}

/// A node.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: NodeId,
    /// Which cluster it is of.
    pub(super) cluster: usize,
    pub(super) node: Node,
    pub(super) bus: SimulatedBus,
    pub(super) is_alive: bool,
    /// The session in which it became ready, and whom it hears since.
    pub(super) ready: Option<(u64, Vec<NodeId>)>,
    /// When that was.
    pub(super) ready_since: Option<Instant>,
    /// When something broke here.
    pub(super) broken: Option<Instant>,
    pub(super) connections: Vec<Connection>,
    names: Arc<Names>,
    /// How many members a name has in a shard.
    members: BTreeMap<(usize, u8, u8, u16), u32>,
    serial: u16,
    /// How often each node has left its list.
    pub(super) lefts: BTreeMap<NodeId, u32>,
    /// Publications that were delivered here, and the last of each publisher and target.
    pub(super) delivered: BTreeSet<u32>,
    pub(super) last: BTreeMap<(usize, usize, To), u32>,
    pub(super) accounts: BTreeMap<(NodeId, String), Account>,
}

impl Peer {
    pub(super) fn new(id: NodeId, cluster: usize, node: Node, bus: SimulatedBus, names: Arc<Names>) -> Self {
        Self {
            id,
            cluster,
            node,
            bus,
            is_alive: true,
            ready: None,
            ready_since: None,
            broken: None,
            connections: Vec::new(),
            names,
            members: BTreeMap::new(),
            serial: 0,
            lefts: BTreeMap::new(),
            delivered: BTreeSet::new(),
            last: BTreeMap::new(),
            accounts: BTreeMap::new(),
        }
    }

    pub(super) fn connect(&mut self, hub: usize, user: Option<u8>, shard: u16) {
        self.serial += 1;
        let bits = u128::from(self.serial) << 64 | u128::from(self.id.bits()) << 16;
        let name = ConnectionName::new(bits);
        self.connections.push(Connection { name, hub, user, groups: BTreeSet::new(), shard });
        self.count(hub, (0, 0), shard, true);
        if let Some(user) = user {
            self.count(hub, (1, user), shard, true);
        }
    }

    pub(super) fn disconnect(&mut self, at: usize) {
        let gone = self.connections.swap_remove(at);
        let groups = gone.groups.iter().map(|group| (2, *group));
        let names = groups.chain([(0, 0)]).chain(gone.user.map(|user| (1, user)));
        for name in names.collect::<Vec<_>>() {
            self.count(gone.hub, name, gone.shard, false);
        }
    }

    pub(super) fn join(&mut self, at: usize, group: u8) {
        let Connection { hub, shard, .. } = self.connections[at];
        if self.connections[at].groups.insert(group) {
            self.count(hub, (2, group), shard, true);
        }
    }

    pub(super) fn quit(&mut self, at: usize, group: u8) {
        let Connection { hub, shard, .. } = self.connections[at];
        if self.connections[at].groups.remove(&group) {
            self.count(hub, (2, group), shard, false);
        }
    }

    /// The places of those who are meant.
    pub(super) fn meant(&self, hub: usize, to: To) -> Vec<usize> {
        (0..self.connections.len()).filter(|at| self.connections[*at].is(hub, to)).collect()
    }

    /// A hub by its place among all is one by its place at this node: every other one has them the other way round.
    pub(super) fn own_hub(&self, hub: usize) -> u16 {
        u16::from((hub == 1) != self.turns_hubs())
    }

    pub(super) fn turns_hubs(&self) -> bool {
        self.id.bits() % 2 == 1
    }

    /// A name has a member more or less in a shard: with the first and the last the filter is told.
    fn count(&mut self, hub: usize, (kind, name): (u8, u8), shard: u16, is_more: bool) {
        let own = self.own_hub(hub);
        let count = self.members.entry((hub, kind, name, shard)).or_default();
        let (named, text) = match kind {
            0 => (Named::Hub, String::new()),
            1 => (Named::User, text_of(To::User(name))),
            _ => (Named::Group, text_of(To::Group(name))),
        };
        if is_more {
            *count += 1;
            if *count == 1 {
                self.names.enter(own, named, &text, shard);
            }
        } else {
            *count -= 1;
            if *count == 0 {
                self.names.leave(own, named, &text, shard);
            }
        }
    }
}

/// What a user or a group is called. Users and groups share names.
pub(super) fn text_of(to: To) -> String {
    match to {
        To::User(name) | To::Group(name) => format!("näme {name}/*.>"),
        To::All | To::Connection(_) => String::new(),
    }
}
