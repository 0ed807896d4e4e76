//! What services are told of a connection, and what becomes of that when there is no room.

use std::sync::Arc;

use holdfast_proto::MessageKind;
use holdfast_webpubsub::Data;

use super::super::cloud::{Cloud, Of};
use super::super::gate::Permit;
use super::super::messages::{SIMPLE, is_json, subprotocol_of};
use super::super::note::Event;
use super::super::service::Service;
use super::super::what::What;
use super::pending::Pending;
use super::talk::{About, Asked, Held, Step};
use super::{Front, json, simple};
use crate::counters::{CloseCode, CloseReason, EventKind, EventOutcome, HubLimit};
use crate::settings::{SlowService, SystemEvent};
use crate::{ConnectionId, Context};

impl Front {
    /// What one has said who has left since. What goes to a service goes there all the same, and nobody hears the
    /// answer; what would have gone to a group does not: its sender may be in none any more.
    pub(super) fn on_last_message(
        &self,
        context: &Context<'_>,
        id: ConnectionId,
        gone: &About,
        kind: MessageKind,
        payload: &[u8],
    ) -> Step {
        let said = match gone.form {
            form if is_json(form) => json::event_of(payload),
            SIMPLE => Some(simple::event_of(kind, payload)),
            _ => None,
        };
        let Some((name, what)) = said else { return Step::Done };
        let Some(service) = gone.hub.config().service_for(&name) else {
            self.publish_to_listeners(context, id, self.next_number(), gone, &what);
            return Step::Done;
        };
        let Some(permit) = gone.place_for(&what) else { return Step::NoRoom };
        self.send(context, id, gone.clone(), service, what, permit);
        Step::Asked(Asked::Nothing)
    }

    /// Tells a service of a system event.
    pub(super) fn tell(
        &mut self,
        context: &mut Context<'_>,
        id: ConnectionId,
        held: &Held,
        gone: Option<&About>,
    ) -> Step {
        let Some((event, what)) = system_event(held) else { return Step::Done };
        let Some(about) = gone.cloned().or_else(|| self.describe(context, id)) else { return Step::Done };
        let Some(service) = about.hub.config().service_of(event) else {
            self.publish_to_listeners(context, id, self.next_number(), &about, &what);
            return Step::Done;
        };
        if event == SystemEvent::Disconnected {
            self.send_last(context, id, about, service, what);
            return Step::Done;
        }
        let Some(permit) = about.place_for(&what) else { return Step::NoRoom };
        self.send(context, id, about, service, what, permit);
        Step::Asked(Asked::Nothing)
    }

    /// Tells a service that one will not come whom it has let in.
    pub(super) fn tell_never_opened(
        &self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        pending: Pending,
    ) {
        let Pending { hub, form, user, state, extra, .. } = pending;
        let Some(service) = hub.config().service_of(SystemEvent::Disconnected) else { return };
        let subprotocol = subprotocol_of(form).map(Into::into).or(extra.subprotocol);
        let (user, state) = (user.map(Into::into), state.map(Into::into));
        let about = About { hub, form, user, state, subprotocol, traceparent: extra.traceparent };
        let reason = "it left before it was connected".to_owned();
        self.send_last(context, connection, about, service, What::Disconnected { reason });
    }

    /// Tells a service that a connection has ended. There is nobody left who could wait: where there is no place for it
    /// it is given up.
    fn send_last(
        &self,
        context: &mut Context<'_>,
        id: ConnectionId,
        about: About,
        service: Arc<Service>,
        what: What,
    ) {
        let Some(permit) = about.hub.gate.farewell(about.len() + what.len()) else {
            let counts = about.hub.counts.of_shard(context.shard());
            counts.event(EventKind::Disconnected, EventOutcome::Full);
            let number = self.next_number();
            self.publish_to_listeners(context, id, number, &about, &what);
            return self.give_up(context, &self.event(id, number, about, service, what, None));
        };
        self.send(context, id, about, service, what, permit);
    }

    /// A disconnected event will not be heard: it is written down if settings say where.
    fn give_up(&self, context: &mut Context<'_>, event: &Event) {
        let names = context.handle().names();
        event.hub.write_letter(|| event.letter(names, self.hubs.origin().host()));
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
        if let Some(permit) = about.place_for(&said) {
            // The place is free again if the rate says no.
            if let Err(limit) = about.hub.rates.event(context.now()) {
                return Step::Over(limit);
            }
            self.send(context, id, about, service, said, permit);
            return Step::Asked(asked);
        }
        match about.hub.config().slow_service {
            SlowService::Close => Step::Refused,
            SlowService::Wait => Step::NoRoom,
        }
    }

    /// What a client says, where no service wants to hear it: whether a listener does.
    ///
    /// # Errors
    /// The rate that it would pass.
    pub(super) fn is_overheard(
        &self,
        context: &mut Context<'_>,
        id: ConnectionId,
        name: &str,
        data: Data<'_>,
    ) -> Result<bool, HubLimit> {
        let is_it = self.spoken(context, id.key).is_some_and(|(hub, _)| hub.config().is_overheard(name));
        let Some(about) = is_it.then(|| self.describe(context, id)).flatten() else { return Ok(false) };
        about.hub.rates.event(context.now())?;
        self.publish_to_listeners(context, id, self.next_number(), &about, &What::said(name, data));
        Ok(true)
    }

    /// Those who listen hear of it, and nobody waits for that.
    fn publish_to_listeners(
        &self,
        context: &Context<'_>,
        connection: ConnectionId,
        number: u64,
        about: &About,
        what: &What,
    ) {
        let config = about.hub.config();
        let mut listeners = config.listeners_for(what).peekable();
        if listeners.peek().is_none() {
            return;
        }
        let of = Of {
            hub: &about.hub.name,
            keys: config.keys.as_ref(),
            origin: self.hubs.origin().host(),
            connection,
            number,
            user: about.user.as_deref(),
            subprotocol: about.subprotocol.as_deref(),
            state: about.state.as_deref(),
            traceparent: about.traceparent.as_deref(),
        };
        let cloud = Cloud::new(of, what, context.handle().names());
        listeners.for_each(|listener| listener.tell(&about.hub.name, what, &cloud));
    }

    fn send(
        &self,
        context: &Context<'_>,
        connection: ConnectionId,
        about: About,
        service: Arc<Service>,
        what: What,
        permit: Permit,
    ) {
        let number = self.next_number();
        self.publish_to_listeners(context, connection, number, &about, &what);
        // Where nobody takes it the gateway is about to end.
        let _ = self.events.send(self.event(connection, number, about, service, what, Some(permit)));
    }

    fn event(
        &self,
        connection: ConnectionId,
        number: u64,
        about: About,
        service: Arc<Service>,
        what: What,
        place: Option<Permit>,
    ) -> Event {
        let About { hub, form: _, user, state, subprotocol, traceparent } = about;
        Event { hub, service, connection, what, number, user, subprotocol, state, traceparent, _place: place }
    }

    /// What services are told of a connection.
    fn describe(&self, context: &mut Context<'_>, id: ConnectionId) -> Option<About> {
        let (hub, form) = self.spoken(context, id.key)?;
        let traceparent = self.extras.get(&id.key).and_then(|extra| extra.traceparent.clone());
        let subprotocol = self.subprotocol(id.key, form);
        Some(context.members(|members, _| {
            let (user, state) = (members.user(id.key), members.state(id.key));
            About {
                hub,
                form,
                user: user.map(Into::into),
                state: state.map(Into::into),
                subprotocol,
                traceparent,
            }
        }))
    }

    /// The shard ends: what is held is not sent any more, and counted.
    pub(super) fn lose_what_is_held(&mut self, context: &mut Context<'_>) {
        for (id, mut talk) in std::mem::take(&mut self.talks) {
            let Some(about) = talk.gone.clone() else { continue };
            while let Some(held) = talk.pop() {
                self.lose(context, id, about.clone(), &held);
            }
        }
    }

    fn lose(&self, context: &mut Context<'_>, id: ConnectionId, about: About, held: &Held) {
        let lose = |kind| about.hub.lose(about.hub.counts.of_shard(context.shard()), kind);
        let Some((event, what)) = system_event(held) else { return lose(EventKind::User) };
        let Some(service) = about.hub.config().service_of(event) else { return };
        lose(what.kind());
        self.give_up(context, &self.event(id, self.next_number(), about, service, what, None));
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
        if let Some(About { hub, user: Some(user), .. }) = &gone {
            hub.rates.leave(user);
        }
        let Some(gone) = gone else {
            self.talks.remove(&id);
            return;
        };
        let is_told = gone.hub.config().tells(SystemEvent::Disconnected);
        if !is_told && !self.talks.contains_key(&id) {
            return;
        }
        // What it has said before is dealt with first.
        let talk = self.talks.entry(id).or_default();
        talk.gone = Some(gone);
        if is_told {
            let held = Held::Disconnected(format!("{} ({})", reason.label(), code.label()));
            let share = self.hubs.bytes.hold(held.len());
            talk.push(held, share);
        }
        self.proceed(context, id);
    }
}

/// The system event that is held, as settings and as services know it; none where it is a message.
fn system_event(held: &Held) -> Option<(SystemEvent, What)> {
    match held {
        Held::Connected => Some((SystemEvent::Connected, What::Connected)),
        Held::Disconnected(reason) => {
            Some((SystemEvent::Disconnected, What::Disconnected { reason: reason.clone() }))
        }
        Held::Message(..) => None,
    }
}
