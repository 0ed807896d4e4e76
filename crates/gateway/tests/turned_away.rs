//! Newcomers that are not to be served: they are answered when they have asked, and soon even if they do not ask.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use holdfast::counters::{HandshakeOutcome, Limit};
use holdfast::settings::{DriverChoice, Settings};
use rig::peer::request_with;
use rig::{Peer, Rig, request, settings, wait_until};

on_every_rung!(
    who_has_not_asked_hears_nothing_until_it_has,
    a_request_that_comes_in_pieces_is_refused_when_it_is_whole,
    who_never_asks_is_answered_all_the_same,
    beyond_a_number_of_them_the_answer_comes_at_once,
    a_proxy_that_keeps_connections_in_advance_gets_one_answer_for_each_request,
    a_client_behind_a_proxy_header_is_refused_behind_its_request,
    a_drain_waits_for_the_request_and_for_no_longer_than_one_may_take,
    other_requests_than_opening_handshakes_are_refused_too,
    the_body_of_a_request_does_not_cost_the_answer,
);

/// A gateway with room for one, who is there.
fn full(settings: Settings) -> (Rig, Peer) {
    let rig = Rig::with(&Settings { connections_max: Some(1), shards: 1, ..settings });
    let held = rig.peer();
    (rig, held)
}

fn early(rig: &Rig) -> u64 {
    rig.sum(|counters| counters.refused_early.get())
}

fn who_has_not_asked_hears_nothing_until_it_has(rung: DriverChoice) {
    let (rig, mut held) = full(settings(rung));
    let mut newcomers: Vec<Peer> = (0..20).map(|_| rig.silent_peer()).collect();
    wait_until("all are known to be too many", || rig.limited(Limit::Connections) == 20);
    assert!(newcomers.iter().all(|peer| !peer.has_something()), "an answer before the request");
    for peer in &mut newcomers {
        peer.send(&request("/"));
        assert!(peer.expect_refused(503).body.contains("try again later"));
    }
    assert_eq!(rig.handshakes(HandshakeOutcome::Unavailable), 20);
    assert_eq!(early(&rig), 0);
    held.check_echo();
}

fn a_request_that_comes_in_pieces_is_refused_when_it_is_whole(rung: DriverChoice) {
    let (rig, _held) = full(settings(rung));
    let mut peer = rig.silent_peer();
    let request = request("/");
    let (first, rest) = request.split_at(30);
    let (second, last) = rest.split_at(rest.len() - 1);
    peer.send(first);
    wait_until("it is too many", || rig.limited(Limit::Connections) == 1);
    peer.send(second);
    rig.wait_for_a_turn_of_every_shard();
    assert!(!peer.has_something(), "its request is not whole");
    peer.send(last);
    peer.expect_refused(503);
    assert_eq!(early(&rig), 0);
}

fn who_never_asks_is_answered_all_the_same(rung: DriverChoice) {
    let (rig, _held) = full(settings(rung));
    let mut silent = rig.silent_peer();
    let mut slow = rig.silent_peer();
    slow.send(b"GET / HTTP/1.1\r\n");
    silent.expect_refused(503);
    slow.expect_refused(503);
    assert_eq!(early(&rig), 2);
}

fn beyond_a_number_of_them_the_answer_comes_at_once(rung: DriverChoice) {
    let (rig, mut held) = full(settings(rung));
    // Nobody has asked; at least those beyond 256 are answered before the first's time is over.
    let mut newcomers: Vec<Peer> = (0..300).map(|_| rig.silent_peer()).collect();
    wait_until("the gateway stops to wait for requests", || early(&rig) >= 44);
    for peer in &mut newcomers {
        peer.expect_refused(503);
    }
    assert_eq!(early(&rig), 300);
    held.check_echo();
}

fn a_proxy_that_keeps_connections_in_advance_gets_one_answer_for_each_request(rung: DriverChoice) {
    let (rig, held) = full(settings(rung));
    let mut in_advance: Vec<Peer> = (0..8).map(|_| rig.silent_peer()).collect();
    wait_until("all are known to be too many", || rig.limited(Limit::Connections) == 8);
    drop(held);
    rig.wait_until_quiet();
    // There is room now: those that were turned away hear so all the same, and the next is served.
    for peer in &mut in_advance {
        peer.send(&request("/"));
        peer.expect_refused(503);
    }
    rig.peer().check_echo();
}

fn a_client_behind_a_proxy_header_is_refused_behind_its_request(rung: DriverChoice) {
    const HEADERS: [&[u8]; 2] = [
        b"PROXY TCP4 192.0.2.1 127.0.0.1 4000 8085\r\n",
        // Its signature ends as a head does.
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x7f\0\0\x01\x0f\xa0\x1f\x95",
    ];
    let network = "127.0.0.0/8".parse().expect("a network");
    let behind_proxies = Settings { proxy_protocol: true, trusted_proxies: vec![network], ..settings(rung) };
    let rig = Rig::with(&Settings { connections_max: Some(1), shards: 1, ..behind_proxies });
    let mut held = rig.silent_peer();
    held.send(&[HEADERS[0], &request("/")].concat());
    held.expect_accepted();
    for (index, header) in HEADERS.iter().enumerate() {
        let mut peer = rig.silent_peer();
        wait_until("it is too many", || rig.limited(Limit::Connections) == index as u64 + 1);
        peer.send(header);
        rig.wait_for_a_turn_of_every_shard();
        assert!(!peer.has_something(), "only the proxy has spoken");
        peer.send(&request("/"));
        peer.expect_refused(503);
    }
    assert_eq!(early(&rig), 0);
}

fn a_drain_waits_for_the_request_and_for_no_longer_than_one_may_take(rung: DriverChoice) {
    let mut rig = Rig::with(&Settings { close_timeout: std::time::Duration::from_secs(1), ..settings(rung) });
    let mut asks = rig.silent_peer();
    let mut silent = rig.silent_peer();
    wait_until("both are in their opening handshake", || {
        rig.sum(|counters| counters.handshakes_open.get()) == 2
    });
    rig.handle().drain();
    let mut late = rig.silent_peer();
    asks.send(&request("/"));
    assert!(asks.expect_refused(503).body.contains("connect again"));
    late.send(&request("/"));
    assert!(late.expect_refused(503).body.contains("connect again"));
    silent.expect_refused(503);
    assert_eq!(rig.wait_for_the_end().cut, 0);
}

fn other_requests_than_opening_handshakes_are_refused_too(rung: DriverChoice) {
    let (rig, _held) = full(settings(rung));
    for head in ["GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n", "POST / HTTP/1.0\r\n\r\n", "nonsense\r\n\r\n"]
    {
        let mut peer = rig.silent_peer();
        peer.send(head.as_bytes());
        peer.expect_refused(503);
    }
    assert_eq!(early(&rig), 0);
}

fn the_body_of_a_request_does_not_cost_the_answer(rung: DriverChoice) {
    let (rig, _held) = full(settings(rung));
    let mut peer = rig.silent_peer();
    let body = vec![b'x'; 20_000];
    peer.send(&[request_with("/", "Content-Length: 20000\r\n"), body].concat());
    peer.expect_refused(503);
}
