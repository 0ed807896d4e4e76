//! HTTP requests that ask for no WebSocket: they leave their shard with the connection, and a connection may come back.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use holdfast::counters::HandshakeOutcome;
use holdfast::settings::{DriverChoice, ForwardedHeader, Settings};
use holdfast::{Admission, DrainPlan, HandedRequest, Handle, Origin, REQUESTS_MAX, Report, Verdict};
use rig::peer::request_with;
use rig::{PATIENCE, Peer, Rig, Script, request, settings, wait_until};

on_every_rung!(
    a_request_is_served_by_whoever_reads_the_inbox,
    a_connection_that_carried_requests_becomes_a_websocket,
    where_nobody_takes_them_requests_are_answered_as_ever,
    as_many_as_may_be_are_handed_over_and_the_next_hear_503,
    requests_take_no_place_and_are_served_while_the_gateway_is_full,
    those_who_come_back_in_a_drain_are_turned_away,
    a_proxy_speaks_for_another_with_each_request_on_a_connection,
    a_request_is_handed_over_before_its_head_is_whole,
    a_handed_request_counts_for_no_address_and_an_upgrade_behind_it_does,
    a_request_counts_toward_no_rate_and_an_upgrade_does,
    whoever_is_turned_away_may_ask_all_the_same,
    a_drain_for_the_end_waits_for_those_who_are_served,
    nobody_is_answered_who_has_not_asked,
);

const ASK: &[u8] = b"POST /ask HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

fn taking(settings: &Settings) -> Rig {
    Rig::scripted(settings, &Script::default().taking_requests())
}

fn next(handle: &Handle) -> HandedRequest {
    let mut found = None;
    wait_until("a request is handed over", || {
        found = handle.inbox().try_take();
        found.is_some()
    });
    let Some(Report::Request(request)) = found else { unreachable!("it was just there") };
    request
}

fn read_all(peer: &Peer) -> Vec<u8> {
    let mut bytes = Vec::new();
    peer.tcp().read_to_end(&mut bytes).unwrap();
    bytes
}

fn stream(descriptor: OwnedFd) -> TcpStream {
    let stream = TcpStream::from(descriptor);
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads on until all of [`ASK`] is there; returns what is behind it.
fn rest_of_ask(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.len() < ASK.len() {
        let mut more = [0; 1024];
        let len = stream.read(&mut more).unwrap();
        assert!(len > 0, "the rest of the request comes");
        bytes.extend_from_slice(&more[..len]);
    }
    assert_eq!(&bytes[..ASK.len()], ASK);
    bytes[ASK.len()..].to_vec()
}

fn a_request_is_served_by_whoever_reads_the_inbox(rung: DriverChoice) {
    let rig = taking(&settings(rung));
    let mut peer = rig.silent_peer();
    // In pieces, as a slow client has it.
    peer.send(&ASK[..20]);
    peer.send(&ASK[20..]);
    let request = next(rig.handle());
    assert_eq!(request.origin.address(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let mut stream = stream(request.descriptor);
    assert_eq!(rest_of_ask(&mut stream, request.bytes), b"");
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
    drop(stream);
    assert_eq!(read_all(&peer), b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    assert_eq!(rig.handshakes(HandshakeOutcome::Handed), 1);
    assert_eq!(rig.held(), 0);
}

/// Answers each request and gives the connection back, until there are `count`.
fn serving(handle: &Handle, count: usize) -> JoinHandle<()> {
    let handle = handle.clone();
    thread::spawn(move || {
        for _ in 0..count {
            let request = next(&handle);
            let HandedRequest { descriptor, bytes, origin, permit: _permit } = request;
            let (mut stream, bytes) = (stream(descriptor), bytes);
            let rest = rest_of_ask(&mut stream, bytes);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            handle.serve(stream.into(), rest, origin).expect("there is room");
        }
    })
}

fn a_connection_that_carried_requests_becomes_a_websocket(rung: DriverChoice) {
    let rig = taking(&settings(rung));
    let server = serving(rig.handle(), 3);
    let mut peer = rig.silent_peer();
    for _ in 0..2 {
        peer.send(ASK);
        assert_eq!(peer.read_status(), 200);
    }
    // The upgrade follows the last one at once.
    peer.send(&[ASK, &request("/")].concat());
    assert_eq!((peer.read_status(), peer.read_status()), (200, 101));
    server.join().unwrap();
    peer.check_echo();
    assert_eq!(rig.held(), 1);
}

fn where_nobody_takes_them_requests_are_answered_as_ever(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.silent_peer();
    peer.send(ASK);
    assert_eq!(peer.read_status(), 405);
    assert!(rig.handle().inbox().try_take().is_none());
}

fn as_many_as_may_be_are_handed_over_and_the_next_hear_503(rung: DriverChoice) {
    let rig = taking(&settings(rung));
    let mut peers: Vec<Peer> = Vec::new();
    for count in 1..=u64::from(REQUESTS_MAX) {
        let mut peer = rig.silent_peer();
        peer.send(ASK);
        peers.push(peer);
        wait_until("it is handed over", || rig.handshakes(HandshakeOutcome::Handed) == count);
    }
    let mut late = rig.silent_peer();
    late.send(ASK);
    assert_eq!(late.read_status(), 503);
    // One that is served makes room.
    drop(next(rig.handle()));
    let mut next_one = rig.silent_peer();
    next_one.send(ASK);
    wait_until("it is handed over", || {
        rig.handshakes(HandshakeOutcome::Handed) == u64::from(REQUESTS_MAX) + 1
    });
}

fn requests_take_no_place_and_are_served_while_the_gateway_is_full(rung: DriverChoice) {
    let rig = taking(&Settings { shards: 1, connections_max: Some(2), ..settings(rung) });
    let server = serving(rig.handle(), 1);
    let mut asks = rig.silent_peer();
    asks.send(ASK);
    assert_eq!(asks.read_status(), 200);
    server.join().unwrap();
    // It is back, and takes the one place; the other one is taken too.
    let _open = rig.peer();
    let mut late = rig.silent_peer();
    late.send(&request("/"));
    assert_eq!(late.read_status(), 503);
    asks.send(&request("/"));
    assert_eq!(asks.read_status(), 101);
}

fn those_who_come_back_in_a_drain_are_turned_away(rung: DriverChoice) {
    let rig = taking(&settings(rung));
    // Somebody is left, so that the shards go on.
    let _open = rig.peer();
    let mut peer = rig.silent_peer();
    peer.send(ASK);
    let request = next(rig.handle());
    rig.handle().drain();
    wait_until("no shard takes anybody", || {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        rig.handle().serve(ours.into(), Vec::new(), Origin::default()).is_err()
    });
    let back =
        rig.handle().serve(request.descriptor, request.bytes, request.origin).expect_err("there is no room");
    assert_eq!(back.bytes, ASK);
}

fn a_proxy_speaks_for_another_with_each_request_on_a_connection(rung: DriverChoice) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let script = Script::default().taking_requests().on_open(move |_, opening| {
        log.lock().unwrap().push(opening.address);
        Admission::Now(Verdict::Accept { subprotocol: None })
    });
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let forwarded = Some(ForwardedHeader::XForwardedFor);
    let rig = Rig::scripted(&Settings { forwarded, trusted_proxies, ..settings(rung) }, &script);
    let mut peer = rig.silent_peer();
    peer.send(ASK);
    let request = next(rig.handle());
    assert_eq!(request.origin.address(), None, "the proxy's own is nobody's");
    let HandedRequest { descriptor, origin, .. } = request;
    rig.handle().serve(descriptor, Vec::new(), origin).expect("there is room");
    peer.send(&request_with("/", "X-Forwarded-For: 192.0.2.7\r\n"));
    peer.expect_accepted();
    assert_eq!(*seen.lock().unwrap(), [Some("192.0.2.7".parse().unwrap())]);
}

fn a_request_is_handed_over_before_its_head_is_whole(rung: DriverChoice) {
    let rig = taking(&settings(rung));
    for line in ["POST / HTTP/1.1\r\n", "GET /api/a?b HTTP/1.1\r\n", "GET http://h/api/ HTTP/1.0\r\n"] {
        let mut peer = rig.silent_peer();
        peer.send(&line.as_bytes()[..3]);
        peer.send(&line.as_bytes()[3..]);
        assert_eq!(next(rig.handle()).bytes, line.as_bytes());
    }
    // Another path may be an opening handshake's, and a health check is a shard's.
    let mut peer = rig.silent_peer();
    peer.send(b"GET /apis HTTP/1.1\r\n");
    let mut health = rig.silent_peer();
    health.send(b"HEAD /healthz HTTP/1.1\r\n");
    rig.wait_for_a_turn_of_every_shard();
    assert!(rig.handle().inbox().try_take().is_none());
    health.send(b"\r\n");
    assert_eq!(health.read_status(), 200);
    peer.send(b"Host: h\r\n\r\n");
    assert_eq!(next(rig.handle()).bytes, b"GET /apis HTTP/1.1\r\nHost: h\r\n\r\n");
}

fn a_handed_request_counts_for_no_address_and_an_upgrade_behind_it_does(rung: DriverChoice) {
    let rig = taking(&Settings { address_connections_max: Some(1), ..settings(rung) });
    let mut peer = rig.silent_peer();
    peer.send(ASK);
    let held = next(rig.handle());
    let mut open = rig.peer();
    // There is one who counts: others may still ask.
    let mut other = rig.silent_peer();
    other.send(ASK);
    drop(next(rig.handle()));
    let HandedRequest { descriptor, origin, .. } = held;
    rig.handle().serve(descriptor, request("/"), origin).expect("there is room");
    assert_eq!(peer.read_status(), 429);
    let mut late = rig.silent_peer();
    late.send(&request("/"));
    assert_eq!(late.read_status(), 429);
    open.close();
    rig.wait_until_held(0);
    let mut back = rig.silent_peer();
    back.send(ASK);
    let HandedRequest { descriptor, origin, .. } = next(rig.handle());
    rig.handle().serve(descriptor, request("/"), origin).expect("there is room");
    back.expect_accepted();
    let mut late = rig.silent_peer();
    late.send(&request("/"));
    assert_eq!(late.read_status(), 429, "one that came back counts");
}

fn a_request_counts_toward_no_rate_and_an_upgrade_does(rung: DriverChoice) {
    let rig = taking(&Settings { handshakes_per_second_max: Some(1), ..settings(rung) });
    for _ in 0..5 {
        let mut peer = rig.silent_peer();
        peer.send(ASK);
        drop(next(rig.handle()));
    }
    let _open = rig.peer();
    wait_until("one is refused", || {
        let mut late = rig.silent_peer();
        late.send(&request("/"));
        late.read_status() == 503
    });
}

fn whoever_is_turned_away_may_ask_all_the_same(rung: DriverChoice) {
    let rig = taking(&Settings { shards: 1, connections_max: Some(1), ..settings(rung) });
    let _open = rig.peer();
    let ask = |in_pieces: bool| {
        let mut peer = rig.silent_peer();
        if in_pieces {
            rig.wait_for_a_turn_of_every_shard();
            peer.send(&ASK[..7]);
            rig.wait_for_a_turn_of_every_shard();
            peer.send(&ASK[7..]);
        } else {
            peer.send(ASK);
        }
        let request = next(rig.handle());
        assert_eq!(request.origin.address(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(rest_of_ask(&mut stream(request.descriptor), request.bytes), b"");
        let mut late = rig.silent_peer();
        late.send(&crate::request("/"));
        assert_eq!(late.read_status(), 503);
    };
    ask(false);
    ask(true);
    rig.handle().drain_by(DrainPlan { spread: rig::NEVER, ends: false });
    wait_until("the drain has begun", || {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        rig.handle().serve(ours.into(), Vec::new(), Origin::default()).is_err()
    });
    ask(false);
    ask(true);
}

fn a_drain_for_the_end_waits_for_those_who_are_served(rung: DriverChoice) {
    let mut rig = taking(&settings(rung));
    let mut peer = rig.silent_peer();
    peer.send(ASK);
    let held = next(rig.handle());
    rig.handle().drain();
    assert!(rig.gateway.wait(Duration::from_millis(600)).is_none(), "somebody is being served");
    let mut served = stream(held.descriptor);
    served.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    drop((served, held.permit, held.origin));
    assert_eq!(peer.read_status(), 204);
    rig.wait_for_the_end();
}

fn nobody_is_answered_who_has_not_asked(rung: DriverChoice) {
    let rig = taking(&Settings { shards: 1, ..settings(rung) });
    let _open = rig.peer();
    let mut peer = rig.silent_peer();
    peer.send(ASK);
    let HandedRequest { descriptor, origin, .. } = next(rig.handle());
    // It is back, with nothing of a next request, and then a drain begins.
    rig.handle().serve(descriptor, Vec::new(), origin).expect("there is room");
    rig.handle().drain_by(DrainPlan { spread: rig::NEVER, ends: false });
    rig.wait_for_a_turn_of_every_shard();
    assert!(!peer.has_something(), "no answer without a request");
    peer.send(&request("/"));
    assert_eq!(peer.read_status(), 503);
}
