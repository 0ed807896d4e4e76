//! Whole shards on simulated drivers: peers by the dozen, every fault a driver may show, and what must hold all the
//! same.
//!
//! A seed decides everything: how hard the drivers are, the limits, the peers' scripts, what the application and other
//! threads do, when the clock jumps, when the drain begins. After every turn [`invariants`] are checked; at the end
//! every peer judges what it got. A seed that fails is run again with a trace, and printed with the command that
//! repeats it:
//!
//! ```text
//! HOLDFAST_SEED=17 cargo test -p holdfast --lib simulation::seeds::every
//! HOLDFAST_SEEDS=10000 cargo test -p holdfast --lib simulation::seeds::every
//! ```

mod application;
mod book;
mod choices;
mod chorus;
mod deeds;
mod invariants;
mod lives;
mod peer;
mod requests;
mod script;
mod seeds;
mod stay;
mod tampered;
mod witness;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_ring::Event;
use holdfast_ring::simulated::{Network, Random};

use super::{Shard, names};
use crate::admission::Verdict;
use crate::counters::{CloseReason, Count, Counters, HandshakeOutcome, Limit};
use crate::handle::DrainPlan;
use crate::{Handle, HandshakeId, MessageKind};
use application::{Busy, Note, Told};
use book::{Book, Source};
use deeds::Deed;
use invariants::Watch;
use peer::{Interference, Peer};
use script::{Rules, Script};
use tampered::Tampered;

/// What a peer says that wants to be closed by the application.
const CLOSE_ME: &[u8] = b"close me";
/// And one that wants more than it can be sent.
const FILL_ME: &[u8] = b"fill me";
/// Turns after which a simulation that is not over hangs.
const TURNS_MAX: usize = 400_000;
/// Time within which everyone who ends by himself has ended, from the last peer's coming on.
const PATIENCE: Duration = Duration::from_secs(2000);
/// How long the drain may take, as `--drain-timeout` says.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// A shard, and how it is doing.
struct Member {
    shard: Option<Shard<Tampered, Busy>>,
    counters: Arc<Counters>,
    events: Vec<Event>,
    watch: Watch,
}

/// A simulation.
struct World {
    network: Network,
    random: Random,
    handle: Handle,
    book: Rc<RefCell<Book>>,
    members: Vec<Member>,
    /// Scripts of peers that are still to come, and when; the last one first.
    coming: Vec<(Duration, Script)>,
    peers: Vec<Peer>,
    interference: Vec<Interference>,
    /// What happens without the peers' doing; the last one first.
    plan: Vec<(Duration, Deed)>,
    crowded: bool,
    few_slots: bool,
    /// Who sends too quickly is closed.
    rated: bool,
    rules: Rules,
    /// Requests that the control side has answered.
    requests_served: u64,
    /// Opening handshakes that were put off and have their answer.
    answered: Vec<HandshakeId>,
    /// Since when it is drained for the end.
    draining: Option<Duration>,
    /// Some drain has begun.
    drained: bool,
    ended: bool,
    /// The driver of a shard broke.
    broken: bool,
    /// The time for the drain was over before everyone had gone.
    overdue: bool,
    /// When the process went on after it had stood still.
    jumped: Duration,
    /// How long after everyone else's end the drain begins.
    silence: Duration,
    /// When the last peer came, or the last deed was done.
    quiet_since: Duration,
    window: usize,
    buffer_bytes: usize,
}

impl World {
    /// Runs to the end.
    fn run(&mut self) {
        for _ in 0..TURNS_MAX {
            let busy = self.step();
            if self.members.iter().all(|member| member.shard.is_none()) {
                return self.check_end();
            }
            self.pass_time(busy);
            self.end_in_time();
        }
        panic!("it goes on for ever");
    }

    /// Everyone does something. Whether anybody did.
    fn step(&mut self) -> bool {
        let mut busy = self.carry_out_plans();
        self.resume_paused();
        self.finish_errands();
        busy |= self.let_peers_come();
        let mut order: Vec<usize> = (0..self.peers.len()).collect();
        self.random.shuffle(&mut order);
        for index in order {
            busy |= self.peers[index].step(&self.network, &mut self.random);
        }
        busy |= self.answer_deferred();
        busy |= self.serve_requests();
        for index in 0..self.members.len() {
            busy |= self.turn(index);
        }
        self.check_names();
        busy
    }

    /// What shards have said that has members is what has.
    fn check_names(&self) {
        let there = self.members.iter().filter_map(|member| Some(&member.shard.as_ref()?.core));
        if let Some(names) = &self.book.borrow().names {
            names::check(names, there);
        }
    }

    /// A turn of one shard. Whether anything happened, or will without time passing.
    fn turn(&mut self, index: usize) -> bool {
        let member = &mut self.members[index];
        let Some(shard) = &mut member.shard else { return false };
        if shard.turn(&mut member.events).is_err() {
            self.broken = true;
            // Those who wait for an opening handshake are still told.
            for (peer, interference) in self.peers.iter().zip(&mut self.interference) {
                interference.drain |= !peer.is_answered();
            }
            self.leave(index);
            return true;
        }
        invariants::check(shard, &mut member.watch);
        let last = shard.driver.inner.last_turn();
        if shard.is_over() {
            self.network.trace(|| format!("shard {index} is over"));
            self.leave(index);
            return true;
        }
        last.events > 0 || last.unfinished
    }

    /// The shard ends as its thread would.
    fn leave(&mut self, index: usize) {
        let Some(mut shard) = self.members[index].shard.take() else { return };
        let outcome = shard.turn_away_the_queued();
        let cut = shard.leave();
        if self.ended || outcome.is_err() {
            return;
        }
        assert_eq!(cut, 0, "a drain that ends by itself cuts nobody");
        let counters = &self.members[index].counters;
        let gauges = [
            &counters.handshakes_open,
            &counters.outbox_bytes,
            &counters.partial_bytes,
            &counters.buffers_lent,
            &counters.long_buffers_lent,
        ];
        assert_eq!(gauges.map(Count::get), [0; 5], "nothing is left");
        // Newcomers may come for ever, and are waited for only as long as one of them may take.
        assert!(shard.core.handshakes.is_empty() || shard.gives_up_waiting());
        assert!(shard.waiting.is_empty());
        assert_eq!(counters.opened.get(), counters.closed_total(), "all that opened has closed");
        assert_eq!(shard.claimed, 0, "all places are given back");
    }

    fn let_peers_come(&mut self) -> bool {
        let now = self.network.now();
        let mut busy = false;
        while self.coming.last().is_some_and(|(at, _)| *at <= now) {
            let Some((_, script)) = self.coming.pop() else { break };
            let index = self.peers.len();
            let driver = self.random.below(self.members.len());
            let Some(link) = self.network.connect(driver, self.window) else {
                // Nobody listens any more: the kernel refuses, and it will refuse the others too.
                self.coming.clear();
                break;
            };
            self.quiet_since = now;
            self.network.trace(|| format!("peer {index} comes: {}", script.name));
            self.peers.push(Peer::new(index, link, script, self.rules.slow));
            let (crowded, drain, rated) = (self.crowded, self.drained, self.rated);
            let few_slots = self.few_slots;
            let interference = Interference { crowded, few_slots, drain, rated, ..Interference::default() };
            self.interference.push(interference);
            busy = true;
        }
        busy
    }

    fn answer_deferred(&mut self) -> bool {
        if !self.book.borrow().deferred.is_empty() && self.random.per_mille(50) {
            self.answer_again();
        }
        let mut book = self.book.borrow_mut();
        if book.deferred.is_empty() || !self.random.per_mille(200) {
            return !book.deferred.is_empty();
        }
        let at = self.random.below(book.deferred.len());
        let handshake = book.deferred.swap_remove(at);
        self.answered.push(handshake);
        let reserved = book.reserved.get(&handshake).copied();
        if let Some(id) = reserved.filter(|_| self.random.per_mille(300)) {
            // Nobody is there yet.
            let _ = self.handle.send(id, MessageKind::Text, Bytes::from_static(b"hello?"));
            let _ = self.handle.close(id, 4003, "nobody");
        }
        if self.random.per_mille(150) {
            if let Some(peer) = book.asking.get(&handshake) {
                self.interference[*peer].refused = true;
            }
            let verdict = Verdict::Refuse { status: 403, reason: "on second thoughts".to_owned() };
            let _ = self.handle.answer(handshake, verdict);
            return true;
        }
        let _ = self.handle.answer(handshake, Verdict::Accept { subprotocol: None });
        let peer = book.asking.get(&handshake).copied();
        if let Some((id, peer)) = reserved.zip(peer).filter(|_| self.random.per_mille(500)) {
            let (_, text) = book.push(peer, Source::Outside, 0);
            let _ = self.handle.send(id, MessageKind::Text, Bytes::from(text));
        }
        true
    }

    /// Shards go on reading from those whose pause is over.
    fn resume_paused(&mut self) {
        let (now, mut due) = (self.network.now(), Vec::new());
        for (id, until) in &mut self.book.borrow_mut().paused {
            let pause = || now + Duration::from_millis(self.random.pick(&[0, 0, 0, 5, 30, 2000, 15_000]));
            if *until.get_or_insert_with(pause) <= now {
                *until = Some(Duration::MAX);
                due.push(*id);
            }
        }
        due.into_iter().for_each(|id| self.tell(id.shard, Told::Resume(id)));
    }

    /// Applications hear that something is over which they had under way.
    fn finish_errands(&mut self) {
        let (now, mut due) = (self.network.now(), Vec::new());
        self.book.borrow_mut().errands.retain_mut(|(shard, until)| {
            let time = || now + Duration::from_millis(self.random.pick(&[0, 0, 5, 30, 500, 3000]));
            let is_due = *until.get_or_insert_with(time) <= now;
            due.extend(is_due.then_some(*shard));
            !is_due
        });
        due.into_iter().for_each(|shard| self.tell(shard, Told::Finish));
    }

    /// Tells the application of a shard something, as long as there is one.
    fn tell(&self, shard: u16, what: Told) {
        let mut book = self.book.borrow_mut();
        let number = book.told.entry(shard).or_default();
        let note = Note { number: *number, what };
        *number += usize::from(self.handle.tell(shard, Box::new(note)).is_ok());
    }

    /// A moment passes; all the time until the next thing that can happen, if nobody is busy.
    fn pass_time(&mut self, busy: bool) {
        let now = self.network.now();
        if busy {
            return self.network.advance(Duration::from_micros(self.random.below(1000) as u64));
        }
        let shards = self.members.iter().filter_map(|member| member.shard.as_ref());
        let waits = shards.flat_map(|shard| {
            let resume = shard.driver.inner.next_resume();
            [Some(now + shard.timeout()), resume]
        });
        let peers = self.peers.iter().map(|peer| peer.wakes(now));
        let resumes = self.book.borrow().paused.values().filter_map(|until| *until).min();
        let resumes = resumes.filter(|until| *until < Duration::MAX);
        let errands = self.book.borrow().errands.iter().filter_map(|(_, until)| *until).min();
        let plans =
            [resumes, errands, self.plan.last().map(|(at, _)| *at), self.coming.last().map(|(at, _)| *at)];
        let next = waits.chain(peers).chain(plans).flatten().filter(|at| *at > now).min();
        let next = next.unwrap_or(now + Duration::from_millis(1));
        self.network.advance(next - now);
    }

    /// Begins the drain when all is said; ends it when its time is over; complains about who waits for ever.
    fn end_in_time(&mut self) {
        let now = self.network.now();
        match self.draining {
            _ if self.ended => {}
            Some(since) if now > since + DRAIN_TIMEOUT => {
                // Time that jumps is over sooner than it could be used.
                assert!(self.jumped > since, "the drain goes on for ever");
                self.overdue = true;
                self.end();
            }
            Some(_) => {}
            None if !self.coming.is_empty() => {}
            None => {
                let waiting = self
                    .peers
                    .iter()
                    .find(|peer| peer.ends() && !peer.is_done() && !self.network.has_failed(peer.link()));
                match waiting {
                    None if !self.plan.is_empty() || now < self.quiet_since + self.silence => {}
                    None => self.drain(DrainPlan { spread: Duration::ZERO, ends: true }),
                    Some(peer) if now > self.quiet_since + PATIENCE => {
                        panic!("{} waits for ever", peer.describe())
                    }
                    _ => {}
                }
            }
        }
    }
}

impl World {
    /// All shards are over: every peer reads to the end, and judges.
    fn check_end(&mut self) {
        while self.serve_request() {}
        let mut idle = 0;
        while idle < 100 {
            let (peers, network, random) = (&mut self.peers, &self.network, &mut self.random);
            let moved = peers.iter_mut().filter_map(|peer| peer.step(network, random).then_some(())).count();
            idle = if moved > 0 { 0 } else { idle + 1 };
        }
        self.check_names();
        if self.ended {
            return;
        }
        for index in 0..self.members.len() {
            let taken = self.handle.mailbox(u16::try_from(index).unwrap()).taken();
            assert!(self.broken || taken == 0, "shard {index} has lost {taken} places");
        }
        let book = self.book.borrow();
        let is_finished = book.unfinished.values().all(|count| *count == 0);
        assert!(self.broken || is_finished, "shards wait for what their applications have under way");
        let all_closed = book.open.is_empty() && book.opened == book.closed;
        assert!(self.broken || all_closed, "each connection is opened and closed once");
        assert!(self.broken || book.asking.is_empty(), "who asks is let in or abandoned: {:?}", book.asking);
        assert!(book.reserved.is_empty() || self.broken, "what is reserved is given back");
        assert!(book.published.values().all(|it| it.broadcast.is_over()), "every broadcast is over");
        let limit = Limit::ShardOutboxBytes as usize;
        let full = self.members.iter().any(|member| member.counters.limited[limit].get() > 0);
        for (peer, interference) in self.peers.iter().zip(&self.interference) {
            assert!(self.network.is_closed(peer.link()), "{} is closed", peer.describe());
            let fine = peer.is_done() || !peer.ends() || self.network.has_failed(peer.link());
            assert!(fine, "{} sees the end", peer.describe());
            let pushed = book.bytes_pushed(peer.index);
            peer.judge(&self.network, Interference { pushed, full, ..*interference });
            peer.judge_order(&book);
            self.peers[..peer.index].iter().for_each(|other| peer.compare(other, &book));
        }
    }
}

impl World {
    /// Where it has led, by name.
    fn reached(&self) -> BTreeMap<String, u64> {
        let mut reached = BTreeMap::new();
        let mut note = |what: String, count: u64| {
            if count > 0 {
                *reached.entry(what).or_default() += count;
            }
        };
        for member in &self.members {
            note("publications under way between turns".to_owned(), member.watch.walks);
            let counters = &member.counters;
            for reason in CloseReason::ALL {
                let count = counters.closed[*reason as usize].iter().map(Count::get).sum();
                note(format!("closed: {}", reason.label()), count);
            }
            for outcome in HandshakeOutcome::ALL {
                note(format!("handshake: {}", outcome.label()), counters.handshakes[*outcome as usize].get());
            }
            note("accept failed".to_owned(), counters.accept_errors.get());
            note("handed over".to_owned(), counters.handed_over.get());
            for limit in Limit::ALL {
                note(format!("limited: {}", limit.label()), counters.limited[*limit as usize].get());
            }
            note("bytes of long buffers".to_owned(), counters.long_buffer_bytes.get());
            note("messages dropped".to_owned(), counters.dropped.get());
            note("broadcasts handed".to_owned(), counters.broadcasts_handed.get());
            note("broadcasts left".to_owned(), counters.broadcasts_left.get());
            note("turns".to_owned(), counters.turns.get());
        }
        let failed = self.peers.iter().filter(|peer| self.network.has_failed(peer.link())).count();
        note("failures injected".to_owned(), failed as u64);
        note("messages inflated".to_owned(), self.peers.iter().map(Peer::inflated).sum());
        note("requests served".to_owned(), self.requests_served);
        note("broadcasts refused".to_owned(), self.book.borrow().refused);
        self.book.borrow().counted.iter().for_each(|(what, count)| note((*what).to_owned(), *count));
        note("driver broken".to_owned(), self.broken.into());
        note("drain cut by its deadline".to_owned(), self.overdue.into());
        let judged = if self.ended { 0 } else { self.peers.iter().filter(|peer| peer.is_done()).count() };
        note("peers judged".to_owned(), judged as u64);
        reached
    }
}
