//! Requests that no WebSocket client sends, and what may come right behind one that is right.

use holdfast::settings::{DriverChoice, Settings};

use crate::rig::frame::{BINARY, CLOSE, CONTINUATION, PING, TEXT, close, fragment, masked};
use crate::rig::peer::request_with;
use crate::rig::{pattern, request, settings, wait_until};
use crate::{Siege, on_every_rung};

on_every_rung!(
    what_is_no_request_for_a_websocket_is_answered_with_its_status,
    what_other_protocols_begin_with_is_answered_and_never_waits_for_more,
    a_wrong_request_in_single_bytes_is_answered_the_same,
    a_hundred_headers_are_taken_or_refused_as_the_setting_says,
    an_absolute_target_is_taken,
    a_request_within_a_refused_request_is_never_looked_at,
    what_comes_in_the_segment_of_the_request_is_judged_like_all_else,
    a_second_request_behind_the_first_is_no_frame,
    a_message_of_a_megabyte_in_the_segment_of_the_request_comes_back,
    a_head_that_never_ends_is_answered_431_and_holds_no_more_than_its_limit,
);

/// A request like the right one with `old` replaced.
fn with(old: &str, new: &str) -> Vec<u8> {
    let good = String::from_utf8(request("/")).unwrap();
    assert!(good.contains(old), "{old:?}");
    good.replacen(old, new, 1).into_bytes()
}

/// What is wrong, and the status that says so.
fn wrong_requests() -> Vec<(&'static str, Vec<u8>, u16)> {
    let good = String::from_utf8(request("/")).unwrap();
    vec![
        ("bare LF in every line", good.replace("\r\n", "\n").into(), 400),
        ("bare LF after the request line", with("HTTP/1.1\r\n", "HTTP/1.1\n"), 400),
        ("bare LF after a header", with("Host: test\r\n", "Host: test\n"), 400),
        ("bare LF at the end", [&good.as_bytes()[..good.len() - 2], b"\n"].concat(), 400),
        ("bare CR in a value", with("Host: test", "Host: te\rst"), 400),
        ("obs-fold by a space", with("Upgrade: websocket", "Upgrade:\r\n websocket"), 400),
        ("obs-fold by a tab", with("Upgrade: websocket", "Upgrade:\r\n\twebsocket"), 400),
        ("obs-fold before the first header", with("Host: test", " Folded: x\r\nHost: test"), 400),
        ("space before the colon", with("Host: test", "Host : test"), 400),
        ("a header without a name", with("Host: test", ": x\r\nHost: test"), 400),
        ("a header without a colon", with("Host: test", "Host"), 400),
        ("NUL in a value", with("Host: test", "Host: te\0st"), 400),
        ("two hosts", with("Host: test", "Host: test\r\nHost: other"), 400),
        ("a body by its length", with("Host: test", "Host: test\r\nContent-Length: 5"), 400),
        ("a body in chunks", with("Host: test", "Host: test\r\nTransfer-Encoding: chunked"), 400),
        ("HTTP/1.0", with("HTTP/1.1", "HTTP/1.0"), 505),
        ("HTTP/2.0", with("HTTP/1.1", "HTTP/2.0"), 505),
        ("HTTP/0.9", b"GET /\r\n".to_vec(), 400),
        ("a method in small letters", with("GET", "get"), 405),
        ("CONNECT", with("GET / ", "CONNECT test:80 "), 405),
        ("an asterisk as target", with("GET / ", "GET * "), 400),
        ("an authority as target", with("GET / ", "GET test:80 "), 400),
        ("another scheme", with("GET / ", "GET ftp://test/ "), 400),
        ("a fragment identifier", with("GET / ", "GET /#top "), 400),
        ("two spaces", with("GET / ", "GET  / "), 400),
        ("a control character as target", with("GET / ", "GET /\x01 "), 400),
        ("nothing but an empty line", b"\r\n\r\n \r\n".to_vec(), 400),
    ]
}

fn what_is_no_request_for_a_websocket_is_answered_with_its_status(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for (what, bytes, status) in wrong_requests() {
        let mut peer = siege.rig.silent_peer();
        peer.send(&bytes);
        println!("{what}");
        let response = peer.expect_refused(status);
        assert_eq!(response.header("Connection").map(|it| it.contains("close")), Some(true), "{what}");
        siege.check_neighbour();
    }
    assert_eq!(siege.rig.sum(|counters| counters.opened.get()), 1, "the neighbour");
    siege.end();
}

/// The client hello of TLS 1.3 as browsers send it, by its record and handshake headers; the rest is padding of the
/// right length, with line ends in it as random bytes have.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03];
    hello.extend((0..506_u16).map(|index| u8::try_from(index % 256).unwrap()));
    hello
}

fn what_other_protocols_begin_with_is_answered_and_never_waits_for_more(rung: DriverChoice) {
    let siege = Siege::new(rung);
    // RFC 9113 3.4: the preface, and an empty SETTINGS frame behind it.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let cases: [(&str, &[u8], u16); 7] = [
        ("HTTP/2", preface, 505),
        ("TLS 1.3", &client_hello(), 400),
        ("TLS, cut", &client_hello()[..5], 400),
        ("SSL 2", b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10", 400),
        ("SSH, which HTTP cannot read", b"SSH-2.0-OpenSSH_9.2\r\n", 400),
        ("a binary protocol", b"\0\0\0\x10\x01\x02\x03\x04", 400),
        ("a frame without a handshake", &masked(TEXT, b"hello"), 400),
    ];
    for (what, bytes, status) in cases {
        let mut peer = siege.rig.silent_peer();
        peer.send(bytes);
        println!("{what}");
        peer.expect_refused(status);
    }
    siege.end();
}

fn a_wrong_request_in_single_bytes_is_answered_the_same(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for (what, bytes, status) in wrong_requests() {
        let mut peer = siege.rig.silent_peer();
        for byte in &bytes {
            // The answer may come before all is sent.
            if peer.try_send(std::slice::from_ref(byte)).is_err() {
                break;
            }
        }
        println!("{what}");
        peer.expect_refused(status);
    }
    siege.check_neighbour();
    siege.end();
}

fn a_hundred_headers_are_taken_or_refused_as_the_setting_says(rung: DriverChoice) {
    // Five are the handshake's own.
    for (headers_max, status) in [(100, 101), (99, 431), (64, 431)] {
        let siege = Siege::with(Settings { headers_max, ..settings(rung) });
        let mut peer = siege.rig.silent_peer();
        let more: String = (0..95).map(|index| format!("X-Header-{index}: value\r\n")).collect();
        peer.send(&request_with("/", &more));
        if status == 101 {
            peer.expect_accepted();
            peer.check_echo();
            peer.close();
        } else {
            peer.expect_refused(status);
        }
        drop(peer);
        siege.end();
    }
}

fn an_absolute_target_is_taken(rung: DriverChoice) {
    let siege = Siege::new(rung);
    for target in ["http://test/", "http://test", "HTTPS://other.example:443/chat?room=1", "/?x=http://y"] {
        let mut peer = siege.rig.silent_peer();
        peer.open(target);
        peer.check_echo();
        peer.close();
    }
    siege.end();
}

fn a_request_within_a_refused_request_is_never_looked_at(rung: DriverChoice) {
    let siege = Siege::new(rung);
    for first in [
        with("Host: test", "Host: test\r\nContent-Length: 300"),
        with("Host: test", "Host: test\r\nTransfer-Encoding: chunked"),
        with("GET", "POST"),
        with("HTTP/1.1", "HTTP/1.0"),
    ] {
        let mut peer = siege.rig.silent_peer();
        peer.send(&[&first[..], &request("/"), &masked(TEXT, b"smuggled")].concat());
        let status = peer.read_status();
        assert!([400, 405, 505].contains(&status), "{status}");
        // What is left is one body, and no second head.
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut peer.stream, &mut rest).expect("an end of stream");
        assert!(!rest.windows(4).any(|bytes| bytes == b"\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
    }
    assert_eq!(siege.rig.sum(|counters| counters.text_in.get()), 0);
    siege.end();
}

fn what_comes_in_the_segment_of_the_request_is_judged_like_all_else(rung: DriverChoice) {
    let siege = Siege::new(rung);
    let mut unmasked = masked(TEXT, b"hello");
    unmasked[1] &= 0x7F;
    let cases = [
        ("an unmasked frame", unmasked, 1002),
        ("a reserved opcode", masked(3, b""), 1002),
        ("a reserved bit, and no extension agreed on", vec![0xC1], 1002),
        ("a control frame over 125 bytes", masked(PING, &pattern(126)), 1002),
        ("a continuation of nothing", masked(CONTINUATION, b""), 1002),
        ("text that is no UTF-8", masked(TEXT, b"\xff"), 1007),
        ("a length over the limit", [&[0x82, 0xFF][..], &(1_u64 << 40).to_be_bytes()].concat(), 1009),
        ("a close code that may not be sent", close(1006, ""), 1002),
        ("a close frame", close(4000, ""), 4000),
    ];
    for (what, bytes, code) in cases {
        let mut peer = siege.rig.silent_peer();
        peer.send(&[request("/"), masked(BINARY, b"before"), bytes, masked(TEXT, b"behind")].concat());
        peer.expect_accepted();
        peer.expect_binary(b"before");
        let close = peer.read_close();
        assert_eq!(close.as_ref().map(|(code, _)| *code), Some(code), "{what}: {close:?}");
        peer.expect_end();
    }
    // An empty close frame has no code.
    let mut peer = siege.rig.silent_peer();
    peer.send(&[request("/"), masked(CLOSE, b"")].concat());
    peer.expect_accepted();
    assert_eq!(peer.read_close(), None);
    peer.expect_end();
    drop(peer);
    siege.end();
}

fn a_second_request_behind_the_first_is_no_frame(rung: DriverChoice) {
    let siege = Siege::new(rung);
    let mut peer = siege.rig.silent_peer();
    peer.send(&request("/").repeat(2));
    peer.expect_accepted();
    // 'G' has a reserved bit set.
    peer.expect_close(1002);
    peer.expect_end();
    drop(peer);
    siege.end();
}

fn a_message_of_a_megabyte_in_the_segment_of_the_request_comes_back(rung: DriverChoice) {
    let siege = Siege::new(rung);
    for fragments in [1, 7] {
        let mut peer = siege.rig.silent_peer();
        let message = pattern(1 << 20);
        let mut bytes = request("/");
        for (index, piece) in message.chunks(message.len().div_ceil(fragments)).enumerate() {
            let opcode = if index == 0 { BINARY } else { CONTINUATION };
            bytes.extend(fragment(index + 1 == fragments, opcode, piece));
        }
        let sending = peer.send_beside(bytes);
        peer.expect_accepted();
        peer.expect_binary(&message);
        sending.join().unwrap();
        peer.close();
    }
    siege.end();
}

fn a_head_that_never_ends_is_answered_431_and_holds_no_more_than_its_limit(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for filler in ["x", "\r\n"] {
        let mut peer = siege.rig.silent_peer();
        if filler == "x" {
            peer.send(b"GET / HTTP/1.1\r\nX: ");
        }
        let piece = filler.repeat(1000);
        let mut sent = 0;
        // The answer comes at the limit of 8 KiB; what is sent behind it is thrown away.
        while !peer.has_something() {
            peer.send(piece.as_bytes());
            sent += piece.len();
            assert!(sent < 64 << 20, "{sent} bytes of head were taken");
            siege.check_neighbour();
        }
        peer.expect_refused(431);
    }
    wait_until("both have ended", || siege.rig.on_its_way()[0] == 0);
    siege.end();
}
