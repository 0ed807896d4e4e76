//! Busy connections: a multishot receive instead of a poll and a read for each message.
//!
//! A multishot receive costs 864 bytes of kernel memory where a poll costs 256, so only connections that speak several
//! times a second have one, and no more than [`Busy::max`] of them; the beat takes it away from those that fell silent.
//! What arrives while the caller does not want it is copied and held here: a little. Who sends more, or is not read
//! from any longer, goes back to polls, and the rest waits in the kernel.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use slab::Slab;

use super::entry::Entry;
use super::op::Op;
use super::queue::{Completion, Queue};
use super::stock::Stock;
use super::{HELD, STREAM, Uring, WANTED};
use crate::pool::Pool;
use crate::{Buffers, Event, Lent, Token};

/// A connection is busy when it has been read so often since the last beat.
const READS_PER_BEAT: u16 = 4;
/// How often the silent are looked for.
const BEAT: Duration = Duration::from_secs(1);
/// After so many beats without a word a connection is not busy any more.
const SILENT_BEATS_MAX: u8 = 8;
/// Most multishot receives that a beat ends, of the silent and again of those who want long buffers: to find one, the
/// kernel looks through a hash of what waits, 22 us with 20,000
/// polls armed.
const ENDED_PER_BEAT: usize = 16;
/// A connection of which more is held is polled again.
const HELD_BYTES_MAX: usize = 16 << 10;
/// When more is held of all of them, they all are.
const ALL_HELD_BYTES_MAX: usize = 512 << 10;
/// Most buffers that lie ready for the kernel.
const STOCK_MAX: u16 = 64;
/// So many are enough for a portion of completions (20), and a few connections that sent several buffers.
const STOCK_ENOUGH: u16 = 32;
/// Most busy connections, where the kernel hands out completions in portions that the stock suffices for.
const BUSY_MAX: usize = 1024;
/// Places in which reads are counted.
const SEEN: usize = 2048;

/// The busy connections of a driver.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) stock: Stock,
    streams: Slab<Stream>,
    /// Streams with something held.
    holders: VecDeque<u16>,
    /// Bytes held of all streams.
    held_bytes: usize,
    /// Reads since the last beat. Slots share places; the one that came last has it.
    seen: Box<[Reads]>,
    next_beat: Option<Instant>,
    /// Streams that have ended since the last beat because what they brought was long.
    left_for_long: usize,
    /// Most busy connections.
    max: usize,
}

/// How often one owner of a slot has been read.
#[derive(Clone, Copy, Debug, Default)]
struct Reads {
    slot: u32,
    /// The low bits of its generation: enough to tell two owners within a beat apart.
    owner: u16,
    count: u16,
}

/// One of them.
#[derive(Debug)]
struct Stream {
    token: Token,
    silent_beats: u8,
    /// The caller would take long buffers.
    any: bool,
    /// It has been told to end.
    ending: bool,
    /// What arrived and was not wanted yet.
    held: VecDeque<u8>,
    /// What came behind it.
    end: Option<End>,
}

/// How receiving ended.
#[derive(Clone, Copy, Debug)]
enum End {
    OfStream,
    Failure(Errno),
}

impl End {
    fn event(self, token: Token) -> Event {
        match self {
            End::OfStream => Event::Ended { token },
            End::Failure(error) => Event::Failed { token, error },
        }
    }
}

impl Stream {
    /// What is held, a buffer full of it, or the end behind it. Nothing when no buffer is free.
    fn next_held(&mut self, pool: &Pool, held_bytes: &mut usize) -> Option<Event> {
        let token = self.token;
        if self.held.is_empty() {
            return self.end.take().map(|end| end.event(token));
        }
        let mut buffer = pool.lend()?;
        let len = self.held.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.held.drain(..len)) {
            *to = from;
        }
        buffer.set_range(0..len);
        *held_bytes -= len;
        if self.held.is_empty() {
            self.held = VecDeque::new();
        }
        Some(Event::Received { token, buffer })
    }

    fn holds_something(&self) -> bool {
        !self.held.is_empty() || self.end.is_some()
    }
}

impl Busy {
    /// Room for busy connections, with half of the pool's buffers at most.
    ///
    /// # Errors
    /// EINVAL when the pool is too small for that; errors of io_uring_register(2).
    pub(super) fn new(queue: &Queue, pool: &Pool) -> rustix::io::Result<Self> {
        let pool_count = u16::try_from(pool.count()).map_err(|_| Errno::INVAL)?;
        let half = (pool_count / 2).checked_ilog2().map(|log| 1_u16 << log);
        let capacity = half.ok_or(Errno::INVAL)?.min(STOCK_MAX);
        let stock = Stock::new(queue, capacity, pool_count)?;
        let max = if queue.has_portions() && capacity >= STOCK_ENOUGH { BUSY_MAX } else { stock.capacity() };
        Ok(Self {
            stock,
            streams: Slab::new(),
            holders: VecDeque::new(),
            held_bytes: 0,
            seen: vec![Reads::default(); SEEN].into_boxed_slice(),
            next_beat: None,
            left_for_long: 0,
            max,
        })
    }

    /// Counts a read of the connection. Whether it is busy, and there is room for it.
    fn notes(&mut self, token: Token) -> bool {
        let reads = &mut self.seen[token.slot as usize % SEEN];
        let owner = u16::try_from(token.generation & u32::from(u16::MAX)).unwrap_or_default();
        if (reads.slot, reads.owner) != (token.slot, owner) {
            *reads = Reads { slot: token.slot, owner, count: 0 };
        }
        reads.count = reads.count.saturating_add(1);
        reads.count >= READS_PER_BEAT
            && self.streams.len() < self.max
            && self.held_bytes <= ALL_HELD_BYTES_MAX
    }

    /// Puts buffers of the pool where the kernel finds them, if anybody needs them.
    pub(super) fn fill_stock(&mut self, pool: &Pool) {
        if !self.streams.is_empty() {
            self.stock.fill(pool);
        }
    }

    /// Bytes that are held until they are wanted.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether the kernel may still write into a buffer of the stock.
    pub(super) fn is_in_flight(&self) -> bool {
        !self.streams.is_empty()
    }

    /// The streams that have been silent for long, some of them, once a beat.
    fn fallen_silent(&mut self, now: Instant) -> Vec<u16> {
        if self.next_beat.is_some_and(|beat| now < beat) {
            return Vec::new();
        }
        self.next_beat = Some(now + BEAT);
        self.seen.fill(Reads::default());
        self.left_for_long = 0;
        let mut silent = Vec::new();
        for (index, stream) in &mut self.streams {
            stream.silent_beats = stream.silent_beats.saturating_add(1);
            if stream.silent_beats > SILENT_BEATS_MAX && !stream.ending && silent.len() < ENDED_PER_BEAT {
                silent.push(u16::try_from(index).unwrap_or(u16::MAX));
            }
        }
        silent
    }
}

impl Uring {
    /// Receives by a stream, if the slot has one or is busy enough to get one.
    pub(super) fn receive_as_busy(&mut self, token: Token, buffers: Buffers) -> bool {
        let flags = &mut self.slots.owned(token).flags;
        if flags.has(STREAM | HELD) {
            flags.set(WANTED);
            return true;
        }
        // A stock has short buffers.
        if flags.wants_long() {
            return false;
        }
        let is_connection = token.slot >= self.config.handshake_slots;
        let busy = self.busy.as_mut().is_some_and(|busy| is_connection && busy.notes(token));
        if busy {
            self.start_stream(token, buffers);
        }
        busy
    }

    /// Starts a multishot receive; the caller wants its first answer.
    pub(super) fn start_stream(&mut self, token: Token, buffers: Buffers) {
        let Some(busy) = &mut self.busy else { return };
        let any = buffers == Buffers::Any;
        let stream = Stream { token, silent_beats: 0, any, ending: false, held: VecDeque::new(), end: None };
        let index = u16::try_from(busy.streams.insert(stream)).unwrap_or(u16::MAX);
        busy.stock.fill(&self.pools.short);
        let flags = &mut self.slots.owned(token).flags;
        flags.set(STREAM);
        flags.set(WANTED);
        let entry = Entry::receive_into_stock(self.entry_descriptor(token));
        self.push(entry, Op::Stream(index));
    }

    /// Something arrived by a stream, or it ended.
    pub(super) fn on_stream(&mut self, index: u16, completion: Completion, events: &mut Vec<Event>) {
        let Some(busy) = &mut self.busy else { return };
        let buffer = completion.buffer().and_then(|buffer| busy.stock.take(buffer));
        let stream = &mut busy.streams[index.into()];
        let token = stream.token;
        stream.silent_beats = 0;
        let flags = self.slots.owned(token).flags;
        if flags.is_leaving() {
            if let (Ok(len), Some(buffer), true) = (completion.outcome(), buffer, flags.is_released()) {
                self.keep_unread(token, &buffer[..len]);
            }
            if !completion.more() {
                self.forget_stream(index);
                self.ended(token, STREAM);
            }
            return;
        }
        let mut is_long = false;
        match (completion.outcome(), buffer) {
            (Ok(0), _) => self.tell_end(index, End::OfStream, events),
            (Ok(len), Some(mut buffer)) => {
                is_long = len == buffer.capacity();
                buffer.set_range(0..len);
                self.tell_bytes(index, buffer, events);
            }
            // Out of buffers; told to end; nothing there after all. There is nothing to tell.
            (Ok(_), None) | (Err(Errno::NOBUFS | Errno::CANCELED | Errno::AGAIN | Errno::INTR), _) => {}
            (Err(error), _) => self.tell_end(index, End::Failure(error), events),
        }
        if is_long && completion.more() {
            self.leave_for_long_buffers(index);
        }
        if !completion.more() {
            self.on_stream_end(index, token);
        }
    }

    /// A buffer of the stock was filled: a connection that may have long ones is to be polled and get one. So are a few
    /// of them each beat, since ending a stream costs a cancel.
    fn leave_for_long_buffers(&mut self, index: u16) {
        let Some(busy) = &mut self.busy else { return };
        let stream = &busy.streams[index.into()];
        if !stream.any || stream.ending || busy.left_for_long >= ENDED_PER_BEAT {
            return;
        }
        busy.left_for_long += 1;
        self.slots.owned(stream.token).flags.want_long();
        self.end_stream_of(index);
    }

    /// Tells bytes, or holds a copy until they are wanted: the buffer is never kept across a wait for the caller.
    fn tell_bytes(&mut self, index: u16, buffer: Lent, events: &mut Vec<Event>) {
        let Some(busy) = &mut self.busy else { return };
        let stream = &mut busy.streams[index.into()];
        let flags = &mut self.slots.owned(stream.token).flags;
        if flags.has(WANTED) && !stream.holds_something() {
            flags.clear(WANTED);
            return events.push(Event::Received { token: stream.token, buffer });
        }
        stream.held.extend(&*buffer);
        busy.held_bytes += buffer.len();
        drop(buffer);
        let too_much = stream.held.len() > HELD_BYTES_MAX;
        self.hold(index);
        if too_much {
            self.end_stream_of(index);
        }
        if self.busy.as_ref().is_some_and(|busy| busy.held_bytes > ALL_HELD_BYTES_MAX) {
            self.end_all_streams();
        }
    }

    /// Tells the end, or keeps it until it is wanted.
    fn tell_end(&mut self, index: u16, end: End, events: &mut Vec<Event>) {
        let Some(busy) = &mut self.busy else { return };
        let stream = &mut busy.streams[index.into()];
        let flags = &mut self.slots.owned(stream.token).flags;
        if flags.has(WANTED) && !stream.holds_something() {
            flags.clear(WANTED);
            return events.push(end.event(stream.token));
        }
        stream.end = Some(end);
        self.hold(index);
    }

    /// Something is held of a stream.
    fn hold(&mut self, index: u16) {
        let Some(busy) = &mut self.busy else { return };
        let flags = &mut self.slots.owned(busy.streams[index.into()].token).flags;
        if !flags.has(HELD) {
            flags.set(HELD);
            busy.holders.push_back(index);
        }
    }

    /// A multishot receive is over: the connection is polled again.
    fn on_stream_end(&mut self, index: u16, token: Token) {
        let flags = &mut self.slots.owned(token).flags;
        flags.clear(STREAM);
        if flags.has(HELD) {
            return;
        }
        let wanted = flags.has(WANTED);
        flags.clear(WANTED);
        self.forget_stream(index);
        if wanted {
            self.arm_poll(token);
        }
    }

    /// Hands out what is held for those who want it now, one answer each. Those who do not are polled when they do.
    pub(super) fn hand_out(&mut self, events: &mut Vec<Event>) {
        let count = self.busy.as_ref().map_or(0, |busy| busy.holders.len());
        for _ in 0..count {
            let Some(busy) = &mut self.busy else { return };
            let Some(index) = busy.holders.pop_front() else { return };
            let stream = &mut busy.streams[index.into()];
            let token = stream.token;
            let slot = self.slots.owned(token);
            let wanted = slot.flags.has(WANTED);
            if wanted && let Some(event) = stream.next_held(&self.pools.short, &mut busy.held_bytes) {
                slot.flags.clear(WANTED);
                events.push(event);
            }
            if stream.holds_something() {
                busy.holders.push_back(index);
                if !wanted {
                    self.end_stream_of(index);
                }
                continue;
            }
            slot.flags.clear(HELD);
            if !slot.flags.has(STREAM) {
                self.forget_stream(index);
            }
        }
    }

    /// A slot is leaving: takes what is held for it.
    pub(super) fn take_held(&mut self, token: Token) -> Vec<u8> {
        let flags = &mut self.slots.owned(token).flags;
        flags.clear(WANTED);
        if !flags.has(HELD) {
            return Vec::new();
        }
        flags.clear(HELD);
        let gone = !flags.has(STREAM);
        let Some(busy) = &mut self.busy else { return Vec::new() };
        let Some((index, stream)) = busy.streams.iter_mut().find(|(_, stream)| stream.token == token) else {
            return Vec::new();
        };
        let held = std::mem::take(&mut stream.held);
        stream.end = None;
        busy.held_bytes -= held.len();
        if gone {
            busy.streams.remove(index);
        }
        busy.holders.retain(|holder| usize::from(*holder) != index);
        held.into()
    }

    /// The operation by which a slot is received from, if that is a stream.
    pub(super) fn stream_of(&self, token: Token) -> Option<Op> {
        let streams = &self.busy.as_ref()?.streams;
        let (index, _) = streams.iter().find(|(_, stream)| stream.token == token)?;
        u16::try_from(index).ok().map(Op::Stream)
    }

    /// Ends the streams of those who have been silent for long.
    pub(super) fn rest_the_silent(&mut self, now: Instant) {
        let Some(busy) = &mut self.busy else { return };
        for index in busy.fallen_silent(now) {
            self.end_stream_of(index);
        }
    }

    fn end_all_streams(&mut self) {
        let count = self.busy.as_ref().map_or(0, |busy| busy.streams.capacity());
        for index in 0..count {
            self.end_stream_of(u16::try_from(index).unwrap_or(u16::MAX));
        }
    }

    fn end_stream_of(&mut self, index: u16) {
        let Some(stream) = self.busy.as_mut().and_then(|busy| busy.streams.get_mut(index.into())) else {
            return;
        };
        if !std::mem::replace(&mut stream.ending, true) && self.slots.owned(stream.token).flags.has(STREAM) {
            self.push_cancel(Op::Stream(index));
        }
    }

    /// A completion that no one will be told of.
    pub(super) fn discard_stream(&mut self, index: u16, completion: Completion) {
        let Some(busy) = &mut self.busy else { return };
        drop(completion.buffer().and_then(|buffer| busy.stock.take(buffer)));
        if !completion.more() {
            busy.streams.try_remove(index.into());
        }
    }

    fn forget_stream(&mut self, index: u16) {
        if let Some(busy) = &mut self.busy {
            busy.streams.remove(index.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::uring::{Capabilities, Trial};
    use crate::{Config, Driver};

    const CONFIG: Config = Config {
        handshake_slots: 1,
        connection_slots: 1,
        normal_descriptors_max: 0,
        buffer_bytes: 1024,
        buffer_count: 8,
        long_buffer_bytes: 4096,
        long_buffer_count: 2,
        submission_entries: 16,
        completion_entries: 64,
    };
    const TOKEN: Token = Token { slot: 1, generation: 1 };

    fn connection() -> Option<(Uring, TcpStream)> {
        let capabilities = Trial::run(false).map_or(Capabilities::BASELINE, |trial| trial.capabilities);
        if !capabilities.multishot_receive {
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut driver = Uring::new(capabilities, &CONFIG).unwrap();
        let handshake = Token { slot: 0, generation: 1 };
        driver.adopt(handshake, listener.accept().unwrap().0.into()).unwrap();
        driver.promote(handshake, TOKEN).unwrap();
        Some((driver, peer))
    }

    fn turn_until(driver: &mut Uring, done: impl Fn(&mut Uring, &[Event]) -> bool) {
        let (mut events, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(20));
        while !done(driver, &events) {
            assert!(Instant::now() < deadline, "{events:?}");
            driver.turn(Duration::from_millis(100), &mut events).unwrap();
        }
    }

    #[test]
    fn one_that_falls_silent_is_polled_again_and_heard() {
        let Some((mut driver, mut peer)) = connection() else { return };
        driver.start_stream(TOKEN, Buffers::Any);
        let start = Instant::now();
        for beat in 1..=u32::from(SILENT_BEATS_MAX) {
            driver.rest_the_silent(start + beat * BEAT);
        }
        assert!(!driver.busy.as_ref().unwrap().streams[0].ending, "silent, but not for long enough");
        driver.rest_the_silent(start + u32::from(SILENT_BEATS_MAX + 1) * BEAT);
        turn_until(&mut driver, |driver, _| !driver.slots.owned(TOKEN).flags.has(STREAM));
        assert!(!driver.busy.as_ref().unwrap().is_in_flight());
        peer.write_all(b"again").unwrap();
        turn_until(&mut driver, |_, events| matches!(events, [Event::Received { .. }]));
    }

    #[test]
    fn only_who_speaks_several_times_in_a_beat_is_busy_and_there_is_a_bound() {
        let Some((mut driver, _peer)) = connection() else { return };
        let busy = driver.busy.as_mut().unwrap();
        assert!((1..READS_PER_BEAT).all(|_| !busy.notes(TOKEN)));
        busy.fallen_silent(Instant::now());
        assert!((1..READS_PER_BEAT).all(|_| !busy.notes(TOKEN)));
        assert!(busy.notes(TOKEN));
        busy.max = 0;
        assert!(!busy.notes(TOKEN));
    }

    #[test]
    fn what_the_last_owner_of_a_slot_said_does_not_count_for_the_next() {
        let Some((mut driver, _peer)) = connection() else { return };
        let busy = driver.busy.as_mut().unwrap();
        assert!((1..READS_PER_BEAT).all(|_| !busy.notes(TOKEN)));
        let next = Token { generation: TOKEN.generation + 1, ..TOKEN };
        assert!((1..READS_PER_BEAT).all(|_| !busy.notes(next)));
        assert!(busy.notes(next));
    }
}
