//! The driver on epoll, edge-triggered: what most gateways are built on, as good as it gets, and what is used where
//! io_uring is not permitted.
//!
//! A descriptor is added to the epoll instance once, for reading, writing and hangup, and never touched again: the
//! event carries the descriptor's number, so that a slot that moves on needs no second call. Readiness is remembered
//! until a read is short; a hangup is remembered for good, since no further edge would tell of it.

mod listen;
mod send;
mod timer;

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use bytes::Bytes;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown, sockopt::set_socket_linger};

use crate::driver::{Buffers, Close, Config, Driver, Event, ListenerId, Outgoing, Progress, Sent, Stats};
use crate::pool::Pools;
use crate::ready::Ready;
use crate::size::Sizes;
use crate::slots::{Flags, OWNED, Slots, raw};
use crate::{Lent, Token, Waker};
use listen::Listener;
use timer::Timer;

/// The caller has asked to receive.
const WANTED: Flags = Flags(1);
/// There may be something to read.
const READABLE: Flags = Flags(1 << 1);
/// The peer has hung up: after what is left to read comes an end or an error.
const HANGUP: Flags = Flags(1 << 2);
/// In a queue to be read.
const WAITING: Flags = Flags(1 << 3);
/// A send of shared bytes waits for room.
const SENDING: Flags = Flags(1 << 4);
/// The end of stream is to be said when that send is over.
const SHUTDOWN: Flags = Flags(1 << 5);
/// The end of a send is among the early events.
const ANSWERED: Flags = Flags(1 << 6);

/// Kinds of what is watched, in the upper half of an event's data; its number is in the lower half.
const KIND_DESCRIPTOR: u64 = 0;
const KIND_LISTENER: u64 = 1;
const KIND_WAKER: u64 = 2;
const KIND_TIMER: u64 = 3;

/// A driver on epoll. See the module's documentation.
pub struct Epoll {
    epoll: OwnedFd,
    slots: Slots,
    /// The owner of each descriptor, by its number.
    owners: Vec<Option<Token>>,
    pools: Pools,
    sizes: Sizes,
    ready: Ready,
    /// Sends of shared bytes that wait for room.
    blocked: HashMap<Token, Bytes>,
    listeners: Vec<Listener>,
    waker: Waker,
    timer: Timer,
    readiness: Vec<epoll::Event>,
    /// Events that came about outside of a turn.
    early: Vec<Event>,
    /// How many of them are the ends of offers.
    offers: usize,
    stats: Stats,
}

impl std::fmt::Debug for Epoll {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Epoll").finish_non_exhaustive()
    }
}

impl Epoll {
    /// Makes a driver.
    ///
    /// # Errors
    /// EMFILE, ENFILE or ENOMEM.
    pub fn new(config: &Config) -> rustix::io::Result<Self> {
        let driver = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            slots: Slots::new(config.slots()),
            owners: Vec::new(),
            stats: Stats::default(),
            pools: Pools::new(config)?,
            sizes: Sizes::new(config.buffer_bytes),
            ready: Ready::default(),
            blocked: HashMap::new(),
            listeners: Vec::new(),
            waker: Waker::new()?,
            timer: Timer::new()?,
            readiness: Vec::with_capacity(config.completion_entries.max(1) as usize),
            early: Vec::new(),
            offers: 0,
        };
        let data = epoll::EventData::new_u64(KIND_WAKER << 32);
        epoll::add(&driver.epoll, driver.waker.descriptor(), data, epoll::EventFlags::IN)?;
        let data = epoll::EventData::new_u64(KIND_TIMER << 32);
        epoll::add(&driver.epoll, &driver.timer, data, epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        Ok(driver)
    }

    /// Counts a system call on behalf of one slot.
    fn count_call(&mut self) {
        self.stats.syscalls += 1;
        self.stats.submissions += 1;
    }

    fn set_owner(&mut self, number: i32, owner: Option<Token>) {
        let Ok(index) = usize::try_from(number) else { return };
        if index >= self.owners.len() {
            self.owners.resize(index + 1, None);
        }
        self.owners[index] = owner;
    }

    fn on_readiness(&mut self, number: usize, flags: epoll::EventFlags, events: &mut Vec<Event>) {
        let Some(token) = self.owners.get(number).copied().flatten() else { return };
        let Some(slot) = self.slots.get(token) else { return };
        let hangup = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        if flags.intersects(hangup) {
            slot.flags.set(HANGUP);
        }
        if flags.contains(epoll::EventFlags::IN) {
            slot.flags.set(READABLE);
        }
        let may_send = slot.flags.has(SENDING)
            && flags.intersects(epoll::EventFlags::OUT | epoll::EventFlags::ERR | epoll::EventFlags::HUP);
        self.queue_if_ready(token);
        if may_send {
            self.go_on_sending(token, events);
        }
    }

    /// Puts a slot that is wanted and ready into the queue for a buffer.
    fn queue_if_ready(&mut self, token: Token) {
        let flags = &mut self.slots.owned(token).flags;
        if !flags.has(WANTED) || flags.has(WAITING) || !flags.has(READABLE | HANGUP) {
            return;
        }
        flags.set(WAITING);
        if flags.has(HANGUP) {
            self.ready.push_hangup(token);
        } else if flags.wants_long() {
            self.ready.push_long(token);
        } else {
            self.ready.push(token);
        }
    }

    /// Reads once from each slot that is ready, as long as there are buffers.
    fn serve_ready(&mut self, events: &mut Vec<Event>) {
        let mut pass = self.ready.begin();
        while let Some((token, buffer)) = self.ready.serve(&mut pass, &self.pools, &mut self.slots, WAITING) {
            events.extend(self.read(token, buffer));
        }
    }

    fn read(&mut self, token: Token, mut buffer: Lent) -> Option<Event> {
        self.count_call();
        let slot = self.slots.owned(token);
        let descriptor = slot.borrow()?;
        let outcome = recv(descriptor, &mut buffer[..], RecvFlags::DONTWAIT).map(|(len, _)| len);
        match outcome {
            Err(Errno::INTR) => {
                self.queue_if_ready(token);
                return None;
            }
            // What seemed ready was not: wait for the next edge.
            Err(Errno::AGAIN) => {
                slot.flags.clear(READABLE | HANGUP);
                return None;
            }
            _ => slot.flags.clear(WANTED),
        }
        Some(match outcome {
            Ok(0) => Event::Ended { token },
            Ok(len) => {
                // A full buffer leaves the rest for the next turn, without another edge.
                if len < buffer.len() {
                    slot.flags.clear(READABLE);
                }
                self.sizes.learn(&mut slot.flags, len);
                buffer.set_range(0..len);
                Event::Received { token, buffer }
            }
            Err(error) => Event::Failed { token, error },
        })
    }

    /// Says the end of stream.
    fn end_stream(&mut self, token: Token) {
        self.count_call();
        if let Some(descriptor) = self.slots.owned(token).borrow() {
            // ENOTCONN: the peer has reset it; receiving will tell.
            let _ = shutdown(descriptor, Shutdown::Write);
        }
    }

    /// Keeps the end of a send for the next turn.
    fn answer_early(&mut self, token: Token, sent: Sent) {
        self.slots.owned(token).flags.set(ANSWERED);
        self.early.push(Event::Sent { token, sent });
    }

    fn tell_early(&mut self, events: &mut Vec<Event>) {
        for event in &self.early {
            // One that has been released since owns its slot no more.
            if let Event::Sent { token, .. } = event
                && let Some(slot) = self.slots.get(*token)
            {
                slot.flags.clear(ANSWERED);
            }
        }
        events.append(&mut self.early);
        self.offers = 0;
    }

    /// Waits for readiness, not at all without a timeout.
    fn wait(&mut self, timeout: Option<Duration>) -> rustix::io::Result<()> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        if let Some(timeout) = timeout
            && self.timer.fire_within(timeout)?
        {
            self.stats.syscalls += 1;
        }
        self.readiness.clear();
        self.stats.syscalls += 1;
        let spare = rustix::buffer::spare_capacity(&mut self.readiness);
        match epoll::wait(&self.epoll, spare, timeout.is_none().then_some(&at_once)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Driver for Epoll {
    fn listen(&mut self, listener: OwnedFd) -> rustix::io::Result<ListenerId> {
        self.add_listener(listener)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.end_listener(listener);
    }

    fn adopt(&mut self, token: Token, descriptor: OwnedFd) -> rustix::io::Result<()> {
        let number = raw(&descriptor);
        let flags =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(KIND_DESCRIPTOR << 32 | u64::from(number.unsigned_abs()));
        self.count_call();
        epoll::add(&self.epoll, &descriptor, data, flags)?;
        self.set_owner(number, Some(token));
        self.slots.put(token, descriptor);
        Ok(())
    }

    fn promote(&mut self, from: Token, to: Token) -> rustix::io::Result<()> {
        let mut old = self.slots.free(from);
        old.flags.forget_size();
        let kept = old.flags;
        debug_assert!(
            !kept.has(WANTED | WAITING | SENDING | ANSWERED),
            "nothing is in flight for a slot that moves on"
        );
        let Some(descriptor) = old.take_descriptor() else { return Err(Errno::BADF) };
        self.set_owner(raw(&descriptor), Some(to));
        self.slots.put(to, descriptor).flags = kept | OWNED;
        Ok(())
    }

    fn receive(&mut self, token: Token, buffers: Buffers) {
        let flags = &mut self.slots.owned(token).flags;
        debug_assert!(!flags.has(WANTED), "one receive at a time");
        if buffers == Buffers::Short {
            flags.forget_size();
        }
        flags.set(WANTED);
        self.queue_if_ready(token);
    }

    fn has_unread(&self, token: Token) -> bool {
        self.slots.flags(token).has(WAITING)
    }

    fn send(&mut self, token: Token, outgoing: Outgoing) -> Progress {
        match outgoing {
            Outgoing::Shared(bytes) => self.send_waiting(token, bytes),
            outgoing => self.send_at_once(token, outgoing),
        }
    }

    fn offers(&self) -> usize {
        self.offers
    }

    fn shutdown(&mut self, token: Token) {
        let slot = self.slots.owned(token);
        if slot.flags.has(SENDING) {
            slot.flags.set(SHUTDOWN);
        } else {
            self.end_stream(token);
        }
    }

    fn close(&mut self, token: Token, how: Close) {
        let mut slot = self.slots.free(token);
        self.blocked.remove(&token);
        if slot.flags.has(ANSWERED) {
            self.early.retain(|event| !matches!(event, Event::Sent { token: of, .. } if *of == token));
        }
        if let Some(descriptor) = slot.take_descriptor() {
            self.count_call();
            self.set_owner(raw(&descriptor), None);
            if how == Close::Reset {
                // Zero seconds: close(2) then drops what is unsent and resets (socket(7), SO_LINGER).
                let _ = set_socket_linger(&descriptor, Some(Duration::ZERO));
            }
        }
        self.early.push(Event::Closed { token });
    }

    fn release(&mut self, token: Token) {
        let mut slot = self.slots.free(token);
        if let Some(rest) = self.blocked.remove(&token) {
            self.early.push(Event::Sent { token, sent: Sent::Partial(Outgoing::Shared(rest)) });
        }
        let descriptor = slot.take_descriptor().ok_or(Errno::BADF);
        if let Ok(descriptor) = &descriptor {
            self.count_call();
            self.set_owner(raw(descriptor), None);
            // An error would mean that it is not watched: nothing is to be done then.
            let _ = epoll::delete(&self.epoll, descriptor);
        }
        self.early.push(Event::Released { token, descriptor, unread: Vec::new() });
    }

    fn lend(&mut self) -> Option<Lent> {
        self.pools.short.lend()
    }

    fn turn(&mut self, timeout: Duration, events: &mut Vec<Event>) -> rustix::io::Result<()> {
        let before = events.len();
        self.tell_early(events);
        self.resume_listeners(events);
        let at_once = events.len() > before || self.ready.can_go_on(&self.pools);
        let timeout = self.next_resume().map_or(timeout, |resume| resume.min(timeout));
        self.wait((!at_once && !timeout.is_zero()).then_some(timeout))?;
        self.stats.completions += self.readiness.len() as u64;
        for index in 0..self.readiness.len() {
            let epoll::Event { flags, data } = self.readiness[index];
            let data = data.u64();
            let number = usize::try_from(data & u64::from(u32::MAX)).unwrap_or(usize::MAX);
            match data >> 32 {
                KIND_DESCRIPTOR => self.on_readiness(number, flags, events),
                KIND_LISTENER => self.accept(number, events),
                KIND_TIMER => self.timer.fired(),
                _ => {
                    self.waker.acknowledge();
                    events.push(Event::Woken);
                }
            }
        }
        self.serve_ready(events);
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn stats(&self) -> Stats {
        Stats {
            submissions: self.stats.submissions,
            completions: self.stats.completions,
            syscalls: self.stats.syscalls,
            overflows: 0,
            buffers_waiting: self.ready.len(),
            // The owner of the descriptor's number included.
            slot_bytes: self.slots.bytes_in_use() / size_of::<u64>()
                * (size_of::<u64>() + size_of::<Option<Token>>()),
            ..self.pools.stats()
        }
    }
}

impl AsFd for Epoll {
    /// The epoll instance.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
