//! Opening handshakes on one thread, as many at once as asked for.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};

use crate::target::Target;
use crate::waits::Waits;
use crate::{handshake, interrupt, socket};

const EVENTS_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 16 * 1024;
/// Begun in one turn, so that those who are answered do not wait for all to begin.
const BEGUN_MAX: usize = 64;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    pub(crate) descriptors: Vec<OwnedFd>,
    /// From connect to the end of the 101, of each.
    pub(crate) waits: Waits,
    /// From the first connect to the last 101.
    pub(crate) elapsed: Duration,
    /// Why others were not let in.
    pub(crate) failures: BTreeMap<String, u64>,
}

#[derive(Debug, Eq, PartialEq)]
enum Stage {
    Connecting,
    /// The answer so far.
    Handshaking(Vec<u8>),
    Over,
}

struct Newcomer {
    descriptor: Option<OwnedFd>,
    begun: Instant,
    stage: Stage,
}

pub(crate) struct Rush<'a> {
    target: &'a Target,
    /// Everybody is to be answered 503.
    refused: bool,
    /// Number of the first connection: chooses source addresses and keys.
    first: u32,
    count: u32,
    in_flight_max: usize,
    stall: Duration,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    newcomers: Vec<Newcomer>,
    in_flight: usize,
    moved: Instant,
    arrivals: Arrivals,
}

impl<'a> Rush<'a> {
    /// Connections `first..first + count`, `in_flight_max` at once; given up when nothing moves for `stall`.
    pub(crate) fn new(
        target: &'a Target,
        (first, count): (u32, u32),
        in_flight_max: u32,
        stall: Duration,
    ) -> io::Result<Self> {
        Ok(Self {
            target,
            refused: false,
            first,
            count,
            in_flight_max: in_flight_max as usize,
            stall,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_MAX),
            buffer: vec![0; READ_BYTES_MAX],
            newcomers: Vec::with_capacity(count as usize),
            in_flight: 0,
            moved: Instant::now(),
            arrivals: Arrivals::default(),
        })
    }

    /// Everybody is to be answered 503, and counts as arrived then.
    pub(super) fn refused(self) -> Self {
        Self { refused: true, ..self }
    }

    /// Opens all of them.
    ///
    /// # Errors
    ///
    /// When nothing moves for too long, or a signal comes. Those that are refused are counted.
    pub(crate) fn run(mut self) -> anyhow::Result<Arrivals> {
        let begin = Instant::now();
        self.moved = begin;
        while self.may_begin() || self.in_flight > 0 {
            self.begin_some();
            self.turn()?;
        }
        self.arrivals.elapsed = self.moved - begin;
        self.arrivals.descriptors = self.newcomers.into_iter().filter_map(|it| it.descriptor).collect();
        Ok(self.arrivals)
    }

    fn may_begin(&self) -> bool {
        self.newcomers.len() < self.count as usize && self.in_flight < self.in_flight_max
    }

    fn begin_some(&mut self) {
        for _ in 0..BEGUN_MAX {
            if !self.may_begin() {
                return;
            }
            let index = self.newcomers.len();
            let begun = Instant::now();
            self.in_flight += 1;
            self.newcomers.push(Newcomer { descriptor: None, begun, stage: Stage::Connecting });
            match self.connect(index) {
                Ok(descriptor) => self.newcomers[index].descriptor = Some(descriptor),
                Err(error) => self.fail(index, &format!("connect: {error}")),
            }
        }
    }

    fn connect(&self, index: usize) -> io::Result<OwnedFd> {
        use epoll::EventFlags as Flags;
        let descriptor = socket::begin_connect(self.target, self.number(index))?;
        let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        epoll::add(&self.epoll, &descriptor, epoll::EventData::new_u64(index as u64), flags)?;
        Ok(descriptor)
    }

    fn number(&self, index: usize) -> u32 {
        self.first.wrapping_add(u32::try_from(index).unwrap_or(0))
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        interrupt::check()?;
        const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let wait = if self.may_begin() { &NO_WAIT } else { &WAIT };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let index = usize::try_from(event.data.u64())?;
            if let Err(error) = self.ready(index) {
                self.fail(index, &format!("{error:#}"));
            }
        }
        self.events = events;
        let opened = self.arrivals.waits.count();
        ensure!(
            self.in_flight == 0 || self.moved.elapsed() <= self.stall,
            "{opened} of {} opened, then nothing for {:?}",
            self.count,
            self.stall
        );
        Ok(())
    }

    /// Nothing follows an answer until somebody asks, so that one read is enough for each edge.
    fn ready(&mut self, index: usize) -> anyhow::Result<()> {
        let number = self.number(index);
        let newcomer = &mut self.newcomers[index];
        let Some(descriptor) = &newcomer.descriptor else { return Ok(()) };
        match &mut newcomer.stage {
            Stage::Over => return Ok(()),
            Stage::Connecting => {
                sockopt::socket_error(descriptor).and_then(|result| result).map_err(io::Error::from)?;
                if self.target.raw {
                    self.open(index);
                    return Ok(());
                }
                let request = handshake::request(self.target, number);
                let sent =
                    send(descriptor, request.as_bytes(), SendFlags::NOSIGNAL).map_err(io::Error::from)?;
                ensure!(sent == request.len(), "the peer does not read");
                newcomer.stage = Stage::Handshaking(Vec::new());
            }
            Stage::Handshaking(head) => {
                match recv(descriptor, &mut self.buffer[..], RecvFlags::empty()) {
                    Ok((0, _)) => bail!("end of stream"),
                    Ok((count, _)) => head.extend_from_slice(&self.buffer[..count]),
                    Err(Errno::AGAIN) => return Ok(()),
                    Err(error) => return Err(io::Error::from(error).into()),
                }
                if self.refused {
                    if handshake::check_refusal(head)? {
                        newcomer.descriptor = None;
                        self.open(index);
                    }
                    return Ok(());
                }
                if let Some(head_len) = handshake::check_answer(head, number, self.target.deflate)? {
                    handshake::check_protocol(&head[..head_len], self.target)?;
                    // A subprotocol may begin with a message.
                    let is_all = head_len == head.len() || self.target.protocol.is_some();
                    ensure!(is_all, "bytes that nobody asked for");
                    self.open(index);
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, index: usize) {
        self.arrivals.waits.record(self.newcomers[index].begun.elapsed());
        self.settle(index);
    }

    fn fail(&mut self, index: usize, reason: &str) {
        *self.arrivals.failures.entry(reason.to_owned()).or_default() += 1;
        self.newcomers[index].descriptor = None;
        self.settle(index);
    }

    fn settle(&mut self, index: usize) {
        self.newcomers[index].stage = Stage::Over;
        self.in_flight -= 1;
        self.moved = Instant::now();
    }
}
