//! Peers behind proxies that say for whom they connect: the PROXY protocol.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::os::unix::net::UnixStream;

use holdfast::counters::HandshakeOutcome;
use holdfast::settings::{DriverChoice, Listen, Settings};
use rig::frame::{TEXT, masked};
use rig::{Peer, Rig, SOON, request, settings, wait_until};

on_every_rung!(
    a_header_of_either_version_comes_before_the_request,
    a_header_may_come_in_pieces,
    without_a_header_or_with_a_malformed_one_the_connection_is_closed,
    a_proxy_that_says_nothing_is_answered_408,
    a_peer_that_is_no_trusted_proxy_is_closed_and_counted,
    limits_per_address_count_the_client_and_not_its_proxy,
    a_unix_socket_may_be_trusted,
);

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc0\0\x02\x01\xc6\x33\x64\x02\x12\x34\x01\xbb\x04\0\x01\0";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn behind(rung: DriverChoice, trusted: &str) -> Settings {
    let trusted_proxies = vec![trusted.parse().unwrap()];
    Settings { proxy_protocol: true, trusted_proxies, ..settings(rung) }
}

fn a_header_of_either_version_comes_before_the_request(rung: DriverChoice) {
    let rig = Rig::with(&behind(rung, "127.0.0.0/8"));
    for header in [V1, V2, LOCAL, b"PROXY UNKNOWN\r\n"] {
        // All in one segment, and a message behind it.
        let mut peer = rig.silent_peer();
        peer.send(&[header, &request("/"), &masked(TEXT, b"early")].concat());
        peer.expect_accepted();
        peer.expect_text("early");
        peer.check_echo();
    }
    let mut peer = rig.silent_peer();
    peer.send(&[LOCAL, b"GET /healthz HTTP/1.0\r\n\r\n"].concat());
    peer.expect_refused(200);
}

fn a_header_may_come_in_pieces(rung: DriverChoice) {
    let rig = Rig::with(&behind(rung, "127.0.0.1"));
    for header in [V1, V2] {
        for cut in [1, 13, header.len() - 1] {
            let mut peer = rig.silent_peer();
            peer.send(&header[..cut]);
            rig.wait_for_a_turn_of_every_shard();
            peer.send(&header[cut..]);
            peer.send(&request("/"));
            peer.expect_accepted();
        }
    }
}

fn without_a_header_or_with_a_malformed_one_the_connection_is_closed(rung: DriverChoice) {
    let rig = Rig::with(&behind(rung, "127.0.0.1"));
    let cases: [&[u8]; 4] =
        [&request("/"), b"PROXY TCP4 nobody\r\n", &[b'P'; 200], b"\r\n\r\n\0\r\nQUIT\n\x31"];
    for input in cases {
        let mut peer = rig.silent_peer();
        peer.send(input);
        peer.expect_over();
    }
    assert_eq!(rig.handshakes(HandshakeOutcome::ProxyHeader), 4);
    rig.wait_until_quiet();
}

fn a_proxy_that_says_nothing_is_answered_408(rung: DriverChoice) {
    let rig = Rig::with(&Settings { handshake_timeout: SOON, ..behind(rung, "127.0.0.1") });
    for beginning in [&b""[..], &V1[..20], &V2[..20]] {
        let mut peer = rig.silent_peer();
        peer.send(beginning);
        peer.expect_refused(408);
    }
    assert_eq!(rig.handshakes(HandshakeOutcome::Timeout), 3);
    assert_eq!(rig.handshakes(HandshakeOutcome::ProxyHeader), 0);
}

fn a_peer_that_is_no_trusted_proxy_is_closed_and_counted(rung: DriverChoice) {
    let rig = Rig::with(&behind(rung, "192.0.2.0/24"));
    let mut peer = rig.silent_peer();
    // It may be closed already.
    let _ = peer.try_send(&[V1, &request("/")].concat());
    peer.expect_over();
    wait_until("it is counted", || rig.handshakes(HandshakeOutcome::Untrusted) == 1);
    rig.wait_until_quiet();
}

fn limits_per_address_count_the_client_and_not_its_proxy(rung: DriverChoice) {
    let rig = Rig::with(&Settings { address_connections_max: Some(1), ..behind(rung, "127.0.0.1") });
    let open = |header: &[u8]| {
        let mut peer = rig.silent_peer();
        peer.send(&[header, &request("/")].concat());
        peer
    };
    let mut first = open(V1);
    first.expect_accepted();
    open(V2).expect_refused(429);
    let mut other = open(b"PROXY TCP4 192.0.2.2 198.51.100.2 4660 443\r\n");
    other.expect_accepted();
    first.close();
    wait_until("its place is free", || rig.held() == 1);
    open(V2).expect_accepted();
}

fn a_unix_socket_may_be_trusted(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdfast.sock");
    let listen = vec![Listen::Unix(path.clone())];
    let _rig = Rig::with(&Settings { listen, ..behind(rung, "unix") });
    let mut peer = Peer { stream: std::io::BufReader::new(UnixStream::connect(&path).unwrap()) };
    peer.send(&[V1, &request("/")].concat());
    peer.expect_accepted();
    peer.check_echo();
}
