//! A life of some nodes on a bus, by the chance of a seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::peer::{Peer, text_of};
use super::record::{Holder, Question, Said, To};
use crate::bus::simulated::{Chances, Net, Random, SimulatedBus};
use crate::bus::{Bus as _, BusState};
use crate::envelope::{DataKind, Excluded, Operation, Publication, Sender, Target};
use crate::names::Names;
use crate::questions::Rule;
use crate::subject::{ClusterName, Subjects};
use crate::{Asked, ConnectionName, Identity, Node, NodeId};

/// The hubs: one has a dot.
pub(super) const HUBS: [&str; 2] = ["chat", "news.`[x]"];
pub(super) const CLUSTERS: [&str; 2] = ["prod", "test"];
pub(super) const USERS: usize = 4;
pub(super) const GROUPS: usize = 4;
/// Groups from this one on are joined by questions and never left.
pub(super) const KEPT: u8 = 100;
const SHARDS: usize = 3;

/// The whole of it.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) random: Random,
    pub(super) net: Net,
    pub(super) now: Instant,
    pub(super) peers: Vec<Peer>,
    pub(super) said: Vec<Said>,
    pub(super) questions: Vec<Question>,
    /// How many messages the bus has taken, by publisher and subject.
    pub(super) taken: BTreeMap<(NodeId, String), u64>,
    /// Pairs of ends that were ever split.
    pub(super) split: Vec<(usize, usize)>,
    /// Whether messages are lost.
    pub(super) loses: bool,
    /// Says what no node has written.
    stranger: SimulatedBus,
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        let (mut random, now) = (Random::new(seed), Instant::now());
        let trouble = [0, 10, 60][random.below(3)];
        let chances = Chances {
            loses: trouble,
            doubles: trouble,
            full: trouble / 4,
            delay_ms: [2, 40, 400][random.below(3)],
            message_len_max: 400,
        };
        let net = Net::new(random.number(), chances, now);
        let stranger = net.join(Vec::new());
        let mut life = Self {
            random,
            net,
            now,
            peers: Vec::new(),
            said: Vec::new(),
            questions: Vec::new(),
            taken: BTreeMap::new(),
            split: Vec::new(),
            loses: trouble > 0,
            stranger,
        };
        let count = 3 + life.random.below(3);
        for at in 0..count {
            // The last of five is alone in another cluster.
            life.start(usize::from(at == 4));
        }
        life
    }

    /// A node starts.
    pub(super) fn start(&mut self, cluster: usize) {
        let id = NodeId::new(self.random.number());
        let turned = id.bits() % 2 == 1;
        let mut hubs = HUBS.map(str::to_owned).to_vec();
        if turned {
            hubs.reverse();
        }
        let identity = Identity {
            cluster: cluster_name(cluster),
            node: id,
            start: self.random.number(),
            release: "0.3.0".into(),
            hubs,
        };
        let names = Arc::new(Names::new());
        let node = Node::new(identity, Arc::clone(&names));
        let bus = self.net.join(node.subscriptions());
        let mut peer = Peer::new(id, cluster, node, bus, names);
        for _ in 0..6 {
            self.connect(&mut peer);
        }
        self.peers.push(peer);
    }

    fn connect(&mut self, peer: &mut Peer) {
        let user = self.random.per_mille(800).then(|| byte(self.random.below(USERS)));
        let (hub, shard) = (self.random.below(2), u16::from(byte(self.random.below(SHARDS))));
        peer.connect(hub, user, shard);
        let at = peer.connections.len() - 1;
        (0..self.random.below(3)).for_each(|_| peer.join(at, byte(self.random.below(GROUPS))));
    }

    /// Something happens.
    pub(super) fn act(&mut self) {
        let Some(at) = self.someone() else { return };
        match self.random.below(100) {
            0..50 => self.publish(at),
            50..64 => self.ask(at),
            64..72 => {
                let mut peer = self.peers.swap_remove(at);
                self.connect(&mut peer);
                self.peers.push(peer);
                let last = self.peers.len() - 1;
                self.peers.swap(at, last);
            }
            72..76 if !self.peers[at].connections.is_empty() => {
                let which = self.random.below(self.peers[at].connections.len());
                self.peers[at].disconnect(which);
            }
            76..92 if !self.peers[at].connections.is_empty() => {
                let which = self.random.below(self.peers[at].connections.len());
                let group = byte(self.random.below(GROUPS));
                if self.random.per_mille(500) {
                    self.peers[at].join(which, group);
                } else {
                    self.peers[at].quit(which, group);
                }
            }
            92..95 => self.say_garbage(),
            95.. => self.trouble(at),
            _ => {}
        }
    }

    /// A node that is there and ready.
    fn someone(&mut self) -> Option<usize> {
        let ready = |at: &usize| self.peers[*at].is_alive && self.peers[*at].node.is_ready();
        let ready: Vec<_> = (0..self.peers.len()).filter(ready).collect();
        self.random.pick(&ready)
    }

    /// Something breaks.
    fn trouble(&mut self, at: usize) {
        let other = self.random.below(self.peers.len());
        let ms = |random: &mut Random, most: usize| Duration::from_millis(random.below(most) as u64);
        let kind = self.random.below(9);
        if kind < 4 {
            self.peers[at].broken = Some(self.now);
        }
        match kind {
            0 => self.peers[at].bus.cut(ms(&mut self.random, 3000)),
            1 => self.peers[at].bus.cut(ms(&mut self.random, 12_000)),
            2 | 3 => self.peers[at].bus.stand(ms(&mut self.random, 14_000)),
            4 if other != at => {
                self.net.split(&self.peers[at].bus, &self.peers[other].bus);
                self.split.push((self.peers[at].bus.end(), self.peers[other].bus.end()));
            }
            5 | 6 => self.net.mend(),
            7 if self.peers.len() < 9 => self.end(at, false),
            8 if self.peers.len() < 9 => self.end(at, true),
            _ => {}
        }
    }

    /// A node ends, with a goodbye or without, and another one starts.
    pub(super) fn end(&mut self, at: usize, with_goodbye: bool) {
        let peer = &mut self.peers[at];
        while with_goodbye && !peer.connections.is_empty() {
            peer.disconnect(0);
        }
        if with_goodbye {
            peer.node.goodbye(&mut peer.bus);
        }
        peer.is_alive = false;
        peer.bus.leave();
        let cluster = peer.cluster;
        self.questions.retain(|question| question.asker != at);
        self.start(cluster);
    }

    pub(super) fn target(&mut self, at: usize, hub: usize) -> To {
        match self.random.below(8) {
            0 => To::All,
            1 | 2 => To::User(byte(self.random.below(USERS))),
            3 => {
                let of = self.random.below(self.peers.len());
                let names = self.peers[of].connections.iter().filter(|it| it.hub == hub).map(|it| it.name);
                let names: Vec<_> = names.filter(|_| of != at).collect();
                self.random.pick(&names).map_or(To::All, To::Connection)
            }
            _ => To::Group(byte(self.random.below(GROUPS))),
        }
    }

    fn publish(&mut self, at: usize) {
        let hub = self.random.below(2);
        let to = self.target(at, hub);
        let all = self.peers.iter().flat_map(|peer| &peer.connections).map(|connection| connection.name);
        let all: Vec<ConnectionName> = all.collect();
        let excluded: Vec<_> = (0..self.random.below(4)).filter_map(|_| self.random.pick(&all)).collect();
        self.publish_to(at, hub, to, excluded);
    }

    pub(super) fn publish_to(&mut self, at: usize, hub: usize, to: To, excluded: Vec<ConnectionName>) {
        let peer = &mut self.peers[at];
        let number = u32::try_from(self.said.len()).expect("few");
        let (name, bytes) = (text_of(to), Excluded::bytes(excluded.iter().copied()));
        let payload = number.to_le_bytes();
        let publication = Publication {
            to: target_of(to, &name),
            excluded: Excluded::of(&bytes).expect("a list"),
            filter: None,
            sender: Sender::Client(Some("ann")),
            kind: DataKind::Binary,
            payload: &payload,
        };
        let own = peer.own_hub(hub);
        let is_taken = peer.node.publish(&mut peer.bus, own, &Operation::Publish(publication)).is_ok();
        let (id, cluster) = (peer.id, peer.cluster);
        self.said.push(Said { from: at, cluster, hub, to, excluded });
        self.took(is_taken, id, cluster, hub, target_of(to, &name));
    }

    /// Notes a message that the bus has taken.
    fn took(&mut self, is_taken: bool, id: NodeId, cluster: usize, hub: usize, target: Target<'_>) {
        if let Some(slot) = target.slot().filter(|_| is_taken) {
            let subject = Subjects::of(&cluster_name(cluster)).hub(HUBS[hub], slot);
            *self.taken.entry((id, subject)).or_default() += 1;
        }
    }

    fn ask(&mut self, at: usize) {
        let hub = self.random.below(2);
        let is_join = self.random.per_mille(300);
        let to = if is_join { To::User(byte(self.random.below(USERS))) } else { self.target(at, hub) };
        let group = is_join.then(|| KEPT + byte(self.random.below(GROUPS)));
        let name = text_of(to);
        let group_name = group.map(|group| text_of(To::Group(group)));
        let target = target_of(to, &name);
        let (operation, rule) = match &group_name {
            Some(group) => (Operation::Join { who: target, group }, Rule::Sum),
            None => (Operation::Exists { what: target }, Rule::FirstYes),
        };
        let now = self.now;
        let holders = self.holders(at, hub, to);
        let peer = &mut self.peers[at];
        let (id, cluster, own) = (peer.id, peer.cluster, peer.own_hub(hub));
        let asked = peer.node.ask(&mut peer.bus, now, own, &operation, rule);
        if asked.is_ok() {
            self.check_list(at);
        }
        if let Ok(Asked::Waiting(question)) = asked {
            self.questions.push(Question { asker: at, question, hub, to, group, holders, at: now });
        } else if let Ok(Asked::Settled(outcome)) = asked {
            assert!(holders.is_empty(), "{outcome:?} though there are {holders:?}");
        }
        self.took(matches!(asked, Ok(Asked::Waiting(_))), id, cluster, hub, target);
    }

    /// Those who are meant at nodes of a node's list.
    fn holders(&self, at: usize, hub: usize, to: To) -> Vec<Holder> {
        let asker = &self.peers[at];
        let others = self.peers.iter().enumerate();
        let others = others.filter(|(_, peer)| peer.is_alive && asker.node.nodes().has(peer.id));
        let all = others.flat_map(|(at, peer)| {
            peer.meant(hub, to).into_iter().map(move |which| Holder {
                peer: at,
                node: peer.id,
                lefts: asker.lefts.get(&peer.id).copied().unwrap_or_default(),
                connection: peer.connections[which].name,
            })
        });
        all.collect()
    }

    fn say_garbage(&mut self) {
        let subjects = Subjects::of(&cluster_name(0));
        let subject = match self.random.below(4) {
            0 => subjects.control(),
            1 => subjects.hub(HUBS[0], crate::subject::Slot::All),
            2 => subjects.node(self.peers[0].id),
            _ => subjects.answers(self.peers[0].id),
        };
        let len = self.random.below(90);
        let mut bytes: Vec<u8> = (0..len).map(|_| byte(self.random.below(256))).collect();
        if self.random.per_mille(500) {
            bytes.splice(..bytes.len().min(3), [crate::envelope::MAGIC, 1, 1]);
        }
        let _ = self.stranger.try_publish(&subject, Bytes::from(bytes));
    }

    /// Time goes on, and each node does what it does.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.net.advance(self.now);
        for at in 0..self.peers.len() {
            if self.peers[at].is_alive {
                self.turn(at);
            }
        }
        self.check_unheard();
    }

    fn turn(&mut self, at: usize) {
        while let Some(incoming) = self.peers[at].bus.next() {
            self.hear(at, &incoming);
            self.note_events(at);
        }
        let now = self.now;
        let peer = &mut self.peers[at];
        let connections = peer.connections.len() as u64;
        peer.node.has(connections, false);
        peer.node.beat(&mut peer.bus, now);
        self.note_events(at);
        self.check_node(at);
    }

    /// The session of a node's bus.
    pub(super) fn session(&self, at: usize) -> Option<u64> {
        let state: BusState = self.peers[at].bus.state();
        state.session()
    }
}

pub(super) fn cluster_name(at: usize) -> ClusterName {
    ClusterName::parse(CLUSTERS[at]).expect("a name")
}

pub(super) fn target_of(to: To, name: &str) -> Target<'_> {
    match to {
        To::All => Target::All,
        To::User(_) => Target::User(name),
        To::Group(_) => Target::Group(name),
        To::Connection(connection) => Target::Connection(connection),
    }
}

pub(super) fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("less than 256")
}
