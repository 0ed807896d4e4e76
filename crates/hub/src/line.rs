//! The line of publications, and how far each connection has come in it.
//!
//! A publication has a number, one more than that before it, and each connection the number up to which it has got
//! everything. Small audiences get it at once. Larger ones are walked over, a slice at a time, and walks take turns.
//! Whoever is visited gets what it lacks up to that publication, older ones first, so that order holds however walks
//! overtake each other.
//!
//! Who is meant is found out when it is delivered, not when it is published. That is the same, because a connection is
//! brought up to date before its memberships change ([`Members`](crate::Members) sees to that).
//!
//! A walk goes from the last member down. Who joins is put behind the end and lacks nothing; where one leaves, the last
//! one moves into the hole: if that one was not visited yet, it is still before the walk, and if it was, its number
//! says so. So nobody is skipped and nobody gets it twice.

use std::collections::VecDeque;

use crate::audience::Target;
use crate::connections::Connections;
use crate::hub::{Form, Hub};
use crate::planted::{Defect, is_planted};
use crate::receiver::Receiver;

/// What is published. Dropped as soon as everybody has it.
pub trait Publication {
    /// It has its place: a small audience has it, or the walk over a large one has begun.
    fn taken(&self) {}
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is done. Go on.
    GoOn,
    /// It is done. [`Members::advance`](crate::Members::advance) must stop now; others need not.
    Pause,
    /// There is nobody with this key.
    Nobody,
    /// It is not meant for this one. To find that out took as long as so many looks at somebody who gets nothing.
    NotMeant(u32),
}

/// What [`Members::advance`](crate::Members::advance) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Deliveries.
    pub delivered: u64,
    /// Keys and members that were looked at and got nothing.
    pub passed: u64,
    /// Whether there is more to do.
    pub is_left: bool,
}

/// Sizes of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// An audience of at most so many in this shard is served at once and whole.
    pub at_once_max: u32,
    /// So many deliveries in turn, a walk goes on; so many, at most, are made at once for small audiences until a walk
    /// goes on. At least 1.
    pub slice: u32,
    /// The number before the first publication's. Tests begin near the end of the numbers.
    pub first: u32,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { at_once_max: 256, slice: 256, first: 0 }
    }
}

/// Passing somebody who gets nothing costs so much less than a delivery.
const PASSES: u32 = 16;

/// Numbers come round. Connections that hear nothing are brought along each time that so many were given, and a walk
/// that so many have overtaken goes before all others. So no two numbers that are compared are ever half the way round
/// apart.
const REFRESH: u32 = 1 << 29;

/// The line.
#[derive(Debug)]
pub(crate) struct Line<P> {
    tuning: Tuning,
    /// The number of the newest publication.
    newest: u32,
    /// Where it was when all connections were brought along.
    refreshed: u32,
    /// By key: all up to this publication are delivered. Empty until the first one.
    seen: Vec<u32>,
    /// What not all have got yet, by number. Walks first.
    entries: VecDeque<Entry<P>>,
    /// How many are walks: they have been taken.
    walks: usize,
    /// The walk whose turn it is, and how much of its turn is left.
    turn: usize,
    turn_left: i64,
    /// How much small audiences may cost until a walk goes on.
    credit: i64,
}

/// A publication in the line.
#[derive(Debug)]
struct Entry<P> {
    number: u32,
    target: Target,
    /// Keys of those who are left out, sorted.
    excluded: Box<[u32]>,
    /// How many are still to be visited: the first so many members of the set, or the first so many keys.
    rest: u32,
    publication: P,
}

impl<P> Entry<P> {
    fn excludes(&self, key: u32) -> bool {
        !self.excluded.is_empty()
            && self.excluded.binary_search(&key).is_ok()
            && !is_planted(Defect::ExcludesNobody)
    }

    /// Whether a connection is meant.
    fn is_for(&self, key: u32, connections: &Connections) -> bool {
        self.target.has(key, connections) && !self.excludes(key)
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default)]
struct Ran {
    delivered: u32,
    passed: u32,
    is_paused: bool,
    is_over: bool,
}

impl Ran {
    #[inline]
    fn cost(self) -> i64 {
        i64::from(self.delivered) * i64::from(PASSES) + i64::from(self.passed)
    }

    #[inline]
    fn note(&mut self, next: Next) {
        match next {
            Next::Nobody => self.passed += 1,
            Next::NotMeant(looks) => self.passed += looks.max(1),
            Next::GoOn | Next::Pause => self.delivered += 1,
        }
        self.is_paused |= next == Next::Pause;
    }
}

/// Whether a number is older than another one.
#[inline]
fn is_before(number: u32, other: u32) -> bool {
    if is_planted(Defect::NeverWraps) {
        return number < other;
    }
    other.wrapping_sub(number).wrapping_sub(1) < 1 << 31
}

impl<P: Publication> Line<P> {
    pub(crate) fn new(tuning: Tuning) -> Self {
        let (newest, refreshed) = (tuning.first, tuning.first);
        let mut line = Self {
            tuning,
            newest,
            refreshed,
            seen: Vec::new(),
            entries: VecDeque::new(),
            walks: 0,
            turn: 0,
            turn_left: 0,
            credit: 0,
        };
        line.turn_left = line.slice();
        line.credit = line.slice();
        line
    }

    /// How many publications not everybody has got yet.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A key is somebody's who has nothing to do with what was published before.
    #[inline]
    pub(crate) fn arrive(&mut self, key: u32) {
        if let Some(seen) = self.seen.get_mut(key as usize)
            && !is_planted(Defect::NewcomerHearsThePast)
        {
            *seen = self.newest;
        }
    }

    /// Puts a publication into the line.
    pub(crate) fn publish(
        &mut self,
        target: Target,
        mut excluded: Vec<u32>,
        publication: P,
        connections: &Connections,
    ) {
        if self.seen.is_empty() {
            // Zeroed memory that nobody has touched yet, where numbers begin with 0.
            self.seen = vec![self.tuning.first; connections.capacity()];
        }
        excluded.sort_unstable();
        let (excluded, rest) = (excluded.into_boxed_slice(), target.extent(connections));
        self.count(1, connections);
        self.entries.push_back(Entry { number: self.newest, target, excluded, rest, publication });
    }

    /// Gives numbers away. Brings those along who hear nothing, before the numbers come round to them.
    fn count(&mut self, numbers: u32, connections: &Connections) {
        self.newest = self.newest.wrapping_add(numbers);
        if self.newest.wrapping_sub(self.refreshed) < REFRESH || is_planted(Defect::NeverRefreshes) {
            return;
        }
        self.refreshed = self.newest;
        let oldest = self.entries.front().map_or(self.newest, |entry| entry.number);
        let floor = oldest.wrapping_sub(1);
        for seen in &mut self.seen[..connections.end() as usize] {
            if is_before(*seen, floor) {
                *seen = floor;
            }
        }
    }

    /// As if so many had been published whom nobody here lacks any more, up to half a round. Nothing happens where the
    /// oldest walk would have been ended before.
    #[cfg(test)]
    pub(crate) fn pass(&mut self, numbers: u32, connections: &Connections) {
        let oldest = self.entries.front().map_or(self.newest, |entry| entry.number);
        if !self.seen.is_empty() && self.newest.wrapping_sub(oldest) + numbers <= 2 * REFRESH {
            self.count(numbers, connections);
        }
    }

    /// Delivers to a connection all that it lacks and that is meant for it.
    #[inline]
    pub(crate) fn catch_up(
        &mut self,
        key: u32,
        connections: &Connections,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) {
        let Some(last) = self.entries.back() else { return };
        let Some(seen) = self.seen.get_mut(key as usize) else { return };
        if is_before(*seen, last.number) {
            let receiver = receiver(key, connections.spoken(key), connections);
            let mut unpaused = |receiver: Receiver<'_>, publication: &P| match deliver(receiver, publication)
            {
                Next::Pause => Next::GoOn,
                next => next,
            };
            let end = self.entries.len();
            hand_older(&self.entries, end, receiver, seen, connections, &mut Ran::default(), &mut unpaused);
            *seen = self.newest;
        }
    }

    /// Delivers, up to a budget in deliveries.
    pub(crate) fn advance(
        &mut self,
        budget: u32,
        connections: &Connections,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) -> Progress {
        let (mut left, mut progress) = (i64::from(budget) * i64::from(PASSES), Progress::default());
        while left > 0 && !self.entries.is_empty() {
            let ran = match self.takes_next() {
                true => self.take(connections, deliver),
                false => self.go_on(left, connections, deliver),
            };
            left -= ran.cost();
            progress.delivered += u64::from(ran.delivered);
            progress.passed += u64::from(ran.passed);
            if ran.is_paused {
                break;
            }
        }
        progress.is_left = !self.entries.is_empty();
        progress
    }

    /// Whether the next one is taken, rather than a walk gone on with.
    fn takes_next(&self) -> bool {
        let is_next = self.walks < self.entries.len();
        is_next && (self.walks == 0 || self.credit > 0 && !self.is_overdue())
    }

    /// Whether the oldest walk has to be ended first.
    fn is_overdue(&self) -> bool {
        self.entries.front().is_some_and(|entry| self.newest.wrapping_sub(entry.number) >= REFRESH)
    }

    /// Takes the next one: delivers it if that is little, or makes a walk of it.
    fn take(&mut self, connections: &Connections, deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next) -> Ran {
        let index = self.walks;
        let entry = &self.entries[index];
        let extent = entry.rest.min(entry.target.extent(connections));
        let ran = match extent <= self.tuning.at_once_max {
            true => self.run(index, i64::MAX, connections, deliver),
            false => Ran { passed: 1, ..Ran::default() },
        };
        self.entries[index].publication.taken();
        self.credit = if self.walks == 0 { self.slice() } else { self.credit - ran.cost().max(1) };
        if ran.is_over {
            self.entries.remove(index);
        } else {
            self.walks += 1;
        }
        ran
    }

    /// Goes on with the walk whose turn it is.
    fn go_on(
        &mut self,
        left: i64,
        connections: &Connections,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) -> Ran {
        if self.turn >= self.walks || self.is_overdue() {
            self.turn = 0;
        }
        let ran = self.run(self.turn, left.min(self.turn_left), connections, deliver);
        self.credit = (self.credit + ran.cost()).min(self.slice());
        self.turn_left -= ran.cost();
        if ran.is_over {
            self.entries.remove(self.turn);
            self.walks -= 1;
            self.turn_left = self.slice();
        } else if self.turn_left <= 0 {
            self.turn += 1;
            self.turn_left = self.slice();
        }
        ran
    }

    /// Visits some of those whom a publication is for, until that has cost so much.
    fn run(
        &mut self,
        index: usize,
        cost_max: i64,
        connections: &Connections,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) -> Ran {
        let Self { entries, seen, .. } = self;
        let entry = &entries[index];
        let older = index.checked_sub(1).map(|older| entries[older].number);
        // None: all there are.
        let keys = match &entry.target {
            Target::Everyone | Target::Hub(_) => None,
            Target::Set(set) => Some(connections.members(*set)),
            Target::One(key) => Some(std::slice::from_ref(key)),
        };
        let extent = entry.target.extent(connections);
        let (mut rest, mut ran) = (entry.rest.min(extent), Ran::default());
        while rest > 0 && ran.cost() < cost_max && !ran.is_paused {
            let position = if is_planted(Defect::WalksUp) { extent - rest } else { rest - 1 };
            let key = keys.map_or(position, |keys| keys[position as usize]);
            let seen = &mut seen[key as usize];
            let spoken = connections.spoken(key);
            if !is_before(*seen, entry.number) || entry.excludes(key) || !is_in(entry.target, spoken) {
                (rest, ran.passed) = (rest - 1, ran.passed + 1);
                continue;
            }
            let receiver = receiver(key, spoken, connections);
            if older.is_some_and(|older| is_before(*seen, older)) && !is_planted(Defect::Overtakes) {
                hand_older(entries, index, receiver, seen, connections, &mut ran, deliver);
                if ran.is_paused {
                    break;
                }
            }
            ran.note(deliver(receiver, &entry.publication));
            if ran.is_paused && is_planted(Defect::RepeatsAfterPause) {
                break;
            }
            if !is_planted(Defect::Forgets) {
                *seen = entry.number;
            }
            rest -= 1;
        }
        ran.is_over = rest == 0;
        self.entries[index].rest = rest;
        ran
    }

    fn slice(&self) -> i64 {
        i64::from(self.tuning.slice.max(1)) * i64::from(PASSES)
    }
}

/// A connection, which may be in no hub.
#[inline]
fn receiver(key: u32, spoken: Option<(Hub, Form)>, connections: &Connections) -> Receiver<'_> {
    Receiver::new(key, spoken.map_or(Form::default(), |(_, form)| form), connections)
}

/// Whether a connection that is in a set, or has a key, of an audience is in that audience.
#[inline]
fn is_in(target: Target, spoken: Option<(Hub, Form)>) -> bool {
    match target {
        Target::Hub(hub) => spoken.is_some_and(|(its, _)| its == hub) || is_planted(Defect::MixesHubs),
        _ => true,
    }
}

/// Delivers to a connection what it lacks of the publications before an index, the oldest first. Stops where that
/// pauses.
#[cold]
fn hand_older<P>(
    entries: &VecDeque<Entry<P>>,
    end: usize,
    receiver: Receiver<'_>,
    seen: &mut u32,
    connections: &Connections,
    ran: &mut Ran,
    deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
) {
    let start = entries.partition_point(|entry| !is_before(*seen, entry.number));
    for entry in entries.range(start..end) {
        *seen = entry.number;
        if entry.is_for(receiver.key, connections) {
            ran.note(deliver(receiver, &entry.publication));
            if ran.is_paused {
                return;
            }
        }
    }
}
