//! The driver on io_uring: the rungs `uring` and `uring-baseline`, one code path with capability flags.
//!
//! A slot that waits for its peer has one operation in flight, a one-shot POLL_ADD (256 bytes of kernel memory; a
//! receive in flight takes 864). When it fires the slot is lent a buffer and read once; since a poll looks at the
//! socket when it is armed, nothing is lost between two of them.

mod accept;
mod busy;
mod capabilities;
mod close;
mod enter;
mod entry;
mod exit;
mod op;
mod queue;
mod read;
mod release;
mod send;
mod stock;
mod trial;

use std::collections::HashMap;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::io::Errno;
use slab::Slab;

pub use capabilities::Capabilities;
pub use trial::{Refusal, Trial};

use crate::driver::{Buffers, Close, Config, Driver, Event, ListenerId, Outgoing, Progress, Stats};
use crate::pool::Pools;
use crate::ready::Ready;
use crate::size::Sizes;
use crate::slots::{Flags, Slot, Slots, raw};
use crate::{Lent, Token, Waker};
use accept::Listener;
use busy::Busy;
use entry::{Descriptor, Entry};
use op::Op;
use queue::{Completion, Queue, Until};
use release::Release;

// Operations in flight for a slot.
const POLL: Flags = Flags(1);
const READ: Flags = Flags(1 << 1);
const SEND: Flags = Flags(1 << 2);
const INSTALL: Flags = Flags(1 << 3);
const CLOSE: Flags = Flags(1 << 4);
// What else is true of it.
/// Ready, and in a queue for a buffer.
const WAITING: Flags = Flags(1 << 5);
/// Its descriptor is in the ring's table, at the index of its slot.
const DIRECT: Flags = Flags(1 << 6);
// Three bits, 7 to 9, say how it comes to its end: see `exit`.

/// A multishot receive is in flight.
const STREAM: Flags = Flags(1 << 11);
/// It has brought something that was not wanted yet.
const HELD: Flags = Flags(1 << 12);
/// The caller waits for what it brings.
const WANTED: Flags = Flags(1 << 13);

/// Most rounds of a turn: one for readiness, one for the reads, a few more for what was not ready after all.
const ROUNDS_MAX: usize = 8;

/// A driver on io_uring. See the module's documentation.
pub struct Uring {
    // First, so that it is dropped first: closing the ring ends what is in flight.
    queue: Queue,
    capabilities: Capabilities,
    config: Config,
    slots: Slots,
    /// Connections with a normal descriptor.
    normal_descriptors: u32,
    pools: Pools,
    sizes: Sizes,
    /// The short one is registered.
    pool_registered: bool,
    /// The lent buffers that an operation holds, by their index.
    lent: Box<[Option<(Token, Lent)>]>,
    /// Sends of shared bytes in flight.
    shared: Slab<(Token, Bytes)>,
    /// Offers in flight.
    offers: Slab<(Token, Bytes)>,
    /// Slots that are being released.
    releases: HashMap<Token, Release>,
    /// Events that came about outside of a turn, or behind another.
    early: Vec<Event>,
    ready: Ready,
    /// Sends in flight that say nothing when they went whole: the indices of their buffers.
    quiet: Vec<u16>,
    /// The caller waits for the end of one of them.
    confirm: bool,
    busy: Option<Busy>,
    listeners: Vec<Listener>,
    waker: Waker,
    broken: Option<Errno>,
}

impl std::fmt::Debug for Uring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Uring").field("capabilities", &self.capabilities).finish_non_exhaustive()
    }
}

impl Uring {
    /// Makes a driver that uses `capabilities`, which a [`Trial`] has found.
    ///
    /// When the kernel refuses to register the buffer pool, the same pool is used unregistered
    /// ([`pool_is_registered`](Self::pool_is_registered)). When it has no memory for the rings, they are halved.
    ///
    /// # Errors
    /// Of io_uring_setup(2) and io_uring_register(2).
    pub fn new(capabilities: Capabilities, config: &Config) -> rustix::io::Result<Self> {
        let queue = halving(&capabilities, config)?;
        if capabilities.direct_descriptors && config.connection_slots > config.normal_descriptors_max {
            let files = queue.submitter().register_files_sparse(config.connection_slots);
            files.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))?;
        }
        let pools = Pools::new(config)?;
        let pool_registered = capabilities.fixed_buffers && {
            // SAFETY: the pool is unmapped only after the ring is closed (`queue` is dropped first, and `Drop` abandons
            // the pool when anything is still in flight).
            unsafe { queue.submitter().register_buffers(&[pools.short.as_iovec()]) }.is_ok()
        };
        let mut driver = Self {
            queue,
            capabilities,
            config: *config,
            slots: Slots::new(config.slots()),
            normal_descriptors: 0,
            lent: (0..pools.count()).map(|_| None).collect(),
            sizes: Sizes::new(config.buffer_bytes),
            pools,
            pool_registered,
            shared: Slab::new(),
            offers: Slab::new(),
            releases: HashMap::new(),
            early: Vec::new(),
            ready: Ready::default(),
            quiet: Vec::new(),
            confirm: false,
            busy: None,
            listeners: Vec::new(),
            waker: Waker::new()?,
            broken: None,
        };
        if capabilities.multishot_receive {
            driver.busy = Busy::new(&driver.queue, &driver.pools.short).ok();
        }
        driver.watch_waker();
        Ok(driver)
    }

    /// Whether the kernel took the buffer pool as registered memory.
    #[must_use]
    pub fn pool_is_registered(&self) -> bool {
        self.pool_registered
    }

    /// What memory it could not have as it was asked for, in words for an operator.
    #[must_use]
    pub fn shortage(&self) -> Option<&'static str> {
        if self.queue.submission_entries() < self.config.submission_entries {
            Some("its rings are smaller")
        } else if self.capabilities.fixed_buffers && !self.pool_registered {
            Some("its buffer pool is not registered")
        } else {
            None
        }
    }

    fn entry_descriptor(&mut self, token: Token) -> Descriptor {
        let base = self.config.handshake_slots;
        let slot = self.slots.owned(token);
        if slot.flags.has(DIRECT) {
            Descriptor::Direct(token.slot - base)
        } else {
            Descriptor::Normal(slot.raw())
        }
    }

    /// Queues an entry that names no memory.
    fn push(&mut self, entry: Entry, op: Op) {
        // SAFETY: an `Entry` names no memory that could go away.
        let pushed = unsafe { self.queue.push(entry.into_inner(), op) };
        self.check(pushed);
    }

    /// Keeps the first error that shows the ring is broken; the next turn returns it.
    fn check(&mut self, result: rustix::io::Result<()>) {
        if let Err(error) = result {
            self.broken.get_or_insert(error);
        }
    }

    fn watch_waker(&mut self) {
        let descriptor = Descriptor::Normal(raw(&self.waker.descriptor()));
        self.push(Entry::poll(descriptor, libc::POLLIN as u32), Op::Wake);
    }

    fn handle(&mut self, completion: Completion, events: &mut Vec<Event>) {
        match completion.op {
            Op::Poll(token) => self.on_poll(token, completion, events),
            Op::Read(index) => self.on_read(index, completion, events),
            Op::Stream(index) => self.on_stream(index, completion, events),
            Op::SendLent(index) => self.on_send_lent(index, completion, events),
            Op::SendShared(index) => self.on_send_shared(index as usize, completion, events),
            Op::Offer(index) => self.on_offer(index as usize, completion, events),
            Op::Accept(listener, index) => self.on_accept((listener, index), completion, events),
            Op::Install(token) => self.on_install(token, completion),
            Op::Shutdown(token) | Op::Disconnect(token) => self.on_step(token, completion),
            Op::Close(token) => self.on_close(token, events),
            Op::Wake => {
                self.waker.acknowledge();
                events.push(Event::Woken);
                self.watch_waker();
            }
            Op::Timer(_) | Op::Cancel => {}
        }
    }

    /// The end of an operation of a slot: clears its flag. Returns whether the slot is leaving, which then goes on.
    fn ended(&mut self, token: Token, op: Flags) -> bool {
        let slot = self.slots.owned(token);
        slot.flags.clear(op);
        let leaving = slot.flags.is_leaving();
        if leaving {
            self.advance_exit(token);
        } else if op == SEND {
            self.end_stream(token);
        }
        leaving
    }

    /// Frees what a completion holds that no one will be told of.
    fn discard(&mut self, completion: Completion) {
        match completion.op {
            Op::Accept(..) | Op::Install(_) if completion.outcome().is_ok() => {
                // SAFETY: the result of an accept or install operation that succeeded is a new descriptor that nobody
                // else has.
                drop(unsafe { OwnedFd::from_raw_fd(completion.result) });
            }
            Op::Read(index) | Op::SendLent(index) => drop(self.lent[usize::from(index)].take()),
            // Those that have ended leave nothing to abandon the pool for.
            Op::Stream(index) => self.discard_stream(index, completion),
            Op::SendShared(index) => drop(self.shared.try_remove(index as usize)),
            Op::Offer(index) => drop(self.offers.try_remove(index as usize)),
            _ => {}
        }
    }
}

impl Driver for Uring {
    fn listen(&mut self, listener: OwnedFd) -> rustix::io::Result<ListenerId> {
        self.add_listener(listener)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.end_listener(listener);
    }

    fn adopt(&mut self, token: Token, descriptor: OwnedFd) -> rustix::io::Result<()> {
        self.slots.put(token, descriptor);
        Ok(())
    }

    fn promote(&mut self, from: Token, to: Token) -> rustix::io::Result<()> {
        let mut old = self.slots.free(from);
        old.flags.forget_size();
        debug_assert_eq!(old.flags, crate::slots::OWNED, "nothing is in flight for a slot that moves on");
        let Some(descriptor) = old.take_descriptor() else { return Err(Errno::BADF) };
        let number = raw(&descriptor);
        let slot: &mut Slot = self.slots.put(to, descriptor);
        let enough = self.normal_descriptors >= self.config.normal_descriptors_max;
        if enough && self.capabilities.direct_descriptors {
            let index = to.slot - self.config.handshake_slots;
            self.queue.count_call();
            // When the kernel refuses, this one connection keeps its normal descriptor.
            if self.queue.submitter().register_files_update(index, &[number]).is_ok() {
                slot.flags.set(DIRECT);
                drop(slot.take_descriptor());
                return Ok(());
            }
        }
        self.normal_descriptors += 1;
        Ok(())
    }

    fn receive(&mut self, token: Token, buffers: Buffers) {
        let flags = &mut self.slots.owned(token).flags;
        debug_assert!(
            !flags.has(POLL | READ | WAITING | WANTED) && !flags.is_leaving(),
            "one receive at a time, none after close"
        );
        if buffers == Buffers::Short {
            flags.forget_size();
        }
        if !self.receive_as_busy(token, buffers) {
            self.arm_poll(token);
        }
    }

    fn has_unread(&self, token: Token) -> bool {
        self.slots.flags(token).has(READ | WAITING | HELD)
    }

    fn send(&mut self, token: Token, outgoing: Outgoing) -> Progress {
        match outgoing {
            Outgoing::Lent(buffer) => self.start_send(token, buffer),
            Outgoing::Shared(bytes) => self.start_send_shared(token, bytes),
            Outgoing::Offered(bytes) => self.start_offer(token, bytes),
        }
        Progress::Pending
    }

    fn confirm_sends(&mut self) {
        self.confirm = !self.quiet.is_empty();
    }

    fn offers(&self) -> usize {
        self.offers.len()
    }

    fn shutdown(&mut self, token: Token) {
        self.begin_shutdown(token);
    }

    fn close(&mut self, token: Token, how: Close) {
        self.begin_close(token, how);
    }

    fn release(&mut self, token: Token) {
        self.begin_release(token);
    }

    fn lend(&mut self) -> Option<Lent> {
        self.pools.short.lend()
    }

    fn turn(&mut self, timeout: Duration, events: &mut Vec<Event>) -> rustix::io::Result<()> {
        let before = events.len();
        events.append(&mut self.early);
        self.resume_listeners(events);
        let now = Instant::now();
        self.rest_the_silent(now);
        self.hand_out(events);
        let mut wait = self.next_resume().map_or(timeout, |resume| resume.min(timeout));
        let mut quiet_ends = 0;
        for _ in 0..ROUNDS_MAX {
            self.serve_ready();
            if let Some(busy) = &mut self.busy {
                busy.fill_stock(&self.pools.short);
            }
            let at_once = events.len() > before || self.is_quiet_end_wanted();
            let until = Until { now, timeout: wait };
            self.queue.wait((!at_once && !wait.is_zero()).then_some(until))?;
            let told = events.len();
            self.end_quiet_sends(events);
            quiet_ends += events.len() - told;
            while let Some(completion) = self.queue.next_completion() {
                self.handle(completion, events);
            }
            events.append(&mut self.early);
            if let Some(error) = self.broken {
                return Err(error);
            }
            // Readiness alone, or the end of a send behind it, is nothing for the shard: go on to what the reads that
            // it leads to bring, without waiting.
            let goes_on = self.queue.has_pending() || self.ready.can_go_on(&self.pools);
            if events.len() > before + quiet_ends || !goes_on {
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn stats(&self) -> Stats {
        Stats {
            submissions: self.queue.submitted,
            completions: self.queue.completed,
            syscalls: self.queue.entered,
            overflows: self.queue.overflows,
            buffers_lent: self.pools.short.lent() - self.busy.as_ref().map_or(0, |busy| busy.stock.count()),
            buffers_waiting: self.ready.len(),
            held_bytes: self.busy.as_ref().map_or(0, Busy::held_bytes),
            slot_bytes: self.slots.bytes_in_use(),
            ..self.pools.stats()
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        // Closes that were asked for are carried out; what has happened meanwhile is freed.
        let _ = self.queue.flush();
        while let Some(completion) = self.queue.next_completion() {
            self.discard(completion);
        }
        self.end_quiet_sends(&mut Vec::new());
        // The kernel may still write into a buffer, or read shared bytes, while it tears the ring down: abandon both.
        let in_flight = self.busy.as_ref().is_some_and(Busy::is_in_flight);
        if in_flight || self.lent.iter().any(Option::is_some) {
            self.pools.abandon();
        }
        if !self.shared.is_empty() {
            std::mem::forget(std::mem::take(&mut self.shared));
        }
        if !self.offers.is_empty() {
            std::mem::forget(std::mem::take(&mut self.offers));
        }
    }
}

/// Rings of the wanted size, or half, or a quarter ... as far as there is memory for them.
fn halving(capabilities: &Capabilities, config: &Config) -> rustix::io::Result<Queue> {
    let (mut submission, mut completion) = (config.submission_entries, config.completion_entries);
    loop {
        match Queue::new(capabilities, submission, completion) {
            Err(Errno::NOMEM) if submission > 16 => {
                (submission, completion) = (submission / 2, completion / 2);
            }
            result => return result,
        }
    }
}

/// Most bytes of one operation, whose length has 32 bits.
const BYTES_MAX: usize = 1 << 30;

fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len().min(BYTES_MAX)).unwrap_or(u32::MAX)
}
