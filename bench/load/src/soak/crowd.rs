//! All visits at once, on one thread: as many at any moment as asked for, a new one for each that ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::life::{Life, Next};
use super::plan::Plans;
use super::tally::Tally;
use crate::schedule::Schedule;
use crate::target::Target;
use crate::waits::Waits;
use crate::{interrupt, socket};

const EVENTS_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 64 * 1024;
/// Visits begun in one turn: at the start all come, but not in one burst.
const BEGUN_MAX: usize = 64;
/// Longest wait of a turn.
const WAIT_MAX: Duration = Duration::from_millis(20);

pub(crate) struct Crowd<'a> {
    target: &'a Target,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    lives: Vec<Option<Life>>,
    /// Places without a visit.
    vacant: Vec<u32>,
    /// When who is to be woken: moment, place, number of the visit.
    alarms: BinaryHeap<Reverse<(Instant, u32, u64)>>,
    plans: Plans,
    start: Instant,
    schedule: Schedule,
    next_number: u64,
    dismissed: bool,
    tally: Tally,
    buffer: Vec<u8>,
}

impl<'a> Crowd<'a> {
    /// `count` at once, or with a `rate` as many new each second, due by the clock, while there are fewer.
    pub(crate) fn new(target: &'a Target, count: u32, plans: Plans, rate: Option<f64>) -> io::Result<Self> {
        Ok(Self {
            target,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_MAX),
            lives: (0..count).map(|_| None).collect(),
            vacant: (0..count).rev().collect(),
            alarms: BinaryHeap::new(),
            plans,
            start: Instant::now(),
            schedule: Schedule::new(rate),
            next_number: 0,
            dismissed: false,
            tally: Tally::default(),
            buffer: vec![0; READ_BYTES_MAX],
        })
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Measures waits afresh, and gives the counts so far.
    pub(crate) fn tally_anew(&mut self) -> Tally {
        (self.tally.opening, self.tally.echo) = <(Waits, Waits)>::default();
        self.tally.clone()
    }

    /// Whoever is due by now and has not come, for want of room.
    pub(crate) fn overdue(&self) -> u64 {
        self.schedule.overdue(self.start.elapsed())
    }

    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }

    pub(crate) fn alive(&self) -> usize {
        self.lives.len() - self.vacant.len()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive() > 0
    }

    /// Nobody new comes, and everybody leaves politely.
    pub(crate) fn dismiss(&mut self) {
        self.dismissed = true;
        let now = Instant::now();
        for (place, life) in self.lives.iter_mut().enumerate() {
            let Some(life) = life else { continue };
            life.dismiss();
            if life.is_resting() {
                self.alarms.push(Reverse((now, u32::try_from(place).unwrap_or(0), life.number)));
            }
        }
    }

    /// Waits for what happens next, at most for a moment, and does what is due.
    pub(crate) fn turn(&mut self) -> anyhow::Result<()> {
        interrupt::check()?;
        self.begin_some();
        self.wake_the_due();
        let now = Instant::now();
        let alarm = self.alarms.peek().map(|Reverse((at, ..))| at.saturating_duration_since(now));
        let arrival = self.next_arrival(now - self.start);
        let wait = alarm.into_iter().chain(arrival).fold(WAIT_MAX, Duration::min);
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let data = event.data.u64();
            let (place, number) = (u32::try_from(data & 0xFFFF_FFFF).unwrap_or(0), data >> 32);
            // Its place may have been taken by another within this turn.
            if self.lives[place as usize].as_ref().is_some_and(|it| it.number & 0xFFFF_FFFF == number) {
                self.ready(place, event.flags);
            }
        }
        self.events = events;
        Ok(())
    }

    /// Until somebody comes by the clock, where there is room.
    fn next_arrival(&self, now: Duration) -> Option<Duration> {
        if self.dismissed || self.vacant.is_empty() || !self.schedule.is_open_loop() {
            return None;
        }
        Some(self.schedule.wait(now).unwrap_or_default())
    }

    fn begin_some(&mut self) {
        if self.dismissed {
            return;
        }
        for _ in 0..BEGUN_MAX {
            let Some(due) = self.schedule.due(self.start.elapsed()) else { return };
            let Some(place) = self.vacant.pop() else { return };
            self.schedule.advance();
            let number = self.next_number;
            self.next_number += 1;
            match self.connect(place, number) {
                Ok(descriptor) => {
                    let plan = self.plans.plan(number, self.lives.len() as u64);
                    let due = self.start + due;
                    let life = Life::new(descriptor, number, plan, self.target.deflate, due);
                    self.lives[place as usize] = Some(life);
                }
                Err(error) => {
                    self.vacant.push(place);
                    self.tally.trouble(format!("connect: {error}"));
                    return;
                }
            }
        }
    }

    fn connect(&self, place: u32, number: u64) -> io::Result<OwnedFd> {
        use epoll::EventFlags as Flags;
        let descriptor = socket::begin_connect(self.target, place)?;
        let data = epoll::EventData::new_u64(u64::from(place) | number << 32);
        epoll::add(&self.epoll, &descriptor, data, Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET)?;
        Ok(descriptor)
    }

    fn wake_the_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, place, number))) = self.alarms.peek().copied() {
            if at > now {
                return;
            }
            self.alarms.pop();
            let tally = &mut self.tally;
            let life = self.lives[place as usize].as_mut();
            if let Some(life) = life.filter(|life| life.number == number && life.is_resting()) {
                let next = life.step(tally);
                self.act(place, next);
            }
        }
    }

    fn ready(&mut self, place: u32, flags: epoll::EventFlags) {
        use epoll::EventFlags as Flags;
        if flags.contains(Flags::OUT)
            && let Some(life) = &mut self.lives[place as usize]
        {
            let next = life.writable(self.target, &mut self.tally);
            self.act(place, next);
        }
        let end = flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR);
        if end || flags.contains(Flags::IN) {
            self.receive(place, end);
        }
    }

    /// A short read has emptied the socket, except that an `end` of the stream which came with the data is no other
    /// edge.
    fn receive(&mut self, place: u32, end: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(life) = &mut self.lives[place as usize] {
            let (next, more) = match recv(&life.descriptor, &mut buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => (life.on_end(), false),
                Ok((count, _)) => {
                    (life.take_in(&buffer[..count], &mut self.tally), end || count == buffer.len())
                }
                Err(Errno::AGAIN) => break,
                Err(error) => (Err(io::Error::from(error).into()), false),
            };
            self.act(place, next);
            if !more {
                break;
            }
        }
        self.buffer = buffer;
    }

    fn act(&mut self, place: u32, next: anyhow::Result<Next>) {
        let Some(life) = &mut self.lives[place as usize] else { return };
        match next {
            Ok(Next::Wait) => return,
            Ok(Next::Rest(pause)) => {
                if self.dismissed {
                    life.dismiss();
                }
                let pause = if self.dismissed { Duration::ZERO } else { pause };
                self.alarms.push(Reverse((Instant::now() + pause, place, life.number)));
                return;
            }
            Ok(Next::Gone) => self.tally.ended(life.end()),
            Err(error) => {
                let trouble = format!("{:?}, {}: {error:#}", life.end(), life.doing());
                self.tally.trouble(trouble);
            }
        }
        self.lives[place as usize] = None;
        self.vacant.push(place);
    }
}
