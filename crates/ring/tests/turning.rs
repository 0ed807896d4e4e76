//! The turn itself: it waits as long as it is told, ends when there is something, is woken from other threads, and
//! loses nothing when there is more than the queues hold.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast_ring::{Buffers, Close, Config, Driver, Event};
use rig::peers::raise_descriptor_limit;
use rig::{PATIENCE, Rig, Rung, config, tcp_listener};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

on_every_rung!(
    a_turn_without_events_ends_by_its_timeout,
    a_short_turn_after_a_long_one_that_was_cut_short_ends_by_its_own_timeout,
    a_thousand_idle_connections_cost_nothing,
    a_wake_ends_the_wait_of_another_thread,
    many_wakes_are_one_event,
    no_wake_is_lost,
    more_peers_than_the_completion_queue_holds_are_accepted,
    more_ready_connections_than_the_completion_queue_holds_are_all_served,
    a_listener_that_ends_accepts_what_is_queued_and_then_refuses,
    a_nonblocking_listener_is_accepted_from_without_spinning,
    two_listeners_are_told_apart,
);

fn a_turn_without_events_ends_by_its_timeout<R: Rung>() {
    let mut rig = Rig::<R>::new();
    rig.turn_at_once();
    rig.assert_idle();
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    // Not even a millisecond: it must not wait for ever.
    for micros in [0, 1, 999] {
        rig.driver.turn(Duration::from_micros(micros), &mut rig.events).unwrap();
    }
}

fn a_short_turn_after_a_long_one_that_was_cut_short_ends_by_its_own_timeout<R: Rung>() {
    let mut rig = Rig::<R>::new();
    rig.driver.waker().wake();
    rig.driver.turn(PATIENCE * 2, &mut rig.events).unwrap();
    assert!(matches!(rig.events[..], [Event::Woken]), "{:?}", rig.events);
    let start = Instant::now();
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        rig.driver.turn(timeout, &mut rig.events).unwrap();
    }
    assert!(start.elapsed() < PATIENCE, "it waited for the long timeout");
    rig.assert_idle();
}

fn a_thousand_idle_connections_cost_nothing<R: Rung>() {
    raise_descriptor_limit();
    let mut rig = Rig::<R>::with(config(1000));
    let (tokens, _peers) = rig.connections(1000);
    for token in tokens {
        rig.driver.receive(token, Buffers::Short);
    }
    // What has just been asked for is submitted, and sockets say once that they can be written to.
    for _ in 0..20 {
        rig.turn_at_once();
    }
    rig.assert_idle();
    let stats = rig.driver.stats();
    assert_eq!((stats.buffers_lent, stats.buffers_waiting), (0, 0));
}

fn a_wake_ends_the_wait_of_another_thread<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let waker = rig.driver.waker();
    let waking = std::thread::spawn(move || waker.wake());
    let start = Instant::now();
    rig.driver.turn(PATIENCE * 2, &mut rig.events).unwrap();
    assert!(matches!(rig.events[..], [Event::Woken]), "{:?}", rig.events);
    assert!(start.elapsed() < PATIENCE, "it waited for the timeout");
    waking.join().unwrap();
}

fn many_wakes_are_one_event<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let waker = rig.driver.waker();
    for _ in 0..10_000 {
        waker.wake();
    }
    rig.wait_until("it is woken", |rig| !rig.events.is_empty());
    rig.turn_at_once();
    assert!(matches!(rig.events[..], [Event::Woken]), "{:?}", rig.events);
}

fn no_wake_is_lost<R: Rung>() {
    const THREADS: u64 = 3;
    const MESSAGES: u64 = 20_000;
    let mut rig = Rig::<R>::new();
    // A mailbox that orders nothing by itself: the waker alone must see to it that the last message is seen.
    let mailbox = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (mailbox, waker) = (Arc::clone(&mailbox), rig.driver.waker());
            std::thread::spawn(move || {
                for _ in 0..MESSAGES {
                    mailbox.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                }
            })
        })
        .collect();
    let mut seen = 0;
    rig.wait_until("every message is seen", |rig| {
        for event in rig.events.drain(..) {
            assert!(matches!(event, Event::Woken), "{event:?}");
            seen = mailbox.load(Ordering::Relaxed);
        }
        seen == THREADS * MESSAGES
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Queues as small as they can be.
fn tiny_queues(connections: u32) -> Config {
    Config { submission_entries: 16, completion_entries: 32, ..config(connections) }
}

fn more_peers_than_the_completion_queue_holds_are_accepted<R: Rung>() {
    raise_descriptor_limit();
    let mut rig = Rig::<R>::with(tiny_queues(600));
    for round in 1..=2 {
        // All of them are in the listener's queue before the driver looks.
        let peers: Vec<TcpStream> = (0..300).map(|_| rig.peer()).collect();
        let mut accepted = Vec::new();
        while accepted.len() < peers.len() {
            accepted.push(rig.accept());
        }
        // Accepting goes on after the queue overflowed.
        let mut late = rig.peer();
        let descriptor = rig.accept();
        let token = rig.own(descriptor);
        late.write_all(&[round]).unwrap();
        assert_eq!(&rig.receive(token)[..], [round]);
    }
}

fn more_ready_connections_than_the_completion_queue_holds_are_all_served<R: Rung>() {
    raise_descriptor_limit();
    const COUNT: usize = 600;
    let mut rig = Rig::<R>::with(tiny_queues(600));
    let (tokens, mut peers) = rig.connections(COUNT);
    for round in 0..3 {
        for token in &tokens {
            rig.driver.receive(*token, Buffers::Short);
        }
        rig.turn_at_once();
        for peer in &mut peers {
            peer.write_all(&[round]).unwrap();
        }
        let mut heard = vec![0; tokens.len()];
        rig.wait_until("all are heard", |rig| {
            for event in rig.events.drain(..) {
                let Event::Received { token, buffer } = event else { panic!("{event:?}") };
                assert_eq!(&buffer[..], [round]);
                heard[(token.slot - 4) as usize] += 1;
            }
            heard.iter().sum::<i32>() == 600
        });
        assert!(heard.iter().all(|count| *count == 1));
    }
    for token in &tokens {
        rig.driver.close(*token, Close::Orderly);
    }
    rig.wait_until("all are closed", |rig| rig.events.len() == COUNT);
}

fn a_listener_that_ends_accepts_what_is_queued_and_then_refuses<R: Rung>() {
    for running in [true, false] {
        let mut rig = Rig::<R>::new();
        if running {
            rig.connection();
        }
        let mut peers: Vec<TcpStream> = (0..20).map(|_| rig.peer()).collect();
        rig.driver.unlisten(rig.listener);
        rig.wait_until("the listener ends", |rig| {
            matches!(rig.events.last(), Some(Event::Unlistened { listener }) if *listener == rig.listener)
        });
        let accepted: Vec<_> = (0..20).map(|_| rig.accept()).collect();
        assert_eq!(rig.events.len(), 1, "{:?}", rig.events);
        assert!(TcpStream::connect(rig.address).is_err(), "nobody listens any more");
        let tokens: Vec<_> = accepted.into_iter().take(4).map(|descriptor| rig.own(descriptor)).collect();
        for (token, peer) in tokens.iter().zip(&mut peers) {
            peer.write_all(b"x").unwrap();
            assert_eq!(&rig.receive(*token)[..], b"x");
        }
        rig.assert_idle();
    }
}

fn a_nonblocking_listener_is_accepted_from_without_spinning<R: Rung>() {
    let (listener, address) = tcp_listener();
    fcntl_setfl(&listener, fcntl_getfl(&listener).unwrap() | OFlags::NONBLOCK).unwrap();
    let mut rig = Rig::<R>::listening(config(16), (listener, address));
    rig.turn_at_once();
    rig.assert_idle();
    rig.connection();
    rig.turn_at_once();
    rig.assert_idle();
    assert!(rig.events.is_empty(), "{:?}", rig.events);
}

fn two_listeners_are_told_apart<R: Rung>() {
    let mut rig = Rig::<R>::new();
    let (socket, address) = tcp_listener();
    let second = rig.driver.listen(socket).unwrap();
    assert_ne!(second, rig.listener);
    let _peer = TcpStream::connect(address).unwrap();
    rig.take(
        "by the second",
        |event| matches!(event, Event::Accepted { listener, .. } if *listener == second),
    );
    let _peer = rig.peer();
    let first = rig.listener;
    rig.take("by the first", |event| matches!(event, Event::Accepted { listener, .. } if *listener == first));
    rig.driver.unlisten(second);
    rig.take(
        "the second ends",
        |event| matches!(event, Event::Unlistened { listener } if *listener == second),
    );
    rig.connection();
}
