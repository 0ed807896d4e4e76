//! Connections that speak often: everything they say arrives, in order, whatever the driver does to make it cheap.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use holdfast_ring::{Buffers, Close, Config, Driver, Event, Sent, Token};
use rig::peers::{is_reset, read_all, read_len, reset};
use rig::{Rig, Rung, config, pattern};

on_every_rung!(
    what_arrives_while_nobody_asks_is_told_later_and_in_order,
    data_and_the_end_of_stream_behind_it_both_arrive,
    an_end_that_nobody_asked_for_is_told_when_somebody_does,
    a_reset_is_a_failure,
    closing_tells_the_peer,
    closing_with_a_reset_tells_the_peer,
    closing_while_something_is_held_leaves_nothing_behind,
    the_next_owner_of_a_slot_starts_afresh,
    more_floods_than_buffers_all_arrive,
    more_of_them_than_buffers_are_all_answered,
    what_is_held_takes_no_buffers_and_has_a_bound,
    a_driver_may_end_while_they_wait,
);

on_rung!(uring_operations: crate::rig::Uring: a_message_costs_two_operations_and_two_completions_less);

/// Makes a connection one that speaks often: ten messages, each answered.
fn speak<R: Rung>(rig: &mut Rig<R>, token: Token, peer: &mut TcpStream) {
    for _ in 0..10 {
        answer_one(rig, token, peer);
    }
}

fn answer_one<R: Rung>(rig: &mut Rig<R>, token: Token, peer: &mut TcpStream) {
    peer.write_all(b"message").unwrap();
    assert_eq!(&rig.receive(token)[..], b"message");
    assert!(matches!(rig.send(token, b"answer"), Sent::Whole));
    assert_eq!(read_len(peer, 6), b"answer");
}

fn busy<R: Rung>(rig: &mut Rig<R>) -> (Token, TcpStream) {
    let (token, mut peer) = rig.connection();
    speak(rig, token, &mut peer);
    (token, peer)
}

fn a_message_costs_two_operations_and_two_completions_less<R: Rung>() {
    if !R::trial().unwrap().multishot_receive {
        println!("skipped: no multishot receive here");
        return;
    }
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = busy(&mut rig);
    let before = rig.driver.stats();
    for _ in 0..100 {
        answer_one(&mut rig, token, &mut peer);
    }
    let after = rig.driver.stats();
    // A send each; with a poll and a read it would be three of each.
    assert!(after.submissions - before.submissions <= 110, "{before:?} {after:?}");
    assert!(after.completions - before.completions <= 210, "{before:?} {after:?}");
    assert_eq!(after.buffers_lent, 0, "what lies ready for the kernel is not lent");
}

fn what_arrives_while_nobody_asks_is_told_later_and_in_order<R: Rung>() {
    for bursts in [1, 2, 5, 20] {
        let mut rig = Rig::<R>::new();
        let (token, mut peer) = busy(&mut rig);
        let all = pattern(bursts * 3000);
        rig.driver.receive(token, Buffers::Any);
        for burst in all.chunks(3000) {
            peer.write_all(burst).unwrap();
            rig.turn_at_once();
        }
        let first = rig.received(token).to_vec();
        let rest = rig.receive_len(token, all.len() - first.len());
        assert!([first, rest].concat() == all, "{bursts} bursts");
        speak(&mut rig, token, &mut peer);
        assert_eq!(rig.driver.stats().buffers_lent, 0);
    }
}

fn data_and_the_end_of_stream_behind_it_both_arrive<R: Rung>() {
    for len in [1, 4096, 50_000] {
        let mut rig = Rig::<R>::new();
        let (token, mut peer) = busy(&mut rig);
        peer.write_all(&pattern(len)).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(rig.receive_len(token, len) == pattern(len));
        rig.driver.receive(token, Buffers::Any);
        rig.ended(token);
        assert!(matches!(rig.send(token, b"answer"), Sent::Whole));
        rig.close(token, Close::Orderly);
        assert_eq!(read_all(&mut peer), b"answer");
    }
}

fn an_end_that_nobody_asked_for_is_told_when_somebody_does<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = busy(&mut rig);
    peer.write_all(b"last").unwrap();
    assert_eq!(&rig.receive(token)[..], b"last");
    peer.shutdown(Shutdown::Write).unwrap();
    rig.turn_at_once();
    rig.turn_at_once();
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    for _ in 0..2 {
        rig.driver.receive(token, Buffers::Any);
        rig.ended(token);
    }
}

fn a_reset_is_a_failure<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, peer) = busy(&mut rig);
    rig.driver.receive(token, Buffers::Any);
    rig.turn_at_once();
    reset(peer);
    rig.take("the reset is told", |event| matches!(event, Event::Failed { token: of, .. } if *of == token));
    rig.close(token, Close::Orderly);
}

fn closing_tells_the_peer<R: Rung>() {
    for asked in [true, false] {
        let mut rig = Rig::<R>::new();
        let (token, mut peer) = busy(&mut rig);
        if asked {
            rig.driver.receive(token, Buffers::Any);
            rig.turn_at_once();
        }
        rig.close(token, Close::Orderly);
        assert_eq!(read_all(&mut peer), b"");
        assert!(rig.events.is_empty(), "{:?}", rig.events);
    }
}

fn closing_with_a_reset_tells_the_peer<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = busy(&mut rig);
    rig.driver.receive(token, Buffers::Any);
    rig.turn_at_once();
    rig.close(token, Close::Reset);
    assert!(is_reset(&mut peer));
}

fn closing_while_something_is_held_leaves_nothing_behind<R: Rung>() {
    let mut rig = Rig::<R>::new();
    for _ in 0..3 {
        let (token, mut peer) = busy(&mut rig);
        for _ in 0..3 {
            peer.write_all(b"held").unwrap();
            rig.turn_at_once();
        }
        rig.close(token, Close::Reset);
        rig.turn_at_once();
        assert!(rig.events.is_empty(), "{:?}", rig.events);
        assert_eq!(rig.driver.stats().buffers_lent, 0);
    }
}

fn the_next_owner_of_a_slot_starts_afresh<R: Rung>() {
    let mut rig = Rig::<R>::with(config(1));
    for round in 0..5 {
        let (token, mut peer) = busy(&mut rig);
        // Something that is held must not reach the next one.
        peer.write_all(&[round]).unwrap();
        rig.turn_at_once();
        rig.close(token, Close::Reset);
    }
}

fn more_floods_than_buffers_all_arrive<R: Rung>() {
    const PEERS: usize = 12;
    let mut rig = Rig::<R>::with(Config { buffer_count: 8, ..config(16) });
    let all = pattern(200_000);
    let mut connections: Vec<_> = (0..PEERS).map(|_| busy(&mut rig)).collect();
    let writers: Vec<_> = connections
        .iter_mut()
        .map(|(_, peer)| {
            let (mut peer, all) = (peer.try_clone().unwrap(), all.clone());
            std::thread::spawn(move || peer.write_all(&all).unwrap())
        })
        .collect();
    let tokens: Vec<Token> = connections.iter().map(|(token, _)| *token).collect();
    let mut heard = vec![Vec::new(); PEERS];
    tokens.iter().for_each(|token| rig.driver.receive(*token, Buffers::Any));
    while heard.iter().any(|heard| heard.len() < all.len()) {
        rig.wait_until("bytes arrive", |rig| !rig.events.is_empty());
        for event in std::mem::take(&mut rig.events) {
            let Event::Received { token, buffer } = event else { panic!("{event:?}") };
            let index = tokens.iter().position(|it| *it == token).unwrap();
            heard[index].extend_from_slice(&buffer);
            drop(buffer);
            if heard[index].len() < all.len() {
                rig.driver.receive(token, Buffers::Any);
            }
        }
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert!(heard.iter().all(|heard| *heard == all));
}

fn more_of_them_than_buffers_are_all_answered<R: Rung>() {
    const PEERS: usize = 60;
    let mut rig = Rig::<R>::with(config(u32::try_from(PEERS).unwrap()));
    let mut connections: Vec<_> = (0..PEERS).map(|_| busy(&mut rig)).collect();
    for _ in 0..20 {
        for (token, peer) in &mut connections {
            peer.write_all(b"message").unwrap();
            rig.driver.receive(*token, Buffers::Any);
        }
        for (token, peer) in &mut connections {
            assert_eq!(&rig.received(*token)[..], b"message");
            assert!(matches!(rig.send(*token, b"answer"), Sent::Whole));
            assert_eq!(read_len(peer, 6), b"answer");
        }
    }
}

fn a_driver_may_end_while_they_wait<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (token, mut peer) = busy(&mut rig);
    rig.driver.receive(token, Buffers::Any);
    rig.turn_at_once();
    drop(rig);
    assert!(peer.write_all(b"too late").is_err() || is_reset(&mut peer) || read_all(&mut peer).is_empty());
}

fn what_is_held_takes_no_buffers_and_has_a_bound<R: Rung>() {
    const PEERS: usize = 40;
    let mut rig = Rig::<R>::with(config(u32::try_from(PEERS).unwrap()));
    let mut connections: Vec<_> = (0..PEERS).map(|_| busy(&mut rig)).collect();
    let burst = pattern(100_000);
    for (_, peer) in &mut connections {
        // Nobody asks for it.
        peer.write_all(&burst).unwrap();
        for _ in 0..5 {
            rig.turn_at_once();
        }
    }
    let stats = rig.driver.stats();
    assert_eq!(stats.buffers_lent, 0, "buffers are not kept for those who are not asked");
    assert!(stats.held_bytes <= 1 << 20, "{stats:?}");
    for (token, _) in &connections {
        assert!(rig.receive_len(*token, burst.len()) == burst);
    }
    assert_eq!(rig.driver.stats().held_bytes, 0);
}
