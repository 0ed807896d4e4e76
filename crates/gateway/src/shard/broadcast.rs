//! Messages to many: who belongs to an audience and who lacks what is the core's to know ([`holdfast_hub`]), here they
//! are handed out.
//!
//! A shard keeps a message once. Each turn goes on for a bounded number of connections: it offers the frame, which the
//! kernel takes at once or not, and only for those that are blocked it stays in the outbox, as anything else that
//! waits. What is sent to a connection alone goes behind what it has not got yet ([`Core::catch_up`]).

use std::sync::Arc;

use bytes::Bytes;
use holdfast_hub::{Form, Members, Next, Progress, Receiver};
use holdfast_proto::MessageKind;
use holdfast_ring::{Driver, Outgoing};

use super::deflate::compressed;
use super::planted::{Planted, is_planted};
use super::policy::{Broadcasts, Policy};
use super::publication::Publication;
use super::{Core, Shard};
use crate::application::Application;
use crate::publish::{Forms, Part};
use crate::{Audience, ConnectionId};

/// How one of many gets a message.
enum Way {
    /// As a frame.
    Frame,
    /// By way of its queue: it is reliable.
    Queue,
    /// Not at all: it is gone or closing, or not meant.
    None(Next),
}

impl Core {
    /// A message for those of an audience who are there now. It is handed out in the turns to come.
    pub(crate) fn begin_publication(
        &mut self,
        to: &Audience,
        excluded: &[ConnectionId],
        message: Forms,
        part: Part,
    ) {
        self.counters.broadcasts.add(1);
        let excluded = excluded.iter().filter(|id| id.shard == self.shard && self.is_open(**id));
        let excluded = excluded.map(|id| id.key).filter(|_| !is_planted(Planted::ExcludesNobody)).collect();
        let to = match to {
            Audience::Everyone => holdfast_hub::Audience::Everyone,
            Audience::Group(hub, _) if is_planted(Planted::TellsTheHub) => holdfast_hub::Audience::Hub(*hub),
            Audience::Hub(hub) => holdfast_hub::Audience::Hub(*hub),
            Audience::Group(hub, name) => holdfast_hub::Audience::Group(*hub, name),
            Audience::User(hub, name) => holdfast_hub::Audience::User(*hub, name),
        };
        self.with_members(|_, members| members.publish(to, excluded, Publication::new(message, part)));
    }

    /// Works on who is where. What is delivered meanwhile goes into outboxes.
    pub(crate) fn with_members<R>(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Members<Publication>) -> R,
    ) -> R {
        // Out of its place, so that what is delivered does not look for what else is to be delivered.
        let mut members = self.members.take().expect("nobody works on it from within");
        let result = work(self, &mut members);
        self.publications = members.publications();
        self.members = Some(members);
        result
    }

    /// Puts what a connection has not got yet into its outbox, so that what follows does not overtake it. Whether it
    /// may still be sent to: it may be too slow for that.
    #[inline]
    pub(crate) fn catch_up(&mut self, key: u32) -> bool {
        self.publications == 0
            || self.members.is_none()
            || is_planted(Planted::Overtakes)
            || self.catch_up_now(key)
    }

    fn catch_up_now(&mut self, key: u32) -> bool {
        self.with_members(|core, members| {
            members.catch_up(key, &mut |one, publication| core.deliver(one, publication));
        });
        self.connections[key as usize].state().may_send()
    }

    /// Puts a message to many into the outbox of one of them.
    pub(crate) fn deliver(&mut self, one: Receiver<'_>, publication: &Publication) -> Next {
        match self.way_to(one, publication) {
            Way::None(why) => return why,
            Way::Queue => {
                self.note_left(publication);
                self.keep_publication(one.key, one.form, publication);
                self.send_what_is_kept(one.key);
            }
            Way::Frame => {
                self.note_left(publication);
                let frame = self.frame_of(one.key, one.form, publication);
                self.push_frame(one.key, frame);
            }
        }
        Next::GoOn
    }

    /// Which way a message takes to one of those that it goes to.
    fn way_to(&self, one: Receiver<'_>, publication: &Publication) -> Way {
        let way = match self.connections.get(one.key as usize) {
            Some(connection) if connection.is_ordinary_and_open() => Way::Frame,
            Some(connection) if connection.is_reliable() && connection.takes_messages() => Way::Queue,
            _ => return Way::None(Next::Nobody),
        };
        let Some(choice) = publication.message.choice() else { return way };
        let name = || self.handle.names().name(self.id(one.key)).to_string();
        if choice.is_meant(one, &name) { way } else { Way::None(Next::NotMeant(choice.looks())) }
    }

    /// Counts a message to many as handed to one of them.
    pub(super) fn count_handed(&mut self, key: u32, kind: MessageKind, publication: &Publication) {
        publication.tally.hand();
        self.counters.broadcasts_handed.add(1);
        self.count_sent(key, kind);
    }

    /// The frame of a message for a connection, which is counted as handed to it.
    fn frame_of(&mut self, key: u32, form: Form, publication: &Publication) -> Bytes {
        let message = publication.message.of(form);
        self.count_handed(key, message.kind(), publication);
        let window = self.connections[key as usize].marks.window();
        let (policy, counters) = (&self.policy.deflate, &self.counters.deflate);
        let compressed = window.and_then(|it| compressed(message, it, policy, counters, &mut self.deflater));
        compressed.unwrap_or_else(|| publication.plain(form))
    }

    /// Counts that a message waits in an outbox.
    fn note_left(&self, publication: &Publication) {
        self.counters.broadcasts_left.add(1);
        publication.tally.leave();
    }

    /// Not all of a frame went that was offered: the rest stays in the outbox, before what has been queued meanwhile.
    pub(crate) fn put_back_offer(&mut self, key: u32, rest: Bytes) {
        self.counters.broadcasts_left.add(1);
        // Which of them it was does not matter much: mostly there is one.
        if let Some(tally) = self.offered.last() {
            tally.leave();
        }
        self.put_back(key, rest);
    }
}

impl<D: Driver, A: Application> Shard<D, A> {
    /// Hands what there is to some more connections: to as many as the others can wait for.
    pub(super) fn go_on_broadcasting(&mut self) {
        if self.core.publications > 0 && !self.waits_for_offers() {
            let Some(mut members) = self.core.members.take() else { return };
            self.hand_out(&mut members);
            self.core.publications = members.publications();
            self.core.members = Some(members);
        }
        if self.driver.offers() == 0 {
            // Until its last offer is answered it is not known for whom a message was left in the outbox.
            self.core.offered.clear();
        }
        self.core.counters.broadcasts_open.set((self.core.publications + self.core.offered.len()) as u64);
    }

    fn hand_out(&mut self, members: &mut Members<Publication>) -> Progress {
        let Broadcasts { sends_max, bytes_max, .. } = self.core.policy.broadcasts;
        let (budget, mut bytes) = (u32::try_from(sends_max).unwrap_or(u32::MAX), 0);
        members.advance(budget, &mut |one, publication| {
            bytes += match self.core.way_to(one, publication) {
                Way::None(why) => return why,
                Way::Queue => self.hand_to_queue(one.key, one.form, publication),
                Way::Frame => self.hand_to(one.key, one.form, publication),
            };
            let is_enough = bytes >= bytes_max || self.waits_for_offers();
            if is_enough { Next::Pause } else { Next::GoOn }
        })
    }

    /// Offers a message to a connection, or puts it behind what waits for it. Returns how many bytes it has.
    fn hand_to(&mut self, key: u32, form: Form, publication: &Publication) -> usize {
        let frame = self.core.frame_of(key, form, publication);
        let len = frame.len();
        if self.connection(key).is_sending() {
            self.core.note_left(publication);
            self.core.push_frame(key, frame);
        } else if len > Policy::SEND_BYTES_MAX {
            // A part at a time, as anything that is long.
            self.core.push_frame(key, frame);
        } else {
            if self.core.offered.last().is_none_or(|last| !Arc::ptr_eq(last, &publication.tally)) {
                self.core.offered.push(Arc::clone(&publication.tally));
            }
            self.send_at_once(key, Outgoing::Offered(frame));
        }
        len
    }

    /// Puts a message into the queue of a reliable client. Returns how many bytes it has.
    fn hand_to_queue(&mut self, key: u32, form: Form, publication: &Publication) -> usize {
        self.core.keep_publication(key, form, publication);
        if self.connection(key).state().may_send() {
            self.flush(key);
        }
        publication.message.of(form).len()
    }

    /// Whether as many offers are in flight as may be.
    fn waits_for_offers(&self) -> bool {
        self.driver.offers() >= self.core.policy.broadcasts.sends_max
    }

    /// Whether the next turn has to go on with it, rather than wait until offers are answered.
    pub(super) fn is_broadcasting(&self) -> bool {
        self.core.publications > 0 && !self.waits_for_offers()
            || !self.core.offered.is_empty() && self.driver.offers() == 0
    }
}
