//! How many: connections in all and on each shard, opening handshakes at once, and what those hear who are too many.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::time::Duration;

use holdfast::counters::{HandshakeOutcome, Limit};
use holdfast::settings::{DriverChoice, Settings};
use rig::{Peer, Rig, request, settings, wait_until};

on_every_rung!(
    a_full_gateway_answers_503_to_the_overshoot,
    shards_hand_over_until_all_are_full,
    many_shards_that_fill_at_once_hold_exactly_as_many_as_may_be,
    after_closes_there_is_room_again,
    more_peers_than_opening_handshakes_are_all_served_in_the_end,
    silent_peers_leave_others_waiting_only_until_handshake_timeout,
    silent_peers_make_way_for_those_who_wait_after_a_tenth_of_handshake_timeout,
    an_overshoot_of_hundreds_that_stay_does_not_keep_the_gateway_full,
);

fn a_full_gateway_answers_503_to_the_overshoot(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 1, connections_max: Some(5), ..settings(rung) });
    let mut peers = rig.peers(5);
    for _ in 0..3 {
        let mut peer = rig.silent_peer();
        peer.send(&request("/"));
        assert!(peer.expect_refused(503).body.contains("try again later"));
    }
    assert_eq!(rig.held(), 5);
    assert_eq!(rig.handshakes(HandshakeOutcome::Unavailable), 3);
    assert_eq!(rig.limited(Limit::Connections), 3);
    for peer in &mut peers {
        peer.check_echo();
        peer.close();
    }
    rig.wait_until_empty();
}

/// Connects this many peers at once and tells those that were accepted from those that were answered 503.
fn crowd(rig: &Rig, count: usize) -> (Vec<Peer>, usize) {
    let mut peers: Vec<Peer> = (0..count).map(|_| rig.silent_peer()).collect();
    for peer in &mut peers {
        // One that is refused may have heard so already.
        let _ = peer.try_send(&request("/"));
    }
    let mut accepted = Vec::new();
    let mut refused = 0;
    for mut peer in peers {
        match peer.read_status() {
            101 => accepted.push(peer),
            503 => refused += 1,
            status => panic!("{status}"),
        }
    }
    (accepted, refused)
}

fn shards_hand_over_until_all_are_full(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 4, connections_max: Some(40), ..settings(rung) });
    // One after the other: each goes where the kernel sends it, and on from there.
    let mut peers: Vec<Peer> = (0..40).map(|_| rig.peer()).collect();
    assert_eq!(rig.held(), 40);
    for counters in rig.gateway.counters().iter() {
        assert_eq!(counters.held(), 10);
    }
    let mut one_more = rig.silent_peer();
    one_more.send(&request("/"));
    one_more.expect_refused(503);
    for peer in &mut peers {
        peer.check_echo();
    }
    assert_eq!(rig.sum(|counters| counters.accepted.get()), 41, "a peer handed over counts once");
}

fn many_shards_that_fill_at_once_hold_exactly_as_many_as_may_be(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 8, connections_max: Some(200), ..settings(rung) });
    for _ in 0..3 {
        let (mut accepted, refused) = crowd(&rig, 300);
        assert_eq!((accepted.len(), refused), (200, 100));
        assert_eq!(rig.held(), 200);
        for counters in rig.gateway.counters().iter() {
            assert_eq!(counters.held(), 25);
        }
        for peer in &mut accepted {
            peer.check_echo();
        }
        drop(accepted);
        rig.wait_until_empty();
    }
}

fn after_closes_there_is_room_again(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 2, connections_max: Some(6), ..settings(rung) });
    for _ in 0..3 {
        let mut peers = rig.peers(6);
        for peer in &mut peers {
            peer.close();
        }
        rig.wait_until_empty();
        // A place is given back at the end of the turn in which its connection is closed.
        rig.wait_for_a_turn_of_every_shard();
    }
    assert_eq!(rig.handshakes(HandshakeOutcome::Unavailable), 0);
}

fn more_peers_than_opening_handshakes_are_all_served_in_the_end(rung: DriverChoice) {
    // So long that nobody has to make way, however slow the machine is.
    let handshake_timeout = Duration::from_secs(3600);
    let rig = Rig::with(&Settings { shards: 1, handshakes_max: 3, handshake_timeout, ..settings(rung) });
    let mut peers: Vec<Peer> = (0..100).map(|_| rig.silent_peer()).collect();
    wait_until("all are accepted", || rig.sum(|counters| counters.accepted.get()) == 100);
    // Gauges are shown at the end of a turn.
    wait_until("three have a slot", || rig.sum(|counters| counters.handshakes_open.get()) == 3);
    assert_eq!(rig.limited(Limit::Handshakes), 97);
    // In whatever order: those who may begin are not those who speak first.
    for peer in peers.iter_mut().rev() {
        peer.send(&request("/"));
    }
    for peer in &mut peers {
        peer.expect_accepted();
        peer.check_echo();
    }
    assert_eq!(rig.held(), 100);
}

fn silent_peers_leave_others_waiting_only_until_handshake_timeout(rung: DriverChoice) {
    let rig =
        Rig::with(&Settings { shards: 1, handshakes_max: 3, handshake_timeout: rig::SOON, ..settings(rung) });
    let mut silent: Vec<Peer> = (0..6).map(|_| rig.silent_peer()).collect();
    let mut peer = rig.peer();
    peer.check_echo();
    for peer in &mut silent {
        peer.expect_refused(408);
    }
}

fn silent_peers_make_way_for_those_who_wait_after_a_tenth_of_handshake_timeout(rung: DriverChoice) {
    let handshake_timeout = Duration::from_secs(20);
    let rig = Rig::with(&Settings { shards: 1, handshakes_max: 2, handshake_timeout, ..settings(rung) });
    let mut silent = rig.silent_peer();
    wait_until("it has a slot", || rig.sum(|counters| counters.handshakes_open.get()) == 1);
    let mut slow = rig.silent_peer();
    let request = request("/");
    slow.send(&request[..20]);
    wait_until("both have a slot", || rig.sum(|counters| counters.handshakes_open.get()) == 2);
    let mut late = rig.silent_peer();
    late.send(&request);
    late.expect_accepted();
    late.check_echo();
    silent.expect_refused(408);
    // One slot was wanted and one was taken.
    assert_eq!(rig.limited(Limit::HandshakeTime), 1);
    slow.send(&request[20..]);
    slow.expect_accepted();
    slow.check_echo();
}

fn an_overshoot_of_hundreds_that_stay_does_not_keep_the_gateway_full(rung: DriverChoice) {
    let rig =
        Rig::with(&Settings { shards: 1, connections_max: Some(3), handshakes_max: 3, ..settings(rung) });
    let mut first = rig.peers(3);
    let stay: Vec<Peer> = (0..400).map(|_| rig.silent_peer()).collect();
    wait_until("all are refused", || rig.handshakes(HandshakeOutcome::Unavailable) == 400);
    for peer in &mut first {
        peer.close();
    }
    rig.wait_until_empty();
    let mut peers = rig.peers(3);
    for peer in &mut peers {
        peer.check_echo();
    }
    drop(stay);
}
