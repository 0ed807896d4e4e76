//! What must always hold.

use std::time::{Duration, Instant};

use super::life::{GROUPS, HUBS, Life, USERS, byte, cluster_name, target_of};
use super::peer::{Account, Peer, text_of};
use super::record::{Question, To};
use crate::bus::Incoming;
use crate::envelope::{Answer, Envelope, Operation, Publication, Said as Answered, Target};
use crate::nodes::{Change, Leave};
use crate::questions::{ANSWER_WITHIN, Outcome, Settled};
use crate::subject::{Slot, Subject, Subjects};
use crate::{Asker, Delivery, Event, Heard, NodeId, Where};

impl Life {
    /// A message has come to a node.
    pub(super) fn hear(&mut self, at: usize, Incoming { subject, message }: &Incoming) {
        let now = self.now;
        let peer = &mut self.peers[at];
        let before = peer.node.counts();
        let heard = peer.node.heard(&mut peer.bus, now, subject, message);
        let after = peer.node.counts();
        let (accepted, missed) = (after.received - before.received, after.missed - before.missed);
        let envelope = Envelope::read(message);
        if let (1, Ok(envelope)) = (accepted, envelope) {
            self.account(at, subject, &envelope, missed);
        }
        match (heard, envelope) {
            (Heard::Deliver(delivery), _) => self.delivered(at, &delivery),
            // Whoever is meant here is missed here.
            (Heard::Nothing, Ok(envelope)) if accepted == 1 => self.check_nobody(at, &envelope),
            (Heard::Page(..), _) => panic!("nobody has asked for a list"),
            _ => {}
        }
    }

    fn account(&mut self, at: usize, subject: &str, envelope: &Envelope<'_>, missed: u64) {
        let subjects = Subjects::of(&cluster_name(self.peers[at].cluster));
        if let Some(Subject::Hub(..)) = subjects.parse(subject) {
            let first = envelope.number - missed;
            let new = Account { first, accepted: 0, missed: 0 };
            let account = self.peers[at].accounts.entry((envelope.node, subject.to_owned())).or_insert(new);
            account.accepted += 1;
            account.missed += missed;
        }
    }

    /// Something is done at a node that another one wants.
    fn delivered(&mut self, at: usize, delivery: &Delivery<'_>) {
        match delivery.operation {
            Operation::Publish(publication) => self.check_publication(at, delivery, &publication),
            Operation::Exists { what } => {
                let (hub, to) = self.meaning(at, delivery.hub, what);
                let count = self.peers[at].meant(hub, to).len();
                self.answer(at, delivery.asker, count);
            }
            Operation::Join { who, group } => {
                let (hub, to) = self.meaning(at, delivery.hub, who);
                let meant = self.peers[at].meant(hub, to);
                let group = number_in(group);
                meant.iter().for_each(|which| self.peers[at].join(*which, group));
                self.answer(at, delivery.asker, meant.len());
            }
            other => panic!("nobody wants {other:?}"),
        }
    }

    fn answer(&mut self, at: usize, asker: Option<Asker>, count: usize) {
        let peer = &mut self.peers[at];
        let said = Answered::Count(u32::try_from(count).expect("few"));
        let answer = Answer { said, place: None, payload: b"" };
        let _ = peer.node.answer(&mut peer.bus, asker.expect("somebody asks"), answer);
    }

    fn check_publication(&mut self, at: usize, delivery: &Delivery<'_>, publication: &Publication<'_>) {
        let number = u32::from_le_bytes(publication.payload.try_into().expect("a number"));
        let said = self.said[number as usize].clone();
        let (hub, to) = self.meaning(at, delivery.hub, publication.to);
        let from = self.peers[said.from].id;
        let peer = &mut self.peers[at];
        assert!(said.from != at && delivery.from == from, "{number} came back to its publisher");
        assert_eq!(said.cluster, peer.cluster, "{number} reached another cluster");
        assert_eq!((said.hub, said.to), (hub, to), "{number} reached another hub or target");
        assert!(peer.delivered.insert(number), "{number} was delivered twice");
        let last = peer.last.insert((said.from, hub, to), number);
        assert!(last.is_none_or(|last| last < number), "{number} came after {last:?}");
        let meant = peer.meant(hub, to);
        for connection in meant.iter().map(|which| &peer.connections[*which]) {
            let is_left_out = publication.excluded.has(connection.name);
            assert_eq!(is_left_out, said.excluded.contains(&connection.name), "{number}: who is left out");
            let is_reached = match &delivery.to {
                Where::Shards(shards) => shards.contains(&connection.shard),
                Where::Connection(name) => *name == connection.name,
            };
            assert!(is_reached, "{number} does not reach the shard of {connection:?}");
        }
    }

    fn check_nobody(&self, at: usize, envelope: &Envelope<'_>) {
        let Some(target) = envelope.operation.target() else { return };
        let hub = HUBS.iter().position(|hub| *hub == envelope.hub).expect("a hub");
        let meant = self.peers[at].meant(hub, to_of(target));
        assert!(meant.is_empty(), "{meant:?} are not found for {envelope:?}");
    }

    /// What a node means by its hub and a target.
    fn meaning(&self, at: usize, hub: u16, target: Target<'_>) -> (usize, To) {
        let hub = (0..HUBS.len()).find(|it| self.peers[at].own_hub(*it) == hub).expect("a hub");
        (hub, to_of(target))
    }

    /// What has happened at a node.
    pub(super) fn note_events(&mut self, at: usize) {
        while let Some(event) = self.peers[at].node.event() {
            match event {
                Event::Settled(settled) => self.settled(at, settled),
                Event::Ready(silent) => {
                    let session = self.session(at).expect("a node is ready while its bus is there");
                    let mut known = self.hears(at);
                    known.retain(|node| !silent.contains(node));
                    self.peers[at].ready = Some((session, known));
                    self.peers[at].ready_since = Some(self.now);
                }
                Event::Node(Change::Left(node, why, _)) => {
                    let is_own_fault = why == Leave::Silent && !self.peers[at].bus.is_up();
                    assert!(!is_own_fault, "{at} hears nothing and takes {node} for gone");
                    *self.peers[at].lefts.entry(node).or_default() += 1;
                }
                Event::Node(Change::Joined(node)) => {
                    let is_other =
                        |cluster| self.peers.iter().any(|it| it.id == node && it.cluster != cluster);
                    assert!(!is_other(self.peers[at].cluster), "a node of another cluster");
                }
                Event::Node(other) => panic!("{other:?}"),
            }
        }
    }

    /// Whom a node hears that is ready now: those whom it has asked, and where nothing is lost all who have been there
    /// for a time.
    fn hears(&self, at: usize) -> Vec<NodeId> {
        let own = &self.peers[at];
        let is_mate = |other: &&Peer| {
            let is_whole = other.broken.is_none_or(|at| at + Duration::from_secs(20) < self.now);
            other.is_alive && other.ready.is_some() && is_whole && other.cluster == own.cluster
        };
        if self.loses {
            return own.node.nodes().ids();
        }
        self.peers.iter().filter(is_mate).map(|other| other.id).collect()
    }

    /// Whoever asks knows all who have been there and whole for a time: else it would be told that there is nobody.
    pub(super) fn check_list(&self, at: usize) {
        let own = &self.peers[at];
        if self.loses || !own.bus.is_up() {
            return;
        }
        let long = |since: Instant| since + Duration::from_secs(3) < self.now;
        for other in self.peers.iter().filter(|other| other.cluster == own.cluster && other.id != own.id) {
            let ends = (own.bus.end(), other.bus.end());
            let was_split = self.split.iter().any(|pair| *pair == ends || (pair.1, pair.0) == ends);
            let is_whole = other.broken.is_none_or(|at| at + Duration::from_secs(20) < self.now);
            let is_there = other.is_alive && other.ready_since.is_some_and(long) && is_whole && !was_split;
            assert!(!is_there || own.node.nodes().has(other.id), "{at} asks and does not know {}", other.id);
        }
    }

    fn settled(&mut self, at: usize, Settled { question, outcome }: Settled) {
        let is_it = |it: &Question| it.asker == at && it.question == question;
        let which = self.questions.iter().position(is_it).expect("a question that waits");
        let asked = self.questions.swap_remove(which);
        let asker = &self.peers[at];
        // Who was meant all the time, at a node that was in the list all the time.
        let remains = asked.holders.iter().filter(|holder| {
            let peer = &self.peers[holder.peer];
            let lefts = asker.lefts.get(&holder.node).copied().unwrap_or_default();
            let mut there = peer.connections.iter().filter(|connection| connection.name == holder.connection);
            peer.is_alive
                && lefts == holder.lefts
                && asker.node.nodes().has(holder.node)
                && there.any(|connection| connection.is(asked.hub, asked.to))
        });
        let remains: Vec<_> = remains.collect();
        match (outcome, asked.group) {
            (Outcome::Nobody, _) => {
                assert!(remains.is_empty(), "404 though there are {remains:?}: {asked:?}");
            }
            (Outcome::Some(_), Some(group)) => {
                for holder in remains {
                    let mut connections = self.peers[holder.peer].connections.iter();
                    let it = connections.find(|connection| connection.name == holder.connection);
                    assert!(it.is_some_and(|it| it.groups.contains(&group)), "{holder:?} has not joined");
                }
            }
            (Outcome::Some(_), None) => {}
            (Outcome::Silent, _) => {
                assert!(self.now >= asked.at + ANSWER_WITHIN, "{asked:?} was not waited for");
            }
            (Outcome::Refused(why), _) => panic!("{why:?}"),
        }
    }

    /// What a node keeps is bounded.
    pub(super) fn check_node(&self, at: usize) {
        let node = &self.peers[at].node;
        for waited_for in node.questions().waited_for() {
            assert!(node.nodes().has(waited_for), "{waited_for} has left and is waited for");
        }
        let deadline = node.questions().deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "a question waits too long");
        let open = self.questions.iter().filter(|question| question.asker == at);
        assert_eq!(node.questions().len(), open.count(), "questions are forgotten, or not");
    }

    /// Whoever is ready hears all that is said by those whom it has asked.
    pub(super) fn check_unheard(&self) {
        for (from, to) in self.net.unheard() {
            let of = |end| (0..self.peers.len()).find(|at| self.peers[*at].bus.end() == end);
            let (Some(from_at), Some(to_at)) = (of(from), of(to)) else { continue };
            let Some((session, known)) = &self.peers[to_at].ready else { continue };
            let was_split = self.split.iter().any(|pair| *pair == (from, to) || *pair == (to, from));
            let is_promised =
                self.session(to_at) == Some(*session) && known.contains(&self.peers[from_at].id);
            assert!(was_split || !is_promised, "{to_at} is ready and did not hear {from_at}");
        }
    }

    /// When nothing breaks any more: each knows the others, and each message that a bus has taken was heard or is
    /// counted.
    pub(super) fn check_end(&mut self) {
        let alive: Vec<_> = (0..self.peers.len()).filter(|at| self.peers[*at].is_alive).collect();
        for at in &alive {
            for hub in 0..2 {
                self.publish_to(*at, hub, To::All, Vec::new());
                (0..USERS).for_each(|user| self.publish_to(*at, hub, To::User(byte(user)), Vec::new()));
                (0..GROUPS).for_each(|group| self.publish_to(*at, hub, To::Group(byte(group)), Vec::new()));
            }
        }
        (0..5).for_each(|_| self.pass(Duration::from_millis(300)));
        for at in &alive {
            let peer = &self.peers[*at];
            let is_mate = |other: &&usize| *other != at && self.peers[**other].cluster == peer.cluster;
            let mut others: Vec<_> = alive.iter().filter(is_mate).map(|it| self.peers[*it].id).collect();
            others.sort_unstable();
            assert!(peer.node.nodes().ids() == others && peer.node.is_ready(), "the list of {at}");
            self.check_accounts(*at);
        }
    }

    fn check_accounts(&self, at: usize) {
        let peer = &self.peers[at];
        let targets = (0..USERS).map(|user| To::User(byte(user)));
        let targets = targets.chain((0..GROUPS).map(|group| To::Group(byte(group)))).chain([To::All]);
        let subjects = Subjects::of(&cluster_name(peer.cluster));
        for (to, hub) in targets.flat_map(|to| [(to, 0), (to, 1)]) {
            let slot = target_of(to, &text_of(to)).slot().unwrap_or(Slot::All);
            let subject = subjects.hub(HUBS[hub], slot);
            for other in peer.node.nodes().ids() {
                let way = (other, subject.clone());
                let taken = self.taken.get(&way).copied().unwrap_or_default();
                let Account { first, accepted, missed } = peer.accounts[&way];
                let heard = first - 1 + accepted + missed;
                assert_eq!(heard, taken, "{subject} of {other}: from {first}, {accepted} and {missed}");
            }
        }
    }

    /// Long after: nodes that have gone have left nothing behind.
    pub(super) fn check_forgotten(&self) {
        for peer in self.peers.iter().filter(|peer| peer.is_alive) {
            let others = peer.node.nodes().ids().len();
            assert!(peer.node.remembered() <= others, "{} of {others} nodes", peer.node.remembered());
        }
    }
}

fn to_of(target: Target<'_>) -> To {
    match target {
        Target::All => To::All,
        Target::User(name) => To::User(number_in(name)),
        Target::Group(name) => To::Group(number_in(name)),
        Target::Connection(name) => To::Connection(name),
    }
}

fn number_in(name: &str) -> u8 {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}
