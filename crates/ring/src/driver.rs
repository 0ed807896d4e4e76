//! What a shard asks of the kernel, and what it hears back: one interface, whichever driver is behind it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use rustix::io::Errno;

use crate::{Lent, Token, Waker};

/// The I/O of one shard: its listeners, the descriptors of its slots, its buffer pool.
///
/// Everything is asked for without waiting and answered by an [`Event`] of some later [`turn`](Driver::turn). A driver
/// belongs to the thread that made it.
///
/// The slots come in two ranges: `0..handshake_slots` for peers in the opening handshake, which always have a normal
/// descriptor, and `handshake_slots..handshake_slots + connection_slots` for connections.
///
/// Rules for the caller, checked by debug assertions: one receive and one send at a time for each token; nothing more
/// for a token after [`close`](Driver::close) or [`release`](Driver::release); a slot gets its next owner only after
/// [`Event::Closed`] or [`Event::Released`], or after its descriptor moved on by [`promote`](Driver::promote).
///
/// What the caller must bear with:
///
/// - Events of different tokens come in any order. Of one token, the end of a send and the answer to a receive may come
///   in the same turn, in either order.
/// - A turn may bring nothing, before its timeout is over and although there is something to read; and it may last
///   longer than its timeout.
/// - Events that a turn has brought are not taken back: those behind the one at which the caller closes a token are to
///   be ignored. Of later turns, [`Event::Closed`] is the only event of that token.
/// - A receive that failed, or found the end, ends no send: that one has its own event. To receive again is allowed,
///   and is answered by an end or an error.
/// - That a send went whole may be told as late as the next other event, or the end of the next timeout, unless there
///   is a [`confirm_sends`](Driver::confirm_sends).
/// - Buffers may be out at any time: for [`lend`](Driver::lend), and for receiving, which waits for one.
pub trait Driver {
    /// Accepts peers on `listener`, a listening socket, until [`unlisten`](Driver::unlisten).
    ///
    /// When accepting fails for want of descriptors or memory the driver pauses, for longer each time, and goes on.
    ///
    /// # Errors
    /// When the kernel refuses to watch the descriptor.
    fn listen(&mut self, listener: OwnedFd) -> rustix::io::Result<ListenerId>;

    /// Ends a listener. Peers already in its queue are still accepted, then it is closed and
    /// [`Event::Unlistened`] says so: closing at once would reset them.
    fn unlisten(&mut self, listener: ListenerId);

    /// Gives a slot its descriptor.
    ///
    /// # Errors
    /// When the kernel refuses to watch the descriptor; it is closed then and the slot stays free.
    fn adopt(&mut self, token: Token, descriptor: OwnedFd) -> rustix::io::Result<()>;

    /// Moves the descriptor of `from`, for which nothing may be in flight, to the connection slot `to`; where direct
    /// descriptors are in use it becomes one. `from` is free afterwards, without [`Event::Closed`].
    ///
    /// # Errors
    /// When the kernel refuses; the descriptor is closed then and both slots are free.
    fn promote(&mut self, from: Token, to: Token) -> rustix::io::Result<()>;

    /// Asks for the next bytes. One [`Event::Received`], [`Event::Ended`] or [`Event::Failed`] follows, when there is
    /// something to say; until then the slot holds no buffer. Each answer is at most one buffer, of a size that
    /// `buffers` allows, so that no peer takes more than its turn.
    fn receive(&mut self, token: Token, buffers: Buffers);

    /// Whether something has come for a token that the driver knows of and has not handed out: it waits for a buffer or
    /// for its turn, and not for the peer. What came since the last turn is not known yet.
    fn has_unread(&self, token: Token) -> bool;

    /// Sends at least one byte; how far it goes depends on what is sent, see [`Outgoing`].
    fn send(&mut self, token: Token, outgoing: Outgoing) -> Progress;

    /// The caller waits for the end of a send: the next turn tells those that went whole, whatever else happens.
    fn confirm_sends(&mut self) {}

    /// How many offers are pending, those of slots that are being closed included: whoever offers to very many waits
    /// for some of them now and then.
    fn offers(&self) -> usize;

    /// Says end of stream to the peer, after all that was sent, a send in flight included; receiving goes on. Nothing
    /// may be sent after it.
    fn shutdown(&mut self, token: Token);

    /// Ends what is in flight for the token, without an answer, and closes its descriptor; a send in flight goes as far
    /// as it can at once. [`Event::Closed`] follows, as the last event of this token; a lent buffer that was in flight
    /// has come back by then.
    fn close(&mut self, token: Token, how: Close);

    /// Gives the descriptor back to the caller, alive: the peer notices nothing. [`Event::Released`] follows, as the
    /// last event of this token if it brings the descriptor. Until then nothing may be asked for the token.
    ///
    /// What is in flight ends first: a receive without an answer of its own (what it had brought comes with the
    /// release), a send with one. A send that waits for the peer is stopped where it is, and its rest comes back in
    /// [`Sent::Partial`]. A token whose end of stream was said, or is to be said, is not to be released.
    fn release(&mut self, token: Token);

    /// Lends a short buffer for bytes to be sent, if one is free.
    fn lend(&mut self) -> Option<Lent>;

    /// Submits what was asked for, waits until there is an event or `timeout` has passed, and appends the events.
    ///
    /// # Errors
    /// Only when the driver itself is broken (a bug, or a descriptor of ours closed by someone else).
    fn turn(&mut self, timeout: Duration, events: &mut Vec<Event>) -> rustix::io::Result<()>;

    /// Something that wakes this driver from another thread.
    fn waker(&self) -> Waker;

    /// What this driver has done so far and holds now.
    fn stats(&self) -> Stats;

    /// The time, which never goes back. Who waits tells it, so that a simulated driver has a time of its own.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// Names a listener of a driver: 0-based, in order of [`Driver::listen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u16);

/// In which buffers an answer to [`Driver::receive`] may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffers {
    /// In short ones.
    Short,
    /// In long ones, too, where the driver finds that short ones would be too short for this peer's messages.
    Any,
}

/// How to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// With an end of stream after all that was sent. (The kernel resets all the same if input is left unread.)
    Orderly,
    /// With a reset: what has not been sent is dropped.
    Reset,
}

/// How far a send got before the call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it went; no event follows.
    Done,
    /// [`Event::Sent`] follows.
    Pending,
}

/// What to send, and how far.
#[derive(Debug)]
pub enum Outgoing {
    /// The bytes of a lent buffer, as far as they go without waiting.
    Lent(Lent),
    /// Waiting for the peer as long as it takes: this ends whole or fails, unless the token is released.
    Shared(Bytes),
    /// As far as they go without waiting: for what goes to very many slots, whose sends then share the bytes and the
    /// submission.
    Offered(Bytes),
}

impl Outgoing {
    /// How many bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Lent(buffer) => buffer.len(),
            Self::Shared(bytes) | Self::Offered(bytes) => bytes.len(),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Lent(buffer) => buffer,
            Self::Shared(bytes) | Self::Offered(bytes) => bytes,
        }
    }

    /// Takes off what has gone.
    pub(crate) fn advance(&mut self, len: usize) {
        match self {
            Self::Lent(buffer) => buffer.advance(len),
            Self::Shared(bytes) | Self::Offered(bytes) => bytes.advance(len),
        }
    }

    /// How a send of this ends of which so many bytes have gone.
    pub(crate) fn after(mut self, len: usize) -> Sent {
        if len == self.len() {
            return Sent::Whole;
        }
        self.advance(len);
        Sent::Partial(self)
    }
}

/// What became of a send.
#[derive(Debug)]
pub enum Sent {
    /// All of it went.
    Whole,
    /// The peer's window or our send buffer is full, or the token is being released: these bytes, perhaps all of them,
    /// did not go. Copy those of a lent buffer and give it back at once, or a few peers that never read would hold the
    /// whole pool.
    Partial(Outgoing),
    /// Nothing more can be sent: EPIPE, ECONNRESET and the like.
    Failed(Errno),
}

/// What a driver tells its shard.
#[derive(Debug)]
pub enum Event {
    /// A peer was accepted. Its descriptor is normal and in no slot yet.
    Accepted {
        /// By which listener.
        listener: ListenerId,
        /// The peer's socket.
        descriptor: OwnedFd,
    },
    /// Accepting failed; the driver goes on after `pause`.
    AcceptFailed {
        /// By which listener.
        listener: ListenerId,
        /// EMFILE, ENFILE, ENOBUFS, ENOMEM: out of something. Anything else concerned a single peer.
        error: Errno,
        /// How long until the next try; zero if only a single peer was concerned.
        pause: Duration,
    },
    /// The listener's queue is empty and the listener is closed.
    Unlistened {
        /// Which listener.
        listener: ListenerId,
    },
    /// Bytes from the peer, at least one.
    Received {
        /// Whose.
        token: Token,
        /// The bytes.
        buffer: Lent,
    },
    /// The peer's end of stream. Sending may still work.
    Ended {
        /// Whose.
        token: Token,
    },
    /// Receiving failed: ECONNRESET, ETIMEDOUT and the like.
    Failed {
        /// Whose.
        token: Token,
        /// Why.
        error: Errno,
    },
    /// A send that was pending is over.
    Sent {
        /// Whose.
        token: Token,
        /// How it ended.
        sent: Sent,
    },
    /// The descriptor is closed and nothing is in flight: the slot may get its next owner.
    Closed {
        /// Whose.
        token: Token,
    },
    /// The end of a [`release`](Driver::release).
    Released {
        /// Whose.
        token: Token,
        /// The descriptor, and the slot may get its next owner; nothing of the token is in flight in the kernel. Or why
        /// the kernel gives none (EMFILE, ENFILE: only direct descriptors need a new one), or cannot say how far a send
        /// has come that waits for the peer (EBUSY, io_uring before 6.1): the token goes on as it was, that send with
        /// it, and no receive is asked for.
        descriptor: rustix::io::Result<OwnedFd>,
        /// What was read and not told, at most a few buffers: it comes before anything that is read from now on.
        unread: Vec<u8>,
    },
    /// Someone called [`Waker::wake`].
    Woken,
}

/// Sizes of a driver, fixed for its life.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Slots for opening handshakes.
    pub handshake_slots: u32,
    /// Slots for connections.
    pub connection_slots: u32,
    /// Connections with a normal descriptor, at most, where there are direct ones: what comes beyond gets those.
    pub normal_descriptors_max: u32,
    /// Bytes of one short buffer.
    pub buffer_bytes: usize,
    /// Short buffers.
    pub buffer_count: u16,
    /// Bytes of one long buffer.
    pub long_buffer_bytes: usize,
    /// Long buffers, at least one. They are never registered with a ring.
    pub long_buffer_count: u16,
    /// Entries of the submission queue, a power of two.
    pub submission_entries: u32,
    /// Entries of the completion queue, a power of two; twice the submission queue at least. For epoll: the most
    /// events of one wait.
    pub completion_entries: u32,
}

impl Config {
    /// Slots of both ranges.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.handshake_slots + self.connection_slots
    }
}

/// What a driver has done since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Operations submitted (io_uring), or system calls on behalf of one slot (epoll).
    pub submissions: u64,
    /// Completions (io_uring) or readiness events (epoll).
    pub completions: u64,
    /// System calls.
    pub syscalls: u64,
    /// Times the completion queue was found overflowed.
    pub overflows: u64,
    /// Short buffers.
    pub buffers: usize,
    /// Bytes of all short buffers.
    pub buffer_bytes: usize,
    /// Short buffers lent now.
    pub buffers_lent: usize,
    /// Long buffers.
    pub long_buffers: usize,
    /// Bytes of the long buffers that have been used so far: others have no memory.
    pub long_buffer_bytes: usize,
    /// Long buffers lent now.
    pub long_buffers_lent: usize,
    /// Slots that are ready and wait for a buffer.
    pub buffers_waiting: usize,
    /// Bytes that arrived before they were asked for.
    pub held_bytes: usize,
    /// Bytes of the driver's own record of each slot in use.
    pub slot_bytes: usize,
}
