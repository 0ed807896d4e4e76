//! A shard: one thread, one driver, one slab of connections, one application.
//!
//! The path of a message, in the order of the files: [`handshake`] opened the connection; [`input`] takes what the
//! driver received and hands whole messages to the application; [`replies`] queues what it answers; [`output`] sends
//! it. [`sweep`] looks after the silent ones and [`drain`] ends it all.

mod access;
mod away;
mod beats;
mod broadcast;
mod clock;
mod closing;
mod connection;
mod context;
mod deflate;
mod drain;
mod glimpse;
mod goodbyes;
mod handshake;
mod held;
mod input;
mod keep;
mod meters;
mod names;
mod outbox;
mod output;
#[cfg(feature = "simulated")]
mod plain;
mod planted;
mod policy;
mod publication;
mod queue;
mod reliable;
mod replies;
mod rules;
mod side_tables;
#[cfg(test)]
mod simulation;
mod state;
mod sweep;
mod unacked;

use std::collections::{HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::time::Duration;

use holdfast_ring::{Driver, Event, ListenerId, Sent, Token};

pub use context::Context;
pub(crate) use glimpse::Glimpse;
#[cfg(feature = "simulated")]
pub use plain::PlainShard;
pub(crate) use policy::Policy;
pub(crate) use state::Core;

use crate::application::Application;
use crate::counters::{CloseCode, CloseReason};
use crate::handle::{Command, Newcomer};
use beats::Sweep;
use clock::Clock;
use connection::{Connection, State, key_of};
use goodbyes::Drain;
use handshake::Arrival;

/// How a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Connections that were cut because the time for the drain was over.
    pub(crate) cut: usize,
}

/// A shard. See the module's documentation.
pub(crate) struct Shard<D, A> {
    driver: D,
    application: A,
    core: Core,
    listeners: Vec<ListenerId>,
    /// Opening handshakes whose requests are being read.
    open_handshakes: u32,
    /// Opening handshakes that wait for the application's answer.
    deferred_handshakes: u32,
    /// Opening handshakes that wait for the connection that they recover to lose its socket.
    recovering: u32,
    /// Places for peers that this shard has claimed: never fewer than its load.
    claimed: u32,
    /// Accepted peers that wait for one of them to end.
    waiting: VecDeque<Arrival>,
    /// Memory for answers to opening handshakes, reused.
    scratch: Vec<u8>,
    sweep: Sweep,
    drain: Option<Drain>,
    /// The listeners were told to close.
    unlistened: bool,
    /// End at once.
    end: bool,
}

impl<D: Driver, A: Application> Shard<D, A> {
    /// A shard on the calling thread, which accepts on `listeners`.
    ///
    /// # Errors
    /// When the driver cannot watch a listener.
    pub(crate) fn new(
        mut driver: D,
        application: A,
        listeners: Vec<OwnedFd>,
        mut core: Core,
    ) -> rustix::io::Result<Self> {
        core.clock = Clock::start(driver.now());
        core.policy.expect_longer_answers(application.answers_longer_by());
        if let Some(names) = application.names() {
            core.tell_names(names);
        }
        let mailbox = core.handle.mailbox(core.shard);
        let listeners = listeners.into_iter().map(|it| driver.listen(it)).collect::<Result<Vec<_>, _>>();
        let listeners = listeners.inspect_err(|_| {
            drop(mailbox.end());
            core.handle.drained(core.shard);
        })?;
        mailbox.start(driver.waker());
        Ok(Self {
            driver,
            application,
            core,
            listeners,
            open_handshakes: 0,
            deferred_handshakes: 0,
            recovering: 0,
            claimed: 0,
            waiting: VecDeque::new(),
            scratch: Vec::new(),
            sweep: Sweep::default(),
            drain: None,
            unlistened: false,
            end: false,
        })
    }

    /// Runs until a drain is over or the end is ordered.
    ///
    /// # Errors
    /// When the driver is broken.
    pub(crate) fn run(mut self) -> rustix::io::Result<Ended> {
        let outcome = self.go_round();
        let outcome = outcome.and_then(|()| self.turn_away_the_queued());
        let cut = self.leave();
        outcome.map(|()| Ended { cut })
    }

    /// Tells the others that nothing is taken here any more. Returns how many connections are cut.
    fn leave(&mut self) -> usize {
        for command in self.core.handle.mailbox(self.core.shard).end() {
            // Another shard handed it over a moment too late.
            match command {
                Command::Adopt(Newcomer::HandedOver(descriptor)) => self.turn_away_at_once(&descriptor),
                Command::Adopt(Newcomer::Back { descriptor, bytes, origin })
                | Command::Recover { descriptor, bytes, origin } => {
                    self.turn_back_at_once(&descriptor, &bytes, origin.address());
                }
                _ => {}
            }
        }
        self.core.log_cut();
        self.cut();
        self.core.handle.drained(self.core.shard);
        self.core.len()
    }

    /// Tells the application that those who are left are cut off.
    fn cut(&mut self) {
        // Places that are reserved are nobody's yet.
        let reserved: HashSet<_> = self.core.handshakes.iter().filter_map(|(_, it)| it.reserved()).collect();
        let all: Vec<_> = self.core.connections.iter().map(|(key, _)| self.core.id(key_of(key))).collect();
        for id in all.into_iter().filter(|id| !reserved.contains(id)) {
            let context = &mut Context::new(&mut self.core);
            self.application.closed(context, id, CloseReason::Drain, CloseCode::None);
        }
        self.application.ended(&mut Context::new(&mut self.core));
    }

    fn go_round(&mut self) -> rustix::io::Result<()> {
        let mut events = Vec::new();
        while !self.is_over() {
            self.turn(&mut events)?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.end || self.is_drained()
    }

    /// One pass: what happened, and what follows from it. `events` is memory that turns share.
    fn turn(&mut self, events: &mut Vec<Event>) -> rustix::io::Result<()> {
        let timeout = self.timeout();
        self.driver.turn(timeout, events)?;
        if let Some(stood_still) = self.core.clock.read(self.driver.now()) {
            tracing::warn!(
                ?stood_still,
                shard = self.core.shard,
                "the shard was not run; no deadline came nearer"
            );
        }
        for event in events.drain(..) {
            self.on_event(event);
        }
        self.admit_waiting();
        self.go_on_draining();
        self.begin_requested_closes(Policy::CLOSES_PER_TURN);
        self.flush_dirty();
        self.go_on_broadcasting();
        self.sweep_if_due();
        self.publish();
        Ok(())
    }

    /// How long the next turn may wait: not at all if work was left for it.
    fn timeout(&self) -> Duration {
        if !self.core.closing.is_empty() || !self.core.dirty.is_empty() || self.is_broadcasting() {
            return Duration::ZERO;
        }
        let beat = self.sweep.until_next(self.core.clock.now());
        self.until_goodbye().map_or(beat, |goodbye| goodbye.min(beat))
    }

    // Inlined into the turn, so that an event is not moved once more.
    #[inline(always)]
    fn on_event(&mut self, event: Event) {
        match event {
            Event::Accepted { descriptor, .. } => self.on_peer(descriptor, false),
            Event::AcceptFailed { error, pause, .. } => self.on_accept_failed(error, pause),
            Event::Unlistened { listener } => self.listeners.retain(|it| *it != listener),
            Event::Received { token, buffer } => match self.owner(token) {
                Owner::Connection(key) => self.on_received(key, buffer),
                Owner::Handshake(key) => self.on_handshake_bytes(key, buffer),
                Owner::Gone => {}
            },
            Event::Ended { token } => match self.owner(token) {
                Owner::Connection(key) => self.on_ended(key),
                Owner::Handshake(key) => self.on_handshake_end(key),
                Owner::Gone => {}
            },
            Event::Failed { token, .. } => match self.owner(token) {
                Owner::Connection(key) => self.on_failed(key),
                Owner::Handshake(key) => self.on_handshake_end(key),
                Owner::Gone => {}
            },
            Event::Sent { token, sent } => match self.owner(token) {
                Owner::Connection(key) => self.on_sent(key, sent),
                Owner::Handshake(key) => match sent {
                    Sent::Failed(_) => self.release_handshake(key, holdfast_ring::Close::Reset),
                    Sent::Whole | Sent::Partial(_) => self.on_refusal_sent(key),
                },
                Owner::Gone => {}
            },
            Event::Closed { token } => match self.owner(token) {
                Owner::Connection(key) => self.on_closed(key),
                Owner::Handshake(key) => drop(self.core.handshakes.remove(key)),
                Owner::Gone => {}
            },
            Event::Released { token, descriptor, unread } => self.on_released(token, descriptor, &unread),
            Event::Woken => self.read_mailbox(),
        }
    }

    #[cold]
    fn on_released(&mut self, token: Token, descriptor: rustix::io::Result<OwnedFd>, unread: &[u8]) {
        match self.owner(token) {
            Owner::Handshake(key) => self.on_handshake_released(key, descriptor, unread),
            // Only opening handshakes are given away.
            Owner::Connection(_) | Owner::Gone => {}
        }
    }

    fn on_accept_failed(&mut self, error: rustix::io::Errno, pause: Duration) {
        self.core.counters.accept_errors.add(1);
        if pause.is_zero() {
            tracing::debug!(%error, "a peer left before it was accepted");
        } else {
            tracing::warn!(
                %error, ?pause, shard = self.core.shard,
                "accepting pauses: out of descriptors or memory (raise LimitNOFILE or lower connections-max)"
            );
        }
    }

    fn read_mailbox(&mut self) {
        for command in self.core.handle.mailbox(self.core.shard).take_all() {
            match command {
                Command::Send { to, kind, payload } => {
                    self.core.send_message(to, kind, &[&payload]);
                }
                Command::SendPrepared { to, message } => {
                    self.core.send_prepared(to, &message);
                }
                Command::Publish { to, excluded, message, part } => {
                    self.core.begin_publication(&to, &excluded, message, part);
                }
                Command::Close { id, code, reason } => {
                    self.core.request_close(id, CloseReason::Application, code, &reason);
                }
                Command::Answer { handshake, verdict } => self.on_answer(handshake, verdict),
                Command::Tell(note) => self.application.told(&mut Context::new(&mut self.core), note),
                Command::Adopt(newcomer) => self.on_newcomer(newcomer),
                Command::Recover { descriptor, bytes, origin } => self.on_recovery(descriptor, bytes, origin),
                Command::Drain(plan) => self.begin_drain(plan),
                Command::Resume => self.resume(),
                Command::Unlisten => self.stop_listening(),
                Command::End => self.end = true,
            }
        }
    }

    fn connection_token(&self, key: usize, generation: u32) -> Token {
        Token { slot: self.core.policy.handshake_slots() + key_of(key), generation: Token::short(generation) }
    }

    fn token(&self, key: u32) -> Token {
        self.connection_token(key as usize, self.connection(key).generation)
    }

    fn connection(&self, key: u32) -> &Connection {
        &self.core.connections[key as usize]
    }

    fn connection_mut(&mut self, key: u32) -> &mut Connection {
        &mut self.core.connections[key as usize]
    }

    /// Whose a token is. Tokens of connections lie behind those of opening handshakes.
    fn owner(&mut self, token: Token) -> Owner {
        match token.slot.checked_sub(self.core.policy.handshake_slots()) {
            Some(key) => match self.core.connections.get(key as usize) {
                Some(it) if Token::short(it.generation) == token.generation => Owner::Connection(key),
                _ => Owner::Gone,
            },
            None => {
                let key = token.slot as usize;
                let handshake = self.core.handshakes.get(key).filter(|it| it.generation == token.generation);
                handshake.map_or(Owner::Gone, |_| Owner::Handshake(key))
            }
        }
    }

    /// Shows the numbers of this turn to those who scrape, and to the other shards.
    fn publish(&mut self) {
        let (counters, stats) = (&self.core.counters, self.driver.stats());
        counters.handshakes_open.set((self.open_handshakes + self.deferred_handshakes).into());
        counters.buffers_lent.set(stats.buffers_lent as u64);
        counters.buffers.set(stats.buffers as u64);
        counters.buffer_bytes.set(stats.buffer_bytes as u64);
        counters.long_buffers_lent.set(stats.long_buffers_lent as u64);
        counters.long_buffers.set(stats.long_buffers as u64);
        counters.long_buffer_bytes.set(stats.long_buffer_bytes as u64);
        counters.buffers_waiting.set(stats.buffers_waiting as u64);
        counters.outbox_bytes.set(self.core.held.outboxes as u64);
        counters.waiting_bytes.set(self.core.held.sends as u64);
        counters.partial_bytes.set(self.core.held.partial as u64);
        counters.held_bytes.set(stats.held_bytes as u64);
        let side = self.core.side_table_bytes();
        let records = self.core.connections.len() * (size_of::<Connection>() + side) + stats.slot_bytes;
        counters.record_bytes.set(records as u64);
        counters.deflate.show(&self.core.inflater, &self.core.deflater);
        counters.submissions.set(stats.submissions);
        counters.completions.set(stats.completions);
        counters.syscalls.set(stats.syscalls);
        counters.turns.add(1);
        counters.turn_duration.record(self.driver.now().saturating_duration_since(self.core.clock.now()));
        self.settle();
    }
}

/// Whom an event is for.
enum Owner {
    Connection(u32),
    Handshake(usize),
    /// One that has ended since.
    Gone,
}
