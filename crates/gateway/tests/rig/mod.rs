//! What the gateway's tests stand on: each test runs on every rung, against a gateway in this process and peers that
//! are plain blocking sockets. Nothing sleeps: a test waits for the condition it needs, with a generous deadline.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test binary is a crate and uses its own part of the rig"
)]

pub mod application;
pub mod cgroup;
pub mod child;
pub mod frame;
pub mod peer;
pub mod process;
mod rung;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use holdfast::counters::{CloseCode, CloseReason, Counters, HandshakeOutcome, Limit};
use holdfast::settings::{DriverChoice, Listen, Settings};
use holdfast::{Application, Echo, Gateway, Handle, Outcome, StartError};

pub use application::{Log, Script};
pub use frame::Frame;
pub use peer::{Peer, request};
pub use rung::is_available;

/// How long a test waits for what must happen. Slow emulated machines are the reason that it is long.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any test takes: a time limit of the gateway that is not to be met in a test.
pub const NEVER: Duration = Duration::from_secs(3600);
/// The shortest time limit that settings allow.
pub const SOON: Duration = Duration::from_millis(100);

/// Runs each test on each rung, in a module named after it.
#[macro_export]
macro_rules! on_every_rung {
    ($($test:ident),* $(,)?) => {
        $crate::on_rung!(uring: Uring: $($test),*);
        $crate::on_rung!(uring_baseline: UringBaseline: $($test),*);
        $crate::on_rung!(epoll: Epoll: $($test),*);
    };
}

/// Runs each test on one rung.
#[macro_export]
macro_rules! on_rung {
    ($module:ident: $rung:ident: $($test:ident),*) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    let rung = holdfast::settings::DriverChoice::$rung;
                    if $crate::rig::is_available(rung) {
                        super::$test(rung);
                    }
                }
            )*
        }
    };
}

/// Settings for a test: any free port of the loopback address, pools so small that several gateways fit into 8 MiB of
/// locked memory, and time limits that no test meets by accident.
pub fn settings(rung: DriverChoice) -> Settings {
    Settings {
        listen: vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))],
        admin: None,
        driver: rung,
        shards: 2,
        connections_max: Some(400),
        handshakes_max: 64,
        pool_bytes: Some(256 << 10),
        handshake_timeout: NEVER,
        message_timeout: None,
        close_timeout: NEVER,
        send_timeout: NEVER,
        ..Settings::default()
    }
}

/// A gateway under test. It ends with the test.
pub struct Rig {
    pub gateway: Gateway,
    pub address: SocketAddr,
}

impl Rig {
    /// A gateway that echoes.
    pub fn echo(rung: DriverChoice) -> Self {
        Self::with(&settings(rung))
    }

    /// A gateway with these settings that echoes.
    pub fn with(settings: &Settings) -> Self {
        let prefix = settings.echo_prefix.clone();
        Self::running(settings, move |_| Echo::new(&prefix))
    }

    /// A gateway that runs a script on each of its shards.
    pub fn scripted(settings: &Settings, script: &Script) -> Self {
        let script = script.clone();
        Self::running(settings, move |_| script.clone())
    }

    pub fn running<A, F>(settings: &Settings, make: F) -> Self
    where
        A: Application,
        F: Fn(&Handle) -> A + Clone + Send + Sync + 'static,
    {
        let deadline = Instant::now() + PATIENCE;
        let gateway = loop {
            match Gateway::start(settings, make.clone()) {
                Ok(gateway) => break gateway,
                // Rings that were closed give back their locked memory a moment later.
                Err(StartError::Shard(rustix::io::Errno::NOMEM)) if Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("the gateway starts: {error}"),
            }
        };
        let address = match gateway.addresses().first() {
            Some(Listen::Tcp(address)) => *address,
            _ => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        Self { gateway, address }
    }

    pub fn handle(&self) -> &Handle {
        self.gateway.handle()
    }

    /// A peer that is connected and has not said anything.
    #[track_caller]
    pub fn silent_peer(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// A peer whose connection is open.
    #[track_caller]
    pub fn peer(&self) -> Peer {
        let mut peer = self.silent_peer();
        peer.open("/");
        peer
    }

    #[track_caller]
    pub fn peers(&self, count: usize) -> Vec<Peer> {
        let mut peers: Vec<Peer> = (0..count).map(|_| self.silent_peer()).collect();
        for peer in &mut peers {
            peer.send(&request("/"));
        }
        for peer in &mut peers {
            peer.expect_accepted();
        }
        peers
    }

    /// What the shards count, summed.
    pub fn sum(&self, count: impl Fn(&Counters) -> u64) -> u64 {
        self.gateway.counters().iter().map(|counters| count(counters)).sum()
    }

    pub fn held(&self) -> u64 {
        self.sum(Counters::held)
    }

    pub fn closed(&self, reason: CloseReason, code: CloseCode) -> u64 {
        self.sum(|counters| counters.closed[reason as usize][code as usize].get())
    }

    pub fn handshakes(&self, outcome: HandshakeOutcome) -> u64 {
        self.sum(|counters| counters.handshakes[outcome as usize].get())
    }

    /// How often a limit was applied.
    pub fn limited(&self, limit: Limit) -> u64 {
        self.sum(|counters| counters.limited[limit as usize].get())
    }

    #[track_caller]
    pub fn wait_until_held(&self, count: u64) {
        wait_until(&format!("{count} connections are held"), || self.held() == count);
    }

    /// Waits until every connection is gone, and checks that nothing is left of any.
    #[track_caller]
    pub fn wait_until_empty(&self) {
        self.wait_until_held(0);
        self.wait_until_quiet();
        let opened = self.sum(|counters| counters.opened.get());
        assert_eq!(opened, self.sum(Counters::closed_total), "what was opened was closed");
    }

    /// Waits until no gauge shows anything on its way.
    #[track_caller]
    pub fn wait_until_quiet(&self) {
        wait_until("no buffer is lent, no outbox filled, no message cut", || self.on_its_way() == [0; 5]);
    }

    /// The gauges of what is on its way: handshakes, lent buffers, those who wait for one, outboxes, cut messages.
    pub fn on_its_way(&self) -> [u64; 5] {
        [
            self.sum(|counters| counters.handshakes_open.get()),
            self.sum(|counters| counters.buffers_lent.get() + counters.long_buffers_lent.get()),
            self.sum(|counters| counters.buffers_waiting.get()),
            self.sum(|counters| counters.outbox_bytes.get()),
            self.sum(|counters| counters.partial_bytes.get()),
        ]
    }

    /// Waits until the gateway has ended.
    #[track_caller]
    pub fn wait_for_the_end(&mut self) -> Outcome {
        self.gateway.wait(PATIENCE).expect("the gateway ends")
    }

    /// Waits until every shard has gone round since this was called, so that it has seen what was sent before.
    #[track_caller]
    pub fn wait_for_a_turn_of_every_shard(&self) {
        let turns = |index: usize| self.gateway.counters()[index].turns.get();
        for index in 0..self.gateway.counters().len() {
            // The turn that is under way may have looked already; the one after it has not.
            let before = turns(index);
            wait_until("a shard goes round", || turns(index) > before + 1);
        }
    }
}

/// Waits for a condition.
///
/// # Panics
/// When it does not hold within the rig's patience.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// Bytes in which every position can be told from its neighbours.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| u8::try_from(index % 251).unwrap() ^ u8::try_from(index / 251 % 256).unwrap())
        .collect()
}

/// Text of this many bytes, with code points of one and of two bytes.
pub fn text(len: usize) -> Vec<u8> {
    let mut text = "aé-".repeat(len / 4).into_bytes();
    text.extend(std::iter::repeat_n(b'.', len - text.len()));
    text
}
