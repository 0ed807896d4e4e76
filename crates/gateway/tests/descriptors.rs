//! When the process has no descriptor left: nobody who is served notices, accepting pauses, and those who waited are
//! served when there are some again.
//!
//! The limit is one for the whole process: these tests run one after the other, under a limit that is low from the
//! start.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast::counters::HandshakeOutcome;
use holdfast::settings::{DriverChoice, Settings};
use rig::{Peer, Rig, request, settings, wait_until};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

on_every_rung!(
    those_who_come_while_there_is_no_descriptor_are_served_when_there_is_one,
    connections_end_as_ever_while_there_is_no_descriptor,
);

const DESCRIPTORS: u64 = 1024;

/// The gateway raises its limit to the hard one: that has to be low.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // The trials of other threads use descriptors too: they are over before one of these tests begins.
    for rung in [DriverChoice::Uring, DriverChoice::UringBaseline, DriverChoice::Epoll] {
        rig::is_available(rung);
    }
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let hard = getrlimit(Resource::Nofile).maximum.map_or(DESCRIPTORS, |hard| hard.min(DESCRIPTORS));
    setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: Some(hard) }).unwrap();
    alone
}

/// Takes every descriptor that is left.
fn take_all(any: impl AsFd) -> Vec<OwnedFd> {
    std::iter::from_fn(|| rustix::io::fcntl_dupfd_cloexec(&any, 0).ok()).collect()
}

/// Sockets that will connect when there is no descriptor left to make them.
fn sockets(count: usize) -> Vec<OwnedFd> {
    let socket = || socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    (0..count).map(|_| socket()).collect()
}

fn connected(rig: &Rig, sockets: Vec<OwnedFd>) -> Vec<Peer> {
    let connected = |socket: OwnedFd| {
        connect(&socket, &rig.address).unwrap();
        Peer::over(TcpStream::from(socket))
    };
    sockets.into_iter().map(connected).collect()
}

fn those_who_come_while_there_is_no_descriptor_are_served_when_there_is_one(rung: DriverChoice) {
    let _alone = alone();
    let rig = Rig::with(&Settings { shards: 1, ..settings(rung) });
    let mut before = rig.peer();
    let sockets = sockets(20);
    let mut taken = take_all(before.tcp());
    let mut peers = connected(&rig, sockets);
    for peer in &mut peers {
        peer.send(&request("/"));
    }
    wait_until("accepting fails again and again", || {
        before.check_echo();
        // The kernel may give back those of a ring that has ended late.
        taken.extend(take_all(before.tcp()));
        rig.sum(|counters| counters.accept_errors.get()) >= 3
    });
    assert!(rig.sum(|counters| counters.accepted.get()) < 21, "somebody waits");
    drop(taken);
    for peer in &mut peers {
        peer.expect_accepted();
        peer.check_echo();
    }
    assert_eq!(rig.held(), 21);
    assert_eq!(rig.handshakes(HandshakeOutcome::Accepted), 21);
    // Accepting goes on as if nothing had been.
    rig.peer().check_echo();
    for peer in peers.iter_mut().chain([&mut before]) {
        peer.close();
    }
    rig.wait_until_empty();
}

fn connections_end_as_ever_while_there_is_no_descriptor(rung: DriverChoice) {
    let _alone = alone();
    let rig = Rig::with(&Settings { shards: 1, ..settings(rung) });
    let mut peers = rig.peers(12);
    let any = peers[0].tcp().try_clone().unwrap();
    let mut taken = take_all(&any);
    for (round, mut peer) in peers.drain(..).enumerate() {
        peer.check_echo();
        match round % 3 {
            0 => peer.close(),
            1 => peer.end(),
            _ => {
                peer.send(&[0xff; 20]);
                peer.expect_close(1002);
            }
        }
        drop(peer);
        rig.wait_until_held(11 - round as u64);
        // What has become free is taken again.
        taken.extend(take_all(&any));
    }
    drop(taken);
    rig.wait_until_empty();
    rig.peer().check_echo();
}
