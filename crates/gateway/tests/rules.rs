//! Who may connect, by what the request says: health checks, paths, origins, subprotocols.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use holdfast::counters::HandshakeOutcome;
use holdfast::settings::{DriverChoice, Mismatch, Settings};
use holdfast::{Admission, Verdict};
use rig::peer::request_with;
use rig::{Rig, Script, request, settings};

on_every_rung!(
    a_health_check_is_answered_200_and_counts_as_no_refusal,
    other_ordinary_requests_are_refused_as_ever,
    an_opening_handshake_on_the_health_path_is_one,
    a_health_check_is_answered_503_while_the_gateway_drains,
    other_paths_are_refused_before_the_application_is_asked,
    other_origins_are_refused,
    a_request_without_an_origin_is_refused_where_one_is_required,
    the_first_subprotocol_of_the_gateway_that_is_offered_is_chosen,
    a_peer_that_offers_only_other_subprotocols_is_refused_where_that_is_set,
    the_application_has_the_last_word_on_the_subprotocol,
);

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn a_health_check_is_answered_200_and_counts_as_no_refusal(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for head in [
        "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET /healthz?from=balancer HTTP/1.0\r\n\r\n",
        "\r\nGET http://test/healthz HTTP/1.1\r\nHost: test\r\nConnection: keep-alive\r\n\r\n",
    ] {
        let mut peer = rig.silent_peer();
        // It may come in pieces.
        let (first, rest) = head.split_at(10);
        peer.send(first.as_bytes());
        peer.send(rest.as_bytes());
        let response = peer.expect_refused(200);
        assert_eq!((response.body.as_str(), response.header("Connection")), ("ok\n", Some("close")));
    }
    let mut peer = rig.silent_peer();
    peer.send(b"HEAD /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(peer.read_status(), 200);
    peer.expect_end();
    drop(peer);
    assert_eq!(rig.handshakes(HandshakeOutcome::Health), 4);
    assert_eq!(rig.sum(|counters| counters.handshakes.iter().map(holdfast::counters::Count::get).sum()), 4);
    rig.wait_until_quiet();
}

fn other_ordinary_requests_are_refused_as_ever(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for (line, status) in [
        ("GET /healthz/ HTTP/1.1", 426),
        ("GET / HTTP/1.1", 426),
        ("POST /healthz HTTP/1.1", 405),
        ("HEAD / HTTP/1.1", 405),
        ("GET / HTTP/1.0", 505),
    ] {
        let mut peer = rig.silent_peer();
        peer.send(format!("{line}\r\nHost: test\r\n\r\n").as_bytes());
        peer.expect_refused(status);
    }
    let rig = Rig::with(&Settings { health_path: None, ..settings(rung) });
    let mut peer = rig.silent_peer();
    peer.send(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
    peer.expect_refused(426);
    assert_eq!(rig.handshakes(HandshakeOutcome::Health), 0);
}

fn an_opening_handshake_on_the_health_path_is_one(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.silent_peer();
    peer.open("/healthz");
    peer.check_echo();
    let mut peer = rig.silent_peer();
    let broken = String::from_utf8(request("/healthz")).unwrap().replace("Version: 13", "Version: 8");
    peer.send(broken.as_bytes());
    peer.expect_refused(426);
}

fn a_health_check_is_answered_503_while_the_gateway_drains(rung: DriverChoice) {
    // The listeners stay open until all shards are empty.
    let rig = Rig::with(&Settings { shards: 1, ..settings(rung) });
    let mut stays = rig.peer();
    rig.handle().drain();
    stays.expect_close(1001);
    let mut peer = rig.silent_peer();
    peer.send(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
    peer.expect_refused(503);
    assert_eq!(rig.handshakes(HandshakeOutcome::Unavailable), 1);
}

fn other_paths_are_refused_before_the_application_is_asked(rung: DriverChoice) {
    let script = Script::default().on_open(|_, opening| {
        assert!(opening.request.path() != "/other", "a rule comes first");
        Admission::Now(Verdict::Accept { subprotocol: None })
    });
    let paths = list(&["/feed", "/chat/*"]);
    let rig = Rig::scripted(&Settings { paths, ..settings(rung) }, &script);
    for target in ["/feed", "/feed?a=b", "/chat/", "/chat/room/1"] {
        let mut peer = rig.silent_peer();
        peer.open(target);
        peer.check_echo();
    }
    for target in ["/other", "/", "/feed/", "/chat", "/chat/../other"] {
        let mut peer = rig.silent_peer();
        peer.send(&request(target));
        peer.expect_refused(404);
    }
    assert_eq!(rig.handshakes(HandshakeOutcome::Path), 5);
    assert_eq!(rig.handshakes(HandshakeOutcome::NotFound), 0);
    let mut peer = rig.silent_peer();
    peer.send(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
    peer.expect_refused(200);
}

fn other_origins_are_refused(rung: DriverChoice) {
    let origins = list(&["https://example.com", "https://*.example.org"]);
    let rig = Rig::with(&Settings { origins, ..settings(rung) });
    for origin in ["", "Origin: https://example.com\r\n", "Origin: https://a.example.org\r\n"] {
        let mut peer = rig.silent_peer();
        peer.send(&request_with("/", origin));
        peer.expect_accepted();
        peer.check_echo();
    }
    for origin in ["https://example.org", "http://example.com", "null", "https://example.com.evil.net"] {
        let mut peer = rig.silent_peer();
        peer.send(&request_with("/", &format!("Origin: {origin}\r\n")));
        peer.expect_refused(403);
    }
    assert_eq!(rig.handshakes(HandshakeOutcome::Origin), 4);
    assert_eq!(rig.handshakes(HandshakeOutcome::Forbidden), 0);
}

fn a_request_without_an_origin_is_refused_where_one_is_required(rung: DriverChoice) {
    let rig = Rig::with(&Settings { origin_required: true, ..settings(rung) });
    let mut peer = rig.silent_peer();
    peer.send(&request("/"));
    peer.expect_refused(403);
    let mut peer = rig.silent_peer();
    peer.send(&request_with("/", "Origin: https://anything.example\r\n"));
    peer.expect_accepted();
    assert_eq!(rig.handshakes(HandshakeOutcome::Origin), 1);
}

fn the_first_subprotocol_of_the_gateway_that_is_offered_is_chosen(rung: DriverChoice) {
    let subprotocols = list(&["chat.v2", "chat.v1"]);
    let rig = Rig::with(&Settings { subprotocols, ..settings(rung) });
    for (offer, choice) in [
        ("Sec-WebSocket-Protocol: soap, chat.v1, chat.v2\r\n", Some("chat.v2")),
        ("Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol: chat.v1\r\n", Some("chat.v1")),
        ("Sec-WebSocket-Protocol: soap, CHAT.V1\r\n", None),
        ("", None),
    ] {
        let mut peer = rig.silent_peer();
        peer.send(&request_with("/", offer));
        assert_eq!(peer.expect_accepted().header("Sec-WebSocket-Protocol"), choice, "{offer}");
        peer.check_echo();
    }
}

fn a_peer_that_offers_only_other_subprotocols_is_refused_where_that_is_set(rung: DriverChoice) {
    let subprotocol_mismatch = Mismatch::Refuse;
    let subprotocols = list(&["chat"]);
    let rig = Rig::with(&Settings { subprotocols, subprotocol_mismatch, ..settings(rung) });
    let mut peer = rig.silent_peer();
    peer.send(&request_with("/", "Sec-WebSocket-Protocol: soap\r\n"));
    peer.expect_refused(400);
    let mut peer = rig.peer();
    peer.check_echo();
    assert_eq!(rig.handshakes(HandshakeOutcome::Subprotocol), 1);
    assert_eq!(rig.handshakes(HandshakeOutcome::BadRequest), 0);
}

fn the_application_has_the_last_word_on_the_subprotocol(rung: DriverChoice) {
    let script = Script::default().on_open(|context, opening| {
        assert_eq!(opening.subprotocol, Some("chat"));
        match opening.request.path() {
            "/other" => Admission::Now(Verdict::Accept { subprotocol: Some("soap".to_owned()) }),
            _ => {
                // The choice is remembered until the answer comes.
                let (handle, id) = (context.handle().clone(), opening.id);
                std::thread::spawn(move || handle.answer(id, Verdict::Accept { subprotocol: None }));
                Admission::Later { within: None, id: None }
            }
        }
    });
    let rig = Rig::scripted(&Settings { subprotocols: list(&["chat"]), ..settings(rung) }, &script);
    for (target, choice) in [("/other", "soap"), ("/", "chat")] {
        let mut peer = rig.silent_peer();
        peer.send(&request_with(target, "Sec-WebSocket-Protocol: soap, chat\r\n"));
        assert_eq!(peer.expect_accepted().header("Sec-WebSocket-Protocol"), Some(choice));
        peer.check_echo();
    }
}
