//! How many from where: connections of one client address, opening handshakes in a second, connections of a shard.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::net::{IpAddr, Ipv4Addr};

use holdfast::counters::{HandshakeOutcome, Limit};
use holdfast::settings::{DriverChoice, Settings};
use holdfast::{Admission, Verdict};
use rig::{Peer, Rig, SOON, Script, request, settings, wait_until};

on_every_rung!(
    an_address_with_too_many_is_answered_429_and_others_are_served,
    shards_count_the_connections_of_an_address_together,
    neighbours_in_a_block_of_addresses_count_as_one,
    a_place_is_given_back_on_every_way_out,
    peers_that_wait_for_their_handshake_count_too,
    too_many_handshakes_in_a_second_are_answered_503_and_asked_to_come_later,
    a_shard_holds_no_more_than_it_may,
);

fn counting(rung: DriverChoice, most: u32) -> Settings {
    Settings { address_connections_max: Some(most), ..settings(rung) }
}

/// 127.0.`third`.`fourth`, all of which are this machine.
fn loopback(third: u8, fourth: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, third, fourth))
}

fn silent_peer_from(rig: &Rig, source: IpAddr) -> Peer {
    Peer::connect_from(source, rig.address)
}

fn peer_from(rig: &Rig, source: IpAddr) -> Peer {
    let mut peer = silent_peer_from(rig, source);
    peer.open("/");
    peer
}

#[track_caller]
fn expect_429(rig: &Rig, source: IpAddr) {
    let mut peer = silent_peer_from(rig, source);
    // It may have heard so already.
    let _ = peer.try_send(&request("/"));
    let response = peer.expect_refused(429);
    assert!(response.body.contains("from this address"), "{response:?}");
    assert!(response.header("Retry-After").is_some());
}

fn an_address_with_too_many_is_answered_429_and_others_are_served(rung: DriverChoice) {
    let rig = Rig::with(&counting(rung, 3));
    let (one, other) = (loopback(0, 1), loopback(0, 2));
    let mut peers: Vec<Peer> = (0..3).map(|_| peer_from(&rig, one)).collect();
    expect_429(&rig, one);
    expect_429(&rig, one);
    peers.push(peer_from(&rig, other));
    assert_eq!(rig.limited(Limit::AddressConnections), 2);
    assert_eq!(rig.handshakes(HandshakeOutcome::TooMany), 2);
    for peer in &mut peers {
        peer.check_echo();
    }
    peers.remove(0).close();
    rig.wait_until_held(3);
    let mut next = peer_from(&rig, one);
    next.check_echo();
    expect_429(&rig, one);
}

fn shards_count_the_connections_of_an_address_together(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 4, ..counting(rung, 10) });
    let mut peers: Vec<Peer> = (0..60).map(|_| rig.silent_peer()).collect();
    for peer in &mut peers {
        let _ = peer.try_send(&request("/"));
    }
    let statuses: Vec<u16> = peers.iter_mut().map(Peer::read_status).collect();
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(101), count(429)), (10, 50));
    assert_eq!((rig.held(), rig.limited(Limit::AddressConnections)), (10, 50));
}

fn neighbours_in_a_block_of_addresses_count_as_one(rung: DriverChoice) {
    let rig = Rig::with(&Settings { address_prefix_ipv4: 24, ..counting(rung, 2) });
    let _peers = [peer_from(&rig, loopback(0, 1)), peer_from(&rig, loopback(0, 2))];
    expect_429(&rig, loopback(0, 3));
    peer_from(&rig, loopback(1, 3)).check_echo();
}

/// How a peer may end; one that does not leave by itself is returned.
type Way = fn(&Rig) -> Option<Peer>;

fn a_place_is_given_back_on_every_way_out(rung: DriverChoice) {
    let script = Script::default().on_open(|_, opening| match opening.request.target() {
        "/no" => Admission::Now(Verdict::Refuse { status: 403, reason: "no".to_owned() }),
        "/later" => Admission::Later { within: None, id: None },
        _ => Admission::Now(Verdict::Accept { subprotocol: None }),
    });
    let settings = Settings { handshake_timeout: SOON, close_timeout: SOON, ..counting(rung, 1) };
    let rig = Rig::scripted(&settings, &script);
    let ways: [(&str, Way); 9] = [
        ("a closing handshake", |rig| {
            rig.peer().close();
            None
        }),
        ("an end of stream", |rig| {
            drop(rig.peer());
            None
        }),
        ("a reset", |rig| {
            rig.peer().reset();
            None
        }),
        ("a protocol error", |rig| {
            let mut peer = rig.peer();
            peer.send(&[0xff; 20]);
            peer.expect_close(1002);
            Some(peer)
        }),
        ("leaving before the request", |rig| {
            drop(rig.silent_peer());
            None
        }),
        ("no request in time", |rig| {
            let mut peer = rig.silent_peer();
            peer.expect_refused(408);
            Some(peer)
        }),
        ("a bad request", |rig| {
            let mut peer = rig.silent_peer();
            peer.send(b"BAD\r\n\r\n");
            peer.expect_refused(400);
            Some(peer)
        }),
        ("the application's refusal", |rig| {
            let mut peer = rig.silent_peer();
            peer.send(&request("/no"));
            peer.expect_refused(403);
            Some(peer)
        }),
        ("no answer of the application", |rig| {
            let mut peer = rig.silent_peer();
            peer.send(&request("/later"));
            peer.expect_refused(503);
            Some(peer)
        }),
    ];
    for (what, way) in ways {
        // Twice: a place given back twice would leave room for two.
        for _ in 0..2 {
            let _stays = way(&rig);
            let mut peer = None;
            wait_until(&format!("there is a place again after {what}"), || {
                let mut next = rig.silent_peer();
                let _ = next.try_send(&request("/"));
                peer = (next.read_status() == 101).then_some(next);
                peer.is_some()
            });
            expect_429(&rig, loopback(0, 1));
            drop(peer);
            rig.wait_until_held(0);
        }
    }
}

fn peers_that_wait_for_their_handshake_count_too(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 1, handshakes_max: 1, ..counting(rung, 5) });
    let mut silent: Vec<Peer> = (0..5).map(|_| rig.silent_peer()).collect();
    wait_until("all are accepted", || rig.sum(|counters| counters.accepted.get()) == 5);
    expect_429(&rig, loopback(0, 1));
    for peer in silent.iter_mut().rev() {
        peer.send(&request("/"));
    }
    for peer in &mut silent {
        peer.expect_accepted();
        peer.close();
    }
    rig.wait_until_empty();
    rig.peer().check_echo();
}

fn too_many_handshakes_in_a_second_are_answered_503_and_asked_to_come_later(rung: DriverChoice) {
    let rig = Rig::with(&Settings { handshakes_per_second_max: Some(2), ..settings(rung) });
    let mut first = rig.peer();
    let mut crowd: Vec<Peer> = (0..40).map(|_| rig.silent_peer()).collect();
    for peer in &mut crowd {
        let _ = peer.try_send(&request("/"));
    }
    wait_until("all are accepted or refused", || {
        rig.held() + rig.handshakes(HandshakeOutcome::Unavailable) == 41
    });
    let refused = rig.limited(Limit::HandshakeRate);
    assert!(refused > 0 && refused == rig.handshakes(HandshakeOutcome::Unavailable));
    let mut retries = Vec::new();
    for peer in &mut crowd {
        let response = peer.read_response();
        if response.status == 503 {
            retries.push(response.header("Retry-After").expect("when to come again").parse::<u32>().unwrap());
        }
    }
    assert!(retries.iter().all(|seconds| (1..=10).contains(seconds)), "{retries:?}");
    assert!(retries.iter().any(|seconds| *seconds != retries[0]), "spread: {retries:?}");
    first.check_echo();
    wait_until("one may come again", || {
        let mut peer = rig.silent_peer();
        let _ = peer.try_send(&request("/"));
        peer.read_status() == 101
    });
}

fn a_shard_holds_no_more_than_it_may(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 2, shard_connections_max: Some(3), ..settings(rung) });
    let mut peers = rig.peers(6);
    for counters in rig.gateway.counters().iter() {
        assert_eq!(counters.held(), 3);
    }
    let mut peer = rig.silent_peer();
    peer.send(&request("/"));
    peer.expect_refused(503);
    assert_eq!((rig.limited(Limit::ShardConnections), rig.limited(Limit::Connections)), (1, 0));
    for peer in &mut peers {
        peer.check_echo();
    }
}
