//! This process among the nodes of its cluster. Whoever publishes does it here first and then gives it to the bus,
//! under one lock, so that all of it has one order here and elsewhere. Nothing waits under it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use holdfast_cluster::bus::{Bus, Refused};
use holdfast_cluster::envelope::{Answer, OVERHEAD_MAX, Operation, Refusal};
use holdfast_cluster::names::Names;
use holdfast_cluster::questions::{Outcome, Rule};
use holdfast_cluster::subject::{ClusterName, Subjects};
use holdfast_cluster::{Asked, Asker, Event, Heard, Identity, Node, NodeId, NotAsked, QuestionId};
use holdfast_hub::Hub;
use rustix::rand::{GetRandomFlags, getrandom};

use super::asking::{Askers, Asking};
use super::carrier::{Carrier, Wire};
use super::tally::Tally;
use super::words::hub_of;
use crate::Handle;
use crate::settings::{Away, Cluster as Settings, ReadyWhen};

/// This process among the nodes of its cluster.
#[derive(Debug)]
pub(in crate::services) struct Cluster {
    pub(super) own: NodeId,
    pub(super) settings: Settings,
    pub(super) names: Arc<Names>,
    /// When it began.
    pub(super) since: Instant,
    state: Mutex<State>,
    pub(super) tally: Tally,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) node: Node,
    pub(super) wire: Wire,
    askers: Askers,
}

/// Why something is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::services) enum NotPublished<E> {
    /// Other nodes can't be told, and so nobody is.
    Elsewhere(Refused),
    /// Nobody here is.
    Here(E),
}

impl Cluster {
    /// The one of these settings, with these hubs in their order.
    ///
    /// # Panics
    /// Where settings have a name that is none, or the kernel has no random bytes: Linux has had them since 3.17.
    pub(in crate::services) fn new(
        settings: &Settings,
        hubs: Vec<String>,
        names: Arc<Names>,
        handle: &Handle,
    ) -> Self {
        let own = handle.names().node();
        let identity = Identity {
            cluster: cluster_name(settings),
            node: own,
            start: random(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            hubs,
        };
        let node = Node::new(identity, Arc::clone(&names));
        let state = Mutex::new(State { node, wire: Wire::default(), askers: Askers::default() });
        let since = Instant::now();
        Self { own, settings: settings.clone(), names, since, state, tally: Tally::default() }
    }

    /// The bus is there, perhaps without a server yet.
    pub(super) fn attach(&self, carrier: Box<dyn Carrier>) {
        self.state().wire.attach(carrier);
    }

    /// The subject of this node.
    pub(super) fn subject(&self) -> String {
        Subjects::of(&cluster_name(&self.settings)).node(self.own)
    }

    /// This node.
    pub(in crate::services) fn own(&self) -> NodeId {
        self.own
    }

    /// Whose names of hubs, users and groups are looked up.
    pub(in crate::services) fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Publishes something here, by `here`, and on other nodes: what comes of it here. Where it can't go to others that
    /// is counted, or, with `cluster-away = refuse`, it goes nowhere.
    pub(in crate::services) fn publish<R, E>(
        &self,
        hub: Hub,
        operation: &Operation<'_>,
        here: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, NotPublished<E>> {
        let mut state = self.state();
        let State { node, wire, .. } = &mut *state;
        if self.settings.away == Away::Refuse {
            self.takes(node, wire, operation).map_err(|why| {
                node.refused(why);
                NotPublished::Elsewhere(why)
            })?;
        }
        let done = here().map_err(NotPublished::Here)?;
        // It was counted.
        let _ = node.publish(wire, hub_of(hub), operation);
        Ok(done)
    }

    /// Whether other nodes can be told something now: nobody else tells them anything meanwhile.
    fn takes(&self, node: &Node, wire: &Wire, operation: &Operation<'_>) -> Result<(), Refused> {
        // What is for a node that is not known yet would not be sent.
        if !node.is_whole() || !wire.is_here() {
            return Err(Refused::Away);
        }
        let queued = wire.standing().queue_bytes;
        let payload = if let Operation::Publish(publication) = operation { publication.payload } else { &[] };
        let is_full = queued + payload.len() + OVERHEAD_MAX > self.settings.queue_bytes;
        if is_full { Err(Refused::Full) } else { Ok(()) }
    }

    /// Asks the other nodes. It has been sent when this returns.
    pub(in crate::services) fn ask(
        self: &Arc<Self>,
        hub: Hub,
        operation: &Operation<'_>,
        rule: Rule,
    ) -> Asking {
        self.begin(|node, wire, now| node.ask(wire, now, hub_of(hub), operation, rule))
    }

    /// Asks one of them.
    pub(in crate::services) fn ask_node(
        self: &Arc<Self>,
        of: NodeId,
        hub: Hub,
        operation: &Operation<'_>,
    ) -> Asking {
        self.begin(|node, wire, now| node.ask_node(wire, now, of, hub_of(hub), operation))
    }

    /// The nodes that serve a hub, this one among them, in order. None while that is not known.
    pub(in crate::services) fn serving(&self, name: &str) -> Option<Vec<NodeId>> {
        let state = self.state();
        if !state.may_ask() {
            return None;
        }
        let mut nodes = state.node.nodes().serving(&name.to_ascii_lowercase());
        nodes.push(self.own);
        nodes.sort_unstable();
        Some(nodes)
    }

    fn begin(
        self: &Arc<Self>,
        ask: impl FnOnce(&mut Node, &mut Wire, Instant) -> Result<Asked, NotAsked>,
    ) -> Asking {
        let now = Instant::now();
        let mut state = self.state();
        let unavailable = Asking::over(Outcome::Refused(Refusal::Unavailable));
        if !state.may_ask() {
            return unavailable;
        }
        let State { node, wire, askers } = &mut *state;
        match ask(node, wire, now) {
            Ok(Asked::Settled(outcome)) => Asking::over(outcome),
            Ok(Asked::Waiting(question)) => {
                let cluster = Arc::clone(self);
                askers.wait(question, move || cluster.cancel(question))
            }
            Err(NotAsked::Unheard | NotAsked::Bus(_) | NotAsked::TooMany) => unavailable,
        }
    }

    /// Whoever has asked does not wait any more.
    fn cancel(&self, question: QuestionId) {
        let mut state = self.state();
        state.node.cancel(question);
        state.askers.cancel(question);
    }

    /// Answers a question of another node.
    pub(super) fn answer(&self, to: Asker, answer: Answer<'_>) {
        let mut state = self.state();
        let State { node, wire, .. } = &mut *state;
        // Who is not answered is told so in time.
        let _ = node.answer(wire, to, answer);
    }

    /// What comes of the next message from the bus, by `act`; false where there is none. `act` is called outside of
    /// the lock.
    pub(super) fn hear(&self, now: Instant, act: impl FnOnce(Heard<'_>)) -> bool {
        let mut state = self.state();
        let State { node, wire, .. } = &mut *state;
        let Some(incoming) = wire.next() else { return false };
        let heard = node.heard(wire, now, &incoming.subject, &incoming.message);
        drop(state);
        act(heard);
        true
    }

    /// Time has passed. This process has so many connections.
    pub(super) fn beat(&self, now: Instant, connections: u64, is_draining: bool) {
        let mut state = self.state();
        let State { node, wire, .. } = &mut *state;
        node.has(connections, is_draining);
        node.beat(wire, now);
    }

    /// A page of a list has come. That its question is over is heard next.
    pub(super) fn keep_page(&self, question: QuestionId, answer: &Answer<'_>) {
        self.state().askers.keep_page(question, answer);
    }

    /// Tells those who have asked what has come of it. What else has happened.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut state = self.state();
        let State { node, askers, .. } = &mut *state;
        let mut others = Vec::new();
        while let Some(event) = node.event() {
            match event {
                Event::Settled(settled) => askers.settle(settled),
                other => others.push(other),
            }
        }
        others
    }

    /// Whether this node is ready, as `cluster-ready` has it.
    pub(super) fn is_ready(&self, state: &State) -> bool {
        let is_there = self.settings.ready == ReadyWhen::Start || state.wire.is_here();
        state.node.is_ready() && is_there
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether others can be asked: before it is known who they are, and while they are not heard, nobody can say that
    /// somebody is not there.
    fn may_ask(&self) -> bool {
        self.node.is_whole() && self.wire.is_here()
    }
}

fn cluster_name(settings: &Settings) -> ClusterName {
    ClusterName::parse(&settings.name).expect("settings are checked")
}

/// Random bits.
///
/// # Panics
/// Where the kernel has none: Linux has had them since 3.17.
pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    let len = getrandom(&mut bytes, GetRandomFlags::empty()).expect("the kernel has random bytes");
    assert_eq!(len, bytes.len(), "so few bytes come whole: getrandom(2)");
    u64::from_le_bytes(bytes)
}
