//! What a node makes of what comes from the bus.

use std::time::Instant;

use super::{Asker, Delivery, Event, Heard, Node, Where};
use crate::bus::Bus;
use crate::envelope::{Answer, Envelope, Head, Heartbeat, Operation, Refusal, Said, Target, Unread};
use crate::id::NodeId;
use crate::numbers::{Verdict, Way};
use crate::planted::{Defect, is_planted};
use crate::subject::Subject;

impl Node {
    /// A message has come. Nothing of it is believed.
    pub fn heard<'m>(
        &mut self,
        bus: &mut impl Bus,
        now: Instant,
        subject: &str,
        message: &'m [u8],
    ) -> Heard<'m> {
        let Some(subject) = self.subjects.parse(subject) else { return self.garbage() };
        let envelope = match Envelope::read(message) {
            Ok(envelope) => envelope,
            Err(Unread::Garbage(_)) => return self.garbage(),
            Err(Unread::Later(_, head)) => return self.unknown(bus, now, subject, head),
        };
        match subject {
            Subject::Control => self.control(bus, now, &envelope),
            Subject::Answers(node) if node == self.identity.node => self.answered(now, &envelope),
            Subject::Hub(..) | Subject::Node(_) => self.wanted(bus, now, subject, &envelope),
            Subject::Answers(_) => self.garbage(),
        }
    }

    /// A heartbeat or a goodbye.
    fn control<'m>(&mut self, bus: &mut impl Bus, now: Instant, envelope: &Envelope<'_>) -> Heard<'m> {
        let Envelope { node, number, .. } = *envelope;
        match envelope.operation {
            Operation::Heartbeat(said) => {
                self.is_there(now, node, number, &said);
                if let Some(question) = envelope.question.filter(|_| node != self.identity.node) {
                    self.beat_to(bus, &self.subjects.answers(node), Some(question));
                }
            }
            Operation::Goodbye if node != self.identity.node => {
                if let Some(change) = self.nodes.goodbye(now, node, number) {
                    self.note(change);
                }
            }
            Operation::Goodbye => self.counts.own += 1,
            _ => return self.garbage(),
        }
        Heard::Nothing
    }

    /// A node has said that it is there.
    fn is_there(&mut self, now: Instant, node: NodeId, number: u64, said: &Heartbeat<'_>) {
        if let Some(change) = self.nodes.heartbeat(now, node, number, said) {
            self.note(change);
        }
        if node == self.identity.node {
            self.counts.own += 1;
        } else if self.nodes.has(node) {
            self.heard.is_there(now, node);
            if said.published == 0 && self.is_ready() {
                self.heard.begins(now, node);
            }
        }
    }

    /// An answer, or a heartbeat that was asked for.
    fn answered<'m>(&mut self, now: Instant, envelope: &Envelope<'m>) -> Heard<'m> {
        let Envelope { node, number, question, .. } = *envelope;
        match (envelope.operation, question) {
            (Operation::Heartbeat(said), Some(question)) if node != self.identity.node => {
                self.is_there(now, node, number, &said);
                self.barrier.answer(node, question);
                Heard::Nothing
            }
            (Operation::Answer(answer), Some(question)) if node != self.identity.node => {
                let settled = self.questions.answer(node, question, answer.said);
                let is_page = settled.is_some() && (!answer.payload.is_empty() || answer.place.is_some());
                self.events.extend(settled.map(Event::Settled));
                if is_page { Heard::Page(question, answer) } else { Heard::Nothing }
            }
            _ => self.garbage(),
        }
    }

    /// Something that another node wants of this one.
    fn wanted<'m>(
        &mut self,
        bus: &mut impl Bus,
        now: Instant,
        subject: Subject<'_>,
        envelope: &Envelope<'m>,
    ) -> Heard<'m> {
        let Envelope { node, question, operation, .. } = *envelope;
        let hubs = &self.identity.hubs;
        let is_it = |hub: &String| hub == envelope.hub || is_planted(Defect::MixesHubs);
        let Some(hub) = hubs.iter().position(is_it) else { return self.garbage() };
        let Some(target) = operation.target() else { return self.garbage() };
        // What a message says must be what its subject says.
        let is_right = match (subject, target) {
            (Subject::Hub(token, slot), _) => {
                target.slot() == Some(slot) && (token.is(&hubs[hub]) || is_planted(Defect::MixesHubs))
            }
            (Subject::Node(own), Target::Connection(name)) => name.node() == own && own == self.identity.node,
            (Subject::Node(own), _) => {
                matches!(operation, Operation::List { .. }) && own == self.identity.node
            }
            _ => false,
        };
        let Some(hub) = u16::try_from(hub).ok().filter(|_| is_right) else { return self.garbage() };
        if !self.is_next(now, hub, subject, (node, envelope.epoch, envelope.number)) {
            return Heard::Nothing;
        }
        let asker = question.map(|question| Asker { node, question });
        let to = match (target, target.named()) {
            (Target::Connection(name), _) => Where::Connection(name),
            (_, Some((named, name))) => Where::Shards(self.names.shards(hub, named, name)),
            (_, None) => Where::Shards(Vec::new()),
        };
        if to != Where::Shards(Vec::new()) {
            return Heard::Deliver(Delivery { from: node, hub, operation, to, asker });
        }
        self.counts.for_nobody += 1;
        if let Some(asker) = asker {
            // Whoever is not answered is told so in time.
            let _ = self.answer(bus, asker, Answer { said: Said::Count(0), place: None, payload: b"" });
        }
        Heard::Nothing
    }

    /// Whether a message is the next on its way. What is missing before it is counted.
    fn is_next(
        &mut self,
        now: Instant,
        hub: u16,
        subject: Subject<'_>,
        (node, epoch, number): (NodeId, u32, u64),
    ) -> bool {
        let way = match subject {
            Subject::Hub(_, slot) => Way::Hub(hub, slot),
            _ => Way::Node,
        };
        match self.heard.take(now, node, epoch, way, number) {
            Verdict::Next { missed } => {
                self.counts.received += 1;
                self.counts.missed = self.counts.missed.saturating_add(missed);
                return true;
            }
            Verdict::Late => self.counts.late += 1,
            Verdict::Own => self.counts.own += 1,
            Verdict::Crowded => self.counts.crowded += 1,
        }
        false
    }

    /// Something of a later release. It has its number, and what it asks is answered: silence would be taken for death.
    fn unknown<'m>(
        &mut self,
        bus: &mut impl Bus,
        now: Instant,
        subject: Subject<'_>,
        head: Head,
    ) -> Heard<'m> {
        let Head { node, epoch, number, question, .. } = head;
        self.counts.unknown += 1;
        let hub = match subject {
            Subject::Hub(token, _) => self.identity.hubs.iter().position(|hub| token.is(hub)),
            Subject::Node(own) if own == self.identity.node => Some(0),
            _ => None,
        };
        let Some(hub) = hub.and_then(|hub| u16::try_from(hub).ok()) else { return Heard::Nothing };
        if self.is_next(now, hub, subject, (node, epoch, number))
            && let Some(question) = question
        {
            let said = Said::Refused(Refusal::Unsupported);
            let answer = Answer { said, place: None, payload: b"" };
            // Whoever is not answered is told so in time.
            let _ = self.answer(bus, Asker { node, question }, answer);
        }
        Heard::Nothing
    }

    fn garbage<'m>(&mut self) -> Heard<'m> {
        self.counts.garbage += 1;
        Heard::Nothing
    }
}
