//! The loop that keeps messages in flight on one thread: epoll, one recv and one send per message.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::thread::set_current_timer_slack;

use super::in_flight::InFlight;
use super::message::{Messages, Progress, Reply};
use crate::interrupt;
use crate::schedule::Schedule;
use crate::waits::Waits;

const EVENTS_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 256 * 1024;

/// When a window ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Elapsed(Duration),
    Replies(u64),
}

/// What was seen from the beginning to the end of one stretch of traffic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Replies, each of them right.
    pub(crate) replies: u64,
    pub(crate) elapsed: Duration,
    /// From when a message was due, which without a rate is when it was sent, to the last byte of its reply.
    pub(crate) latency: Waits,
    /// Longest time from when a message was due until it was sent.
    pub(crate) behind_max: Duration,
    /// Messages that were due by the end and not yet sent.
    pub(crate) overdue: u64,
    /// Longest time without any reply while one was due.
    pub(crate) longest_gap: Duration,
}

struct Connection {
    descriptor: OwnedFd,
    reply: Reply,
    /// When the message in flight was due.
    due: Duration,
    /// What the socket did not take at once.
    unsent: Vec<u8>,
}

/// Traffic over a set of open connections.
pub(crate) struct Engine {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    connections: Vec<Connection>,
    in_flight: InFlight,
    messages: Messages,
    schedule: Schedule,
    stall: Duration,
    /// It does not sleep.
    spins: bool,
    start: Instant,
    next_number: u64,
    last_reply: Duration,
    window: Window,
    buffer: Vec<u8>,
    frame: Vec<u8>,
    scratch: Vec<u8>,
}

impl Engine {
    /// Takes over open connections with nothing in flight. `rate`: messages per second, due by the clock whatever
    /// becomes of those before; else each is sent as soon as a reply comes. With a rate this thread sleeps to the
    /// microsecond.
    pub(crate) fn new(
        descriptors: Vec<OwnedFd>,
        active: u32,
        messages: Messages,
        rate: Option<f64>,
        stall: Duration,
    ) -> anyhow::Result<Self> {
        if rate.is_some() {
            // By default the kernel may wake a sleeper 50 us late, which would be counted as latency.
            set_current_timer_slack(Some(NonZeroU64::MIN)).context("timer slack")?;
        }
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(descriptors.len());
        for (index, descriptor) in descriptors.into_iter().enumerate() {
            use epoll::EventFlags as Flags;
            let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
            epoll::add(&epoll, &descriptor, epoll::EventData::new_u64(index as u64), flags)?;
            let reply = Reply::default();
            connections.push(Connection { descriptor, reply, due: Duration::ZERO, unsent: Vec::new() });
        }
        let count = u32::try_from(connections.len())?;
        Ok(Self {
            epoll,
            events: Vec::with_capacity(EVENTS_MAX),
            connections,
            in_flight: InFlight::new(count, active),
            messages,
            schedule: Schedule::new(rate),
            stall,
            spins: false,
            start: Instant::now(),
            next_number: 0,
            last_reply: Duration::ZERO,
            window: Window::default(),
            buffer: vec![0; READ_BYTES_MAX],
            frame: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// From now on, looks for replies again and again instead of sleeping until one comes.
    pub(crate) fn spin(&mut self) {
        self.spins = true;
    }

    /// Keeps traffic going until `until`; messages in flight at the end go on into the next window, and so does what is
    /// overdue.
    ///
    /// # Errors
    ///
    /// A wrong reply, a lost connection, no reply at all for too long, or a signal.
    pub(crate) fn run(&mut self, until: Until) -> anyhow::Result<Window> {
        let begin = self.now();
        self.run_while(|engine| match until {
            Until::Elapsed(duration) => engine.now() - begin < duration,
            Until::Replies(count) => engine.window.replies < count,
        })
    }

    /// The same for as long as `go_on` says, which is asked at least every 100 ms.
    pub(crate) fn run_while(&mut self, go_on: impl Fn(&Self) -> bool) -> anyhow::Result<Window> {
        self.window = Window::default();
        let begin = self.now();
        self.schedule.resume(begin);
        self.last_reply = begin;
        self.send_due()?;
        while go_on(self) {
            self.turn()?;
            self.send_due()?;
        }
        let end = self.now();
        if self.in_flight.count() > 0 {
            self.window.longest_gap = self.window.longest_gap.max(end.saturating_sub(self.last_reply));
        }
        self.window.elapsed = end - begin;
        self.window.overdue = self.schedule.overdue(end);
        self.schedule.pause(end);
        Ok(std::mem::take(&mut self.window))
    }

    /// Waits for the replies to all messages in flight, and gives the connections back.
    pub(crate) fn drain(mut self) -> anyhow::Result<Vec<OwnedFd>> {
        self.in_flight.stop();
        self.last_reply = self.now();
        while self.in_flight.count() > 0 {
            self.turn()?;
        }
        Ok(self.connections.into_iter().map(|connection| connection.descriptor).collect())
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let timeout = self.sleep(self.timeout());
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) => {}
            Err(Errno::INTR) => interrupt::check()?,
            Err(error) => return Err(error.into()),
        }
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let index = usize::try_from(event.data.u64())?;
            let end = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            let flags = event.flags;
            self.ready(index, flags.intersects(end)).with_context(|| format!("connection {index}"))?;
        }
        self.events = events;
        if self.events.is_empty() {
            interrupt::check()?;
        }
        self.check_stall()
    }

    fn check_stall(&self) -> anyhow::Result<()> {
        let waiting = self.in_flight.count();
        if waiting > 0 && self.now() - self.last_reply > self.stall {
            bail!("{waiting} messages in flight and no reply for {:?}", self.stall);
        }
        Ok(())
    }

    /// With a rate, waits here, to the microsecond: `epoll_wait` knows milliseconds only. Returns how long is left to
    /// wait.
    fn sleep(&self, timeout: Timespec) -> Timespec {
        if !self.schedule.is_open_loop() {
            return timeout;
        }
        // After a signal there is nothing to be seen, and then it is looked for.
        let _ = poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&timeout));
        Timespec::default()
    }

    /// Until the next message is due, and at most as long as a signal may go unnoticed.
    fn timeout(&self) -> Timespec {
        const LONGEST: Duration = Duration::from_millis(100);
        if self.spins {
            return Timespec { tv_sec: 0, tv_nsec: 0 };
        }
        // With no more allowed in flight, what is due waits for a reply.
        let due = self.schedule.wait(self.now()).filter(|_| self.in_flight.has_room());
        let wait = due.map_or(LONGEST, |wait| wait.min(LONGEST));
        Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() }
    }

    /// Sends what may be sent now.
    fn send_due(&mut self) -> anyhow::Result<()> {
        loop {
            let now = self.now();
            let Some(due) = self.schedule.due(now) else { return Ok(()) };
            let Some(index) = self.in_flight.start() else { return Ok(()) };
            self.schedule.advance();
            self.window.behind_max = self.window.behind_max.max(now - due);
            self.send(index as usize, due, now).with_context(|| format!("connection {index}"))?;
        }
    }

    fn send(&mut self, index: usize, due: Duration, now: Duration) -> anyhow::Result<()> {
        let number = self.next_number;
        self.next_number += 1;
        if self.in_flight.count() == 1 {
            // Nothing was due until now.
            self.last_reply = now;
        }
        self.frame.clear();
        self.messages.write(number, &mut self.frame);
        let connection = &mut self.connections[index];
        connection.reply.expect(number);
        connection.due = due;
        connection.send(&self.frame)?;
        Ok(())
    }

    /// A short read has emptied the socket, and whatever comes later is another edge; except that an `end` of the
    /// stream which came with the data is no other edge.
    fn ready(&mut self, index: usize, end: bool) -> anyhow::Result<()> {
        self.connections[index].send_unsent()?;
        loop {
            let connection = &mut self.connections[index];
            let count = match recv(&connection.descriptor, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => bail!("lost: end of stream"),
                Ok((count, _)) => count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => bail!("lost: {}", io::Error::from(error)),
            };
            self.frame.clear();
            let bytes = &self.buffer[..count];
            let progress =
                connection.reply.take_in(self.messages, bytes, &mut self.scratch, &mut self.frame)?;
            if !self.frame.is_empty() {
                connection.send(&self.frame)?;
            }
            if progress == Progress::Whole {
                self.replied(index)?;
            }
            if count < self.buffer.len() && !end {
                return Ok(());
            }
        }
    }

    fn replied(&mut self, index: usize) -> anyhow::Result<()> {
        let now = self.now();
        let latency = now - self.connections[index].due;
        let window = &mut self.window;
        window.replies += 1;
        window.latency.record(latency);
        window.longest_gap = window.longest_gap.max(now.saturating_sub(self.last_reply));
        self.last_reply = now;
        self.in_flight.finish(u32::try_from(index)?);
        if !self.schedule.is_open_loop() {
            // At once, not after the other replies of this turn: as many as asked for stay in flight.
            if let Some(next) = self.in_flight.start() {
                self.send(next as usize, now, now).with_context(|| format!("connection {next}"))?;
            }
        }
        Ok(())
    }
}

impl Connection {
    fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = self.send_some(bytes)?;
        if sent < bytes.len() {
            self.unsent.extend_from_slice(&bytes[sent..]);
        }
        Ok(())
    }

    fn send_unsent(&mut self) -> anyhow::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let sent = self.send_some(&self.unsent)?;
        self.unsent.drain(..sent);
        Ok(())
    }

    fn send_some(&self, bytes: &[u8]) -> anyhow::Result<usize> {
        match send(&self.descriptor, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN) => Ok(0),
            Err(error) => bail!("lost: {}", io::Error::from(error)),
        }
    }
}

impl Window {
    /// Adds what was seen in a window right after this one.
    pub(crate) fn append(&mut self, other: &Self) {
        self.replies += other.replies;
        self.elapsed += other.elapsed;
        self.latency.append(&other.latency);
        self.behind_max = self.behind_max.max(other.behind_max);
        self.overdue = other.overdue;
        self.longest_gap = self.longest_gap.max(other.longest_gap);
    }

    /// Longest wait for a reply.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.latency.longest()
    }
}
