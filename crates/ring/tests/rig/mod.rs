//! What the tests of the drivers stand on: each test runs on every rung, on a driver with a loopback listener, against
//! plain blocking sockets of the standard library. Nothing sleeps: a test turns the driver until what it waits for is
//! so.

#![allow(dead_code, unreachable_pub, reason = "each test binary is a crate and uses its own part of the rig")]

pub mod child;
pub mod peers;
mod rung;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use holdfast_ring::{Buffers, Close, Config, Driver, Event, Lent, ListenerId, Outgoing, Sent, Token};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

pub use rung::{Rung, Uring, UringBaseline, UringNormal, is_available};

/// How long a test waits for what must happen. Slow emulated machines are the reason that it is long.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The longest turn while waiting.
const SLICE: Duration = Duration::from_millis(100);
/// How many peers may wait in the listener's queue.
pub const BACKLOG: i32 = 4096;

/// Runs each test on each rung, in a module named after it.
#[macro_export]
macro_rules! on_every_rung {
    ($($test:ident),* $(,)?) => {
        $crate::on_rung!(uring: $crate::rig::Uring: $($test),*);
        $crate::on_rung!(uring_normal: $crate::rig::UringNormal: $($test),*);
        $crate::on_rung!(uring_baseline: $crate::rig::UringBaseline: $($test),*);
        $crate::on_rung!(epoll: holdfast_ring::Epoll: $($test),*);
    };
}

/// Runs each test on one rung.
#[macro_export]
macro_rules! on_rung {
    ($module:ident: $rung:ty: $($test:ident),*) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    if $crate::rig::is_available::<$rung>() {
                        super::$test::<$rung>();
                    }
                }
            )*
        }
    };
}

/// A driver with a listener, and what it said that no one has asked for yet.
pub struct Rig<R: Rung> {
    pub driver: R::Driver,
    pub config: Config,
    pub listener: ListenerId,
    pub address: SocketAddr,
    pub events: Vec<Event>,
    generations: Vec<u32>,
    free: Vec<u32>,
}

/// A driver small enough that hundreds fit into 8 MiB of locked memory, with room for `connections`.
pub fn config(connections: u32) -> Config {
    Config {
        handshake_slots: 4,
        connection_slots: connections,
        normal_descriptors_max: 0,
        buffer_bytes: 4096,
        buffer_count: 16,
        long_buffer_bytes: 20_000,
        long_buffer_count: 4,
        submission_entries: 64,
        completion_entries: 256,
    }
}

impl<R: Rung> Rig<R> {
    /// Room for 16 connections.
    pub fn new() -> Self {
        Self::with(config(16))
    }

    pub fn with(config: Config) -> Self {
        Self::listening(config, tcp_listener())
    }

    pub fn listening(config: Config, (listener, address): (OwnedFd, SocketAddr)) -> Self {
        let mut driver = R::make(&config);
        let listener = driver.listen(listener).expect("the driver listens");
        let free = (config.handshake_slots..config.slots()).rev().collect();
        let generations = vec![0; config.slots() as usize];
        Self { driver, config, listener, address, events: Vec::new(), generations, free }
    }

    /// A new peer, connected (the kernel's part of it; the driver may not have accepted it yet).
    pub fn peer(&self) -> TcpStream {
        let peer = TcpStream::connect(self.address).expect("a peer connects");
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.set_write_timeout(Some(PATIENCE)).unwrap();
        peer
    }

    /// A connection and its peer.
    pub fn connection(&mut self) -> (Token, TcpStream) {
        let peer = self.peer();
        let descriptor = self.accept();
        (self.own(descriptor), peer)
    }

    pub fn connections(&mut self, count: usize) -> (Vec<Token>, Vec<TcpStream>) {
        (0..count).map(|_| self.connection()).unzip()
    }

    /// The next peer's descriptor.
    pub fn accept(&mut self) -> OwnedFd {
        match self.take("a peer is accepted", |event| matches!(event, Event::Accepted { .. })) {
            Event::Accepted { descriptor, .. } => descriptor,
            event => panic!("{event:?}"),
        }
    }

    /// Gives the descriptor to a connection slot, by way of a slot for opening handshakes.
    pub fn own(&mut self, descriptor: OwnedFd) -> Token {
        let handshake = self.handshake(descriptor);
        self.promote(handshake)
    }

    /// Gives the descriptor to a slot for opening handshakes: always the first.
    pub fn handshake(&mut self, descriptor: OwnedFd) -> Token {
        let handshake = self.next_owner(0);
        self.driver.adopt(handshake, descriptor).expect("the driver adopts");
        handshake
    }

    pub fn promote(&mut self, handshake: Token) -> Token {
        let slot = self.free.pop().expect("a free connection slot");
        let token = self.next_owner(slot);
        self.driver.promote(handshake, token).expect("the driver promotes");
        token
    }

    fn next_owner(&mut self, slot: u32) -> Token {
        let generation = &mut self.generations[slot as usize];
        *generation = Token::short(*generation + 1);
        Token { slot, generation: *generation }
    }

    /// Asks for bytes and waits for them.
    pub fn receive(&mut self, token: Token) -> Lent {
        self.driver.receive(token, Buffers::Short);
        self.received(token)
    }

    /// Waits for the bytes that were asked for.
    pub fn received(&mut self, token: Token) -> Lent {
        let mine = |event: &Event| {
            matches!(event, Event::Received { token: of, .. } | Event::Failed { token: of, .. } if *of == token)
                || matches!(event, Event::Ended { token: of } if *of == token)
        };
        match self.take("bytes arrive", mine) {
            Event::Received { buffer, .. } => {
                assert!(!buffer.is_empty(), "at least one byte");
                buffer
            }
            event => panic!("bytes arrive, not {event:?}"),
        }
    }

    /// Receives until `len` bytes are there.
    pub fn receive_len(&mut self, token: Token, len: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(len);
        while all.len() < len {
            all.extend_from_slice(&self.receive(token));
        }
        all
    }

    /// Waits for the end of stream that was asked for by a receive.
    pub fn ended(&mut self, token: Token) {
        self.take("the end of stream", |event| matches!(event, Event::Ended { token: of } if *of == token));
    }

    /// Waits for the end of a send that is pending.
    pub fn sent(&mut self, token: Token) -> Sent {
        let mine = |event: &Event| matches!(event, Event::Sent { token: of, .. } if *of == token);
        match self.take("a send ends", mine) {
            Event::Sent { sent, .. } => sent,
            event => panic!("{event:?}"),
        }
    }

    /// Sends what a lent buffer takes of `bytes` and waits for how it ends.
    pub fn send(&mut self, token: Token, bytes: &[u8]) -> Sent {
        let mut buffer = self.driver.lend().expect("a free buffer");
        buffer[..bytes.len()].copy_from_slice(bytes);
        buffer.set_range(0..bytes.len());
        match self.driver.send(token, Outgoing::Lent(buffer)) {
            holdfast_ring::Progress::Done => Sent::Whole,
            holdfast_ring::Progress::Pending => {
                self.driver.confirm_sends();
                self.sent(token)
            }
        }
    }

    /// Closes, waits until that is over, and frees the slot for a next owner.
    pub fn close(&mut self, token: Token, how: Close) {
        self.driver.close(token, how);
        self.closed(token);
    }

    /// Releases, waits for the end of that, and frees the slot for a next owner if it is free.
    pub fn release(&mut self, token: Token) -> (rustix::io::Result<OwnedFd>, Vec<u8>) {
        self.driver.release(token);
        self.released(token)
    }

    /// Waits for the end of a release that was asked for.
    pub fn released(&mut self, token: Token) -> (rustix::io::Result<OwnedFd>, Vec<u8>) {
        let mine = |event: &Event| matches!(event, Event::Released { token: of, .. } if *of == token);
        match self.take("a slot is released", mine) {
            Event::Released { descriptor, unread, .. } => {
                if descriptor.is_ok() && token.slot >= self.config.handshake_slots {
                    self.free.push(token.slot);
                }
                (descriptor, unread)
            }
            event => panic!("{event:?}"),
        }
    }

    /// Waits for the end of a close that was asked for.
    pub fn closed(&mut self, token: Token) {
        self.take("a slot is closed", |event| matches!(event, Event::Closed { token: of } if *of == token));
        self.free.push(token.slot);
    }

    /// Waits for the first event that `wanted` takes, and leaves the others for later.
    #[track_caller]
    pub fn take(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        self.wait_until(what, |rig| rig.events.iter().any(&wanted));
        let index = self.events.iter().position(&wanted).expect("it has just been there");
        self.events.remove(index)
    }

    /// Turns the driver until `condition` holds.
    ///
    /// # Panics
    /// When it does not hold within the rig's patience.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}; {:?}; other events: {:?}",
                self.driver.stats(),
                &self.events[..self.events.len().min(20)]
            );
            self.driver.turn(SLICE, &mut self.events).expect("the driver works");
        }
    }

    /// One turn that does not wait for anything to happen.
    pub fn turn_at_once(&mut self) {
        self.driver.turn(Duration::ZERO, &mut self.events).expect("the driver works");
    }

    /// Checks that a driver with nothing to do waits for the time it is given instead of going round: few system calls,
    /// and most turns in full. (Some end early: the kernel interrupts waits to tidy up after rings that were closed.)
    #[track_caller]
    pub fn assert_idle(&mut self) {
        const TURNS: u32 = 30;
        let timeout = Duration::from_millis(10);
        let (start, before) = (Instant::now(), self.driver.stats().syscalls);
        for _ in 0..TURNS {
            self.driver.turn(timeout, &mut self.events).expect("the driver works");
        }
        assert!(start.elapsed() >= timeout * (TURNS / 2), "turns without events wait for their timeout");
        let calls = self.driver.stats().syscalls - before;
        assert!(
            calls <= R::IDLE_CALLS * u64::from(TURNS) + 8,
            "{calls} system calls in {TURNS} turns without events"
        );
    }
}

/// A listening socket on a free port of the loopback address.
pub fn tcp_listener() -> (OwnedFd, SocketAddr) {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    listen(&socket, BACKLOG).unwrap();
    let address = getsockname(&socket).unwrap().try_into().expect("an internet address");
    (socket, address)
}

/// Bytes in which every position can be told from its neighbours.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| u8::try_from(index % 251).unwrap() ^ u8::try_from(index / 251 % 256).unwrap())
        .collect()
}
