//! Requests that come by way of proxies, which say for whom: X-Forwarded-For and Forwarded.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use holdfast::counters::{HandshakeOutcome, Limit};
use holdfast::settings::{DriverChoice, ForwardedHeader, Listen, Settings};
use holdfast::{Admission, Verdict};
use rig::peer::request_with;
use rig::{Peer, Rig, Script, settings, wait_until};

on_every_rung!(
    the_application_sees_the_address_that_the_proxies_name,
    forwarded_is_read_where_it_is_set_and_then_alone,
    nobody_but_a_trusted_proxy_is_believed,
    a_proxy_without_the_header_speaks_for_itself,
    a_list_that_cannot_be_believed_is_answered_400,
    limits_per_address_count_the_client_and_not_its_proxies,
    a_place_is_given_back_whatever_becomes_of_the_request,
    a_health_check_needs_no_header,
    behind_the_proxy_protocol_the_address_that_it_names_must_be_trusted,
    a_proxy_on_a_unix_socket_is_believed_where_it_is_trusted,
    without_the_setting_the_address_is_the_peers_own,
);

/// The one proxy that is trusted, and somebody else, both on this machine.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

fn behind(rung: DriverChoice, header: ForwardedHeader) -> Settings {
    let trusted_proxies = ["127.0.0.2", "10.0.0.0/8"].map(|network| network.parse().unwrap()).into();
    Settings { forwarded: Some(header), trusted_proxies, ..settings(rung) }
}

fn x_forwarded_for(rung: DriverChoice) -> Settings {
    behind(rung, ForwardedHeader::XForwardedFor)
}

/// A gateway and whom its applications were told of: address and path of each request.
struct Seen {
    rig: Rig,
    seen: Arc<Mutex<Vec<Option<IpAddr>>>>,
}

impl Seen {
    fn with(settings: &Settings) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let script = Script::default().on_open(move |_, opening| {
            log.lock().unwrap().push(opening.address);
            Admission::Now(Verdict::Accept { subprotocol: None })
        });
        Self { rig: Rig::scripted(settings, &script), seen }
    }

    /// Opens a connection from `source` with these header lines and checks whose the application takes it for.
    #[track_caller]
    fn check(&self, source: IpAddr, lines: &str, expected: Option<&str>) {
        let mut peer = ask(&self.rig, source, lines);
        peer.expect_accepted();
        peer.check_echo();
        let address = self.seen.lock().unwrap().pop().expect("the application was asked");
        assert_eq!(address, expected.map(|text| text.parse().unwrap()), "{lines}");
    }
}

fn ask(rig: &Rig, source: IpAddr, lines: &str) -> Peer {
    let mut peer = Peer::connect_from(source, rig.address);
    peer.send(&request_with("/", lines));
    peer
}

fn the_application_sees_the_address_that_the_proxies_name(rung: DriverChoice) {
    let seen = Seen::with(&x_forwarded_for(rung));
    for (lines, address) in [
        ("X-Forwarded-For: 192.0.2.1\r\n", Some("192.0.2.1")),
        ("x-forwarded-for: 192.0.2.9, 192.0.2.1, 10.0.0.1\r\n", Some("192.0.2.1")),
        ("X-Forwarded-For: 192.0.2.9\r\nA: b\r\nX-FORWARDED-FOR: 192.0.2.1,10.0.0.1\r\n", Some("192.0.2.1")),
        ("X-Forwarded-For: [2001:db8::1]:4711\r\n", Some("2001:db8::1")),
        ("X-Forwarded-For: 10.0.0.3, 10.0.0.1\r\n", Some("10.0.0.3")),
        ("X-Forwarded-For: 192.0.2.1, unknown\r\n", None),
        ("X-Forwarded-For: nonsense, 192.0.2.1\r\n", Some("192.0.2.1")),
        ("Forwarded: for=192.0.2.9\r\nX-Forwarded-For: 192.0.2.1\r\n", Some("192.0.2.1")),
    ] {
        seen.check(PROXY, lines, address);
    }
}

fn forwarded_is_read_where_it_is_set_and_then_alone(rung: DriverChoice) {
    let seen = Seen::with(&behind(rung, ForwardedHeader::Forwarded));
    for (lines, address) in [
        ("Forwarded: for=192.0.2.1;proto=https, for=\"10.0.0.1:80\"\r\n", Some("192.0.2.1")),
        ("Forwarded: for=192.0.2.9\r\nForwarded: For=\"[2001:db8::1]\"\r\n", Some("2001:db8::1")),
        ("Forwarded: for=192.0.2.1, for=_hidden\r\n", None),
        ("X-Forwarded-For: 192.0.2.9\r\n", Some("127.0.0.2")),
    ] {
        seen.check(PROXY, lines, address);
    }
}

fn nobody_but_a_trusted_proxy_is_believed(rung: DriverChoice) {
    let seen = Seen::with(&x_forwarded_for(rung));
    for lines in ["X-Forwarded-For: 192.0.2.1\r\n", "X-Forwarded-For: nonsense\r\n", ""] {
        seen.check(OTHER, lines, Some("127.0.0.3"));
    }
}

fn a_proxy_without_the_header_speaks_for_itself(rung: DriverChoice) {
    let seen = Seen::with(&Settings { address_connections_max: Some(1), ..x_forwarded_for(rung) });
    for lines in ["", "X-Forwarded-For: ,\r\n", "Forwarded: for=192.0.2.1\r\n"] {
        seen.check(PROXY, lines, Some("127.0.0.2"));
        seen.rig.wait_until_empty();
    }
    let mut first = ask(&seen.rig, PROXY, "");
    first.expect_accepted();
    ask(&seen.rig, PROXY, "").expect_refused(429);
}

fn a_list_that_cannot_be_believed_is_answered_400(rung: DriverChoice) {
    for (header, lists) in [
        (ForwardedHeader::XForwardedFor, ["nonsense", "192.0.2.1, 192.0.2.256", "192.0.2.1;10.0.0.1"]),
        (ForwardedHeader::Forwarded, ["192.0.2.1", "for=192.0.2.9;x=\", for=192.0.2.1", "for=2001:db8::1"]),
    ] {
        let rig = Rig::with(&behind(rung, header));
        let too_long =
            ["10.0.0.1"; 65].join(if header == ForwardedHeader::Forwarded { ", for=" } else { ", " });
        let too_long =
            if header == ForwardedHeader::Forwarded { format!("for={too_long}") } else { too_long };
        for list in lists.into_iter().chain([too_long.as_str()]) {
            let response = ask(&rig, PROXY, &format!("{}: {list}\r\n", header.name())).expect_refused(400);
            assert!(response.body.contains("list of proxies"), "{response:?}");
        }
        assert_eq!(rig.handshakes(HandshakeOutcome::Forwarded), 4);
        assert_eq!(rig.handshakes(HandshakeOutcome::BadRequest), 0);
        rig.wait_until_quiet();
    }
}

fn limits_per_address_count_the_client_and_not_its_proxies(rung: DriverChoice) {
    let rig = Rig::with(&Settings { address_connections_max: Some(1), ..x_forwarded_for(rung) });
    let one = "X-Forwarded-For: 192.0.2.1, 10.0.0.1\r\n";
    let mut first = ask(&rig, PROXY, one);
    first.expect_accepted();
    for lines in
        [one, "X-Forwarded-For: 192.0.2.7, 192.0.2.1:99\r\n", "X-Forwarded-For: ::ffff:192.0.2.1\r\n"]
    {
        let response = ask(&rig, PROXY, lines).expect_refused(429);
        assert!(response.header("Retry-After").is_some());
    }
    assert_eq!(rig.limited(Limit::AddressConnections), 3);
    let mut other = ask(&rig, PROXY, "X-Forwarded-For: 192.0.2.2\r\n");
    other.expect_accepted();
    // Whom the proxy does not name nobody counts.
    let hidden: Vec<Peer> = (0..3).map(|_| ask(&rig, PROXY, "X-Forwarded-For: unknown\r\n")).collect();
    for mut peer in hidden {
        peer.expect_accepted();
    }
    // Who claims to be another without being a proxy is counted as itself.
    let mut direct = ask(&rig, OTHER, one);
    direct.expect_accepted();
    let mut again = Peer::connect_from(OTHER, rig.address);
    // It may have heard so already.
    let _ = again.try_send(&request_with("/", "X-Forwarded-For: 192.0.2.3\r\n"));
    again.expect_refused(429);
    first.close();
    wait_until("its place is free", || {
        let mut next = ask(&rig, PROXY, one);
        next.read_status() == 101
    });
}

fn a_place_is_given_back_whatever_becomes_of_the_request(rung: DriverChoice) {
    let script = Script::default().on_open(|_, opening| match opening.request.target() {
        "/no" => Admission::Now(Verdict::Refuse { status: 403, reason: "no".to_owned() }),
        _ => Admission::Now(Verdict::Accept { subprotocol: None }),
    });
    let rig = Rig::scripted(&Settings { address_connections_max: Some(1), ..x_forwarded_for(rung) }, &script);
    let lines = "X-Forwarded-For: 192.0.2.1\r\n";
    for _ in 0..3 {
        let mut refused = Peer::connect_from(PROXY, rig.address);
        refused.send(&request_with("/no", lines));
        refused.expect_refused(403);
        let mut accepted = ask(&rig, PROXY, lines);
        accepted.expect_accepted();
        accepted.close();
        rig.wait_until_empty();
    }
}

fn a_health_check_needs_no_header(rung: DriverChoice) {
    let rig = Rig::with(&Settings { address_connections_max: Some(1), ..x_forwarded_for(rung) });
    for _ in 0..3 {
        let mut peer = Peer::connect_from(PROXY, rig.address);
        peer.send(b"GET /healthz HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: nonsense\r\n\r\n");
        peer.expect_refused(200);
    }
}

fn behind_the_proxy_protocol_the_address_that_it_names_must_be_trusted(rung: DriverChoice) {
    let seen = Seen::with(&Settings { proxy_protocol: true, ..x_forwarded_for(rung) });
    let list = "X-Forwarded-For: 192.0.2.1\r\n";
    for (header, address) in [
        ("PROXY TCP4 10.0.0.1 198.51.100.2 4660 443\r\n", Some("192.0.2.1")),
        ("PROXY TCP4 192.0.2.7 198.51.100.2 4660 443\r\n", Some("192.0.2.7")),
        // Whose bytes these are nobody says.
        ("PROXY UNKNOWN\r\n", None),
    ] {
        let mut peer = Peer::connect_from(PROXY, seen.rig.address);
        peer.send(&[header.as_bytes(), &request_with("/", list)].concat());
        peer.expect_accepted();
        let told = seen.seen.lock().unwrap().pop().expect("the application was asked");
        assert_eq!(told, address.map(|text| text.parse().unwrap()), "{header}");
    }
}

fn a_proxy_on_a_unix_socket_is_believed_where_it_is_trusted(rung: DriverChoice) {
    for (trusted, address) in [("unix", Some("192.0.2.1")), ("127.0.0.1", None)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdfast.sock");
        let trusted_proxies = vec![trusted.parse().unwrap()];
        let listen = vec![Listen::Unix(path.clone())];
        let seen = Seen::with(&Settings { listen, trusted_proxies, ..x_forwarded_for(rung) });
        let mut peer = Peer { stream: std::io::BufReader::new(UnixStream::connect(&path).unwrap()) };
        peer.send(&request_with("/", "X-Forwarded-For: 192.0.2.1\r\n"));
        peer.expect_accepted();
        let told = seen.seen.lock().unwrap().pop().expect("the application was asked");
        assert_eq!(told, address.map(|text| text.parse().unwrap()), "{trusted}");
    }
}

fn without_the_setting_the_address_is_the_peers_own(rung: DriverChoice) {
    let seen = Seen::with(&Settings { forwarded: None, ..x_forwarded_for(rung) });
    seen.check(PROXY, "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n", Some("127.0.0.2"));
}
