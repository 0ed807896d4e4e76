//! Closing: what is in flight ends, the peer hears it the right way, and the slot's next owner hears nothing of the
//! last.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::net::TcpStream;

use bytes::Bytes;
use holdfast_ring::{Buffers, Close, Driver, Event, Outgoing, Progress, Token};
use rig::peers::{is_reset, read_all};
use rig::{Rig, Rung, config, pattern, tcp_listener};

on_every_rung!(
    an_orderly_close_is_the_end_of_stream_for_the_peer,
    an_orderly_close_ends_a_receive_in_flight,
    a_reset_is_seen_by_the_peer_as_a_reset,
    a_reset_with_a_receive_in_flight_is_seen_by_the_peer_as_a_reset,
    a_reset_with_a_blocked_send_in_flight_is_seen_by_the_peer_as_a_reset,
    a_close_ends_a_blocked_send,
    what_was_sent_just_before_an_orderly_close_arrives,
    the_new_owner_of_a_slot_never_hears_of_the_old_one,
    a_thousand_connections_close_at_once_and_their_slots_serve_again,
    a_close_while_older_connections_wait_reaches_the_peer,
    a_connection_whose_peer_reset_it_closes_in_either_way,
    a_handshake_can_be_closed_without_being_promoted,
    a_driver_that_ends_with_operations_in_flight_ends_its_connections,
    many_drivers_one_after_the_other_leave_nothing_behind,
    closing_says_nothing_more_of_the_connection_but_that_it_is_closed,
);

fn an_orderly_close_is_the_end_of_stream_for_the_peer<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.close(token, Close::Orderly);
    assert_eq!(read_all(&mut peer), b"");
}

fn an_orderly_close_ends_a_receive_in_flight<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    rig.turn_at_once();
    rig.close(token, Close::Orderly);
    assert_eq!(read_all(&mut peer), b"");
    assert_eq!(rig.driver.stats().buffers_lent, 0);
}

fn a_reset_is_seen_by_the_peer_as_a_reset<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.close(token, Close::Reset);
    assert!(is_reset(&mut peer));
}

fn a_reset_with_a_receive_in_flight_is_seen_by_the_peer_as_a_reset<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    rig.turn_at_once();
    rig.close(token, Close::Reset);
    assert!(is_reset(&mut peer));
}

/// A connection with a receive and a send in flight, and its peer, which does not read.
fn blocked<R: Rung>() -> (Rig<R>, Token, TcpStream) {
    let (listener, address) = tcp_listener();
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, 64 << 10).unwrap();
    let mut rig = Rig::<R>::listening(config(16), (listener, address));
    let (token, peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    assert_eq!(rig.driver.send(token, Outgoing::Shared(Bytes::from(pattern(8 << 20)))), Progress::Pending);
    rig.turn_at_once();
    assert!(rig.events.is_empty(), "it is blocked: {:?}", rig.events);
    (rig, token, peer)
}

fn a_reset_with_a_blocked_send_in_flight_is_seen_by_the_peer_as_a_reset<R: Rung>() {
    let (mut rig, token, mut peer) = blocked::<R>();
    rig.close(token, Close::Reset);
    assert!(is_reset(&mut peer));
}

fn a_close_ends_a_blocked_send<R: Rung>() {
    let (mut rig, token, mut peer) = blocked::<R>();
    rig.close(token, Close::Orderly);
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    let read = read_all(&mut peer);
    assert!(read.len() < 8 << 20 && pattern(8 << 20).starts_with(&read), "{} bytes", read.len());
}

fn what_was_sent_just_before_an_orderly_close_arrives<R: Rung>() {
    let mut rig = Rig::<R>::new();
    for shared in [false, true] {
        let (token, mut peer) = rig.connection();
        rig.driver.receive(token, Buffers::Short);
        rig.turn_at_once();
        if shared {
            rig.driver.send(token, Outgoing::Shared(Bytes::from_static(b"goodbye")));
        } else {
            let mut buffer = rig.driver.lend().unwrap();
            buffer.set_range(0..7);
            buffer.copy_from_slice(b"goodbye");
            rig.driver.send(token, Outgoing::Lent(buffer));
        }
        rig.close(token, Close::Orderly);
        assert_eq!(read_all(&mut peer), b"goodbye");
    }
}

fn the_new_owner_of_a_slot_never_hears_of_the_old_one<R: Rung>() {
    let mut rig = Rig::<R>::with(config(1));
    for round in 0..300 {
        let (old, mut old_peer) = rig.connection();
        rig.driver.receive(old, Buffers::Short);
        // The old one's operations are in every stage when the close comes: not yet submitted, armed, fired.
        if round % 3 > 0 {
            rig.turn_at_once();
        }
        if round % 2 == 0 {
            old_peer.write_all(b"of the old one").unwrap();
        }
        if round % 5 == 0 {
            rig.turn_at_once();
        }
        rig.events.clear();
        let how = if round % 7 == 0 { Close::Reset } else { Close::Orderly };
        rig.close(old, how);
        let (new, mut new_peer) = rig.connection();
        assert_eq!(new.slot, old.slot);
        rig.driver.receive(new, Buffers::Short);
        new_peer.write_all(b"of the new one").unwrap();
        assert_eq!(&rig.received(new)[..], b"of the new one");
        assert!(rig.events.is_empty(), "{:?}", rig.events);
        rig.close(new, Close::Orderly);
    }
    assert_eq!(rig.driver.stats().buffers_lent, 0);
}

fn a_thousand_connections_close_at_once_and_their_slots_serve_again<R: Rung>() {
    const COUNT: usize = 1000;
    rig::peers::raise_descriptor_limit();
    let mut rig = Rig::<R>::with(config(1000));
    for how in [Close::Orderly, Close::Reset] {
        let (tokens, mut peers) = rig.connections(COUNT);
        for token in &tokens {
            rig.driver.receive(*token, Buffers::Short);
        }
        rig.turn_at_once();
        for token in &tokens {
            rig.driver.close(*token, how);
        }
        rig.wait_until("all are closed", |rig| rig.events.len() == COUNT);
        for token in &tokens {
            rig.closed(*token);
        }
        for peer in &mut peers {
            assert_eq!(is_reset(peer), how == Close::Reset);
        }
    }
}

fn a_close_while_older_connections_wait_reaches_the_peer<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (older, _older_peer) = rig.connection();
    rig.driver.receive(older, Buffers::Short);
    rig.turn_at_once();
    for receiving in [true, false] {
        let (token, mut peer) = rig.connection();
        if receiving {
            rig.driver.receive(token, Buffers::Short);
            rig.turn_at_once();
        }
        rig.close(token, Close::Orderly);
        assert_eq!(read_all(&mut peer), b"");
    }
}

fn a_connection_whose_peer_reset_it_closes_in_either_way<R: Rung>() {
    let mut rig = Rig::<R>::new();
    for how in [Close::Orderly, Close::Reset] {
        for receiving in [true, false] {
            let (token, peer) = rig.connection();
            if receiving {
                rig.driver.receive(token, Buffers::Short);
                rig.turn_at_once();
            }
            rig::peers::reset(peer);
            rig.close(token, how);
        }
    }
}

fn a_handshake_can_be_closed_without_being_promoted<R: Rung>() {
    let mut rig = Rig::<R>::new();
    for receiving in [true, false] {
        for how in [Close::Orderly, Close::Reset] {
            let mut peer = rig.peer();
            let descriptor = rig.accept();
            let token = rig.handshake(descriptor);
            if receiving {
                rig.driver.receive(token, Buffers::Short);
                rig.turn_at_once();
            }
            rig.driver.close(token, how);
            rig.take("it is closed", |event| matches!(event, Event::Closed { token: of } if *of == token));
            assert_eq!(is_reset(&mut peer), how == Close::Reset);
        }
    }
}

fn a_driver_that_ends_with_operations_in_flight_ends_its_connections<R: Rung>() {
    let (mut rig, _token, mut peer) = blocked::<R>();
    let (other, mut other_peer) = rig.connection();
    rig.driver.receive(other, Buffers::Short);
    let (closing, mut closing_peer) = rig.connection();
    rig.driver.close(closing, Close::Orderly);
    let lent = rig.driver.lend().unwrap();
    let address = rig.address;
    drop(rig);
    assert_eq!(lent.len(), 4096, "a lent buffer outlives its driver");
    for peer in [&mut peer, &mut other_peer, &mut closing_peer] {
        // A reset would do as well; what matters is that it ends.
        is_reset(peer);
    }
    assert!(ends_listening(address), "the listener is closed");
}

/// Whether connecting there comes to be refused. A ring gives up its descriptors a moment after it is closed.
fn ends_listening(address: std::net::SocketAddr) -> bool {
    let deadline = std::time::Instant::now() + rig::PATIENCE;
    while TcpStream::connect(address).is_ok() {
        if std::time::Instant::now() > deadline {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

fn many_drivers_one_after_the_other_leave_nothing_behind<R: Rung>() {
    for _ in 0..40 {
        let mut rig = Rig::<R>::new();
        let (token, mut peer) = rig.connection();
        rig.driver.receive(token, Buffers::Short);
        rig.turn_at_once();
        drop(rig);
        assert!(!is_reset(&mut peer));
    }
}

fn closing_says_nothing_more_of_the_connection_but_that_it_is_closed<R: Rung>() {
    let mut rig = Rig::<R>::new();
    for _ in 0..20 {
        let (token, mut peer) = rig.connection();
        rig.driver.receive(token, Buffers::Short);
        peer.write_all(b"unread").unwrap();
        rig::peers::reset(peer);
        // A send that fails at once, and may be told of before the close.
        rig.driver.send(token, Outgoing::Shared(Bytes::from_static(b"late")));
        rig.driver.close(token, Close::Orderly);
        rig.closed(token);
        assert!(rig.events.is_empty(), "{:?}", rig.events);
    }
}
