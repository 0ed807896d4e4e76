//! A node: all of it in one state machine. What clients and services of this node want of others goes in, and so does
//! what comes from the bus; what is to be done here comes out. It belongs to one task, so that all that a node
//! publishes has one order: first the connections of this node, then [`Node::publish`].
//!
//! | when | call |
//! |---|---|
//! | a client or a service publishes, closes | [`Node::publish`] |
//! | a service asks | [`Node::ask`], for a page of a list [`Node::ask_node`] |
//! | the bus has something | [`Node::heard`]; what was asked is answered with [`Node::answer`] |
//! | some time has passed: 100 ms will do | [`Node::beat`] |
//! | after each of these | [`Node::event`], until there is none |
//! | the last connection has gone | [`Node::goodbye`] |

mod beats;
mod counts;
mod delivery;
mod receive;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

pub use counts::Counts;
pub use delivery::{Asked, Asker, Delivery, Event, Heard, NotAsked, Where};

use crate::barrier::Barrier;
use crate::bus::{Bus, Refused};
use crate::envelope::{Answer, Envelope, Hubs, Operation, Target};
use crate::id::{NodeId, QuestionId};
use crate::names::Names;
use crate::nodes::{Change, Nodes};
use crate::numbers::{self, Given, Way};
use crate::planted::{Defect, is_planted};
use crate::questions::{Outcome, Questions, Rule};
use crate::subject::{ClusterName, Subjects};

/// A node's numbers go on for as long as it lives: it never begins another epoch, and heeds those of others.
const EPOCH: u32 = 0;

/// What a node is from its start to its end.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterName,
    /// Its id, which is in the names of its connections.
    pub node: NodeId,
    /// Random bits by which another node with the same id is noticed.
    pub start: u64,
    /// The release that it runs.
    pub release: String,
    /// The hubs that it serves. A hub is called by its place in this list.
    pub hubs: Vec<String>,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    identity: Identity,
    subjects: Subjects,
    names: Arc<Names>,
    /// Its hubs, as [`Hubs`] has them.
    hubs: Vec<u8>,
    given: Given,
    heard: numbers::Heard,
    nodes: Nodes,
    questions: Questions,
    barrier: Barrier,
    /// The number of the last heartbeat, and when it was.
    beats: (u64, Option<Instant>),
    connections: u64,
    is_draining: bool,
    events: VecDeque<Event>,
    counts: Counts,
}

impl Node {
    /// A node that has not been heard yet. `names` are those of its connections.
    #[must_use]
    pub fn new(mut identity: Identity, names: Arc<Names>) -> Self {
        // Letter case does not tell hubs apart.
        identity.hubs.iter_mut().for_each(|hub| hub.make_ascii_lowercase());
        let hubs = identity.hubs.len();
        Self {
            subjects: Subjects::of(&identity.cluster),
            names,
            hubs: Hubs::bytes(identity.hubs.iter().map(String::as_str)),
            given: Given::new(hubs),
            heard: numbers::Heard::new(identity.node, hubs),
            nodes: Nodes::new(identity.node, identity.start),
            questions: Questions::new(),
            barrier: Barrier::default(),
            beats: (0, None),
            connections: 0,
            is_draining: false,
            events: VecDeque::new(),
            counts: Counts::default(),
            identity,
        }
    }

    /// To what it listens.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<String> {
        self.subjects.of_node(self.identity.node, self.identity.hubs.iter().map(String::as_str))
    }

    /// Whether it may be asked and may get connections.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.barrier.is_ready()
    }

    /// Whether it knows who is there: not before it is ready, and not for a heartbeat's time after its bus was away.
    /// Until then nobody can be asked, and what is for a connection of another node may find nobody.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.barrier.is_whole()
    }

    /// The list of nodes.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// What it has counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What has happened since the last call. There is at most one event for each question and node.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// How many nodes it remembers the numbers of: never more than
    /// [`REMEMBERED_MAX`](crate::numbers::REMEMBERED_MAX).
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.heard.len()
    }

    /// The questions that wait.
    #[must_use]
    pub fn questions(&self) -> &Questions {
        &self.questions
    }

    /// How many connections it has, and whether it is draining: what others hear with the next heartbeat.
    pub fn has(&mut self, connections: u64, is_draining: bool) {
        (self.connections, self.is_draining) = (connections, is_draining);
    }

    /// Has others do something that needs no answer: publish, close. For one of this node's connections nothing is
    /// sent, nor for one of a node that is not there.
    ///
    /// # Errors
    /// Where it is not sent. It was counted.
    pub fn publish(
        &mut self,
        bus: &mut impl Bus,
        hub: u16,
        operation: &Operation<'_>,
    ) -> Result<(), Refused> {
        self.send(bus, hub, operation, None)
    }

    /// Asks others for something about somebody of a hub: all nodes that serve it, as they have said, or the
    /// connection's.
    ///
    /// # Errors
    /// Where it is not asked.
    pub fn ask(
        &mut self,
        bus: &mut impl Bus,
        now: Instant,
        hub: u16,
        operation: &Operation<'_>,
        rule: Rule,
    ) -> Result<Asked, NotAsked> {
        let mut asked = self.nodes.serving(self.hub(hub));
        if let Some(Target::Connection(name)) = operation.target() {
            asked.retain(|node| *node == name.node());
        }
        self.ask_these(now, asked, rule, |node, question| node.send(bus, hub, operation, Some(question)))
    }

    /// Asks one node for a page of a list.
    ///
    /// # Errors
    /// Where it is not asked.
    pub fn ask_node(
        &mut self,
        bus: &mut impl Bus,
        now: Instant,
        node: NodeId,
        hub: u16,
        operation: &Operation<'_>,
    ) -> Result<Asked, NotAsked> {
        let asked = [node].into_iter().filter(|node| self.nodes.serves(*node, self.hub(hub))).collect();
        let way = (Way::Node, node);
        let send = |own: &mut Self, question| own.send_by(bus, hub, operation, Some(question), way);
        self.ask_these(now, asked, Rule::Sum, send)
    }

    /// Answers a question. One whose node has gone in the meantime is not answered.
    ///
    /// # Errors
    /// Where it is not sent. It was counted: whoever has asked is told in time that nobody knows.
    pub fn answer(&mut self, bus: &mut impl Bus, to: Asker, answer: Answer<'_>) -> Result<(), Refused> {
        self.say(bus, &self.subjects.answers(to.node), 0, Some(to.question), &Operation::Answer(answer))
    }

    /// Something is not sent, since the bus would not take it.
    pub fn refused(&mut self, why: Refused) {
        self.counts.refused(why);
    }

    /// Whoever has asked does not wait any more.
    pub fn cancel(&mut self, question: QuestionId) {
        self.questions.cancel(question);
    }

    /// The name of a hub; none has an empty one.
    fn hub(&self, hub: u16) -> &str {
        self.identity.hubs.get(usize::from(hub)).map_or("", String::as_str)
    }

    fn ask_these(
        &mut self,
        now: Instant,
        asked: Vec<NodeId>,
        rule: Rule,
        send: impl FnOnce(&mut Self, QuestionId) -> Result<(), Refused>,
    ) -> Result<Asked, NotAsked> {
        if !self.is_whole() {
            return Err(NotAsked::Unheard);
        }
        if asked.is_empty() {
            return Ok(Asked::Settled(Outcome::Nobody));
        }
        let question =
            self.questions.name().filter(|_| !self.questions.is_full()).ok_or(NotAsked::TooMany)?;
        send(self, question).map_err(NotAsked::Bus)?;
        self.questions.wait(now, question, rule, asked).map_err(|_| NotAsked::TooMany)?;
        Ok(Asked::Waiting(question))
    }

    fn send(
        &mut self,
        bus: &mut impl Bus,
        hub: u16,
        operation: &Operation<'_>,
        question: Option<QuestionId>,
    ) -> Result<(), Refused> {
        let Some(target) = operation.target() else { return Ok(()) };
        let way = match (target, target.slot()) {
            (Target::Connection(name), _) if self.nodes.serves(name.node(), self.hub(hub)) => {
                (Way::Node, name.node())
            }
            (_, Some(slot)) => (Way::Hub(hub, slot), self.identity.node),
            (Target::Connection(name), _) => {
                // There is no such node, or it is this one.
                self.counts.nowhere += u64::from(name.node() != self.identity.node);
                return Ok(());
            }
            (_, None) => return Ok(()),
        };
        self.send_by(bus, hub, operation, question, way)
    }

    /// Says something by a way that has numbers.
    fn send_by(
        &mut self,
        bus: &mut impl Bus,
        hub: u16,
        operation: &Operation<'_>,
        question: Option<QuestionId>,
        (way, to): (Way, NodeId),
    ) -> Result<(), Refused> {
        let Some(name) = self.identity.hubs.get(usize::from(hub)) else { return Ok(()) };
        let (number, subject) = match way {
            Way::Hub(hub, slot) => (self.given.next_in_hub(hub, slot), self.subjects.hub(name, slot)),
            Way::Node => (self.given.next_to(to), self.subjects.node(to)),
        };
        let name = name.clone();
        let said = self.say_of(bus, &subject, number, question, &name, operation);
        if said.is_ok() || is_planted(Defect::NumbersTheUnsent) {
            self.given.took(way, to, number);
            self.counts.published += u64::from(said.is_ok());
        }
        said
    }

    /// Says something about no hub.
    fn say(
        &mut self,
        bus: &mut impl Bus,
        subject: &str,
        number: u64,
        question: Option<QuestionId>,
        operation: &Operation<'_>,
    ) -> Result<(), Refused> {
        self.say_of(bus, subject, number, question, "", operation)
    }

    fn say_of(
        &mut self,
        bus: &mut impl Bus,
        subject: &str,
        number: u64,
        question: Option<QuestionId>,
        hub: &str,
        operation: &Operation<'_>,
    ) -> Result<(), Refused> {
        let (node, epoch) = (self.identity.node, EPOCH);
        let envelope = Envelope { node, epoch, number, question, hub, operation: *operation };
        let mut message = Vec::new();
        let written = envelope.write(&mut message).map_err(|_| Refused::TooLarge);
        let said = written.and_then(|()| bus.try_publish(subject, Bytes::from(message)));
        said.inspect_err(|why| self.counts.refused(*why))
    }

    /// The list of nodes has changed.
    fn note(&mut self, change: Change) {
        self.events.push_back(Event::Node(change));
        if let Change::Left(node, ..) = change {
            self.left(node);
        }
    }

    /// A node of the list has left it.
    fn left(&mut self, node: NodeId) {
        self.heard.left(node);
        self.given.forget(node);
        self.barrier.left(node);
        let settled = self.questions.left(node);
        self.events.extend(settled.into_iter().map(Event::Settled));
    }
}
