//! When the process has no descriptor left, and that none is left behind.
//!
//! The limit is one for the whole process: these tests run one after the other.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_ring::{Buffers, Close, Config, Driver, Event};
use rig::peers::{is_reset, read_all, read_len};
use rig::{Rig, Rung, config};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

on_every_rung!(
    accepting_pauses_while_the_descriptor_table_is_full_and_then_serves_everyone,
    closing_works_while_the_descriptor_table_is_full,
    an_end_of_stream_is_said_while_the_descriptor_table_is_full,
    a_listener_that_ends_during_a_pause_does_not_make_the_driver_spin,
    a_release_without_a_descriptor_for_it_leaves_the_connection_as_it_was,
    making_a_driver_fails_while_the_descriptor_table_is_full,
    connections_leave_no_descriptor_behind,
    a_driver_leaves_no_descriptor_behind,
);

static LIMIT: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // The trials of other threads use descriptors too: they are over before one of these tests begins.
    rig::Uring::trial().ok();
    rig::UringBaseline::trial().ok();
    LIMIT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A low limit of descriptors, until it is dropped. (An accept operation goes by the limit at the time it was armed: it
/// has to be low before the driver is made.)
struct Table {
    limit: Rlimit,
    fillers: Vec<OwnedFd>,
}

impl Table {
    fn low() -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: limit.maximum }).unwrap();
        Self { limit, fillers: Vec::new() }
    }

    /// Uses up every descriptor that is left.
    fn fill(&mut self, any: impl AsFd) {
        self.fillers.extend(std::iter::from_fn(|| rustix::io::fcntl_dupfd_cloexec(&any, 0).ok()));
    }

    fn make_room(&mut self) {
        self.fillers.clear();
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.limit).unwrap();
    }
}

/// Sockets that will connect when there is no descriptor left to make them.
fn sockets(count: usize) -> Vec<OwnedFd> {
    let socket = || socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    (0..count).map(|_| socket()).collect()
}

fn connected<R: Rung>(rig: &Rig<R>, sockets: Vec<OwnedFd>) -> Vec<TcpStream> {
    let connected = |socket: OwnedFd| {
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(rig::PATIENCE)).unwrap();
        connect(&socket, &rig.address).unwrap();
        TcpStream::from(socket)
    };
    sockets.into_iter().map(connected).collect()
}

/// Waits for a failure that pauses accepting for at least so long.
fn paused<R: Rung>(rig: &mut Rig<R>, least: Duration) {
    let event = rig.take(
        "accepting pauses",
        |event| matches!(event, Event::AcceptFailed { pause, .. } if *pause >= least),
    );
    assert!(
        matches!(event, Event::AcceptFailed { error: Errno::MFILE, listener, .. } if listener == rig.listener)
    );
}

fn accepting_pauses_while_the_descriptor_table_is_full_and_then_serves_everyone<R: Rung>() {
    let _alone = alone();
    let mut table = Table::low();
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    let waiting = sockets(10);
    table.fill(&peer);
    let mut queued = connected(&rig, waiting);
    paused(&mut rig, Duration::from_millis(1));
    peer.write_all(b"still served").unwrap();
    assert_eq!(&rig.receive(token)[..], b"still served");
    paused(&mut rig, Duration::from_millis(160));
    rig.assert_idle();
    table.make_room();
    for round in 0..queued.len() {
        let descriptor = rig.accept();
        let token = rig.own(descriptor);
        let from = rig.driver.lend().unwrap();
        drop(from);
        assert!(matches!(rig.send(token, &[u8::try_from(round).unwrap()]), holdfast_ring::Sent::Whole));
    }
    let heard = queued.iter_mut().map(|peer| read_len(peer, 1)[0]);
    let mut heard: Vec<u8> = heard.collect();
    heard.sort_unstable();
    assert!(heard.into_iter().eq(0..10));
}

fn closing_works_while_the_descriptor_table_is_full<R: Rung>() {
    let _alone = alone();
    let mut table = Table::low();
    let mut rig = Rig::<R>::new();
    for how in [Close::Orderly, Close::Reset] {
        for receiving in [true, false] {
            let (token, mut peer) = rig.connection();
            if receiving {
                rig.driver.receive(token, Buffers::Short);
                rig.turn_at_once();
            }
            table.fill(&peer);
            rig.close(token, how);
            assert_eq!(is_reset(&mut peer), how == Close::Reset);
            table.make_room();
        }
    }
}

fn an_end_of_stream_is_said_while_the_descriptor_table_is_full<R: Rung>() {
    let _alone = alone();
    let mut table = Table::low();
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    rig.turn_at_once();
    table.fill(&peer);
    rig.driver.shutdown(token);
    for _ in 0..3 {
        rig.turn_at_once();
    }
    assert_eq!(read_all(&mut peer), b"");
    table.make_room();
    peer.write_all(b"receiving goes on").unwrap();
    assert_eq!(&rig.received(token)[..], b"receiving goes on");
    rig.close(token, Close::Orderly);
}

fn a_listener_that_ends_during_a_pause_does_not_make_the_driver_spin<R: Rung>() {
    let _alone = alone();
    let mut table = Table::low();
    let mut rig = Rig::<R>::new();
    let (_token, peer) = rig.connection();
    let waiting = sockets(5);
    table.fill(&peer);
    let _queued = connected(&rig, waiting);
    paused(&mut rig, Duration::from_millis(20));
    table.make_room();
    rig.driver.unlisten(rig.listener);
    rig.take("the listener ends", |event| matches!(event, Event::Unlistened { .. }));
    let accepted = rig.events.iter().filter(|event| matches!(event, Event::Accepted { .. })).count();
    assert_eq!(accepted, 5, "{:?}", rig.events);
    rig.events.clear();
    // Past the end of the pause.
    rig.assert_idle();
    rig.assert_idle();
}

fn making_a_driver_fails_while_the_descriptor_table_is_full<R: Rung>() {
    let _alone = alone();
    let mut table = Table::low();
    let any = sockets(1);
    table.fill(&any[0]);
    assert!(matches!(R::try_make(&config(4)), Err(Errno::MFILE)));
    table.make_room();
    Rig::<R>::new().connection();
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn connections_leave_no_descriptor_behind<R: Rung>() {
    let _alone = alone();
    let mut rig = Rig::<R>::new();
    rig.turn_at_once();
    let before = descriptors();
    for round in 0..40 {
        let (token, peer) = rig.connection();
        if round % 2 == 0 {
            rig.driver.receive(token, Buffers::Short);
        }
        if round % 3 == 0 {
            rig.driver.shutdown(token);
        }
        if round % 4 == 0 {
            rig.turn_at_once();
        }
        let how = if round % 5 == 0 { Close::Reset } else { Close::Orderly };
        rig.close(token, how);
        drop(peer);
        rig.events.clear();
    }
    rig.turn_at_once();
    assert_eq!(descriptors(), before);
}

#[test]
fn those_beyond_the_normal_descriptors_get_direct_ones() {
    if !rig::is_available::<rig::UringNormal>() {
        return;
    }
    let _alone = alone();
    let mut rig = Rig::<rig::Uring>::with(Config { normal_descriptors_max: 2, ..config(4) });
    rig.turn_at_once();
    let mut connections = Vec::new();
    // What the process has more of with each: the peer's descriptor, and our own if it is a normal one.
    let growth = |rig: &mut Rig<rig::Uring>, connections: &mut Vec<_>| {
        let before = descriptors();
        connections.push(rig.connection());
        descriptors() - before
    };
    assert_eq!([(); 3].map(|()| growth(&mut rig, &mut connections)), [2, 2, 1]);
    let (first, _) = connections.remove(0);
    rig.close(first, Close::Orderly);
    assert_eq!([(); 2].map(|()| growth(&mut rig, &mut connections)), [2, 1], "its place is free again");
    for (token, mut peer) in connections {
        peer.write_all(b"who?").unwrap();
        assert_eq!(&rig.receive(token)[..], b"who?");
        rig.close(token, Close::Orderly);
        assert_eq!(read_all(&mut peer), b"");
    }
}

fn a_driver_leaves_no_descriptor_behind<R: Rung>() {
    let _alone = alone();
    let before = descriptors();
    for _ in 0..5 {
        let mut rig = Rig::<R>::new();
        let (tokens, peers) = rig.connections(8);
        for token in &tokens[..4] {
            rig.driver.receive(*token, Buffers::Short);
        }
        // Asked for, and not told of any more.
        for (index, token) in tokens.iter().enumerate() {
            if index % 2 == 0 {
                rig.driver.close(*token, Close::Orderly);
            } else {
                rig.driver.shutdown(*token);
            }
        }
        let unaccepted = rig.peer();
        drop((rig, peers, unaccepted));
    }
    assert_eq!(descriptors(), before);
}

fn a_release_without_a_descriptor_for_it_leaves_the_connection_as_it_was<R: Rung>() {
    let _alone = alone();
    let mut table = Table::low();
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    rig.turn_at_once();
    table.fill(&peer);
    let (released, unread) = rig.release(token);
    assert_eq!(unread, b"");
    match released {
        // It had a normal one all the time.
        Ok(descriptor) => {
            peer.write_all(b"hello").unwrap();
            let mut ours = TcpStream::from(descriptor);
            ours.set_nonblocking(false).unwrap();
            assert_eq!(read_len(&mut ours, 5), b"hello");
        }
        Err(error) => {
            assert_eq!(error, Errno::MFILE);
            peer.write_all(b"hello").unwrap();
            assert_eq!(&rig.receive(token)[..], b"hello");
            assert!(matches!(rig.send(token, b"still here"), holdfast_ring::Sent::Whole));
            assert_eq!(read_len(&mut peer, 10), b"still here");
            table.make_room();
            rig.driver.receive(token, Buffers::Short);
            let (released, _) = rig.release(token);
            drop(released.expect("there is room now"));
            assert_eq!(read_all(&mut peer), b"");
        }
    }
}
