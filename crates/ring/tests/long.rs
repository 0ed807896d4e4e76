//! Who sends more than a short buffer holds is read into long ones, and nobody else is kept waiting by it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use holdfast_ring::{Buffers, Close, Driver, Event, Lent, Outgoing, Progress, Sent, Token};
use rig::peers::read_len;
use rig::{Rig, Rung, config, pattern};

on_every_rung!(
    who_fills_a_short_buffer_is_read_into_long_ones,
    who_sends_little_again_is_read_into_short_ones_again,
    who_is_to_have_short_buffers_only_gets_no_long_one,
    the_next_owner_of_a_slot_starts_with_short_buffers,
    a_burst_larger_than_a_long_buffer_arrives_whole,
    data_and_the_end_of_stream_together_both_arrive_in_order,
    who_waits_for_a_long_buffer_holds_up_nobody_and_has_its_turn,
    those_who_wait_for_a_long_buffer_are_served_first_come_first_served,
    one_that_closes_while_it_waits_for_a_long_buffer_does_not_hold_up_the_next,
    all_buffers_of_both_sizes_are_in_use_at_once,
    what_came_in_a_long_buffer_goes_out_of_it,
    a_busy_connection_that_begins_to_send_long_messages_is_read_into_long_buffers,
);

/// Asks for bytes in any buffer, and waits for them.
fn receive<R: Rung>(rig: &mut Rig<R>, token: Token) -> Lent {
    rig.driver.receive(token, Buffers::Any);
    rig.received(token)
}

fn receive_len<R: Rung>(rig: &mut Rig<R>, token: Token, len: usize) -> Vec<u8> {
    let mut all = Vec::with_capacity(len);
    while all.len() < len {
        all.extend_from_slice(&receive(rig, token));
    }
    all
}

/// A connection whose next read is into a long buffer.
fn long_connection<R: Rung>(rig: &mut Rig<R>) -> (Token, TcpStream) {
    let (token, mut peer) = rig.connection();
    let filling = pattern(rig.config.buffer_bytes);
    peer.write_all(&filling).unwrap();
    let mut len = 0;
    while len < filling.len() {
        // Should the network cut it, more is needed until a read is full.
        let read = receive(rig, token).len();
        len += read;
        if len == filling.len() && read < rig.config.buffer_bytes {
            peer.write_all(&filling).unwrap();
            len = 0;
        }
    }
    (token, peer)
}

/// Takes every long buffer out of the pool. Returned with those whose bytes they are.
fn hold_all<R: Rung>(rig: &mut Rig<R>) -> Vec<(Lent, Token, TcpStream)> {
    let mut held = Vec::new();
    for _ in 0..rig.config.long_buffer_count {
        let (token, mut peer) = long_connection(rig);
        peer.write_all(b"held").unwrap();
        let buffer = receive(rig, token);
        assert_eq!(buffer.capacity(), rig.config.long_buffer_bytes);
        held.push((buffer, token, peer));
    }
    let stats = rig.driver.stats();
    assert_eq!((stats.long_buffers_lent, stats.buffers_lent), (stats.long_buffers, 0));
    held
}

fn who_fills_a_short_buffer_is_read_into_long_ones<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (short, long) = (rig.config.buffer_bytes, rig.config.long_buffer_bytes);
    let (token, mut peer) = rig.connection();
    peer.write_all(&pattern(short - 1)).unwrap();
    assert_eq!(receive(&mut rig, token).capacity(), short);
    peer.write_all(&pattern(1)).unwrap();
    let buffer = receive(&mut rig, token);
    assert_eq!((buffer.capacity(), rig.driver.stats().long_buffer_bytes), (short, 0));
    drop(buffer);
    let (token, mut peer) = long_connection(&mut rig);
    assert_eq!(rig.driver.stats().long_buffer_bytes, 0, "no long buffer has memory before it is used");
    peer.write_all(&pattern(long)).unwrap();
    let buffer = receive(&mut rig, token);
    assert_eq!((buffer.capacity(), rig.driver.stats().long_buffer_bytes), (long, long));
    assert!(buffer[..] == pattern(long)[..buffer.len()]);
}

fn who_sends_little_again_is_read_into_short_ones_again<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = long_connection(&mut rig);
    let capacities: Vec<usize> = (0..6)
        .map(|_| {
            peer.write_all(b"x").unwrap();
            receive(&mut rig, token).capacity()
        })
        .collect();
    let (short, long) = (rig.config.buffer_bytes, rig.config.long_buffer_bytes);
    assert_eq!(capacities, [long, long, long, long, short, short]);
}

fn who_is_to_have_short_buffers_only_gets_no_long_one<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = long_connection(&mut rig);
    peer.write_all(&pattern(18_000)).unwrap();
    for _ in 0..4 {
        assert_eq!(rig.receive(token).capacity(), rig.config.buffer_bytes);
    }
}

fn the_next_owner_of_a_slot_starts_with_short_buffers<R: Rung>() {
    let mut rig = Rig::<R>::with(config(1));
    let (old, _peer) = long_connection(&mut rig);
    rig.close(old, Close::Orderly);
    let (new, mut peer) = rig.connection();
    assert_eq!(new.slot, old.slot);
    peer.write_all(b"new").unwrap();
    let buffer = receive(&mut rig, new);
    assert_eq!((&buffer[..], buffer.capacity()), (&b"new"[..], rig.config.buffer_bytes));
}

fn a_burst_larger_than_a_long_buffer_arrives_whole<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    let burst = pattern(10 * rig.config.long_buffer_bytes + 17);
    let sent = burst.clone();
    let sending = std::thread::spawn(move || {
        peer.write_all(&sent).unwrap();
        peer
    });
    assert!(receive_len(&mut rig, token, burst.len()) == burst);
    let mut peer = sending.join().unwrap();
    // Exactly one long buffer: nothing is behind it, and the driver notices.
    let exact = pattern(rig.config.long_buffer_bytes);
    peer.write_all(&exact).unwrap();
    assert!(receive_len(&mut rig, token, exact.len()) == exact);
    rig.driver.receive(token, Buffers::Any);
    rig.assert_idle();
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    peer.write_all(b"later").unwrap();
    assert_eq!(&rig.received(token)[..], b"later");
    drop(rig.events.drain(..));
    let stats = rig.driver.stats();
    assert_eq!((stats.buffers_lent, stats.long_buffers_lent, stats.buffers_waiting), (0, 0, 0));
}

fn data_and_the_end_of_stream_together_both_arrive_in_order<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let long = rig.config.long_buffer_bytes;
    for len in [1, 4095, 4096, 4097, long - 1, long, long + 1, 2 * long + 1] {
        let (token, mut peer) = long_connection(&mut rig);
        peer.write_all(&pattern(len)).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(receive_len(&mut rig, token, len) == pattern(len), "{len}");
        rig.driver.receive(token, Buffers::Any);
        rig.ended(token);
        rig.close(token, Close::Orderly);
    }
}

fn who_waits_for_a_long_buffer_holds_up_nobody_and_has_its_turn<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (waiting, mut patient) = long_connection(&mut rig);
    let (other, mut brisk) = rig.connection();
    let mut held = hold_all(&mut rig);
    rig.driver.receive(waiting, Buffers::Any);
    patient.write_all(b"patient").unwrap();
    rig.wait_until("it waits for a long buffer", |rig| rig.driver.stats().buffers_waiting == 1);
    for _ in 0..5 {
        brisk.write_all(b"brisk").unwrap();
        assert_eq!(&receive(&mut rig, other)[..], b"brisk");
    }
    rig.assert_idle();
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    held.pop();
    let buffer = rig.received(waiting);
    assert_eq!((&buffer[..], buffer.capacity()), (&b"patient"[..], rig.config.long_buffer_bytes));
    assert_eq!(rig.driver.stats().buffers_waiting, 0);
}

/// So many connections that wait for a long buffer, in this order.
fn crowd<R: Rung>(rig: &mut Rig<R>, count: usize) -> (Vec<Token>, Vec<TcpStream>) {
    let (tokens, mut peers): (Vec<Token>, Vec<TcpStream>) = (0..count).map(|_| long_connection(rig)).unzip();
    (0..count).for_each(|index| peers[index].write_all(&[u8::try_from(index).unwrap()]).unwrap());
    (tokens, peers)
}

fn wait_in_line<R: Rung>(rig: &mut Rig<R>, tokens: &[Token]) {
    for (index, token) in tokens.iter().enumerate() {
        rig.driver.receive(*token, Buffers::Any);
        rig.wait_until("it waits for a long buffer", |rig| rig.driver.stats().buffers_waiting == index + 1);
    }
}

fn those_who_wait_for_a_long_buffer_are_served_first_come_first_served<R: Rung>() {
    let mut rig = Rig::<R>::with(config(40));
    let (tokens, _peers) = crowd(&mut rig, 30);
    let held = hold_all(&mut rig);
    wait_in_line(&mut rig, &tokens);
    drop(held);
    let mut served = Vec::new();
    rig.wait_until("all are served", |rig| {
        let events: Vec<Event> = rig.events.drain(..).collect();
        assert!(events.len() <= rig.driver.stats().long_buffers, "no more at once than there are buffers");
        for event in events {
            let Event::Received { token, buffer } = event else { panic!("{event:?}") };
            assert_eq!(&buffer[..], [u8::try_from(served.len()).unwrap()]);
            served.push(token);
        }
        served.len() == tokens.len()
    });
    assert_eq!(served, tokens);
}

fn one_that_closes_while_it_waits_for_a_long_buffer_does_not_hold_up_the_next<R: Rung>() {
    let mut rig = Rig::<R>::with(config(40));
    let (tokens, _peers) = crowd(&mut rig, 30);
    let held = hold_all(&mut rig);
    wait_in_line(&mut rig, &tokens);
    let (last, others) = tokens.split_last().unwrap();
    for token in others {
        rig.driver.close(*token, Close::Orderly);
        rig.closed(*token);
    }
    drop(held);
    assert_eq!(&rig.received(*last)[..], [29]);
    assert_eq!(rig.driver.stats().buffers_waiting, 0);
}

fn all_buffers_of_both_sizes_are_in_use_at_once<R: Rung>() {
    let mut rig = Rig::<R>::with(config(40));
    let long = usize::from(rig.config.long_buffer_count);
    let short = usize::from(rig.config.buffer_count);
    let (mut tokens, mut peers): (Vec<Token>, Vec<TcpStream>) =
        (0..long).map(|_| long_connection(&mut rig)).unzip();
    let (others, other_peers) = rig.connections(short);
    tokens.extend(others);
    peers.extend(other_peers);
    for (index, (token, peer)) in tokens.iter().zip(&mut peers).enumerate() {
        peer.write_all(&[u8::try_from(index).unwrap(); 50]).unwrap();
        rig.driver.receive(*token, Buffers::Any);
    }
    // Nothing is given back before all have theirs.
    rig.wait_until("all have something", |rig| rig.events.len() == tokens.len());
    let stats = rig.driver.stats();
    assert_eq!(stats.buffers_lent + stats.long_buffers_lent, tokens.len());
    for event in std::mem::take(&mut rig.events) {
        let Event::Received { token, buffer } = event else { panic!("{event:?}") };
        let index = tokens.iter().position(|it| *it == token).unwrap();
        assert_eq!(&buffer[..], [u8::try_from(index).unwrap(); 50]);
        if rig.driver.send(token, Outgoing::Lent(buffer)) == Progress::Pending {
            assert!(matches!(rig.sent(token), Sent::Whole));
        }
    }
    for (index, peer) in peers.iter_mut().enumerate() {
        assert_eq!(read_len(peer, 50), [u8::try_from(index).unwrap(); 50]);
    }
    let stats = rig.driver.stats();
    assert_eq!((stats.buffers_lent, stats.long_buffers_lent), (0, 0));
}

fn what_came_in_a_long_buffer_goes_out_of_it<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = long_connection(&mut rig);
    let message = pattern(rig.config.long_buffer_bytes);
    for _ in 0..10 {
        peer.write_all(&message).unwrap();
        let mut back = 0;
        while back < message.len() {
            let buffer = receive(&mut rig, token);
            assert!(buffer[..] == message[back..back + buffer.len()]);
            back += buffer.len();
            if rig.driver.send(token, Outgoing::Lent(buffer)) == Progress::Pending {
                assert!(matches!(rig.sent(token), Sent::Whole));
            }
        }
        assert!(read_len(&mut peer, message.len()) == message);
    }
    assert_eq!(rig.driver.stats().long_buffers_lent, 0);
}

fn a_busy_connection_that_begins_to_send_long_messages_is_read_into_long_buffers<R: Rung>() {
    const ROUNDS_MAX: usize = 100;
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = rig.connection();
    for round in 0..20 {
        peer.write_all(&[round]).unwrap();
        assert_eq!(&receive(&mut rig, token)[..], [round]);
    }
    let message = pattern(18_000);
    let mut rounds = 0;
    let mut capacity = 0;
    while capacity != rig.config.long_buffer_bytes {
        rounds += 1;
        assert!(rounds < ROUNDS_MAX, "it is read into short buffers for ever");
        peer.write_all(&message).unwrap();
        let mut arrived = 0;
        while arrived < message.len() {
            let buffer = receive(&mut rig, token);
            assert!(buffer[..] == message[arrived..arrived + buffer.len()]);
            arrived += buffer.len();
            capacity = buffer.capacity();
        }
    }
    // And back again, however often.
    for round in 0..50 {
        let message = pattern(1 + round % 7 * 3_000);
        peer.write_all(&message).unwrap();
        assert!(receive_len(&mut rig, token, message.len()) == message);
    }
    let stats = rig.driver.stats();
    assert_eq!((stats.long_buffers_lent, stats.buffers_waiting), (0, 0));
}
