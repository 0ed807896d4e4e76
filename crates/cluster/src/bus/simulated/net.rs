//! What happens on the simulated bus.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::{BusState, Incoming, Refused};
use super::ends::{End, Server};
use super::links::{Item, Later, Links};
use super::random::Random;

/// How long it takes until a node notices that its server stands still.
const NOTICED: Duration = Duration::from_secs(6);
/// From then on, until it is connected to another one.
const ELSEWHERE: Duration = Duration::from_secs(2);

/// How often what happens, of a thousand times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chances {
    /// A message is lost on a link, and up to four behind it.
    pub loses: u16,
    /// A message comes twice, the second time up to five seconds later.
    pub doubles: u16,
    /// A message is not taken, since too much waits.
    pub full: u16,
    /// How long a message is under way at most, in milliseconds.
    pub delay_ms: u16,
    /// The longest message that is taken; any where it is 0.
    pub message_len_max: usize,
}

/// The whole of it.
#[derive(Debug)]
pub(super) struct State {
    now: Instant,
    random: Random,
    chances: Chances,
    ends: Vec<End>,
    links: Links,
    later: Vec<Later>,
    split: BTreeSet<(usize, usize)>,
    pub(super) unheard: Vec<(usize, usize)>,
}

impl State {
    pub(super) fn new(seed: u64, chances: Chances, now: Instant) -> Self {
        Self {
            now,
            random: Random::new(seed),
            chances,
            ends: Vec::new(),
            links: Links::default(),
            later: Vec::new(),
            split: BTreeSet::new(),
            unheard: Vec::new(),
        }
    }

    pub(super) fn join(&mut self, subscriptions: Vec<String>) -> usize {
        self.ends.push(End::new(subscriptions, self.now));
        self.ends.len() - 1
    }

    pub(super) fn publish(&mut self, from: usize, subject: &str, message: &Bytes) -> Result<(), Refused> {
        let Chances { full, message_len_max, .. } = self.chances;
        if message_len_max > 0 && message.len() > message_len_max {
            return Err(Refused::TooLarge);
        }
        match self.ends[from].server {
            Server::Away { .. } | Server::Gone => return Err(Refused::Away),
            Server::Up | Server::Stands { .. } if self.random.per_mille(full) => return Err(Refused::Full),
            Server::Stands { .. } => self.ends[from].held.push((subject.to_owned(), message.clone())),
            Server::Up => {
                let session = self.ends[from].session;
                self.route(from, session, None, subject, message);
            }
        }
        Ok(())
    }

    pub(super) fn next(&mut self, end: usize) -> Option<Incoming> {
        let queues = &self.ends[end].queues;
        let full: Vec<_> = (0..queues.len()).filter(|at| !queues[*at].is_empty()).collect();
        let queue = self.random.pick(&full)?;
        self.ends[end].queues[queue].pop_front()
    }

    pub(super) fn state(&self, end: usize) -> BusState {
        match self.ends[end].server {
            Server::Up | Server::Stands { .. } => {
                let End { session, heard, .. } = self.ends[end];
                BusState::Here { session, heard }
            }
            Server::Away { .. } | Server::Gone => BusState::Away,
        }
    }

    pub(super) fn cut(&mut self, end: usize, away: Duration) {
        if self.ends[end].server == Server::Up {
            self.ends[end].server = Server::Away { until: self.now + away };
        }
    }

    pub(super) fn come_back(&mut self, end: usize) {
        if let Server::Away { until } = &mut self.ends[end].server {
            *until = self.now;
        }
    }

    pub(super) fn stand(&mut self, end: usize, still: Duration) {
        if self.ends[end].server == Server::Up {
            self.ends[end].server = Server::Stands { until: self.now + still, noticed: self.now + NOTICED };
        }
    }

    pub(super) fn leave(&mut self, end: usize) {
        self.ends[end].server = Server::Gone;
        self.ends[end].queues.iter_mut().for_each(|queue| queue.clear());
    }

    pub(super) fn split(&mut self, a: usize, b: usize) {
        self.split.extend([(a, b), (b, a)]);
    }

    pub(super) fn mend(&mut self) {
        for (a, b) in std::mem::take(&mut self.split) {
            self.tell(a, b);
        }
    }

    pub(super) fn calm(&mut self) {
        self.chances = Chances { delay_ms: self.chances.delay_ms, ..Chances::default() };
        self.mend();
    }

    pub(super) fn advance(&mut self, now: Instant) {
        self.now = now;
        (0..self.ends.len()).for_each(|end| self.turn(end));
        // What is put off again goes to the end.
        self.later.sort_by_key(|later| later.at);
        let due = self.later.partition_point(|later| later.at <= now);
        for Later { from, session, only, subject, message, .. } in self.later.drain(..due).collect::<Vec<_>>()
        {
            self.route(from, session, only, &subject, &message);
        }
        for end in self.ends.iter_mut().filter(|end| end.server == Server::Up) {
            end.heard = now;
        }
        self.arrive();
    }

    /// Whether an end's server works.
    pub(super) fn is_up(&self, end: usize) -> bool {
        self.ends[end].server == Server::Up
    }

    /// A server goes on, a node notices, a node connects.
    fn turn(&mut self, end: usize) {
        match self.ends[end].server {
            Server::Stands { until, noticed } if until <= self.now && until <= noticed => {
                self.ends[end].server = Server::Up;
                let session = self.ends[end].session;
                for (subject, message) in std::mem::take(&mut self.ends[end].held) {
                    self.route(end, session, None, &subject, &message);
                }
            }
            Server::Stands { until, noticed } if noticed <= self.now => {
                self.ends[end].server = Server::Away { until: noticed + ELSEWHERE };
                let held = std::mem::take(&mut self.ends[end].held);
                let session = self.ends[end].session;
                if self.random.per_mille(700) {
                    self.later.extend(held.into_iter().map(|(subject, message)| Later {
                        at: until.max(self.now),
                        from: end,
                        session,
                        only: None,
                        subject,
                        message,
                    }));
                }
            }
            Server::Away { until } if until <= self.now => self.connect(end),
            _ => {}
        }
    }

    fn connect(&mut self, end: usize) {
        self.ends[end].session += 1;
        self.ends[end].server = Server::Up;
        for other in (0..self.ends.len()).filter(|other| *other != end) {
            if !self.split.contains(&(end, other)) {
                let session = self.ends[other].session;
                self.ends[end].known.insert(other, session);
                self.tell(end, other);
            }
        }
    }

    /// Tells the server of `to` what `from` listens to.
    fn tell(&mut self, from: usize, to: usize) {
        let at = self.now + self.delay();
        let item = Item::Subscriptions(self.ends[from].session);
        self.links.put((from, to), self.now, at, item);
    }

    fn route(&mut self, from: usize, session: u64, only: Option<usize>, subject: &str, message: &Bytes) {
        for to in 0..self.ends.len() {
            let end = &self.ends[to];
            let is_echo = to == from && end.session == session;
            if is_echo || only.is_some_and(|only| only != to) || end.server == Server::Gone {
                continue;
            }
            let Some(queue) = end.listens(subject) else { continue };
            let is_known = to == from || self.ends[from].known.get(&to) == Some(&end.session);
            if self.split.contains(&(from, to)) || matches!(end.server, Server::Away { .. }) {
                continue;
            }
            if !is_known {
                self.unheard.push((from, to));
                continue;
            }
            let of_end = end.session;
            if self.is_lost(from, to) {
                continue;
            }
            let at = self.now + self.delay();
            let incoming = Incoming { subject: subject.to_owned(), message: message.clone() };
            self.links.put((from, to), self.now, at, Item::Message { session: of_end, queue, incoming });
            if only.is_none() && self.random.per_mille(self.chances.doubles) {
                let at = self.now + Duration::from_millis(self.random.below(5000) as u64);
                let (subject, message) = (subject.to_owned(), message.clone());
                self.later.push(Later { at, from, session, only: Some(to), subject, message });
            }
        }
    }

    fn is_lost(&mut self, from: usize, to: usize) -> bool {
        let begins = self.random.per_mille(self.chances.loses);
        let more = self.random.below(5);
        let link = self.links.of(from, to, self.now);
        if link.losing > 0 {
            link.losing -= 1;
            return true;
        }
        if begins {
            link.losing = more;
        }
        begins
    }

    /// What has come by now goes to its receivers. A server that stands still lets it wait.
    fn arrive(&mut self) {
        for ((from, to), link) in self.links.iter_mut() {
            let end = &mut self.ends[to];
            if matches!(end.server, Server::Stands { .. }) {
                continue;
            }
            while let Some(item) = link.take(self.now) {
                match item {
                    Item::Subscriptions(session) => drop(end.known.insert(from, session)),
                    Item::Message { session, queue, incoming } => {
                        if end.server == Server::Up && end.session == session {
                            end.queues[queue].push_back(incoming);
                        }
                    }
                }
            }
        }
    }

    fn delay(&mut self) -> Duration {
        Duration::from_millis(self.random.below(usize::from(self.chances.delay_ms) + 1) as u64)
    }
}
