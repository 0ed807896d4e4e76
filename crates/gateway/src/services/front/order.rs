//! One thing after the other: what a client says waits while a service is asked about what it said before.

use bytes::Bytes;
use holdfast_proto::MessageKind;

use super::super::messages::{RELIABLE, is_json};
use super::super::note::Outcome;
use super::talk::{About, Asked, Held, Step, Talk};
use super::{Front, json, simple};
use crate::application::Message;
use crate::counters::{EventKind, EventOutcome, HubLimit};
use crate::{ConnectionId, Context};

impl Front {
    /// A client says something.
    pub(super) fn hear(&mut self, context: &mut Context<'_>, from: ConnectionId, message: &Message<'_>) {
        let held = || Held::Message(message.kind, Bytes::copy_from_slice(message.payload));
        if !self.talks.contains_key(&from) {
            let step = self.on_message(context, from, message.kind, message.payload);
            return self.begin(context, from, step, held);
        }
        if self.talks.get(&from).is_some_and(|talk| talk.is_refused) {
            // It has been told to come again.
            return;
        }
        let form = context.members(|members, _| members.form(from.key));
        if !form.is_some_and(is_json) || !json::answer_out_of_turn(context, from, message.payload) {
            self.hold(context, from, held());
        }
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
                self.talks.insert(id, Talk::about(asked));
            }
            Step::NoRoom => {
                self.talks.insert(id, Talk::default());
                self.starve_at_first(context, id, held());
            }
            Step::Over(limit) => {
                self.talks.insert(id, Talk::default());
                self.note_limit(context, id, limit);
                self.starve_at_first(context, id, held());
            }
            Step::Refused => {
                self.talks.insert(id, Talk::default());
                self.refuse(context, id);
            }
        }
    }

    /// The same for what has only just come: where all together hold as much as may be held, it is refused.
    fn starve_at_first(&mut self, context: &mut Context<'_>, id: ConnectionId, held: Held) {
        if matches!(held, Held::Message(..)) && self.hubs.bytes.would_be_over(held.len()) {
            return self.refuse(context, id);
        }
        self.starve(context, id, held);
    }

    /// What a client said is not taken, nor what it has said since or says until it has gone: it is told to come again.
    fn refuse(&mut self, context: &mut Context<'_>, id: ConnectionId) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        talk.is_refused = true;
        let refused = 1 + talk.forget_messages();
        if let Some((hub, _)) = self.spoken(context, id.key) {
            let counts = hub.counts.of_shard(context.shard());
            (0..refused).for_each(|_| counts.event(EventKind::User, EventOutcome::Full));
        }
        context.close(id, 1013, "the service is too slow, please try again later");
    }

    /// It would pass a rate: as if there were no room.
    fn slow_down(&mut self, context: &mut Context<'_>, id: ConnectionId, held: Held, limit: HubLimit) {
        self.note_limit(context, id, limit);
        self.starve(context, id, held);
    }

    /// That something would pass a rate is counted once, however often it is tried.
    fn note_limit(&mut self, context: &mut Context<'_>, id: ConnectionId, limit: HubLimit) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        let is_new = talk.over.replace(limit) != Some(limit);
        let hub = context.members(|members, _| members.hub(id.key)).and_then(|hub| self.hubs.at(hub));
        if let Some(hub) = hub.filter(|_| is_new) {
            hub.counts.of_shard(context.shard()).limit(limit);
        }
    }

    /// Keeps something, and reads no more from the client where that is much.
    fn hold(&mut self, context: &mut Context<'_>, id: ConnectionId, held: Held) {
        if self.hubs.bytes.would_be_over(held.len()) {
            return self.refuse(context, id);
        }
        let Some(talk) = self.talks.get_mut(&id) else { return };
        let bytes = &self.hubs.bytes;
        let share = bytes.hold(held.len());
        talk.push(held, share);
        if (talk.is_full() || bytes.is_tight()) && !talk.is_paused {
            talk.is_paused = context.pause(id);
        }
    }

    /// There is no room for what is first: it is tried again later, and nothing more is read until then.
    fn starve(&mut self, context: &mut Context<'_>, id: ConnectionId, held: Held) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        let share = self.hubs.bytes.hold(held.len());
        talk.put_back(held, share);
        // A reliable client is read from until that is much: it may have to say what it has.
        let is_reliable = context.members(|members, _| members.form(id.key)) == Some(RELIABLE);
        if !talk.is_paused && (!is_reliable || talk.is_full() || self.hubs.bytes.is_tight()) {
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
            if self.is_still_over(context, id) {
                self.starved.push_back(id);
            } else if let Some(talk) = self.talks.get_mut(&id) {
                talk.is_starved = false;
                self.proceed(context, id);
            }
        }
    }

    /// Whether one waits for a rate that its hub has not come back within, so that it need not be tried.
    fn is_still_over(&self, context: &mut Context<'_>, id: ConnectionId) -> bool {
        let talk = self.talks.get(&id).filter(|talk| talk.gone.is_none());
        let Some(limit) = talk.and_then(|talk| talk.over) else { return false };
        let hub = context.members(|members, _| members.hub(id.key)).and_then(|hub| self.hubs.at(hub));
        hub.is_some_and(|hub| hub.rates.may(limit, context.now()).is_err())
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
                Asked::Json(ack_id) => json::answer(context, id, ack_id, outcome, self.frame_bytes_max),
            }
        }
        self.proceed(context, id);
    }

    /// Goes on with what is held, as far as that goes.
    pub(super) fn proceed(&mut self, context: &mut Context<'_>, id: ConnectionId) {
        while let Some(talk) = self.talks.get_mut(&id) {
            if talk.asked.is_some() {
                return;
            }
            let gone = talk.gone.clone();
            let Some(held) = talk.pop() else {
                if talk.is_refused && gone.is_none() {
                    // Its close waits for its turn, and until then it says things.
                    return;
                }
                if talk.is_paused {
                    context.resume(id);
                }
                self.talks.remove(&id);
                return;
            };
            let step = self.step(context, id, &held, gone.as_ref());
            if let Step::Over(limit) = step {
                return self.slow_down(context, id, held, limit);
            }
            if let Some(talk) = self.talks.get_mut(&id) {
                talk.over = None;
            }
            match step {
                Step::Done | Step::Over(_) => {}
                Step::Refused => self.refuse(context, id),
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
            Held::Message(kind, payload) => match gone {
                Some(gone) => self.on_last_message(context, id, gone, *kind, payload),
                None => self.on_message(context, id, *kind, payload),
            },
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
            Some((hub, form)) if is_json(form) => self.on_json(context, id, &hub, payload),
            Some((hub, _)) => self.on_simple(context, id, &hub, kind, payload),
            None => Step::Done,
        }
    }
}
