//! A driver that costs next to nothing, so that what is counted around it is the shard's own.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::driver::{Buffers, Close, Config, Driver, Event, ListenerId, Outgoing, Progress, Sent, Stats};
use crate::pool::Pool;
use crate::{Lent, Token, Waker};

/// A driver without a kernel and without chance: each turn brings what was given to it since the last one, in order,
/// and whatever is sent goes whole. It allocates nothing once its queue of events has grown to what a turn brings.
///
/// Who drives it gives it peers ([`accept`](Self::accept)), bytes ([`deliver`](Self::deliver)) and time
/// ([`advance`](Self::advance)). Wakes from other threads are not told.
#[derive(Debug)]
pub struct Plain {
    pool: Pool,
    slots: Vec<Slot>,
    /// What the next turn brings.
    events: Vec<Event>,
    listeners: u16,
    /// How every send ends: within the call, or by an event of the next turn.
    sends: Progress,
    /// Ends of sends that are told beside something else only, or when somebody hurries; `None` if they are told at
    /// once.
    quiet: Option<Vec<Event>>,
    confirm: bool,
    newest: Option<Token>,
    bytes_sent: u64,
    now: Instant,
    waker: Waker,
    stats: Stats,
}

/// What a slot is doing.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Of its owner; 0 if it has none.
    generation: u32,
    receiving: bool,
}

impl Plain {
    /// Makes one whose sends end like `sends`: within the call, as epoll's mostly do, or by an event of the next turn,
    /// as io_uring's do.
    ///
    /// # Errors
    /// When there is no memory for the pool or no descriptor for the waker.
    pub fn new(config: &Config, sends: Progress) -> rustix::io::Result<Self> {
        let pool = Pool::new(config.buffer_count, config.buffer_bytes)?;
        Ok(Self {
            stats: Stats { buffers: pool.count(), buffer_bytes: pool.bytes(), ..Stats::default() },
            pool,
            slots: vec![Slot::default(); config.slots() as usize],
            events: Vec::new(),
            listeners: 0,
            sends,
            quiet: None,
            confirm: false,
            newest: None,
            bytes_sent: 0,
            now: Instant::now(),
            waker: Waker::new()?,
        })
    }

    /// From now on the end of a send that is pending is told when there is something else to tell, or after
    /// [`confirm_sends`](Driver::confirm_sends): as io_uring's, which cause no completion.
    pub fn keep_quiet(&mut self) {
        self.quiet = Some(Vec::new());
    }

    /// The next turn accepts this peer.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn accept(&mut self, descriptor: OwnedFd) {
        assert!(self.listeners > 0, "somebody listens");
        self.events.push(Event::Accepted { listener: ListenerId(0), descriptor });
    }

    /// The slot that was last given a descriptor, by adopting or promoting.
    #[must_use]
    pub fn newest(&self) -> Option<Token> {
        self.newest
    }

    /// The next turn brings these bytes from the peer.
    ///
    /// # Panics
    /// When the slot is not receiving, the bytes do not fit into a buffer, or none is free.
    pub fn deliver(&mut self, token: Token, bytes: &[u8]) {
        let slot = &mut self.slots[token.slot as usize];
        assert!(slot.generation == token.generation && slot.receiving, "{token} receives");
        slot.receiving = false;
        let mut buffer = self.pool.lend().expect("a buffer is free");
        buffer[..bytes.len()].copy_from_slice(bytes);
        buffer.set_range(0..bytes.len());
        self.events.push(Event::Received { token, buffer });
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// Bytes sent so far.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// Whether this token owns its slot.
    #[must_use]
    pub fn owns(&self, token: Token) -> bool {
        self.slots[token.slot as usize].generation == token.generation
    }

    fn sent(&mut self, token: Token, len: usize) -> Progress {
        self.bytes_sent += len as u64;
        if self.sends == Progress::Pending {
            self.quiet.as_mut().unwrap_or(&mut self.events).push(Event::Sent { token, sent: Sent::Whole });
        }
        self.sends
    }
}

impl Driver for Plain {
    fn listen(&mut self, _listener: OwnedFd) -> rustix::io::Result<ListenerId> {
        self.listeners += 1;
        Ok(ListenerId(self.listeners - 1))
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.listeners -= 1;
        self.events.push(Event::Unlistened { listener });
    }

    fn adopt(&mut self, token: Token, _descriptor: OwnedFd) -> rustix::io::Result<()> {
        self.slots[token.slot as usize] = Slot { generation: token.generation, receiving: false };
        self.newest = Some(token);
        Ok(())
    }

    fn promote(&mut self, from: Token, to: Token) -> rustix::io::Result<()> {
        self.slots[from.slot as usize] = Slot::default();
        self.slots[to.slot as usize] = Slot { generation: to.generation, receiving: false };
        self.newest = Some(to);
        Ok(())
    }

    fn receive(&mut self, token: Token, _buffers: Buffers) {
        self.slots[token.slot as usize].receiving = true;
    }

    fn has_unread(&self, _token: Token) -> bool {
        false
    }

    fn send(&mut self, token: Token, outgoing: Outgoing) -> Progress {
        self.sent(token, outgoing.len())
    }

    fn confirm_sends(&mut self) {
        self.confirm = self.quiet.as_ref().is_some_and(|quiet| !quiet.is_empty());
    }

    fn offers(&self) -> usize {
        0
    }

    fn shutdown(&mut self, _token: Token) {}

    fn close(&mut self, token: Token, _how: Close) {
        self.slots[token.slot as usize] = Slot::default();
        self.events.push(Event::Closed { token });
    }

    /// There is no descriptor to give: the slot goes on.
    fn release(&mut self, token: Token) {
        let descriptor = Err(rustix::io::Errno::MFILE);
        self.slots[token.slot as usize].receiving = false;
        self.events.push(Event::Released { token, descriptor, unread: Vec::new() });
    }

    fn lend(&mut self) -> Option<Lent> {
        self.pool.lend()
    }

    fn turn(&mut self, _timeout: Duration, events: &mut Vec<Event>) -> rustix::io::Result<()> {
        if let Some(quiet) = &mut self.quiet
            && (self.confirm || !self.events.is_empty())
        {
            events.append(quiet);
            self.confirm = false;
        }
        events.append(&mut self.events);
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn stats(&self) -> Stats {
        Stats { buffers_lent: self.pool.lent(), ..self.stats }
    }

    fn now(&self) -> Instant {
        self.now
    }
}
