//! A descriptor comes back alive, with all that was read and not told, and the peer notices nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use bytes::Bytes;
use holdfast_ring::{Buffers, Close, Driver, Epoll, Event, Outgoing, Progress, Sent, Token};
use rig::peers::{read_all, read_len};
use rig::{PATIENCE, Rig, Rung, Uring, config, is_available, pattern};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

on_every_rung!(
    an_idle_connection_comes_back_alive_and_its_slot_is_free,
    one_in_its_opening_handshake_comes_back_too,
    what_a_read_brings_meanwhile_comes_along,
    nothing_is_lost_or_doubled_however_busy_the_connection_is,
    a_send_that_waits_is_stopped_and_its_rest_comes_back,
    the_end_of_a_send_from_a_lent_buffer_is_told_first,
    an_end_of_stream_is_left_for_the_next_owner,
    a_crowd_is_released_while_it_talks,
    a_driver_may_go_while_it_releases,
    the_next_driver_goes_on_with_it,
);

/// The connection as the standard library's.
fn stream(descriptor: rustix::io::Result<OwnedFd>) -> TcpStream {
    let stream = TcpStream::from(descriptor.expect("a descriptor"));
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Each end hears the other.
fn talk(ours: &mut TcpStream, peer: &mut TcpStream) {
    ours.write_all(b"to the peer").unwrap();
    assert_eq!(read_len(peer, 11), b"to the peer");
    peer.write_all(b"from the peer").unwrap();
    assert_eq!(read_len(ours, 13), b"from the peer");
}

fn an_idle_connection_comes_back_alive_and_its_slot_is_free<R: Rung>() {
    let mut rig = Rig::<R>::with(config(1));
    for _ in 0..3 {
        let (token, mut peer) = rig.connection();
        rig.driver.receive(token, Buffers::Any);
        rig.turn_at_once();
        let (descriptor, unread) = rig.release(token);
        assert_eq!(unread, b"");
        let mut ours = stream(descriptor);
        talk(&mut ours, &mut peer);
        drop(ours);
        assert_eq!(read_all(&mut peer), b"", "nobody else holds the connection");
    }
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    assert_eq!(rig.driver.stats().slot_bytes, 0);
    rig.assert_idle();
}

fn one_in_its_opening_handshake_comes_back_too<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let mut peer = rig.peer();
    let descriptor = rig.accept();
    let token = rig.handshake(descriptor);
    peer.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert_eq!(&rig.receive(token)[..], b"GET / HTTP/1.1\r\n");
    let (descriptor, unread) = rig.release(token);
    assert_eq!(unread, b"");
    talk(&mut stream(descriptor), &mut peer);
}

fn what_a_read_brings_meanwhile_comes_along<R: Rung>() {
    let mut rig = Rig::<R>::new();
    for turns in 0..4 {
        let (token, mut peer) = rig.connection();
        rig.driver.receive(token, Buffers::Short);
        rig.turn_at_once();
        peer.write_all(b"hello").unwrap();
        // From not yet looked at to told, whatever a turn of this rung does.
        (0..turns).for_each(|_| rig.turn_at_once());
        let mut told = Vec::new();
        for event in rig.events.drain(..) {
            match event {
                Event::Received { buffer, .. } => told.extend_from_slice(&buffer),
                event => panic!("{event:?}"),
            }
        }
        let (descriptor, unread) = rig.release(token);
        told.extend(unread);
        let mut ours = stream(descriptor);
        peer.write_all(b", again").unwrap();
        told.extend(read_len(&mut ours, 12 - told.len()));
        assert_eq!(told, b"hello, again");
    }
}

fn nothing_is_lost_or_doubled_however_busy_the_connection_is<R: Rung>() {
    const LEN: usize = 1 << 20;
    let bytes = pattern(LEN);
    let mut rig = Rig::<R>::new();
    // Released after the first read, among those of a busy connection, and while it is not read from.
    for (reads, rests) in [(1, 0), (3, 0), (4, 0), (5, 2), (12, 0), (30, 3)] {
        let (token, mut peer) = rig.connection();
        let sent = bytes.clone();
        let writer = std::thread::spawn(move || {
            for part in sent.chunks(3000) {
                peer.write_all(part).unwrap();
            }
            peer
        });
        let mut seen = Vec::new();
        for _ in 0..reads {
            seen.extend_from_slice(&rig.receive(token));
        }
        (0..rests).for_each(|_| rig.turn_at_once());
        if reads % 2 == 0 {
            rig.driver.receive(token, Buffers::Any);
        }
        let (descriptor, unread) = rig.release(token);
        for event in rig.events.drain(..) {
            match event {
                Event::Received { buffer, .. } => seen.extend_from_slice(&buffer),
                event => panic!("{event:?}"),
            }
        }
        seen.extend(unread);
        let mut ours = stream(descriptor);
        let rest = LEN - seen.len();
        seen.extend(read_len(&mut ours, rest));
        assert!(seen == bytes, "after {reads} reads");
        talk(&mut ours, &mut writer.join().unwrap());
    }
    assert_eq!(rig.driver.stats().held_bytes, 0);
    assert_eq!(rig.driver.stats().buffers_lent, 0);
}

/// More than the kernel takes for a peer that does not read.
const LONG: usize = 16 << 20;

fn a_send_that_waits_is_stopped_and_its_rest_comes_back<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    let bytes = Bytes::from(pattern(LONG));
    assert_eq!(rig.driver.send(token, Outgoing::Shared(bytes.clone())), Progress::Pending);
    rig.driver.receive(token, Buffers::Short);
    rig.turn_at_once();
    let mut heard = read_len(&mut peer, 10_000);
    rig.turn_at_once();
    rig.driver.release(token);
    let ends = |event: &Event| matches!(event, Event::Sent { .. } | Event::Released { .. });
    let rest = match rig.take("the send or the release ends", ends) {
        Event::Sent { sent: Sent::Partial(Outgoing::Shared(rest)), .. } => rest,
        // The kernel would not say how much has gone: the send goes on.
        Event::Released { descriptor: Err(error), .. } => {
            return goes_on_sending(rig, error, token, peer, heard, &bytes);
        }
        event => panic!("{event:?}"),
    };
    let (descriptor, unread) = rig.released(token);
    assert_eq!(unread, b"");
    assert!(rest.len() < bytes.len(), "some of it has gone");
    let mut ours = stream(descriptor);
    let len = bytes.len();
    let writer = std::thread::spawn(move || {
        ours.write_all(&rest).unwrap();
        ours
    });
    heard.extend(read_len(&mut peer, len - heard.len()));
    assert!(heard == bytes);
    talk(&mut writer.join().unwrap(), &mut peer);
}

fn goes_on_sending<R: Rung>(
    mut rig: Rig<R>,
    error: Errno,
    token: Token,
    mut peer: TcpStream,
    mut heard: Vec<u8>,
    bytes: &Bytes,
) {
    assert_eq!(error, Errno::BUSY);
    let left = bytes.len() - heard.len();
    let reader = std::thread::spawn(move || {
        heard.extend(read_len(&mut peer, left));
        (heard, peer)
    });
    assert!(matches!(rig.sent(token), Sent::Whole));
    let (heard, mut peer) = reader.join().unwrap();
    assert!(heard == *bytes);
    talk(&mut stream(rig.release(token).0), &mut peer);
}

fn the_end_of_a_send_from_a_lent_buffer_is_told_first<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    let mut buffer = rig.driver.lend().unwrap();
    buffer[..5].copy_from_slice(b"hello");
    buffer.set_range(0..5);
    let progress = rig.driver.send(token, Outgoing::Lent(buffer));
    rig.driver.release(token);
    let (descriptor, _) = rig.released(token);
    if progress == Progress::Pending {
        let told = rig.events.iter().any(|it| matches!(it, Event::Sent { sent: Sent::Whole, .. }));
        assert!(told, "before the release: {:?}", rig.events);
    }
    assert_eq!(read_len(&mut peer, 5), b"hello");
    talk(&mut stream(descriptor), &mut peer);
    assert_eq!(rig.driver.stats().buffers_lent, 0);
}

fn an_end_of_stream_is_left_for_the_next_owner<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    rig.turn_at_once();
    peer.write_all(b"last words").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let (descriptor, unread) = rig.release(token);
    let mut ours = stream(descriptor);
    assert_eq!([unread, read_all(&mut ours)].concat(), b"last words");
    ours.write_all(b"heard").unwrap();
    drop(ours);
    assert_eq!(read_all(&mut peer), b"heard");
}

fn a_crowd_is_released_while_it_talks<R: Rung>() {
    const COUNT: usize = 64;
    let mut rig = Rig::<R>::with(config(64));
    let (tokens, mut peers) = rig.connections(COUNT);
    for token in &tokens {
        rig.driver.receive(*token, Buffers::Short);
    }
    rig.turn_at_once();
    for (index, peer) in peers.iter_mut().enumerate().filter(|(index, _)| index % 3 == 0) {
        peer.write_all(&[u8::try_from(index).unwrap()]).unwrap();
    }
    tokens.iter().for_each(|token| rig.driver.release(*token));
    for (index, (token, peer)) in tokens.iter().zip(&mut peers).enumerate() {
        let (descriptor, mut heard) = rig.released(*token);
        let mut ours = stream(descriptor);
        if index % 3 == 0 && heard.is_empty() {
            heard = read_len(&mut ours, 1);
        }
        assert_eq!(heard.first().copied().map(usize::from), (index % 3 == 0).then_some(index));
        talk(&mut ours, peer);
    }
    assert!(rig.events.is_empty(), "{:?}", rig.events);
}

fn a_driver_may_go_while_it_releases<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    rig.turn_at_once();
    rig.driver.release(token);
    drop(rig);
    assert_eq!(peer.read(&mut [0]).unwrap_or(0), 0, "it hears the end");
}

/// From this rung to epoll and to io_uring, with a send that waits in the new one, blocking or not.
fn the_next_driver_goes_on_with_it<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, peer) = rig.connection();
    let (descriptor, _) = rig.release(token);
    let mut connection = (descriptor.unwrap(), peer);
    for nonblocking in [OFlags::NONBLOCK, OFlags::empty()] {
        let (descriptor, peer) = connection;
        fcntl_setfl(&descriptor, (fcntl_getfl(&descriptor).unwrap() - OFlags::NONBLOCK) | nonblocking)
            .unwrap();
        connection = goes_on::<Epoll>(descriptor, peer);
        if is_available::<Uring>() {
            connection = goes_on::<Uring>(connection.0, connection.1);
        }
    }
}

fn goes_on<R: Rung>(descriptor: OwnedFd, mut peer: TcpStream) -> (OwnedFd, TcpStream) {
    let mut rig = Rig::<R>::new();
    let token = rig.own(descriptor);
    peer.write_all(b"hello").unwrap();
    assert_eq!(&rig.receive(token)[..], b"hello");
    let bytes = Bytes::from(pattern(LONG));
    assert_eq!(rig.driver.send(token, Outgoing::Shared(bytes.clone())), Progress::Pending);
    rig.turn_at_once();
    let reader = std::thread::spawn(move || {
        let heard = read_len(&mut peer, LONG);
        (heard, peer)
    });
    assert!(matches!(rig.sent(token), Sent::Whole));
    let (heard, peer) = reader.join().unwrap();
    assert!(heard == bytes);
    (rig.release(token).0.unwrap(), peer)
}

#[test]
fn closing_after_a_failed_release_is_as_ever() {
    // On the driver that never has a descriptor to give.
    let mut driver = holdfast_ring::simulated::Plain::new(&config(1), Progress::Done).unwrap();
    let token = Token { slot: 0, generation: 1 };
    driver.release(token);
    let mut events = Vec::new();
    driver.turn(PATIENCE, &mut events).unwrap();
    assert!(matches!(events[..], [Event::Released { descriptor: Err(_), .. }]));
    driver.close(token, Close::Orderly);
    driver.turn(PATIENCE, &mut events).unwrap();
    assert!(matches!(events[..], [_, Event::Closed { .. }]));
}
