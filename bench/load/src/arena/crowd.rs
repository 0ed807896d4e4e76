//! Keeps messages in flight on every connection: one thread, epoll, one recv and one send for what came at once.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::hello::{Hello, Replies};
use crate::interrupt;

const EVENTS_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

/// What was seen within one stretch of traffic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Replies, each of them right.
    pub(super) replies: u64,
    pub(super) elapsed: Duration,
    /// Replies of the connection that had the fewest.
    pub(super) fewest: u64,
    /// Replies of the connection that had the most.
    pub(super) most: u64,
}

struct Connection {
    descriptor: OwnedFd,
    replies: Replies,
    /// Messages sent, or waiting in `unsent`, whose reply has not come whole.
    in_flight: usize,
    /// Replies since the window began.
    come: u64,
    /// What the socket did not take at once.
    unsent: Vec<u8>,
}

/// All connections, each with as many messages in flight.
pub(super) struct Crowd {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    connections: Vec<Connection>,
    hello: Hello,
    in_flight_each: u16,
    /// Replies are followed by further messages.
    goes_on: bool,
    in_flight: usize,
    replies: u64,
    stall: Duration,
    moved: Instant,
    buffer: Vec<u8>,
    answers: Vec<u8>,
}

impl Crowd {
    /// Takes over open connections with nothing in flight.
    pub(super) fn new(
        descriptors: Vec<OwnedFd>,
        in_flight_each: u16,
        raw: bool,
        stall: Duration,
    ) -> anyhow::Result<Self> {
        use epoll::EventFlags as Flags;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(descriptors.len());
        for (index, descriptor) in descriptors.into_iter().enumerate() {
            let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
            epoll::add(&epoll, &descriptor, epoll::EventData::new_u64(index as u64), flags)?;
            let replies = Replies::default();
            connections.push(Connection { descriptor, replies, in_flight: 0, come: 0, unsent: Vec::new() });
        }
        Ok(Self {
            epoll,
            events: Vec::with_capacity(EVENTS_MAX),
            connections,
            hello: Hello::new(in_flight_each, READ_BYTES_MAX, raw),
            in_flight_each,
            goes_on: true,
            in_flight: 0,
            replies: 0,
            stall,
            moved: Instant::now(),
            buffer: vec![0; READ_BYTES_MAX],
            answers: Vec::new(),
        })
    }

    /// Sends the first messages, as many on each connection as are to be in flight.
    ///
    /// # Errors
    ///
    /// When a connection is lost.
    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        let count = usize::from(self.in_flight_each);
        for (index, connection) in self.connections.iter_mut().enumerate() {
            connection.in_flight = count;
            connection.send(self.hello.frames(count)).with_context(|| format!("connection {index}"))?;
        }
        self.in_flight = count * self.connections.len();
        self.moved = Instant::now();
        Ok(())
    }

    /// Keeps the traffic going for so long; what is in flight at the end goes on into the next window.
    ///
    /// # Errors
    ///
    /// A wrong reply, a lost connection, no reply at all for too long, or a signal.
    pub(super) fn run(&mut self, duration: Duration) -> anyhow::Result<Window> {
        self.replies = 0;
        self.connections.iter_mut().for_each(|connection| connection.come = 0);
        let begin = Instant::now();
        while begin.elapsed() < duration {
            self.turn()?;
        }
        let come = || self.connections.iter().map(|connection| connection.come);
        Ok(Window {
            replies: self.replies,
            elapsed: begin.elapsed(),
            fewest: come().min().unwrap_or(0),
            most: come().max().unwrap_or(0),
        })
    }

    /// Waits for the replies to all messages in flight, and gives the connections back.
    pub(super) fn drain(mut self) -> anyhow::Result<Vec<OwnedFd>> {
        self.goes_on = false;
        while self.in_flight > 0 {
            self.turn()?;
        }
        Ok(self.connections.into_iter().map(|connection| connection.descriptor).collect())
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        const LONGEST: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&LONGEST)) {
            Ok(_) | Err(Errno::INTR) => interrupt::check()?,
            Err(error) => return Err(error.into()),
        }
        let before = self.replies;
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let index = usize::try_from(event.data.u64())?;
            let end = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            let flags = event.flags;
            self.ready(index, flags.intersects(end)).with_context(|| format!("connection {index}"))?;
        }
        self.events = events;
        if self.replies > before {
            self.moved = Instant::now();
        } else if self.moved.elapsed() > self.stall {
            bail!("{} messages in flight and no reply for {:?}", self.in_flight, self.stall);
        }
        Ok(())
    }

    /// A short read has emptied the socket, and whatever comes later is another edge; except that an `end` of the
    /// stream which came with the data is no other edge.
    fn ready(&mut self, index: usize, end: bool) -> anyhow::Result<()> {
        let connection = &mut self.connections[index];
        connection.send_unsent()?;
        loop {
            let count = match recv(&connection.descriptor, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => bail!("lost: end of stream"),
                Ok((count, _)) => count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => bail!("lost: {}", io::Error::from(error)),
            };
            self.answers.clear();
            let come = connection.replies.take_in(&self.hello, &self.buffer[..count], &mut self.answers)?;
            ensure!(come <= connection.in_flight, "a message that nobody asked for");
            connection.come += come as u64;
            self.replies += come as u64;
            if !self.answers.is_empty() {
                connection.send(&self.answers)?;
            }
            if self.goes_on {
                connection.send(self.hello.frames(come))?;
            } else {
                connection.in_flight -= come;
                self.in_flight -= come;
            }
            if count < self.buffer.len() && !end {
                return Ok(());
            }
        }
    }
}

impl Connection {
    fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        if bytes.is_empty() {
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
