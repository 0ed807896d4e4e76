//! Unix sockets work like TCP.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use holdfast_ring::{Buffers, Close, Driver, Event, Outgoing, Progress, Sent, Token};
use rig::peers::{read_all, read_len};
use rig::{Rig, Rung, config, pattern};

on_every_rung!(
    what_comes_over_a_unix_socket_is_answered,
    a_burst_and_the_end_of_stream_arrive_over_a_unix_socket,
    a_unix_peer_that_does_not_read_is_cut_and_hears_the_rest_later,
    unix_connections_close_either_way_with_everything_in_flight,
    a_unix_peer_that_leaves_is_noticed,
);

struct Unix<R: Rung> {
    rig: Rig<R>,
    address: UnixAddress,
}

impl<R: Rung> Unix<R> {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("holdfast-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // An abstract name: no file to remove.
        let address = UnixAddress::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { rig: Rig::listening(config(16), (listener.into(), nowhere)), address }
    }

    fn connection(&mut self) -> (Token, UnixStream) {
        let peer = UnixStream::connect_addr(&self.address).unwrap();
        peer.set_read_timeout(Some(rig::PATIENCE)).unwrap();
        let descriptor = self.rig.accept();
        (self.rig.own(descriptor), peer)
    }
}

fn what_comes_over_a_unix_socket_is_answered<R: Rung>() {
    let mut unix = Unix::<R>::new();
    let (token, mut peer) = unix.connection();
    for round in 1..20u8 {
        peer.write_all(&[round; 100]).unwrap();
        assert_eq!(unix.rig.receive_len(token, 100), [round; 100]);
        assert!(matches!(unix.rig.send(token, &[round; 50]), Sent::Whole));
        assert_eq!(read_len(&mut peer, 50), [round; 50]);
    }
}

fn a_burst_and_the_end_of_stream_arrive_over_a_unix_socket<R: Rung>() {
    let mut unix = Unix::<R>::new();
    let (token, mut peer) = unix.connection();
    peer.write_all(&pattern(50_000)).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert!(unix.rig.receive_len(token, 50_000) == pattern(50_000));
    unix.rig.driver.receive(token, Buffers::Short);
    unix.rig.ended(token);
    assert!(matches!(unix.rig.send(token, b"answer"), Sent::Whole));
    unix.rig.driver.shutdown(token);
    unix.rig.turn_at_once();
    assert_eq!(read_all(&mut peer), b"answer");
    unix.rig.close(token, Close::Orderly);
}

fn a_unix_peer_that_does_not_read_is_cut_and_hears_the_rest_later<R: Rung>() {
    let mut unix = Unix::<R>::new();
    let (token, mut peer) = unix.connection();
    let chunk = pattern(4096);
    let mut gone = 0;
    let rest = loop {
        match unix.rig.send(token, &chunk) {
            Sent::Whole => gone += chunk.len(),
            Sent::Partial(Outgoing::Lent(rest)) => break rest.to_vec(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(unix.rig.driver.stats().buffers_lent, 0);
    let cut = chunk.len() - rest.len();
    assert_eq!(unix.rig.driver.send(token, Outgoing::Shared(Bytes::from(rest))), Progress::Pending);
    let reading = std::thread::spawn(move || read_len(&mut peer, gone + 4096));
    assert!(matches!(unix.rig.sent(token), Sent::Whole));
    let read = reading.join().unwrap();
    assert!(read.chunks(4096).all(|read| read == chunk), "{cut} bytes of the last went before it was cut");
}

fn unix_connections_close_either_way_with_everything_in_flight<R: Rung>() {
    let mut unix = Unix::<R>::new();
    for how in [Close::Orderly, Close::Reset] {
        for blocked in [true, false] {
            let (token, mut peer) = unix.connection();
            unix.rig.driver.receive(token, Buffers::Short);
            if blocked {
                let progress = unix.rig.driver.send(token, Outgoing::Shared(Bytes::from(pattern(4 << 20))));
                assert_eq!(progress, Progress::Pending);
            }
            unix.rig.turn_at_once();
            assert!(unix.rig.events.is_empty(), "{:?}", unix.rig.events);
            unix.rig.close(token, how);
            rig::peers::is_reset(&mut peer);
        }
    }
}

fn a_unix_peer_that_leaves_is_noticed<R: Rung>() {
    let mut unix = Unix::<R>::new();
    for progress in [true, false] {
        let (token, mut peer) = unix.connection();
        if progress {
            unix.rig.driver.receive(token, Buffers::Short);
            unix.rig.turn_at_once();
        } else {
            peer.write_all(b"last words").unwrap();
            assert_eq!(unix.rig.receive_len(token, 10), b"last words");
            unix.rig.driver.receive(token, Buffers::Short);
        }
        drop(peer);
        let mine = |event: &Event| match event {
            Event::Ended { token: of } | Event::Failed { token: of, .. } => *of == token,
            _ => false,
        };
        unix.rig.take("the end is seen", mine);
        unix.rig.close(token, Close::Orderly);
    }
}
