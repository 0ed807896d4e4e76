//! What a node does as time goes on.

use std::time::Instant;

use super::{Event, Node};
use crate::barrier::Step;
use crate::bus::{Bus, BusState};
use crate::envelope::{Heartbeat, Hubs, Operation};
use crate::id::QuestionId;
use crate::nodes::{BEAT, PROBED};
use crate::questions::Outcome;

impl Node {
    /// Time has passed: says that it is there, sees who is not, and whose questions are over.
    pub fn beat(&mut self, bus: &mut impl Bus, now: Instant) {
        if let BusState::Here { heard, .. } = bus.state() {
            self.nodes.bus(heard);
        }
        while let Some(change) = self.nodes.silent(now) {
            self.note(change);
        }
        while let Some(settled) = self.questions.expired(now) {
            self.counts.unanswered += u64::from(settled.outcome == Outcome::Silent);
            self.events.push_back(Event::Settled(settled));
        }
        self.heard.forget(now);
        let (_, last) = self.beats;
        if last.is_none_or(|last| now.saturating_duration_since(last) >= BEAT) {
            self.heartbeat(bus, now, None);
        }
        match self.barrier.step(now, heard_of(bus.state(), now), &self.nodes.ids()) {
            Step::Wait => {}
            Step::Ask => {
                if let Some(question) = self.questions.name() {
                    self.barrier.asked(now, question);
                    self.heartbeat(bus, now, Some(question));
                }
            }
            Step::Ready(silent) => self.events.push_back(Event::Ready(silent)),
        }
    }

    /// This node ends. It has no connections any more.
    pub fn goodbye(&mut self, bus: &mut impl Bus) {
        self.beats.0 += 1;
        // Who does not hear it hears nothing any more, and comes to the same.
        let _ = self.say(bus, &self.subjects.control(), self.beats.0, None, &Operation::Goodbye);
    }

    /// Says to all that it is there. With a question, it wants to hear the same of them.
    fn heartbeat(&mut self, bus: &mut impl Bus, now: Instant, question: Option<QuestionId>) {
        self.beats.1 = Some(now);
        self.beat_to(bus, &self.subjects.control(), question);
    }

    /// Says that it is there.
    pub(super) fn beat_to(&mut self, bus: &mut impl Bus, subject: &str, question: Option<QuestionId>) {
        self.beats.0 += 1;
        let (release, hubs) = (self.identity.release.clone(), self.hubs.clone());
        let heartbeat = Operation::Heartbeat(Heartbeat {
            start: self.identity.start,
            release: &release,
            connections: self.connections,
            published: self.given.count(),
            is_draining: self.is_draining,
            hubs: Hubs::of(&hubs),
        });
        // The next one comes soon, and without any this node is taken for gone: that is what it is to the others.
        let _ = self.say(bus, subject, self.beats.0, question, &heartbeat);
    }
}

/// The connection of the bus, if that has been heard of lately: one that stands still says nothing of whoever comes.
fn heard_of(state: BusState, now: Instant) -> Option<u64> {
    match state {
        BusState::Here { session, heard } => {
            (now.saturating_duration_since(heard) <= PROBED).then_some(session)
        }
        BusState::Away => None,
    }
}
