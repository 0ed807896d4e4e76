//! A shard's half of services: who may connect, what clients say, what they hear.
//!
//! [`admit`] judges who wants to connect, [`verify`] has tokens verified elsewhere first, [`recover`] judges who wants
//! a connection back, [`order`] keeps what a client says in order while a service is asked, [`simple`] and [`json`] are
//! the ways to speak, [`tell`] is what services hear; [`pending`] and [`talk`] have what is kept meanwhile.

mod admit;
mod glance;
mod json;
mod order;
mod pending;
mod publish;
mod recover;
mod rights;
mod say;
mod simple;
mod talk;
mod tell;
mod verify;

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use holdfast_cluster::names::Names;
use holdfast_hub::Form;
use holdfast_webpubsub::client::parse_target;
use holdfast_webpubsub::json::Outgoing;
use tokio::sync::mpsc::UnboundedSender;

use super::cluster::Cluster;
use super::hubs::{Hubs, LiveHub};
use super::messages::{is_json, subprotocol_of};
use super::note::{Event, Note};
use crate::admission::{Admission, Opening};
use crate::application::{Application, Message, Reply, Visitor};
use crate::counters::{CloseCode, CloseReason};
use crate::settings::{LogUsers, Settings};
use crate::{ConnectionId, Context, HandshakeId, Request};
use pending::{Extra, Pending, Waiting};
pub(super) use rights::action;
use say::say;
use talk::Talk;

/// The application of a shard whose clients belong to hubs.
#[derive(Debug)]
pub struct Front {
    hubs: Arc<Hubs>,
    events: UnboundedSender<Event>,
    /// Numbers events, for all shards.
    numbers: Arc<AtomicU64>,
    /// Those who are connecting.
    pending: HashMap<HandshakeId, Pending>,
    /// Those of them whose tokens are being verified.
    candidates: HashMap<HandshakeId, Waiting>,
    /// What only some connections have, by key.
    extras: HashMap<u32, Extra>,
    /// What clients have said that is not dealt with, and whether a service is being asked.
    talks: HashMap<ConnectionId, Talk>,
    /// Those of them that wait for room, and not for a service.
    starved: VecDeque<ConnectionId>,
    /// Longest message that an outbox takes.
    frame_bytes_max: usize,
    /// REST is served where clients connect.
    takes_requests: bool,
    /// How the access log names users.
    log_users: LogUsers,
    /// The other nodes, if there are any.
    cluster: Option<Arc<Cluster>>,
}

impl Front {
    pub(super) fn new(
        hubs: Arc<Hubs>,
        events: UnboundedSender<Event>,
        numbers: Arc<AtomicU64>,
        frame_bytes_max: usize,
        settings: &Settings,
        cluster: Option<Arc<Cluster>>,
    ) -> Self {
        Self {
            hubs,
            events,
            numbers,
            pending: HashMap::new(),
            candidates: HashMap::new(),
            extras: HashMap::new(),
            talks: HashMap::new(),
            starved: VecDeque::new(),
            frame_bytes_max,
            takes_requests: settings.rest.on_listen,
            log_users: settings.access_log_users,
            cluster,
        }
    }

    /// Who is connecting, as the access log says it.
    fn visitor_of(&self, pending: &Pending) -> Visitor {
        let name = |user: &str| match self.log_users {
            LogUsers::Plain => Some(user.to_owned()),
            // Without a key there is nothing by which a hash could be kept from being guessed.
            LogUsers::Hash => Some(pending.hub.config().keys.as_ref()?.primary.pseudonym(user)),
            LogUsers::Off => None,
        };
        Visitor { hub: Some(pending.hub.name.clone()), user: pending.user.as_deref().and_then(name) }
    }

    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// The hub of a connection, and how it is spoken to.
    fn spoken(&self, context: &mut Context<'_>, key: u32) -> Option<(Arc<LiveHub>, Form)> {
        let (hub, form) = context.members(|members, _| Some((members.hub(key)?, members.form(key)?)))?;
        Some((Arc::clone(self.hubs.at(hub)?), form))
    }

    /// Shows who is here.
    fn gauge(&self, context: &mut Context<'_>) {
        if context.shard() == 0 {
            context.counters().event_bytes.set(self.hubs.bytes.taken() as u64);
            context.counters().rest_body_bytes.set(self.hubs.bodies.taken() as u64);
        }
        for hub in self.hubs.iter() {
            let here = context.members(|members, _| members.counts(hub.index));
            let shown = hub.counts.of_shard(context.shard());
            shown.connections.set(here.connections.into());
            shown.users.set(here.users.into());
            shown.groups.set(here.groups.into());
            shown.members.set(here.members);
        }
    }

    fn subprotocol(&self, key: u32, form: Form) -> Option<Arc<str>> {
        if let Some(own) = subprotocol_of(form) {
            return Some(own.into());
        }
        self.extras.get(&key).and_then(|extra| extra.subprotocol.clone())
    }
}

impl Application for Front {
    fn takes_requests(&self) -> bool {
        self.takes_requests
    }

    fn may_recover(&self, request: &Request<'_>) -> bool {
        parse_target(request.target()).is_ok_and(|target| target.recovery.is_some())
    }

    fn names(&self) -> Option<Arc<Names>> {
        self.cluster.as_ref().map(|cluster| Arc::clone(cluster.names()))
    }

    fn recovered(&mut self, context: &mut Context<'_>, id: ConnectionId) {
        self.greet_again(context, id);
    }

    fn open(&mut self, context: &mut Context<'_>, opening: &Opening<'_>) -> Admission {
        self.judge(context, opening)
    }

    fn abandoned(&mut self, context: &mut Context<'_>, handshake: HandshakeId) {
        if !self.on_left_unverified(context, handshake) {
            self.on_abandoned(context, handshake);
        }
    }

    fn visitor(&self, handshake: HandshakeId) -> Visitor {
        self.pending.get(&handshake).map(|pending| self.visitor_of(pending)).unwrap_or_default()
    }

    fn opened(&mut self, context: &mut Context<'_>, id: ConnectionId, handshake: HandshakeId) {
        self.welcome(context, id, handshake);
    }

    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply {
        self.hear(context, from, &message);
        Reply::None
    }

    fn told(&mut self, context: &mut Context<'_>, note: Box<dyn Any + Send>) {
        let Ok(note) = note.downcast::<Note>() else { return };
        match *note {
            Note::Connect { handshake, answer } => self.on_connect_answer(context, handshake, answer),
            Note::Verified { handshake, result, .. } => self.on_verified(context, handshake, result),
            Note::Done { connection, outcome } => self.on_done(context, connection, &outcome),
            Note::Run(work) => work(context),
            Note::Look { connection, look } => {
                let glance = self.glance(context, connection);
                look(context, glance);
            }
        }
    }

    fn is_idle(&self) -> bool {
        // A service that hears of the last client may have something to ask: REST is where the listeners are.
        self.talks.is_empty() && self.pending.is_empty() && self.candidates.is_empty() && self.hubs.is_quiet()
    }

    fn ended(&mut self, context: &mut Context<'_>) {
        self.lose_what_is_held(context);
    }

    fn beat(&mut self, context: &mut Context<'_>) {
        self.try_the_starved(context);
        self.gauge(context);
    }

    fn closing(&mut self, context: &mut Context<'_>, id: ConnectionId, reason: CloseReason, text: &str) {
        if context.members(|members, _| members.form(id.key)).is_some_and(is_json) {
            let whole = self.hubs.take_reason(id);
            let text = whole.as_deref().unwrap_or(text);
            let message = if text.is_empty() { reason.label() } else { text };
            say(context, id, &Outgoing::Disconnected { message });
        }
    }

    fn closed(&mut self, context: &mut Context<'_>, id: ConnectionId, reason: CloseReason, code: CloseCode) {
        drop(self.hubs.take_reason(id));
        self.farewell(context, id, reason, code);
    }
}
