//! A driver without a kernel: it does, by the chance of a seed, all that [`Driver`](crate::Driver) allows a driver to
//! do, and asserts what it demands of the caller.
//!
//! A [`Network`] connects peers, which a test moves byte by byte, to one or more [`Simulated`] drivers. Everything
//! happens on one thread and in a time of its own, so that a seed always leads to the same run.
//!
//! [`Plain`] is another one, which does as little as a driver can: to count what a shard costs.

mod driver;
mod network;
mod plain;
mod random;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;

pub use network::{Network, PeerId, Status};
pub use plain::Plain;
pub use random::Random;

use crate::driver::{Buffers, Close, Config, Event, ListenerId, Outgoing, Sent, Stats};
use crate::pool::Pools;
use crate::{Token, Waker};

/// How hard a driver is on its shard. Chances are out of a thousand.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// That something which can complete does so in this turn.
    pub eagerness: u16,
    /// That a read or a send goes only in part, although more would go.
    pub cuts: u16,
    /// That no buffer is free, although there is one.
    pub no_buffer: u16,
    /// That the kernel refuses: adopting, promoting, accepting, receiving, sending.
    pub failures: u16,
    /// Whether sends that went whole are told of only when there is something else to tell, or the caller waits for
    /// them.
    pub late_ends: bool,
}

impl Faults {
    /// None: everything completes at once and whole.
    pub const NONE: Self = Self { eagerness: 1000, cuts: 0, no_buffer: 0, failures: 0, late_ends: false };

    /// Some kind of hardness. In half of the cases nothing fails, so that every peer gets all it may expect.
    pub fn choose(random: &mut Random) -> Self {
        Self {
            eagerness: random.pick(&[150, 500, 900, 1000]),
            cuts: random.pick(&[0, 100, 500]),
            no_buffer: random.pick(&[0, 50, 300]),
            failures: random.pick(&[0, 0, 2, 20]),
            late_ends: random.per_mille(500),
        }
    }
}

/// A simulated driver. See the module's documentation.
pub struct Simulated {
    network: Network,
    index: usize,
    config: Config,
    faults: Faults,
    random: Random,
    pools: Pools,
    slots: BTreeMap<u32, Slot>,
    listeners: Vec<Listener>,
    waker: Waker,
    woken: bool,
    breaks: bool,
    /// The caller waits for the ends of sends.
    confirm: bool,
    /// When the last turn was.
    last_time: Duration,
    /// What the last turn was asked for, and did.
    last: LastTurn,
    stats: Stats,
}

/// What a driver's last turn was like.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastTurn {
    /// How long it might have waited.
    pub timeout: Duration,
    /// How many events it brought.
    pub events: usize,
    /// Whether something could have completed and did not: a later turn will bring it, without time passing.
    pub unfinished: bool,
}

/// A slot that has an owner.
struct Slot {
    generation: u32,
    peer: PeerId,
    /// Kept open so that its number means this peer.
    _descriptor: OwnedFd,
    /// A receive has no answer yet, which may come in these.
    receiving: Option<Buffers>,
    sending: Option<Sending>,
    shut: bool,
    leaving: Option<Leaving>,
    /// Read, and not told, by one that is being released.
    unread: Vec<u8>,
}

/// On which way a slot leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Close,
    Release,
}

enum Sending {
    UnderWay(Outgoing),
    /// It is over, and the next turn tells.
    Over(Sent),
}

struct Listener {
    _socket: OwnedFd,
    state: Listening,
}

enum Listening {
    Accepting,
    Pausing { until: Duration, delay: Duration },
    Ending,
    Ended,
}

impl Sending {
    /// What has not gone of it.
    fn outgoing(&self) -> Option<&Outgoing> {
        match self {
            Self::UnderWay(outgoing) | Self::Over(Sent::Partial(outgoing)) => Some(outgoing),
            Self::Over(Sent::Whole | Sent::Failed(_)) => None,
        }
    }
}

impl std::fmt::Debug for Simulated {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Simulated").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Simulated {
    /// Makes a driver in this network.
    ///
    /// # Errors
    /// When there is no memory for the pool or no descriptor for the waker.
    pub fn new(network: &Network, config: &Config, faults: Faults, seed: u64) -> rustix::io::Result<Self> {
        let pools = Pools::new(config)?;
        let mut state = network.state();
        state.queues.push(std::collections::VecDeque::new());
        state.deaf.push(false);
        Ok(Self {
            network: network.clone(),
            index: state.queues.len() - 1,
            config: *config,
            faults,
            random: Random::new(seed),
            stats: Stats::default(),
            pools,
            slots: BTreeMap::new(),
            listeners: Vec::new(),
            waker: Waker::new()?,
            woken: false,
            breaks: false,
            confirm: false,
            last_time: Duration::ZERO,
            last: LastTurn::default(),
        })
    }

    /// Lets the next turn fail, as if the driver were broken.
    pub fn break_down(&mut self) {
        self.breaks = true;
    }

    /// What the last turn was like.
    #[must_use]
    pub fn last_turn(&self) -> LastTurn {
        self.last
    }

    /// Whether this token has a slot; closing or not.
    #[must_use]
    pub fn owns(&self, token: Token) -> bool {
        self.slots.get(&token.slot).is_some_and(|slot| slot.generation == token.generation)
    }

    /// Whether a receive of this token has no answer yet.
    #[must_use]
    pub fn is_receiving(&self, token: Token) -> bool {
        self.owns(token) && self.slots[&token.slot].receiving.is_some()
    }

    /// Whether a send of this token is not over yet.
    #[must_use]
    pub fn is_sending(&self, token: Token) -> bool {
        self.owns(token) && self.slots[&token.slot].sending.is_some()
    }

    /// How many slots have an offer that is not over yet.
    fn offered(&self) -> usize {
        let offered = |slot: &&Slot| {
            let sending = slot.sending.as_ref();
            matches!(sending.and_then(Sending::outgoing), Some(Outgoing::Offered(_)))
        };
        self.slots.values().filter(offered).count()
    }

    /// How many slots have an owner.
    #[must_use]
    pub fn slots_owned(&self) -> usize {
        self.slots.len()
    }

    /// Lent buffers that sends hold: between turns nobody else has one.
    #[must_use]
    pub fn buffers_in_sends(&self) -> usize {
        let holds = |slot: &&Slot| {
            let sending = slot.sending.as_ref();
            matches!(sending.and_then(Sending::outgoing), Some(Outgoing::Lent(_)))
        };
        self.slots.values().filter(holds).count()
    }

    /// When the next pause of a listener is over.
    #[must_use]
    pub fn next_resume(&self) -> Option<Duration> {
        let resume = |listener: &Listener| match listener.state {
            Listening::Pausing { until, .. } => Some(until),
            _ => None,
        };
        self.listeners.iter().filter_map(resume).min()
    }

    /// The slot of a token.
    ///
    /// # Panics
    /// When it has none: a bug of the caller.
    fn slot_of(&mut self, token: Token) -> &mut Slot {
        let slot = self.slots.get_mut(&token.slot).filter(|slot| slot.generation == token.generation);
        slot.unwrap_or_else(|| panic!("{token:?} owns its slot"))
    }

    /// The slot of a token that may still ask for something.
    ///
    /// # Panics
    /// When it may not: a bug of the caller.
    fn slot(&mut self, token: Token) -> &mut Slot {
        let slot = self.slot_of(token);
        assert!(slot.leaving.is_none(), "{token:?}: nothing more after close or release");
        slot
    }

    /// Takes some of what has come from a peer.
    fn take_inbound(&mut self, peer: PeerId) -> Vec<u8> {
        let ready = self.network.link(peer).inbound.len();
        let len = self.part(ready);
        self.network.link(peer).inbound.drain(..len).collect()
    }

    /// Whether something that can complete does so now.
    fn now(&mut self) -> bool {
        let now = self.random.per_mille(self.faults.eagerness);
        self.last.unfinished |= !now;
        now
    }

    fn fails(&mut self) -> bool {
        self.random.per_mille(self.faults.failures)
    }

    /// How much of `len` bytes goes at once: at least one, unless there are none.
    fn part(&mut self, len: usize) -> usize {
        if len > 1 && self.random.per_mille(self.faults.cuts) { self.random.between(1, len - 1) } else { len }
    }

    fn complete_accepts(&mut self, index: usize, blocks: &mut Vec<Vec<Event>>) {
        let listener = ListenerId(u16::try_from(index).unwrap_or(u16::MAX));
        let now = self.network.now();
        let mut events = Vec::new();
        match self.listeners[index].state {
            Listening::Ended => return,
            Listening::Pausing { until, .. } if now < until => return,
            _ => {}
        }
        let ending = matches!(self.listeners[index].state, Listening::Ending);
        while !self.network.state().queues[self.index].is_empty() {
            if !ending && !self.now() {
                break;
            }
            if self.fails() {
                let (error, pause) = self.fail_accept(index, ending);
                events.push(Event::AcceptFailed { listener, error, pause });
                if !pause.is_zero() {
                    break;
                }
                continue;
            }
            let Some(peer) = self.network.state().queues[self.index].pop_front() else { break };
            let Ok(descriptor) = self.network.descriptor(peer) else { break };
            self.network.trace(|| format!("driver {}: accepted peer {peer}", self.index));
            if !ending {
                self.listeners[index].state = Listening::Accepting;
            }
            events.push(Event::Accepted { listener, descriptor });
        }
        if ending && self.now() && self.network.state().queues[self.index].is_empty() {
            self.listeners[index].state = Listening::Ended;
            let deaf = self.listeners.iter().all(|it| matches!(it.state, Listening::Ended));
            self.network.state().deaf[self.index] = deaf;
            events.push(Event::Unlistened { listener });
        }
        blocks.push(events);
    }

    /// Either the peer left before it was accepted, or we are out of something for a while.
    fn fail_accept(&mut self, index: usize, ending: bool) -> (Errno, Duration) {
        if ending || self.random.per_mille(500) {
            let peer = self.network.state().queues[self.index].pop_front();
            if let Some(peer) = peer {
                self.network.link(peer).fail();
                self.network.link(peer).close(Close::Reset);
            }
            return (Errno::CONNABORTED, Duration::ZERO);
        }
        let before = match self.listeners[index].state {
            Listening::Pausing { delay, .. } => delay,
            _ => Duration::ZERO,
        };
        let delay = (before * 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
        self.listeners[index].state = Listening::Pausing { until: self.network.now() + delay, delay };
        (self.random.pick(&[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]), delay)
    }

    /// What can complete for a slot, and does so in this turn: the end of a send and the answer to a receive, or the
    /// end of the slot.
    fn complete(&mut self, token: Token, blocks: &mut Vec<Vec<Event>>) {
        let leaving = self.slots[&token.slot].leaving;
        if leaving == Some(Leaving::Close) {
            if self.now() {
                self.network.trace(|| format!("driver {}: {token} closed", self.index));
                self.slots.remove(&token.slot);
                blocks.push(vec![Event::Closed { token }]);
            }
            return;
        }
        if leaving == Some(Leaving::Release) && self.now() {
            let block = self.finish_release(token);
            return blocks.push(block);
        }
        if self.slots[&token.slot].sending.is_some() {
            blocks.extend(self.go_on_sending(token).map(|sent| vec![Event::Sent { token, sent }]));
        }
        if let Some(buffers) = self.slots[&token.slot].receiving {
            blocks.extend(self.read(token, buffers).map(|event| vec![event]));
        }
    }

    /// The end of a release: that of a send in flight, and then the descriptor, or why there is none.
    fn finish_release(&mut self, token: Token) -> Vec<Event> {
        let mut block = Vec::new();
        let slot = self.slot_of(token);
        let (peer, sending) = (slot.peer, slot.sending.take());
        let stops = self.network.link(peer).is_reset() || self.random.per_mille(500);
        let sent = match sending {
            Some(Sending::UnderWay(outgoing)) if stops => Some(Sent::Partial(outgoing)),
            Some(Sending::UnderWay(outgoing)) => Some(self.send_some(peer, outgoing)),
            Some(Sending::Over(sent)) => Some(sent),
            None => None,
        };
        block.extend(sent.map(|sent| Event::Sent { token, sent }));
        let fails = self.fails();
        let slot = self.slot_of(token);
        slot.leaving = None;
        let unread = std::mem::take(&mut slot.unread);
        let (index, len) = (self.index, unread.len());
        self.network.trace(|| format!("driver {index}: {token} released ({fails}), {len} bytes unread"));
        let descriptor = if fails {
            self.network.link(peer).fail();
            Err(Errno::MFILE)
        } else {
            self.slots.remove(&token.slot);
            self.network.descriptor(peer)
        };
        block.push(Event::Released { token, descriptor, unread });
        block
    }

    /// Keeps the ends of whole sends for a later turn, if there is nothing else to tell and nobody waits for them.
    fn keep_quiet(&mut self, blocks: &mut Vec<Vec<Event>>) {
        let now = self.network.now();
        let time_passed = std::mem::replace(&mut self.last_time, now) != now;
        let confirm = self.confirm || time_passed || !self.faults.late_ends;
        self.confirm &= self.slots.values().any(|slot| slot.sending.is_some());
        let is_whole = |event: &Event| matches!(event, Event::Sent { sent: Sent::Whole, .. });
        if confirm || !blocks.iter().flatten().all(is_whole) {
            return;
        }
        for event in blocks.drain(..).flatten() {
            if let Event::Sent { token, sent } = event {
                self.slot_of(token).sending = Some(Sending::Over(sent));
            }
        }
    }

    fn read(&mut self, token: Token, buffers: Buffers) -> Option<Event> {
        let peer = self.slots[&token.slot].peer;
        let (ready, waiting) = {
            let link = self.network.link(peer);
            (link.inbound.len(), link.is_reset() || link.inbound_ended)
        };
        if (ready == 0 && !waiting) || !self.now() {
            return None;
        }
        if self.fails() {
            self.network.link(peer).fail();
            self.network.link(peer).close(Close::Reset);
        }
        if self.network.link(peer).is_reset() {
            self.slot(token).receiving = None;
            let error = self.random.pick(&[Errno::CONNRESET, Errno::TIMEDOUT, Errno::CANCELED]);
            self.network.trace(|| format!("driver {}: {token} failed {error}", self.index));
            return Some(Event::Failed { token, error });
        }
        // Both an end and bytes want a buffer. Whether peers send long messages is not looked at: any may have a long
        // one.
        let long = buffers == Buffers::Any && self.random.per_mille(500);
        let pool = if long { &self.pools.long } else { &self.pools.short };
        let Some(mut buffer) = pool.lend().filter(|_| !self.random.per_mille(self.faults.no_buffer)) else {
            self.last.unfinished = true;
            return None;
        };
        self.slot(token).receiving = None;
        if ready == 0 {
            self.network.trace(|| format!("driver {}: {token} ended", self.index));
            return Some(Event::Ended { token });
        }
        let len = self.part(ready.min(buffer.capacity()));
        for (to, from) in buffer.iter_mut().zip(self.network.link(peer).inbound.drain(..len)) {
            *to = from;
        }
        buffer.set_range(0..len);
        self.network.trace(|| format!("driver {}: {token} received {len} of {ready}", self.index));
        Some(Event::Received { token, buffer })
    }

    /// How a send ends that is in flight, if it ends now.
    fn go_on_sending(&mut self, token: Token) -> Option<Sent> {
        let peer = self.slots[&token.slot].peer;
        let sending = self.slots.get_mut(&token.slot)?.sending.take()?;
        if !matches!(sending, Sending::Over(_)) && self.fails() {
            self.network.link(peer).fail();
            self.network.link(peer).close(Close::Reset);
        }
        let room = self.network.link(peer).room();
        let waits = matches!(sending, Sending::UnderWay(Outgoing::Shared(_)))
            && room == 0
            && !self.network.link(peer).is_reset();
        if waits || !self.now() {
            self.slot_of(token).sending = Some(sending);
            return None;
        }
        let sent = match sending {
            Sending::Over(sent) => sent,
            Sending::UnderWay(_) if self.network.link(peer).is_reset() => Sent::Failed(Errno::PIPE),
            Sending::UnderWay(outgoing) => match self.send_some(peer, outgoing) {
                // It goes on waiting.
                Sent::Partial(outgoing @ Outgoing::Shared(_)) => {
                    self.last.unfinished = true;
                    self.slot_of(token).sending = Some(Sending::UnderWay(outgoing));
                    return None;
                }
                sent => sent,
            },
        };
        let left = if let Sent::Partial(rest) = &sent { rest.len() } else { 0 };
        let failed = if let Sent::Failed(error) = &sent { Some(error) } else { None };
        self.network.trace(|| format!("driver {}: {token} sent but {left}, {failed:?}", self.index));
        if self.slot_of(token).shut {
            self.network.link(peer).end_outbound();
        }
        Some(sent)
    }

    /// Sends as much as goes now.
    fn send_some(&mut self, peer: PeerId, outgoing: Outgoing) -> Sent {
        let room = self.network.link(peer).room();
        let len = if room == 0 { 0 } else { self.part(outgoing.len().min(room)) };
        self.network.link(peer).push(&outgoing.bytes()[..len]);
        outgoing.after(len)
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        // As the kernel closes what a process leaves behind.
        let queued: Vec<PeerId> = self.network.state().queues[self.index].drain(..).collect();
        self.network.state().deaf[self.index] = true;
        for peer in self.slots.values().map(|slot| slot.peer).chain(queued) {
            let mut link = self.network.link(peer);
            link.fail();
            link.close(Close::Reset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Driver;

    const CONFIG: Config = Config {
        handshake_slots: 1,
        connection_slots: 1,
        normal_descriptors_max: 0,
        buffer_bytes: 100,
        buffer_count: 2,
        long_buffer_bytes: 300,
        long_buffer_count: 1,
        submission_entries: 0,
        completion_entries: 0,
    };

    /// A connection goes from driver to driver while bytes go both ways: each comes once and in order.
    fn wander(seed: u64) {
        let network = Network::new(false);
        let mut random = Random::new(seed);
        let faults = Faults { failures: 0, ..Faults::choose(&mut random) };
        let mut drivers = [0, 1].map(|add| Simulated::new(&network, &CONFIG, faults, seed ^ add).unwrap());
        let listener = || std::fs::File::open("/dev/null").unwrap().into();
        drivers[0].listen(listener()).unwrap();
        let peer = network.connect(0, 500).unwrap();
        let said: Vec<u8> = (0..5000).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let (mut written, mut heard, mut echoed) = (0, Vec::new(), Vec::new());
        let token = Token { slot: 0, generation: 1 };
        // What is to be sent, and where the connection is.
        let (mut unsent, mut at): (Vec<u8>, Option<usize>) = (Vec::new(), None);
        let (mut receiving, mut sending, mut leaving, mut moves) = (false, false, false, 0);
        for _ in 0..100_000 {
            written += network.write(peer, &said[written..said.len().min(written + random.between(0, 200))]);
            echoed.extend(network.read(peer, random.between(0, 300)));
            if let Some(index) = at.filter(|_| !leaving) {
                let driver = &mut drivers[index];
                if !receiving && random.per_mille(700) {
                    driver.receive(token, Buffers::Any);
                    receiving = true;
                }
                if !sending && !unsent.is_empty() {
                    let bytes = std::mem::take(&mut unsent).into();
                    let shared = random.per_mille(500);
                    let outgoing = if shared { Outgoing::Shared(bytes) } else { Outgoing::Offered(bytes) };
                    sending = driver.send(token, outgoing) == crate::Progress::Pending;
                }
                if random.per_mille(100) {
                    driver.release(token);
                    (leaving, receiving) = (true, false);
                }
            }
            let mut events = Vec::new();
            let index = at.unwrap_or(0);
            drivers[index].confirm_sends();
            drivers[index].turn(Duration::ZERO, &mut events).unwrap();
            for event in events {
                match event {
                    Event::Accepted { descriptor, .. } => {
                        drivers[0].adopt(token, descriptor).unwrap();
                        at = Some(0);
                    }
                    Event::Received { buffer, .. } => {
                        receiving = false;
                        heard.extend_from_slice(&buffer);
                        unsent.extend_from_slice(&buffer);
                    }
                    Event::Sent { sent, .. } => {
                        sending = false;
                        if let Sent::Partial(rest) = sent {
                            unsent.splice(0..0, rest.bytes().iter().copied());
                        }
                    }
                    Event::Released { descriptor, unread, .. } => {
                        assert!(!sending, "its end is told first");
                        heard.extend_from_slice(&unread);
                        unsent.extend(unread);
                        leaving = false;
                        moves += 1;
                        drivers[1 - index].adopt(token, descriptor.unwrap()).unwrap();
                        at = Some(1 - index);
                    }
                    event => panic!("seed {seed}: {event:?}"),
                }
            }
            if echoed.len() == said.len() {
                break;
            }
        }
        assert!(
            heard == said && echoed == said,
            "seed {seed}: {} heard, {} echoed",
            heard.len(),
            echoed.len()
        );
        assert!(moves > 0, "seed {seed}");
    }

    #[test]
    fn a_connection_that_wanders_between_drivers_loses_nothing() {
        (0..200).for_each(wander);
    }
}
