//! What peers send arrives: whole, in order, and in turn.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::net::Shutdown;

use holdfast_ring::{Buffers, Config, Driver, Event, Lent, Token};
use rig::peers::{linger_zero, read_all, read_len, reset};
use rig::{Rig, Rung, config, pattern};
use rustix::event::{PollFd, PollFlags, poll};

on_every_rung!(
    what_a_peer_sends_comes_back_to_it,
    a_burst_larger_than_the_buffer_arrives_whole,
    data_and_the_end_of_stream_together_both_arrive_in_order,
    data_and_the_end_of_stream_arrive_in_order_when_the_pool_was_empty,
    ready_connections_wait_for_a_buffer_first_come_first_served,
    a_hundred_ready_connections_share_four_buffers,
    an_empty_pool_does_not_make_the_driver_spin,
    a_connection_that_closes_while_it_waits_for_a_buffer_does_not_hold_up_the_next,
    a_peer_that_floods_gets_one_answer_in_a_turn_while_others_are_served,
    a_peer_that_has_ended_its_stream_can_still_be_answered,
    a_reset_by_the_peer_is_a_failure,
    a_reset_by_the_peer_ends_a_connection_that_receives_later,
    promoting_keeps_unread_data_and_readiness,
    a_thousand_peers_that_leave_at_once_do_not_hold_up_one_that_speaks,
    a_thousand_peers_that_reset_at_once_do_not_hold_up_one_that_speaks,
);

fn what_a_peer_sends_comes_back_to_it<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    for round in 0..20 {
        let message = pattern(1 + round * 200);
        peer.write_all(&message).unwrap();
        let mut back = 0;
        while back < message.len() {
            let buffer = rig.receive(token);
            back += buffer.len();
            let bytes = buffer.to_vec();
            drop(buffer);
            assert!(matches!(rig.send(token, &bytes), holdfast_ring::Sent::Whole));
        }
        assert_eq!(read_len(&mut peer, message.len()), message);
    }
    assert_eq!(rig.driver.stats().buffers_lent, 0);
}

fn a_burst_larger_than_the_buffer_arrives_whole<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    let burst = pattern(10 * rig.config.buffer_bytes + 17);
    peer.write_all(&burst).unwrap();
    assert!(rig.receive_len(token, burst.len()) == burst);
    // Exactly one buffer more: nothing is behind it, and the driver notices.
    let exact = pattern(rig.config.buffer_bytes);
    peer.write_all(&exact).unwrap();
    assert!(rig.receive_len(token, exact.len()) == exact);
    rig.driver.receive(token, Buffers::Short);
    rig.assert_idle();
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    peer.write_all(b"later").unwrap();
    assert_eq!(&rig.received(token)[..], b"later");
}

fn data_and_the_end_of_stream_together_both_arrive_in_order<R: Rung>() {
    let mut rig = Rig::<R>::new();
    for len in [1, 4095, 4096, 4097, 20_000] {
        let (token, mut peer) = rig.connection();
        peer.write_all(&pattern(len)).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(rig.receive_len(token, len) == pattern(len));
        rig.driver.receive(token, Buffers::Short);
        rig.ended(token);
        rig.close(token, holdfast_ring::Close::Orderly);
    }
}

fn data_and_the_end_of_stream_arrive_in_order_when_the_pool_was_empty<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    let held = hold_all(&mut rig);
    rig.driver.receive(token, Buffers::Short);
    peer.write_all(&pattern(9000)).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    rig.wait_until("it waits for a buffer", |rig| rig.driver.stats().buffers_waiting == 1);
    drop(held);
    let first = rig.received(token).to_vec();
    let rest = rig.receive_len(token, 9000 - first.len());
    assert!([first, rest].concat() == pattern(9000));
    rig.driver.receive(token, Buffers::Short);
    rig.ended(token);
}

/// Takes every buffer of the pool.
fn hold_all<R: Rung>(rig: &mut Rig<R>) -> Vec<Lent> {
    let held: Vec<Lent> = std::iter::from_fn(|| rig.driver.lend()).collect();
    assert_eq!(held.len(), rig.driver.stats().buffers);
    held
}

fn four_buffers(connections: u32) -> Config {
    Config { buffer_count: 4, ..config(connections) }
}

fn ready_connections_wait_for_a_buffer_first_come_first_served<R: Rung>() {
    let mut rig = Rig::<R>::with(four_buffers(100));
    let (tokens, mut peers) = rig.connections(100);
    let mut held = hold_all(&mut rig);
    for token in &tokens {
        rig.driver.receive(*token, Buffers::Short);
    }
    for (index, peer) in peers.iter_mut().enumerate() {
        peer.write_all(&[u8::try_from(index).unwrap()]).unwrap();
        rig.wait_until("it waits for a buffer", |rig| rig.driver.stats().buffers_waiting == index + 1);
    }
    held.clear();
    let mut served: Vec<Token> = Vec::new();
    rig.wait_until("all are served", |rig| {
        for event in rig.events.drain(..) {
            let Event::Received { token, buffer } = event else { panic!("{event:?}") };
            assert_eq!(&buffer[..], [u8::try_from(served.len()).unwrap()]);
            served.push(token);
        }
        served.len() == tokens.len()
    });
    assert_eq!(served, tokens);
    let stats = rig.driver.stats();
    assert_eq!((stats.buffers_lent, stats.buffers_waiting), (0, 0));
}

fn a_hundred_ready_connections_share_four_buffers<R: Rung>() {
    let mut rig = Rig::<R>::with(four_buffers(100));
    let (tokens, mut peers) = rig.connections(100);
    for round in 0..3 {
        for (token, peer) in tokens.iter().zip(&mut peers) {
            rig.driver.receive(*token, Buffers::Short);
            peer.write_all(&[round]).unwrap();
        }
        let mut served = Vec::new();
        rig.wait_until("all are served", |rig| {
            for event in rig.events.drain(..) {
                let Event::Received { token, buffer } = event else { panic!("{event:?}") };
                assert_eq!(&buffer[..], [round]);
                served.push(token.slot);
            }
            served.len() == tokens.len()
        });
        served.sort_unstable();
        served.dedup();
        assert_eq!(served.len(), tokens.len(), "each once");
    }
    rig.turn_at_once();
    let stats = rig.driver.stats();
    assert_eq!((stats.buffers_lent, stats.buffers_waiting), (0, 0));
}

fn an_empty_pool_does_not_make_the_driver_spin<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    let held = hold_all(&mut rig);
    rig.driver.receive(token, Buffers::Short);
    peer.write_all(b"x").unwrap();
    rig.wait_until("it waits for a buffer", |rig| rig.driver.stats().buffers_waiting == 1);
    rig.assert_idle();
    drop(held);
    assert_eq!(&rig.received(token)[..], b"x");
}

fn a_connection_that_closes_while_it_waits_for_a_buffer_does_not_hold_up_the_next<R: Rung>() {
    let mut rig = Rig::<R>::with(config(100));
    let (tokens, mut peers) = rig.connections(100);
    let held = hold_all(&mut rig);
    for (token, peer) in tokens.iter().zip(&mut peers) {
        rig.driver.receive(*token, Buffers::Short);
        peer.write_all(b"x").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
    }
    rig.wait_until("all wait for a buffer", |rig| rig.driver.stats().buffers_waiting == 100);
    let (last, others) = tokens.split_last().unwrap();
    for token in others {
        rig.driver.close(*token, holdfast_ring::Close::Orderly);
    }
    for token in others {
        rig.closed(*token);
    }
    drop(held);
    assert_eq!(&rig.received(*last)[..], b"x");
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    assert_eq!(rig.driver.stats().buffers_waiting, 0);
}

fn a_peer_that_floods_gets_one_answer_in_a_turn_while_others_are_served<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (flooded, flooding) = rig.connection();
    let (tokens, mut peers) = rig.connections(8);
    let flood = std::thread::spawn(move || {
        let mut flooding = flooding;
        while flooding.write_all(&[7; 65_536]).is_ok() {}
    });
    rig.driver.receive(flooded, Buffers::Short);
    rig.wait_until("the flood comes", |rig| !rig.events.is_empty());
    for round in 0..50 {
        for (token, peer) in tokens.iter().zip(&mut peers) {
            rig.driver.receive(*token, Buffers::Short);
            peer.write_all(&[round]).unwrap();
        }
        let mut answered = 0;
        rig.wait_until("the others are served", |rig| {
            let mut floods = 0;
            for event in std::mem::take(&mut rig.events) {
                let Event::Received { token, buffer } = event else { panic!("{event:?}") };
                assert!(buffer.len() <= rig.config.buffer_bytes);
                if token == flooded {
                    floods += 1;
                    rig.driver.receive(flooded, Buffers::Short);
                } else {
                    answered += 1;
                }
            }
            assert!(floods <= 1, "{floods} answers to one peer in a turn");
            answered == tokens.len()
        });
    }
    rig.wait_until("the flood's last answer", |rig| !rig.events.is_empty());
    rig.events.clear();
    rig.close(flooded, holdfast_ring::Close::Reset);
    flood.join().unwrap();
}

fn a_peer_that_has_ended_its_stream_can_still_be_answered<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    peer.shutdown(Shutdown::Write).unwrap();
    rig.ended(token);
    assert!(matches!(rig.send(token, b"answer"), holdfast_ring::Sent::Whole));
    rig.close(token, holdfast_ring::Close::Orderly);
    assert_eq!(read_all(&mut peer), b"answer");
}

fn a_reset_by_the_peer_is_a_failure<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, peer) = rig.connection();
    rig.driver.receive(token, Buffers::Short);
    rig.turn_at_once();
    reset(peer);
    let event = rig.take("the reset is seen", |event| matches!(event, Event::Failed { .. }));
    assert!(matches!(event, Event::Failed { token: of, error: rustix::io::Errno::CONNRESET } if of == token));
    rig.close(token, holdfast_ring::Close::Orderly);
}

fn a_reset_by_the_peer_ends_a_connection_that_receives_later<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, peer) = rig.connection();
    reset(peer);
    rig.turn_at_once();
    rig.driver.receive(token, Buffers::Short);
    rig.take("the reset is seen", |event| matches!(event, Event::Failed { token: of, .. } if *of == token));
    rig.close(token, holdfast_ring::Close::Reset);
}

fn promoting_keeps_unread_data_and_readiness<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let mut peer = rig.peer();
    let descriptor = rig.accept();
    let handshake = rig.handshake(descriptor);
    peer.write_all(&pattern(6000)).unwrap();
    let head = rig.receive(handshake).to_vec();
    assert!(head.len() < 6000);
    // The driver sees the readiness of the rest while the old slot still owns it.
    rig.turn_at_once();
    let token = rig.promote(handshake);
    let rest = rig.receive_len(token, 6000 - head.len());
    assert!([head, rest].concat() == pattern(6000));
    peer.write_all(b"more").unwrap();
    assert_eq!(&rig.receive(token)[..], b"more");
}

fn a_thousand_peers_that_leave_at_once_do_not_hold_up_one_that_speaks<R: Rung>() {
    the_speaker_is_not_held_up::<R>(false);
}

fn a_thousand_peers_that_reset_at_once_do_not_hold_up_one_that_speaks<R: Rung>() {
    the_speaker_is_not_held_up::<R>(true);
}

/// Counts what comes before the speaker's bytes: a few hangups, not all of them.
fn the_speaker_is_not_held_up<R: Rung>(by_reset: bool) {
    const LEAVING: usize = 1000;
    rig::peers::raise_descriptor_limit();
    let mut rig = Rig::<R>::with(Config { completion_entries: 4096, ..config(1024) });
    let (tokens, peers) = rig.connections(LEAVING);
    let mut voice = rig.peer();
    let descriptor = rig.accept();
    let heard = rustix::io::fcntl_dupfd_cloexec(&descriptor, 0).unwrap();
    let speaker = rig.own(descriptor);
    for token in tokens.iter().chain([&speaker]) {
        rig.driver.receive(*token, Buffers::Short);
    }
    rig.turn_at_once();
    for peer in peers {
        if by_reset {
            linger_zero(&peer);
        }
        drop(peer);
    }
    voice.write_all(b"hello").unwrap();
    // The network has brought it: what is measured is the driver.
    let patience = rig::PATIENCE.try_into().unwrap();
    assert_eq!(poll(&mut [PollFd::new(&heard, PollFlags::IN)], Some(&patience)), Ok(1));
    let spoke = |event: &Event| matches!(event, Event::Received { token, .. } if *token == speaker);
    rig.wait_until("the speaker is heard", |rig| rig.events.iter().any(spoke));
    let before = rig.events.iter().position(spoke).unwrap();
    assert!(before < 200, "{before} of {LEAVING} hangups came before the one that speaks");
    rig.wait_until("all hangups are told", |rig| rig.events.len() == LEAVING + 1);
}
