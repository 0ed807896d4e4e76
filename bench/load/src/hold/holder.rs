//! Holds connections on one thread: opens them, answers pings, asks and checks, closes them.
//!
//! One edge-triggered registration per connection, one shared read buffer, 48 bytes per connection.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};

use super::connection::{Connection, Ending, QUESTION_BYTES, State};
use super::hearing::Hearing;
use super::protocol::{Order, Totals};
use super::speech::SpeechArguments;
use crate::frame::{Found, Opcode, write_frame};
use crate::payload::{Kind, fill, masking_key};
use crate::target::Target;
use crate::{handshake, socket};

const EVENTS_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 64 * 1024;
/// Close code of an own closing handshake (RFC 6455 7.4.1: normal closure).
const CLOSE_CODE: [u8; 2] = 1000_u16.to_be_bytes();
/// `Event` data of a descriptor that is not a connection.
pub(crate) const OTHER: u64 = u64::MAX;

/// The connections `first..first + count`, and what is being done with all of them.
pub(crate) struct Holder {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    frame: Vec<u8>,
    target: Target,
    first: u32,
    pub(super) connections: Vec<Connection>,
    in_flight_max: u32,
    stall: Duration,
    pub(super) order: Option<Order>,
    /// Next connection to begin with.
    cursor: u32,
    /// Connections begun with and not yet done.
    pub(super) in_flight: u32,
    pub(super) moved: Instant,
    pub(super) totals: Totals,
    pub(super) hearing: Hearing,
    pub(super) speech: SpeechArguments,
}

impl Holder {
    /// Room for `count` connections, none of them open.
    pub(crate) fn new(
        target: &Target,
        first: u32,
        count: u32,
        in_flight_max: u32,
        stall: Duration,
    ) -> io::Result<Self> {
        let mut connections = Vec::new();
        connections.resize_with(count as usize, Connection::default);
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_MAX),
            buffer: vec![0; READ_BYTES_MAX],
            frame: Vec::new(),
            target: target.clone(),
            first,
            connections,
            in_flight_max: in_flight_max.max(1),
            stall,
            order: None,
            cursor: 0,
            in_flight: 0,
            moved: Instant::now(),
            totals: Totals::default(),
            hearing: Hearing::default(),
            speech: SpeechArguments::default(),
        })
    }

    /// The clients speak a protocol.
    pub(crate) fn speaking(self, speech: &SpeechArguments) -> Self {
        Self { speech: speech.clone(), ..self }
    }

    /// Takes over connections that are open and have nothing in flight.
    pub(crate) fn adopt(
        target: &Target,
        descriptors: Vec<OwnedFd>,
        in_flight_max: u32,
        stall: Duration,
    ) -> io::Result<Self> {
        let mut holder = Self::new(target, 0, 0, in_flight_max, stall)?;
        for descriptor in descriptors {
            let index = holder.connections.len() as u64;
            holder.watch(&descriptor, index)?;
            holder.connections.push(Connection::open(descriptor));
        }
        Ok(holder)
    }

    /// Gives the descriptors of all open connections away.
    pub(crate) fn into_descriptors(self) -> Vec<OwnedFd> {
        self.connections.into_iter().filter_map(Connection::into_descriptor).collect()
    }

    /// Reports `descriptor` as [`OTHER`] from [`Self::turn`] while it is readable.
    pub(crate) fn watch_other(&self, descriptor: impl AsFd) -> io::Result<()> {
        let data = epoll::EventData::new_u64(OTHER);
        Ok(epoll::add(&self.epoll, descriptor, data, epoll::EventFlags::IN)?)
    }

    /// Begins to do something with all connections. One order at a time.
    pub(crate) fn begin(&mut self, order: Order) {
        if self.prepare(order) {
            return;
        }
        self.order = Some(order);
        self.cursor = 0;
        self.moved = Instant::now();
        self.advance();
    }

    /// Carries out one order to its end.
    pub(crate) fn complete(&mut self, order: Order) -> anyhow::Result<&Totals> {
        self.begin(order);
        while self.is_busy() {
            crate::interrupt::check()?;
            self.turn(Some(Duration::from_millis(100)))?;
        }
        Ok(&self.totals)
    }

    /// Whether an order is being carried out.
    pub(crate) fn is_busy(&self) -> bool {
        self.order.is_some()
    }

    /// What became of the connections so far.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Waits for events, at most as long as `timeout` says, and handles them. True when the descriptor given to
    /// [`Self::watch_other`] is readable.
    pub(crate) fn turn(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut other = false;
        let events = std::mem::take(&mut self.events);
        for event in &events {
            match usize::try_from(event.data.u64()) {
                Ok(index) if index < self.connections.len() => self.ready(index, event.flags),
                Ok(_) | Err(_) => other = true,
            }
        }
        self.events = events;
        self.advance();
        if (self.in_flight > 0 || self.is_awaiting()) && self.moved.elapsed() > self.stall {
            self.abandon();
        }
        Ok(other)
    }

    fn watch(&self, descriptor: &OwnedFd, data: u64) -> io::Result<()> {
        use epoll::EventFlags as Flags;
        let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        Ok(epoll::add(&self.epoll, descriptor, epoll::EventData::new_u64(data), flags)?)
    }

    /// Begins with further connections, as many as may be in flight.
    fn advance(&mut self) {
        let Some(order) = self.order else { return };
        if matches!(order, Order::Hear | Order::Goodbye) {
            return self.await_the_server(order);
        }
        let count = u32::try_from(self.connections.len()).unwrap_or(u32::MAX);
        // What is meant as a blow comes at once.
        let in_flight_max = if order == Order::Error { count } else { self.in_flight_max };
        while self.in_flight < in_flight_max && self.cursor < count {
            let index = self.cursor as usize;
            self.cursor += 1;
            self.begin_one(order, index);
        }
        if self.cursor == count && self.in_flight == 0 {
            self.order = None;
        }
    }

    fn begin_one(&mut self, order: Order, index: usize) {
        if order == Order::Open {
            self.connect(index);
            return;
        }
        if self.connections[index].state() != State::Open {
            return;
        }
        match order {
            // Nothing to begin.
            Order::Open | Order::Expect { .. } | Order::Hear | Order::Part | Order::Goodbye => {}
            Order::Talk { every } if !index.is_multiple_of(every.max(1) as usize) => {}
            Order::Ping => self.ask(index, Opcode::Ping),
            Order::Message | Order::Talk { .. } => self.ask(index, Opcode::Text),
            Order::Close if self.target.raw => {
                self.connections[index].end();
                self.totals.closed += 1;
            }
            Order::Close => {
                self.in_flight += 1;
                self.connections[index].set_state(State::Closing);
                self.send_frame(index, Opcode::Close, &CLOSE_CODE);
            }
            Order::Arm => {
                let descriptor = self.connections[index].descriptor();
                let armed = descriptor.map(|d| sockopt::set_socket_linger(d, Some(Duration::ZERO)));
                if let Some(Err(error)) = armed {
                    self.totals.blame(format!("SO_LINGER: {error}"));
                }
            }
            Order::Reset => {
                self.connections[index].end();
                self.totals.closed += 1;
            }
            Order::Error => {
                self.in_flight += 1;
                self.connections[index].set_state(State::Refused);
                // RFC 6455 5.1: a server must close the connection upon a frame that is not masked.
                self.send_bytes(index, &[0x81, 1, b'!']);
            }
        }
    }

    fn connect(&mut self, index: usize) {
        if self.connections[index].state() != State::Closed {
            return;
        }
        let number = self.number(index);
        let begun = socket::begin_connect(&self.target, number)
            .and_then(|descriptor| self.watch(&descriptor, index as u64).map(|()| descriptor));
        match begun {
            Ok(descriptor) => {
                self.in_flight += 1;
                self.connections[index] = Connection::connecting(descriptor);
            }
            Err(error) => {
                self.totals.failed += 1;
                self.totals.blame(format!("connect: {error}"));
            }
        }
    }

    /// Index of a connection over all processes.
    pub(super) fn number(&self, index: usize) -> u32 {
        self.first.wrapping_add(u32::try_from(index).unwrap_or(0))
    }

    fn question(&self, index: usize, opcode: Opcode) -> [u8; QUESTION_BYTES] {
        let mut question = [0; QUESTION_BYTES];
        let kind = if opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
        fill(self.number(index).into(), 0, kind, &mut question);
        question
    }

    fn ask(&mut self, index: usize, opcode: Opcode) {
        let question = self.question(index, opcode);
        self.in_flight += 1;
        self.connections[index].ask(if opcode == Opcode::Ping {
            State::AskedPing
        } else {
            State::AskedMessage
        });
        self.send_frame(index, opcode, &question);
    }

    pub(super) fn send_frame(&mut self, index: usize, opcode: Opcode, payload: &[u8]) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        write_frame(&mut frame, opcode, payload, masking_key(self.number(index).into()));
        self.send_bytes(index, &frame);
        self.frame = frame;
    }

    /// What is sent here is small and rare: a send buffer without room for it means that the peer has stopped reading.
    fn send_bytes(&mut self, index: usize, bytes: &[u8]) {
        let Some(descriptor) = self.connections[index].descriptor() else { return };
        match send(descriptor, bytes, SendFlags::NOSIGNAL) {
            Ok(count) if count == bytes.len() => {}
            Ok(_) => self.end(index, "the peer does not read"),
            Err(error) => self.end(index, &format!("send: {}", io::Error::from(error))),
        }
    }

    fn ready(&mut self, index: usize, flags: epoll::EventFlags) {
        if self.connections[index].state() == State::Connecting {
            self.connected(index);
        }
        let end = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        if flags.intersects(end | epoll::EventFlags::IN) {
            self.receive(index, flags.intersects(end));
        }
    }

    fn connected(&mut self, index: usize) {
        let Some(descriptor) = self.connections[index].descriptor() else { return };
        match sockopt::socket_error(descriptor) {
            Ok(Ok(())) => {}
            Ok(Err(error)) | Err(error) => {
                self.end(index, &format!("connect: {}", io::Error::from(error)));
                return;
            }
        }
        if self.target.raw {
            self.opened(index);
            return;
        }
        self.connections[index].set_state(State::Handshaking);
        let request = handshake::request(&self.target, self.number(index));
        self.send_bytes(index, request.as_bytes());
    }

    fn opened(&mut self, index: usize) {
        self.connections[index].set_state(State::Open);
        self.totals.opened += 1;
        self.settle_one();
        if let Some(hello) = self.speech.hello.take() {
            self.send_frame(index, Opcode::Binary, hello.as_bytes());
            self.speech.hello = Some(hello);
        }
    }

    /// One connection less in flight.
    fn settle_one(&mut self) {
        self.in_flight -= 1;
        self.moved = Instant::now();
    }

    /// A short read has emptied the socket, and whatever comes later is another edge; except that an `end` of the
    /// stream which came with the data is no other edge.
    fn receive(&mut self, index: usize, end: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(descriptor) = self.connections[index].descriptor() {
            match receive_some(descriptor, &mut buffer) {
                Ok(0) => self.end(index, "end of stream"),
                Ok(count) => {
                    if let Err(error) = self.take_in(index, &buffer[..count]) {
                        self.end(index, &format!("{error:#}"));
                    } else if end || count == buffer.len() {
                        continue;
                    }
                }
                Err(Errno::AGAIN) => {}
                Err(error) => self.end(index, &format!("recv: {}", io::Error::from(error))),
            }
            break;
        }
        self.buffer = buffer;
    }

    fn take_in(&mut self, index: usize, bytes: &[u8]) -> anyhow::Result<()> {
        if self.connections[index].state() != State::Handshaking {
            return self.take_in_frames(index, bytes);
        }
        let number = self.number(index);
        let joined = self.connections[index].join_head(bytes);
        let head = joined.as_deref().unwrap_or(bytes);
        match handshake::check_answer(head, number, self.target.deflate)? {
            None => {
                self.connections[index].keep_head(head);
                Ok(())
            }
            Some(head_bytes) => {
                handshake::check_protocol(&head[..head_bytes], &self.target)?;
                self.opened(index);
                self.take_in_frames(index, &head[head_bytes..])
            }
        }
    }

    fn take_in_frames(&mut self, index: usize, mut bytes: &[u8]) -> anyhow::Result<()> {
        if self.target.raw && !self.hearing.is_expecting() {
            return Ok(());
        }
        let mut reader = self.connections[index].take_reader();
        while !bytes.is_empty() && self.connections[index].state() != State::Closed {
            match reader.next(&mut bytes)? {
                None => {}
                // Before the first message it may be anything.
                Some(Found::Payload { .. })
                    if self.speech.hears.is_some() && !self.hearing.is_expecting() => {}
                Some(Found::Payload { bytes, last, .. }) if self.speech.hears.is_some() => {
                    self.hear(index, bytes, last);
                }
                Some(Found::Payload { opcode: Opcode::Binary, bytes, last }) => self.hear(index, bytes, last),
                Some(Found::Payload { bytes, last, .. }) => self.payload(index, bytes, last),
                Some(Found::Control { opcode, payload }) => self.control(index, opcode, payload),
            }
        }
        self.connections[index].put_reader(reader);
        Ok(())
    }

    fn payload(&mut self, index: usize, bytes: &[u8], last: bool) {
        let question = self.question(index, Opcode::Text);
        if let Some(right) = self.connections[index].check_answer(&question, bytes, last) {
            self.answered(index, right);
        }
    }

    fn answered(&mut self, index: usize, right: bool) {
        if right {
            self.totals.answered += 1;
        } else {
            self.totals.wrong += 1;
            self.totals.blame("a wrong answer".to_owned());
        }
        if self.connections[index].state().is_asked() {
            self.connections[index].set_state(State::Open);
            self.settle_one();
        }
    }

    fn control(&mut self, index: usize, opcode: Opcode, payload: &[u8]) {
        let state = self.connections[index].state();
        match opcode {
            Opcode::Ping => {
                self.totals.pongs += 1;
                self.send_frame(index, Opcode::Pong, payload);
            }
            Opcode::Pong if state == State::AskedPing => {
                let right = payload == self.question(index, Opcode::Ping);
                self.answered(index, right);
            }
            Opcode::Close if state == State::Closing && payload == CLOSE_CODE => {
                self.connections[index].set_state(State::CloseReceived);
            }
            Opcode::Close if state == State::Refused => {}
            Opcode::Close if state == State::Open && self.hearing.is_goodbye(payload) => {
                self.part(index, payload);
            }
            Opcode::Close => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                self.end(index, &format!("close code {code}"));
            }
            // RFC 6455 5.5.3: a pong nobody asked for needs no answer.
            Opcode::Pong | Opcode::Text | Opcode::Binary | Opcode::Continuation => {}
        }
    }

    /// A connection is over; its state says whether it should be.
    pub(super) fn end(&mut self, index: usize, reason: &str) {
        let state = self.connections[index].state();
        let heard = self.connections[index].heard();
        self.connections[index].end();
        let (count, named) = match state.ending() {
            Ending::Already => return,
            Ending::Failed => (&mut self.totals.failed, Some("opening")),
            Ending::Lost => (&mut self.totals.lost, Some("lost")),
            Ending::Unclean => (&mut self.totals.unclean, Some("closing")),
            Ending::Closed => (&mut self.totals.closed, None),
        };
        *count += 1;
        self.totals.missed += self.hearing.on_end(self.number(index), heard);
        if let Some(named) = named {
            self.totals.blame(format!("{named}: {reason}"));
        }
        if state != State::Open {
            self.settle_one();
        }
    }

    /// Ends all connections in flight: nothing has moved for too long.
    fn abandon(&mut self) {
        let reason = format!("nothing for {:?}", self.stall);
        self.give_up_waiting();
        for index in 0..self.connections.len() {
            let state = self.connections[index].state();
            if state == State::Refused || state == State::CloseReceived {
                // The peer owes us the end of the stream.
                self.connections[index].set_state(State::Closing);
            }
            if state != State::Open && state != State::Closed {
                self.end(index, &reason);
            }
        }
        self.advance();
    }
}

fn receive_some(descriptor: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    recv(descriptor, buffer, RecvFlags::empty()).map(|(count, _)| count)
}
