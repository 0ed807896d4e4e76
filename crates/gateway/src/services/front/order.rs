//! One thing after the other: what a client says waits while a service is asked about what it said before.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::MessageKind;
use holdfast_webpubsub::json::Outgoing;

use super::super::hubs::Permit;
use super::super::messages::JSON;
use super::super::note::{Event, Outcome, What};
use super::super::service::Service;
use super::say::say;
use super::talk::{About, Asked, HELD_BYTES_MAX, Held, Step, Talk};
use super::{Front, json, simple};
use crate::application::Message;
use crate::counters::{CloseCode, CloseReason};
use crate::settings::{SlowService, SystemEvent};
use crate::{ConnectionId, Context};

impl Front {
    /// A client says something.
    pub(super) fn hear(&mut self, context: &mut Context<'_>, from: ConnectionId, message: &Message<'_>) {
        let held = || Held::Message(message.kind, Bytes::copy_from_slice(message.payload));
        if !self.talks.contains_key(&from) {
            let step = self.on_message(context, from, message.kind, message.payload);
            return self.begin(context, from, step, held);
        }
        let is_json = context.members(|members, _| members.form(from.key)) == Some(JSON);
        if is_json && json::is_ping(message.payload) {
            return say(context, from, &Outgoing::Pong);
        }
        self.hold(context, from, held());
    }

    /// A connection is there of which a service is to hear, before it hears anything else of it.
    pub(super) fn greet(&mut self, context: &mut Context<'_>, id: ConnectionId) {
        let step = self.tell(context, id, &Held::Connected, None);
        self.begin(context, id, step, || Held::Connected);
    }

    /// Keeps what is needed after the first step, if anything is.
    fn begin(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        step: Step,
        held: impl FnOnce() -> Held,
    ) {
        match step {
            Step::Done => {}
            Step::Asked(asked) => {
                self.talks.insert(id, Talk { asked: Some(asked), ..Talk::default() });
            }
            Step::NoRoom => {
                self.talks.insert(id, Talk::default());
                self.starve(context, id, held());
            }
        }
    }

    /// Keeps something, and reads no more from the client where that is much.
    fn hold(&mut self, context: &mut Context<'_>, id: ConnectionId, held: Held) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        talk.bytes += held.bytes();
        talk.held.push_back(held);
        if talk.bytes > HELD_BYTES_MAX && !talk.is_paused {
            talk.is_paused = context.pause(id);
        }
    }

    /// There is no room for what is first: it is tried again later, and nothing more is read until then.
    fn starve(&mut self, context: &mut Context<'_>, id: ConnectionId, held: Held) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        talk.bytes += held.bytes();
        talk.held.push_front(held);
        if !talk.is_paused {
            talk.is_paused = context.pause(id);
        }
        if !std::mem::replace(&mut talk.is_starved, true) {
            self.starved.push_back(id);
        }
    }

    /// Tries those again for whom there was no room.
    pub(super) fn try_the_starved(&mut self, context: &mut Context<'_>) {
        for _ in 0..self.starved.len() {
            let Some(id) = self.starved.pop_front() else { return };
            if let Some(talk) = self.talks.get_mut(&id) {
                talk.is_starved = false;
                self.proceed(context, id);
            }
        }
    }

    /// A service has answered, or will not.
    pub(super) fn on_done(&mut self, context: &mut Context<'_>, id: ConnectionId, outcome: &Outcome) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        let Some(asked) = talk.asked.take() else { return };
        if let Outcome::Answered { state: Some(state), .. } = outcome {
            match &mut talk.gone {
                Some(gone) => gone.state = Some(state.clone()),
                None => context.members(|members, _| members.set_state(id.key, Some(state))),
            }
        }
        if talk.gone.is_none() {
            match asked {
                Asked::Nothing => {}
                Asked::Simple => simple::answer(context, id, outcome),
                Asked::Json(ack_id) => json::answer(context, id, ack_id, outcome),
            }
        }
        self.proceed(context, id);
    }

    /// Goes on with what is held, as far as that goes.
    fn proceed(&mut self, context: &mut Context<'_>, id: ConnectionId) {
        while let Some(talk) = self.talks.get_mut(&id) {
            if talk.asked.is_some() {
                return;
            }
            let gone = talk.gone.clone();
            let Some(held) = talk.held.pop_front() else {
                if talk.is_paused {
                    context.resume(id);
                }
                self.talks.remove(&id);
                return;
            };
            talk.bytes -= held.bytes();
            match self.step(context, id, &held, gone.as_ref()) {
                Step::Done => {}
                Step::Asked(asked) => {
                    if let Some(talk) = self.talks.get_mut(&id) {
                        talk.asked = Some(asked);
                    }
                }
                Step::NoRoom => return self.starve(context, id, held),
            }
        }
    }

    fn step(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        held: &Held,
        gone: Option<&About>,
    ) -> Step {
        match held {
            Held::Connected | Held::Disconnected(_) => self.tell(context, id, held, gone),
            // What one said who has left is not heard any more, unless a service was being asked already.
            Held::Message(..) if gone.is_some() => Step::Done,
            Held::Message(kind, payload) => self.on_message(context, id, *kind, payload),
        }
    }

    fn on_message(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        kind: MessageKind,
        payload: &[u8],
    ) -> Step {
        match self.spoken(context, id.key) {
            Some((hub, JSON)) => self.on_json(context, id, &hub, payload),
            Some((hub, _)) => self.on_simple(context, id, &hub, kind, payload),
            None => Step::Done,
        }
    }

    /// Tells a service of a system event.
    fn tell(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        held: &Held,
        gone: Option<&About>,
    ) -> Step {
        let (event, what) = match held {
            Held::Disconnected(reason) => {
                (SystemEvent::Disconnected, What::Disconnected { reason: reason.clone() })
            }
            _ => (SystemEvent::Connected, What::Connected),
        };
        let Some(about) = gone.cloned().or_else(|| self.describe(context, id)) else { return Step::Done };
        let Some(service) = about.hub.config().service_of(event) else { return Step::Done };
        let permit = about.hub.gate.event();
        // Once it has ended there is nobody left who could wait: without a place, what is to be told goes where those
        // go that were given up.
        let is_last = event == SystemEvent::Disconnected;
        if permit.is_none() && !is_last {
            return Step::NoRoom;
        }
        self.send(id, about, service, what, permit);
        if is_last { Step::Done } else { Step::Asked(Asked::Nothing) }
    }

    /// Asks a service about what a client says.
    pub(super) fn ask(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        service: Arc<Service>,
        said: What,
        asked: Asked,
    ) -> Step {
        let Some(about) = self.describe(context, id) else { return Step::Done };
        let permit = about.hub.gate.event();
        if permit.is_some() {
            self.send(id, about, service, said, permit);
            return Step::Asked(asked);
        }
        if about.hub.config().slow_service == SlowService::Close {
            context.close(id, 1013, "the service is too slow, please try again later");
        }
        Step::NoRoom
    }

    fn send(
        &mut self,
        connection: ConnectionId,
        about: About,
        service: Arc<Service>,
        what: What,
        permit: Option<Permit>,
    ) {
        let About { hub, user, state, subprotocol, traceparent } = about;
        let number = self.next_number();
        let event =
            Event { hub, service, connection, what, number, user, subprotocol, state, traceparent, permit };
        // Where nobody takes it the gateway is about to end.
        let _ = self.events.send(event);
    }

    /// What services are told of a connection.
    fn describe(&self, context: &mut Context<'_>, id: ConnectionId) -> Option<About> {
        let (hub, form) = self.spoken(context, id.key)?;
        let traceparent = self.extras.get(&id.key).and_then(|extra| extra.traceparent.clone());
        let subprotocol = self.subprotocol(id.key, form);
        Some(context.members(|members, _| {
            let (user, state) = (members.user(id.key), members.state(id.key));
            About { hub, user: user.map(Into::into), state: state.map(Into::into), subprotocol, traceparent }
        }))
    }

    /// A connection has ended.
    pub(super) fn farewell(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        reason: CloseReason,
        code: CloseCode,
    ) {
        let gone = self.describe(context, id);
        self.extras.remove(&id.key);
        context.members(|members, _| drop(members.leave(id.key)));
        let Some(gone) = gone else {
            self.talks.remove(&id);
            return;
        };
        if gone.hub.config().service_of(SystemEvent::Disconnected).is_none() {
            // An answer that is still to come is nobody's: its place may be another one's by then.
            self.talks.remove(&id);
            return;
        }
        let talk = self.talks.entry(id).or_default();
        talk.gone = Some(gone);
        talk.held.retain(|held| matches!(held, Held::Connected));
        talk.bytes = 0;
        let held = Held::Disconnected(format!("{} ({})", reason.label(), code.label()));
        talk.bytes += talk.held.iter().map(Held::bytes).sum::<usize>() + held.bytes();
        talk.held.push_back(held);
        self.proceed(context, id);
    }
}
