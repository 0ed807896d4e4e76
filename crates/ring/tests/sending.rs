//! What is sent reaches the peer: whole, in order, and without holding a lent buffer for a peer that does not read.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use bytes::Bytes;
use holdfast_ring::{Buffers, Close, Driver, Event, Outgoing, Progress, Sent, Token};
use rig::peers::{read_all, read_len, reset};
use rig::{Rig, Rung, config, pattern, tcp_listener};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

on_every_rung!(
    shared_bytes_of_several_mebibytes_reach_a_slow_reader_whole_and_in_order,
    a_lent_send_to_a_peer_that_does_not_read_is_cut_and_the_rest_goes_as_shared_bytes,
    a_send_waits_for_room_on_a_nonblocking_descriptor_too,
    nothing_to_send_is_sent_at_once,
    sending_to_a_peer_that_reset_fails,
    a_blocked_send_fails_when_the_peer_resets,
    accepted_sockets_inherit_nodelay_from_the_listener,
    an_end_of_stream_follows_what_was_sent_just_before,
    an_end_of_stream_follows_a_send_that_was_blocked,
    receiving_goes_on_after_an_end_of_stream,
    many_shared_sends_at_once_do_not_mix,
    a_buffer_of_another_driver_is_refused,
    one_message_is_offered_to_many_at_once,
    an_offer_to_a_peer_that_does_not_read_is_short_and_never_waits,
    an_offer_to_a_peer_that_reset_fails,
    a_slot_may_close_while_its_offer_is_pending,
);

/// A connection and its peer, which does not read. The kernel buffers less than the 8 MiB that the tests send.
fn unread<R: Rung>() -> (Rig<R>, Token, TcpStream) {
    let mut rig = Rig::<R>::listening(config(16), small_listener());
    let (token, peer) = rig.connection();
    (rig, token, peer)
}

/// A listener whose connections send from a small buffer.
fn small_listener() -> (OwnedFd, SocketAddr) {
    let (listener, address) = tcp_listener();
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, 64 << 10).unwrap();
    rustix::net::sockopt::set_tcp_nodelay(&listener, true).unwrap();
    (listener, address)
}

/// Sends lent buffers until one is cut. Returns how many bytes went.
fn fill<R: Rung>(rig: &mut Rig<R>, token: Token, bytes: &[u8]) -> usize {
    let mut gone = 0;
    loop {
        let len = rig.config.buffer_bytes.min(bytes.len() - gone);
        assert!(len > 0, "the peer's window fills");
        match rig.send(token, &bytes[gone..gone + len]) {
            Sent::Whole => gone += len,
            Sent::Partial(Outgoing::Lent(rest)) => {
                gone += len - rest.len();
                assert_eq!(&rest[..], &bytes[gone..gone + rest.len()], "what did not go");
                return gone;
            }
            Sent::Partial(_) => panic!("nothing else was sent"),
            Sent::Failed(error) => panic!("{error}"),
        }
    }
}

/// Sends shared bytes that do not all go at once.
fn send_blocked<R: Rung>(rig: &mut Rig<R>, token: Token, bytes: &Bytes) {
    assert_eq!(rig.driver.send(token, Outgoing::Shared(bytes.clone())), Progress::Pending);
    rig.turn_at_once();
    assert!(rig.events.is_empty(), "it is blocked: {:?}", rig.events);
}

fn reader(mut peer: TcpStream, len: usize) -> JoinHandle<(TcpStream, Vec<u8>)> {
    std::thread::spawn(move || {
        let bytes = read_len(&mut peer, len);
        (peer, bytes)
    })
}

fn whole<R: Rung>(rig: &mut Rig<R>, token: Token) {
    match rig.sent(token) {
        Sent::Whole => {}
        sent => panic!("{sent:?}"),
    }
}

fn shared_bytes_of_several_mebibytes_reach_a_slow_reader_whole_and_in_order<R: Rung>() {
    let (mut rig, token, peer) = unread::<R>();
    let bytes = Bytes::from(pattern(8 << 20));
    send_blocked(&mut rig, token, &bytes);
    let reading = reader(peer, bytes.len());
    whole(&mut rig, token);
    assert!(reading.join().unwrap().1 == bytes);
    assert_eq!(rig.driver.stats().buffers_lent, 0);
}

fn a_lent_send_to_a_peer_that_does_not_read_is_cut_and_the_rest_goes_as_shared_bytes<R: Rung>() {
    let (mut rig, token, peer) = unread::<R>();
    let bytes = Bytes::from(pattern(8 << 20));
    let gone = fill(&mut rig, token, &bytes);
    assert_eq!(rig.driver.stats().buffers_lent, 0);
    send_blocked(&mut rig, token, &bytes.slice(gone..));
    let reading = reader(peer, bytes.len());
    whole(&mut rig, token);
    assert!(reading.join().unwrap().1 == bytes);
}

fn a_send_waits_for_room_on_a_nonblocking_descriptor_too<R: Rung>() {
    let mut rig = Rig::<R>::listening(config(16), small_listener());
    let peer = rig.peer();
    let descriptor = rig.accept();
    fcntl_setfl(&descriptor, fcntl_getfl(&descriptor).unwrap() | OFlags::NONBLOCK).unwrap();
    let token = rig.own(descriptor);
    let bytes = Bytes::from(pattern(8 << 20));
    send_blocked(&mut rig, token, &bytes);
    rig.assert_idle();
    let reading = reader(peer, bytes.len());
    whole(&mut rig, token);
    assert!(reading.join().unwrap().1 == bytes);
}

fn nothing_to_send_is_sent_at_once<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    assert!(matches!(rig.send(token, b""), Sent::Whole));
    if rig.driver.send(token, Outgoing::Shared(Bytes::new())) == Progress::Pending {
        whole(&mut rig, token);
    }
    rig.close(token, Close::Orderly);
    assert_eq!(read_all(&mut peer), b"");
}

fn sending_to_a_peer_that_reset_fails<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, peer) = rig.connection();
    reset(peer);
    assert!(matches!(rig.send(token, b"late"), Sent::Failed(_)));
    let progress = rig.driver.send(token, Outgoing::Shared(Bytes::from_static(b"late")));
    assert_eq!(progress, Progress::Pending);
    assert!(matches!(rig.sent(token), Sent::Failed(_)));
    assert_eq!(rig.driver.stats().buffers_lent, 0);
}

fn a_blocked_send_fails_when_the_peer_resets<R: Rung>() {
    let (mut rig, token, peer) = unread::<R>();
    send_blocked(&mut rig, token, &Bytes::from(pattern(8 << 20)));
    reset(peer);
    assert!(matches!(rig.sent(token), Sent::Failed(_)));
    rig.close(token, Close::Orderly);
}

fn accepted_sockets_inherit_nodelay_from_the_listener<R: Rung>() {
    let (listener, address) = tcp_listener();
    rustix::net::sockopt::set_tcp_nodelay(&listener, true).unwrap();
    let mut rig = Rig::<R>::listening(config(16), (listener, address));
    let _peer = rig.peer();
    let descriptor = rig.accept();
    assert!(rustix::net::sockopt::tcp_nodelay(&descriptor).unwrap());
}

fn an_end_of_stream_follows_what_was_sent_just_before<R: Rung>() {
    let mut rig = Rig::<R>::new();
    for _ in 0..20 {
        let (token, mut peer) = rig.connection();
        rig.driver.receive(token, Buffers::Short);
        let mut buffer = rig.driver.lend().unwrap();
        buffer.set_range(0..5);
        buffer.copy_from_slice(b"hello");
        let progress = rig.driver.send(token, Outgoing::Lent(buffer));
        rig.driver.shutdown(token);
        if progress == Progress::Pending {
            whole(&mut rig, token);
        }
        rig.turn_at_once();
        assert_eq!(read_all(&mut peer), b"hello");
        rig.close(token, Close::Orderly);
    }
}

fn an_end_of_stream_follows_a_send_that_was_blocked<R: Rung>() {
    let (mut rig, token, peer) = unread::<R>();
    let bytes = Bytes::from(pattern(8 << 20));
    send_blocked(&mut rig, token, &bytes);
    rig.driver.shutdown(token);
    let reading = reader(peer, bytes.len());
    whole(&mut rig, token);
    // With direct descriptors the end of stream takes another operation.
    rig.turn_at_once();
    let (mut peer, read) = reading.join().unwrap();
    assert!(read == bytes);
    assert_eq!(read_all(&mut peer), b"");
}

fn receiving_goes_on_after_an_end_of_stream<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    rig.driver.shutdown(token);
    let ending = std::thread::spawn(move || (read_all(&mut peer), peer));
    rig.wait_until("the peer hears the end of stream", |_| ending.is_finished());
    let (read, mut peer) = ending.join().unwrap();
    assert_eq!(read, b"");
    peer.write_all(b"still here").unwrap();
    assert_eq!(&rig.received(token)[..], b"still here");
    drop(peer);
    rig.driver.receive(token, Buffers::Short);
    rig.ended(token);
    rig.close(token, Close::Orderly);
}

fn many_shared_sends_at_once_do_not_mix<R: Rung>() {
    let mut rig = Rig::<R>::with(config(64));
    let (tokens, peers) = rig.connections(64);
    let messages: Vec<Bytes> = (0..64u8).map(|index| vec![index; 400_000].into()).collect();
    let mut pending = 0;
    for (token, message) in tokens.iter().zip(&messages) {
        pending +=
            usize::from(rig.driver.send(*token, Outgoing::Shared(message.clone())) == Progress::Pending);
    }
    let reading: Vec<_> = peers.into_iter().map(|peer| reader(peer, 400_000)).collect();
    rig.wait_until("all have gone", |rig| rig.events.len() == pending);
    for (reading, message) in reading.into_iter().zip(messages) {
        assert!(reading.join().unwrap().1 == message);
    }
}

fn a_buffer_of_another_driver_is_refused<R: Rung>() {
    let (mut rig, token, _peer) = unread::<R>();
    let foreign = Rig::<R>::new().driver.lend().unwrap();
    let send = std::panic::AssertUnwindSafe(|| rig.driver.send(token, Outgoing::Lent(foreign)));
    assert!(std::panic::catch_unwind(send).is_err());
}

/// Offers bytes and waits for how it ends.
fn offer<R: Rung>(rig: &mut Rig<R>, token: Token, bytes: &Bytes) -> Sent {
    match rig.driver.send(token, Outgoing::Offered(bytes.clone())) {
        Progress::Done => Sent::Whole,
        Progress::Pending => rig.sent(token),
    }
}

fn one_message_is_offered_to_many_at_once<R: Rung>() {
    // More than the submission queue takes.
    let mut rig = Rig::<R>::with(config(100));
    let (tokens, mut peers) = rig.connections(100);
    let message = Bytes::from(pattern(3000));
    let mut pending = 0;
    for token in &tokens {
        pending +=
            usize::from(rig.driver.send(*token, Outgoing::Offered(message.clone())) == Progress::Pending);
    }
    assert!(rig.driver.offers() <= pending);
    rig.wait_until("all have gone", |rig| rig.events.len() == pending);
    assert_eq!(rig.driver.offers(), 0);
    for event in rig.events.drain(..) {
        assert!(matches!(event, Event::Sent { sent: Sent::Whole, .. }), "{event:?}");
    }
    for peer in &mut peers {
        assert!(read_len(peer, 3000) == message);
    }
}

fn an_offer_to_a_peer_that_does_not_read_is_short_and_never_waits<R: Rung>() {
    let (mut rig, token, peer) = unread::<R>();
    let bytes = Bytes::from(pattern(8 << 20));
    let rest = match offer(&mut rig, token, &bytes) {
        Sent::Partial(Outgoing::Offered(rest)) => rest,
        sent => panic!("{sent:?}"),
    };
    assert!(rest.len() < bytes.len(), "some of it goes");
    assert_eq!(rest.as_ptr_range().end, bytes.as_ptr_range().end, "the rest is not a copy");
    assert!(
        matches!(offer(&mut rig, token, &rest), Sent::Partial(Outgoing::Offered(same)) if same.len() <= rest.len())
    );
    assert_eq!(rig.driver.offers(), 0);
    drop(peer);
}

fn an_offer_to_a_peer_that_reset_fails<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, peer) = rig.connection();
    reset(peer);
    assert!(matches!(offer(&mut rig, token, &Bytes::from_static(b"late")), Sent::Failed(_)));
    rig.close(token, Close::Orderly);
}

fn a_slot_may_close_while_its_offer_is_pending<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Any);
    let _ = rig.driver.send(token, Outgoing::Offered(Bytes::from_static(b"goodbye")));
    rig.close(token, Close::Orderly);
    assert_eq!(read_all(&mut peer), b"goodbye");
    assert_eq!(rig.driver.offers(), 0);
}
