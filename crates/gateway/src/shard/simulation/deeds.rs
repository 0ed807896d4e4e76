//! What happens without the peers' doing: other threads send, close and answer, the clock jumps, drivers break, it
//! drains.

use std::time::Duration;

use bytes::Bytes;
use holdfast_hub::Hub;
use holdfast_ring::simulated::Random;

use super::World;
use super::application::{Told, audience, exclude};
use super::book::Source;
use super::script::Script;
use super::stay::NAMES;
use crate::admission::Verdict;
use crate::handle::DrainPlan;
use crate::{ConnectionId, MessageKind};

/// What happens without the peers' doing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// Another thread sends a message to some connection.
    Push,
    /// It sends a lot to it.
    Flood,
    /// It sends a message of so many bytes to many, so many times.
    Publish(usize, usize),
    /// It tells the application of some shard something.
    Tell,
    /// It answers an opening handshake again that was answered before.
    AnswerAgain,
    /// The driver of a shard breaks.
    Break,
    /// Another thread closes some connection.
    Close,
    /// Another thread sends to a connection that is no more.
    PushToNobody,
    /// The process stands still for a while.
    Jump(Duration),
    Drain(DrainPlan),
    /// The drain is taken back, if it can be.
    Resume,
    /// The second signal.
    End,
}

impl World {
    pub(super) fn make_plans(&mut self, places: usize) {
        let random = &mut self.random;
        let count = random.between(1, 20);
        // So that nobody is refused for want of a place when there are enough.
        self.crowded |= count > places;
        let spread = random.pick(if self.rules.gathers { &[0, 20, 100] } else { &[0, 100, 5000] });
        let mut at = Duration::ZERO;
        for index in 0..count {
            self.coming.push((at, Script::write(random, index, self.buffer_bytes, self.rules)));
            at += Duration::from_millis(random.between(0, spread) as u64);
        }
        self.coming.reverse();
        let span = usize::try_from(at.as_millis()).unwrap() + 2000;
        let moment = |random: &mut Random| Duration::from_millis(random.below(span) as u64);
        for _ in 0..random.pick(&[0, 0, 5, 30]) {
            let pushes = [Deed::Push, Deed::Push, Deed::Push, Deed::Flood, Deed::PushToNobody];
            let deed = if random.per_mille(700) {
                random.pick(&pushes)
            } else {
                random.pick(&[Deed::Close, Deed::AnswerAgain])
            };
            self.plan.push((moment(random), deed));
        }
        let publications = if self.rules.gathers { &[5, 20, 60] } else { &[0, 1, 20] };
        for _ in 0..random.pick(publications) {
            let len = random.pick(&[0, 0, 0, 0, 0, 100, 300, 3000, 65_535]);
            let times = random.pick(&[1, 1, 1, 3, 12]);
            self.plan.push((moment(random), Deed::Publish(len, times)));
        }
        for _ in 0..random.pick(&[0, 0, 3, 20]) {
            self.plan.push((moment(random), Deed::Tell));
        }
        for _ in 0..random.pick(&[0, 0, 1, 2]) {
            let jump = Duration::from_secs(random.pick(&[3, 60, 3600, 100_000]));
            self.plan.push((moment(random), Deed::Jump(jump)));
        }
        match random.below(10) {
            0..2 => {
                let spread = Duration::from_secs(random.pick(&[0, 1, 10]));
                let ends = random.per_mille(500);
                self.plan.push((moment(random), Deed::Drain(DrainPlan { spread, ends })));
                if !ends {
                    self.plan.push((moment(random), Deed::Resume));
                }
            }
            3 if random.per_mille(300) => self.plan.push((moment(random), Deed::Break)),
            2 if random.per_mille(300) => self.plan.push((moment(random), Deed::End)),
            _ => {}
        }
        self.plan.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    }

    pub(super) fn carry_out_plans(&mut self) -> bool {
        let now = self.network.now();
        let mut busy = false;
        while self.plan.last().is_some_and(|(at, _)| *at <= now) {
            busy = true;
            let Some((_, deed)) = self.plan.pop() else { break };
            self.network.trace(|| format!("{deed:?}"));
            match deed {
                Deed::Push => self.push(1, 0),
                Deed::Flood => self.push(80, 8 << 10),
                Deed::Publish(len, times) => self.publish(len, times),
                Deed::Tell => self.tell_something(),
                Deed::AnswerAgain => self.answer_again(),
                Deed::Break => self.break_down(),
                Deed::Close => self.close(),
                Deed::PushToNobody => {
                    let nobody = ConnectionId { shard: 0, epoch: 0, key: 0, generation: 0xff_ff00 };
                    let _ = self.handle.send(nobody, MessageKind::Text, Bytes::from_static(b"hello?"));
                }
                Deed::Jump(by) => {
                    self.network.advance(by);
                    self.jumped = self.network.now();
                }
                Deed::Drain(plan) => self.drain(plan),
                Deed::Resume => self.handle.resume(),
                Deed::End => self.end(),
            }
            self.quiet_since = self.network.now();
        }
        busy
    }

    fn someone(&mut self) -> Option<(ConnectionId, usize)> {
        let book = self.book.borrow();
        let open: Vec<_> = book.open.iter().map(|(id, peer)| (*id, *peer)).collect();
        (!open.is_empty()).then(|| self.random.pick(&open))
    }

    fn push(&mut self, count: usize, len: usize) {
        let Some((id, peer)) = self.someone() else { return };
        for _ in 0..count {
            let (_, text) = self.book.borrow_mut().push(peer, Source::Outside, len);
            // Nobody takes it where a shard has ended.
            let _ = self.handle.send(id, MessageKind::Text, Bytes::from(text));
        }
    }

    /// Sends to many; then something to one of them, perhaps, which must not come first.
    fn publish(&mut self, len: usize, times: usize) {
        for _ in 0..times {
            let to = audience(&mut self.random);
            let mut book = self.book.borrow_mut();
            let excluded = exclude(&mut self.random, &book, None);
            let send = |message: &_| self.handle.publish(&to, &excluded, message);
            book.publish(Source::Outside, (&to, &excluded), len, send);
        }
        self.push(1, 0);
        if self.random.per_mille(100) {
            // Nor is it forgotten then.
            self.close();
        }
    }

    fn tell_something(&mut self) {
        let waiting = self.book.borrow().deferred.clone();
        if !waiting.is_empty() && self.random.per_mille(500) {
            let handshake = self.random.pick(&waiting);
            return self.tell(handshake.shard, Told::Postpone(handshake));
        }
        let shard = u16::try_from(self.random.below(self.members.len())).expect("there are few");
        let (hub, user) = (self.random.pick(&[Hub(0), Hub(1)]), self.random.pick(&NAMES));
        let what = self.random.pick(&[Told::Publish, Told::Change(hub, user), Told::Change(hub, user)]);
        self.tell(shard, what);
    }

    pub(super) fn answer_again(&mut self) {
        if !self.answered.is_empty() {
            let handshake = self.random.pick(&self.answered);
            let verdict = Verdict::Refuse { status: 403, reason: "too late".to_owned() };
            let _ = self.handle.answer(handshake, verdict);
        }
    }

    fn break_down(&mut self) {
        let at = self.random.below(self.members.len());
        if let Some(shard) = &mut self.members[at].shard {
            shard.driver.inner.break_down();
        }
    }

    fn close(&mut self) {
        let Some((id, peer)) = self.someone() else { return };
        self.interference[peer].closed_with = Some(4002);
        let at = self.book.borrow_mut().moment();
        self.book.borrow_mut().closed_at.entry(peer).or_insert((at, Source::Outside));
        let _ = self.handle.close(id, 4002, "enough");
    }

    pub(super) fn drain(&mut self, plan: DrainPlan) {
        if self.draining.is_none() && !self.ended {
            self.network.trace(|| format!("{plan:?}"));
            self.draining = plan.ends.then(|| self.network.now());
            if !self.drained {
                let mut book = self.book.borrow_mut();
                book.drained_at = Some(book.moment());
            }
            self.drained = true;
            for (peer, interference) in self.peers.iter().zip(&mut self.interference) {
                interference.drain |= !peer.is_done() || !peer.is_answered();
            }
            self.handle.drain_by(plan);
        }
    }

    pub(super) fn end(&mut self) {
        self.network.trace(|| "the end".to_owned());
        self.ended = true;
        self.handle.end();
    }
}
