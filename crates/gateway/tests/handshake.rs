//! Opening handshakes: what is accepted, what is refused and how, and that the peer hears it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use holdfast::counters::{HandshakeOutcome, Limit};
use holdfast::settings::{DriverChoice, Settings};
use holdfast::{Admission, Verdict};
use rig::frame::{TEXT, masked};
use rig::peer::request_with;
use rig::{Rig, SOON, Script, request, settings, wait_until};

on_every_rung!(
    what_is_wrong_is_answered_with_the_right_status,
    refusals_are_counted_by_status,
    the_whole_refusal_reaches_a_peer_that_is_still_sending,
    a_request_that_does_not_come_is_answered_408,
    a_peer_that_leaves_before_its_request_is_whole_is_forgotten,
    a_peer_that_resets_before_its_request_is_whole_is_forgotten,
    the_application_chooses_the_subprotocol,
    the_application_refuses,
    a_status_that_is_no_refusal_becomes_500,
    refused_peers_that_stay_leave_room_for_others,
    refused_peers_that_stay_are_cut_at_close_timeout,
);

fn what_is_wrong_is_answered_with_the_right_status(rung: DriverChoice) {
    let rig = Rig::with(&Settings { head_bytes_max: 1024, headers_max: 10, ..settings(rung) });
    let good = String::from_utf8(request("/")).unwrap();
    let without = |line: &str| {
        let start = good.find(line).expect("the line is there");
        let end = start + good[start..].find("\r\n").unwrap() + 2;
        [&good[..start], &good[end..]].concat()
    };
    let cases: Vec<(&str, String, u16)> = vec![
        ("an ordinary request", "GET / HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(), 426),
        ("another method", good.replacen("GET", "POST", 1), 405),
        ("another version of HTTP", good.replacen("HTTP/1.1", "HTTP/1.0", 1), 505),
        ("a space in the target", good.replacen("GET / ", "GET /?user=Ann Example ", 1), 400),
        ("a control character in the target", good.replacen("GET / ", "GET /\u{7f} ", 1), 400),
        ("another version of WebSocket", good.replace("Version: 13", "Version: 8"), 426),
        ("no key", without("Sec-WebSocket-Key"), 400),
        ("no host", without("Host"), 400),
        ("no Connection: Upgrade", without("Connection"), 400),
        ("a key that is none", good.replace("dGhl", "????"), 400),
        ("two keys", good.replacen("Host", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost", 1), 400),
        ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\x00\r\n\r\n".to_owned(), 400),
        ("a long target", good.replacen("/ ", &format!("/{} ", "x".repeat(2_000)), 1), 431),
        ("many headers", good.replacen("Host", &format!("{}Host", "A: b\r\n".repeat(10)), 1), 431),
    ];
    for (what, bytes, status) in &cases {
        let mut peer = rig.silent_peer();
        peer.send(bytes.as_bytes());
        let response = peer.expect_refused(*status);
        assert!(response.body.len() > 1, "{what}: a sentence for a human");
        match status {
            426 => assert_eq!(response.header("Sec-WebSocket-Version"), Some("13"), "{what}"),
            405 => assert_eq!(response.header("Allow"), Some("GET"), "{what}"),
            _ => {}
        }
    }
    assert_eq!(rig.sum(|counters| counters.opened.get()), 0);
    assert_eq!((rig.limited(Limit::HeadBytes), rig.limited(Limit::Headers)), (1, 1));
    rig.wait_until_quiet();
}

fn refusals_are_counted_by_status(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for _ in 0..3 {
        let mut peer = rig.silent_peer();
        peer.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        peer.expect_refused(426);
    }
    let mut peer = rig.peer();
    peer.close();
    drop(rig.silent_peer());
    wait_until("all is counted", || rig.handshakes(HandshakeOutcome::Gone) == 1);
    assert_eq!(rig.handshakes(HandshakeOutcome::Upgrade), 3);
    assert_eq!(rig.handshakes(HandshakeOutcome::Accepted), 1);
    assert_eq!(rig.sum(|counters| counters.accepted.get()), 5);
    assert_eq!(rig.sum(|counters| counters.handshakes.iter().map(holdfast::counters::Count::get).sum()), 5);
}

fn the_whole_refusal_reaches_a_peer_that_is_still_sending(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for head in [&b"POST / HTTP/1.1\r\nHost: test\r\n\r\n"[..], b"\x16\x03\x01\r\n"] {
        let mut peer = rig.silent_peer();
        peer.send(head);
        peer.send(&vec![b'x'; 4 << 20]);
        let status = if head[0] == b'P' { 405 } else { 400 };
        peer.expect_refused(status);
        // The gateway's direction has ended; it still takes what comes, until this end closes.
        peer.send(b"and more");
        peer.end();
    }
    rig.wait_until_quiet();
}

fn a_request_that_does_not_come_is_answered_408(rung: DriverChoice) {
    let rig = Rig::with(&Settings { handshake_timeout: SOON, ..settings(rung) });
    let mut silent = rig.silent_peer();
    let mut slow = rig.silent_peer();
    let bytes = request("/");
    slow.send(&bytes[..bytes.len() - 1]);
    silent.expect_refused(408);
    slow.expect_refused(408);
    assert_eq!(rig.handshakes(HandshakeOutcome::Timeout), 2);
    assert_eq!(rig.limited(Limit::HandshakeTime), 2);
    rig.wait_until_quiet();
}

fn a_peer_that_leaves_before_its_request_is_whole_is_forgotten(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for cut in [0, 1, 40] {
        let mut peer = rig.silent_peer();
        peer.send(&request("/")[..cut]);
    }
    wait_until("three are gone", || rig.handshakes(HandshakeOutcome::Gone) == 3);
    rig.wait_until_quiet();
}

fn a_peer_that_resets_before_its_request_is_whole_is_forgotten(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for cut in [0, 1, 40] {
        let mut peer = rig.silent_peer();
        peer.send(&request("/")[..cut]);
        peer.reset();
    }
    // One that was reset while it waited to be accepted may never have been seen.
    rig.wait_until_quiet();
    let mut peer = rig.peer();
    peer.check_echo();
}

fn the_application_chooses_the_subprotocol(rung: DriverChoice) {
    let script = Script::default().on_open(|_, opening| {
        let subprotocol =
            opening.request.subprotocols().find(|name| name.starts_with("chat")).map(str::to_owned);
        Admission::Now(Verdict::Accept { subprotocol })
    });
    let rig = Rig::scripted(&settings(rung), &script);
    for (offer, choice) in [
        ("Sec-WebSocket-Protocol: soap, chat.v2, chat.v1\r\n", Some("chat.v2")),
        ("Sec-WebSocket-Protocol: soap\r\n", None),
        ("", None),
    ] {
        let mut peer = rig.silent_peer();
        peer.send(&request_with("/", offer));
        assert_eq!(peer.expect_accepted().header("Sec-WebSocket-Protocol"), choice);
        peer.check_echo();
    }
}

fn the_application_refuses(rung: DriverChoice) {
    let script = Script::default().on_open(|_, opening| {
        let status = opening.request.path()[1..].parse().expect("a path that is a status");
        Admission::Now(Verdict::Refuse { status, reason: format!("because of {}", opening.request.target()) })
    });
    let rig = Rig::scripted(&settings(rung), &script);
    for status in [401, 403, 404, 429, 500, 503] {
        let mut peer = rig.silent_peer();
        // What is behind the request is nobody's.
        peer.send(&[request(&format!("/{status}")), masked(TEXT, b"too early")].concat());
        assert_eq!(peer.expect_refused(status).body, format!("because of /{status}\n"));
    }
    assert_eq!(rig.handshakes(HandshakeOutcome::Forbidden), 1);
    assert_eq!(rig.handshakes(HandshakeOutcome::NotFound), 1);
    assert_eq!(script.log.read(|heard| heard.opened.len() + heard.closed.len()), 0);
}

fn a_status_that_is_no_refusal_becomes_500(rung: DriverChoice) {
    let script = Script::default().on_open(|_, opening| {
        let status = opening.request.path()[1..].parse().expect("a path that is a status");
        Admission::Now(Verdict::Refuse { status, reason: "no".to_owned() })
    });
    let rig = Rig::scripted(&settings(rung), &script);
    for status in [0, 101, 200, 399, 600] {
        let mut peer = rig.silent_peer();
        peer.send(&request(&format!("/{status}")));
        peer.expect_refused(500);
    }
}

fn refused_peers_that_stay_leave_room_for_others(rung: DriverChoice) {
    // Many more than there are slots for opening handshakes and refusals.
    let rig =
        Rig::with(&Settings { shards: 1, connections_max: Some(1_000), handshakes_max: 4, ..settings(rung) });
    let mut stay: Vec<_> = (0..600).map(|_| rig.silent_peer()).collect();
    for peer in &mut stay {
        peer.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    let mut peer = rig.peer();
    peer.check_echo();
    for peer in &mut stay {
        peer.expect_refused(426);
    }
    assert_eq!(rig.handshakes(HandshakeOutcome::Upgrade), 600);
    drop(stay);
    rig.wait_until_quiet();
    peer.check_echo();
}

fn refused_peers_that_stay_are_cut_at_close_timeout(rung: DriverChoice) {
    let rig = Rig::with(&Settings { close_timeout: SOON, ..settings(rung) });
    let mut peer = rig.silent_peer();
    peer.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    peer.expect_refused(426);
    // Nothing is sent and nothing is closed at this end; what is sent then meets a closed socket.
    wait_until("it is cut", || peer.try_send(b"still here").is_err());
    assert_eq!(rig.limited(Limit::CloseTime), 1);
}
