//! The seeds of the fuzz targets: replayed here, and made from vectors by the test that is ignored.

use std::fs;
use std::path::PathBuf;

use holdfast_proto::fuzz::{
    client_frame, compressed_frames, deflate, deflated_payload, differential, forwarded, frames, head,
    messages, proxy,
};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 8] = [
    ("head", head),
    ("frames", frames),
    ("compressed_frames", compressed_frames),
    ("deflate", deflate),
    ("messages", messages),
    ("proxy", proxy),
    ("forwarded", forwarded),
    ("differential", differential),
];

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// The example of RFC 6455 1.3 with what clients add to it.
const HEAD: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; y=\"z\"\r\n\r\n";

/// Heads that are right, and others that each break one rule.
fn heads() -> Vec<(&'static str, Vec<u8>)> {
    let with = |old: &str, new: &str| {
        assert!(HEAD.contains(old), "{old}");
        HEAD.replacen(old, new, 1).into_bytes()
    };
    vec![
        ("example", HEAD.into()),
        ("absolute-target", with("/chat?", "http://example.com:80?")),
        ("frames-behind", [HEAD.as_bytes(), &client_frame(0x81, KEY, b"hello")].concat()),
        ("empty-line-first", with("GET", "\r\nGET")),
        ("bare-lf", HEAD.replace("\r\n", "\n").into()),
        ("obs-fold", with("Origin: ", "Origin:\r\n ")),
        ("many-headers", with("Host", &format!("{}Host", "A: b\r\n".repeat(12)))),
        ("http-1.0", with("HTTP/1.1", "HTTP/1.0")),
        ("http-2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("tls-client-hello", b"\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03".into()),
        ("no-upgrade", b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".into()),
        ("post-with-body", with("GET", "POST")),
        ("content-length", with("Origin: http://example.com", "Content-Length: 5")),
        ("two-keys", with("Origin: ", "Sec-WebSocket-Key: ")),
        ("bad-key", with("dGhl", "????")),
        ("version-8", with("Version: 13", "Version: 8")),
        ("bad-host", with("server.", "a/b")),
        ("quoted-parameter", with("\"z\"", "\"\\z\"")),
    ]
}

/// Streams that are right, and others that each break one rule.
fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let close = |code: u16, reason: &[u8]| client_frame(0x88, KEY, &[&code.to_be_bytes(), reason].concat());
    vec![
        ("hello", client_frame(0x81, KEY, b"Hello")),
        ("empty", client_frame(0x82, KEY, b"")),
        ("length-126", client_frame(0x82, KEY, &[7; 126])),
        ("length-600", client_frame(0x82, KEY, &[7; 600])),
        (
            "fragments-and-controls",
            [
                client_frame(0x01, KEY, "h\u{e9}".as_bytes()),
                client_frame(0x89, KEY, b"ping"),
                client_frame(0x00, KEY, b"\xE2"),
                client_frame(0x8A, KEY, b""),
                client_frame(0x80, KEY, b"\x82\xAC"),
                client_frame(0x82, [0; 4], b"next"),
            ]
            .concat(),
        ),
        ("close", close(1000, b"")),
        ("close-with-reason", close(4999, "tsch\u{fc}\u{df}".as_bytes())),
        ("close-empty", client_frame(0x88, KEY, b"")),
        ("close-and-more", [close(1001, b"bye"), client_frame(0x81, KEY, b"more")].concat()),
        ("close-of-one-byte", client_frame(0x88, KEY, b"x")),
        ("close-1005", close(1005, b"")),
        ("close-1014", close(1014, b"")),
        ("close-2999", close(2999, b"")),
        ("close-reason-not-utf8", close(1000, b"\xFF")),
        ("unmasked", b"\x81\x05Hello".into()),
        ("reserved-bit", client_frame(0xC1, KEY, b"x")),
        ("reserved-opcode", client_frame(0x8B, KEY, b"x")),
        ("control-of-126", client_frame(0x89, KEY, &[0; 126])),
        ("control-fragment", client_frame(0x09, KEY, b"x")),
        ("continuation-of-nothing", client_frame(0x80, KEY, b"x")),
        ("message-inside-message", [client_frame(0x01, KEY, b"x"), client_frame(0x81, KEY, b"y")].concat()),
        ("length-not-minimal", [&[0x82, 0xFE, 0, 5][..], &KEY, b"abcde"].concat()),
        ("length-2-to-63", [&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &KEY].concat()),
        ("frame-over-limit", client_frame(0x82, KEY, &[7; 800])[..20].into()),
        (
            "message-over-limit",
            [client_frame(0x02, KEY, &[7; 550]), client_frame(0x80, KEY, &[7; 550])].concat(),
        ),
        ("text-not-utf8", client_frame(0x81, KEY, b"text \xED\xA0\x80")),
        ("text-cut", client_frame(0x81, KEY, b"text \xF0\x9F\x98")),
    ]
}

/// Streams with compressed messages (RFC 7692).
fn compressed_streams() -> Vec<(&'static str, Vec<u8>)> {
    let hello = deflated_payload(b"Hello");
    let long = deflated_payload(&b"holdfast ".repeat(110));
    let bomb = deflated_payload(&[0; 2000]);
    vec![
        // RFC 7692 7.2.3.1, 7.2.3.3 and 7.2.3.4: made in one block, without compression, and in two blocks.
        ("rfc-one-block", client_frame(0xC1, KEY, &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])),
        ("rfc-stored", client_frame(0xC1, KEY, b"\0\x05\0\xFA\xFFHello\0")),
        ("rfc-final-bit", client_frame(0xC1, KEY, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00])),
        (
            "rfc-two-blocks",
            client_frame(0xC1, KEY, &[0xF2, 0x48, 5, 0, 0, 0, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00]),
        ),
        ("long", client_frame(0xC2, KEY, &long)),
        (
            "fragments-and-ping",
            [
                client_frame(0x41, KEY, &hello[..3]),
                client_frame(0x89, KEY, b"?"),
                client_frame(0x80, KEY, &hello[3..]),
            ]
            .concat(),
        ),
        ("with-and-without", [client_frame(0xC1, KEY, &hello), client_frame(0x81, KEY, b"Hello")].concat()),
        ("bomb", client_frame(0xC2, KEY, &bomb)),
        ("no-stream", client_frame(0xC2, KEY, b"\xFF\xFF\xFF")),
        ("distance-too-far", client_frame(0xC2, KEY, &[0x4B, 0x04, 0x42, 0x00])),
        ("text-not-utf8", client_frame(0xC1, KEY, &deflated_payload(b"\xED\xA0\x80"))),
        ("empty", client_frame(0xC2, KEY, b"")),
        (
            "bit-on-continuation",
            [client_frame(0x41, KEY, &hello[..3]), client_frame(0xC0, KEY, &hello[3..])].concat(),
        ),
        ("bit-on-control", client_frame(0xC9, KEY, b"x")),
    ]
}

/// Payloads to compress: the first byte chooses the level.
fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("words", [&[5][..], &b"more of the same, ".repeat(30)].concat()),
        ("zeros", [&[8][..], &[0; 1000]].concat()),
        ("short", b"\0aaaaaaaa".into()),
        ("no-pattern", [&[0][..], &(0..=255).collect::<Vec<u8>>()].concat()),
    ]
}

/// Plans of streams, as `messages` reads them: two sizes of reads, then for each message its shape, length and cuts.
fn plans() -> Vec<(&'static str, Vec<u8>)> {
    let message = |plan: [u8; 4], payload: &[u8]| [&plan, payload].concat();
    vec![
        ("one-text", [&[3, 1][..], &message([0, 5, 0, 0], b"Hello")].concat()),
        (
            "three-fragments-and-pings",
            [&[7, 2][..], &message([0b1100, 5, 1, 3], "a\u{20ac}b".as_bytes())].concat(),
        ),
        (
            "text-binary-empty",
            [
                &[200, 0][..],
                &message([0, 4, 0, 0], "\u{1F600}".as_bytes()),
                &message([1, 3, 0, 0], b"\xFF\0\x80"),
                &message([0b1010, 0, 0, 0], b""),
            ]
            .concat(),
        ),
        (
            "compressed",
            [&[9, 1][..], &message([0b1_1100, 30, 3, 5], &[b'z'; 30]), &message([0, 2, 0, 0], b"ok")]
                .concat(),
        ),
        ("long", [&[255, 90][..], &message([0b1100_1110, 150, 20, 140], &[b'x'; 1200])].concat()),
    ]
}

/// PROXY headers of both versions, from the examples of the specification's section 2.
fn proxies() -> Vec<(&'static str, Vec<u8>)> {
    let v2 = |command: u8, family: u8, rest: &[u8]| {
        let len = u16::try_from(rest.len()).expect("a short header").to_be_bytes();
        [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &len, rest].concat()
    };
    let ipv4 = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xBB];
    vec![
        ("v1-tcp4", b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\nGET /".to_vec()),
        ("v1-tcp6", b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 0 443\r\n".to_vec()),
        ("v1-unknown", b"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n".to_vec()),
        ("v1-bare-lf", b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n".to_vec()),
        ("v1-too-long", [&b"PROXY UNKNOWN "[..], &[b'x'; 100]].concat()),
        (
            "v2-ipv4-and-extension",
            [&v2(0x21, 0x11, &[&ipv4[..], &[4, 0, 1, 0]].concat())[..], b"GET /"].concat(),
        ),
        ("v2-ipv6", v2(0x21, 0x21, &[7; 36])),
        ("v2-unix", v2(0x21, 0x31, &[b'/'; 216])),
        ("v2-local", v2(0x20, 0x00, b"")),
        ("v2-short", v2(0x21, 0x11, &ipv4[..11])),
        ("v2-other-version", v2(0x31, 0x11, &ipv4)),
        ("missing", b"GET / HTTP/1.1\r\n".to_vec()),
    ]
}

/// Lines of X-Forwarded-For and Forwarded: examples of RFC 7239, and what clients may try.
fn forwarded_lines() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("address", b"192.0.2.9".to_vec()),
        ("several-and-ports", b"192.0.2.9:80, [2001:db8::1]:4711, 2001:db8::2, 10.0.0.1".to_vec()),
        ("lines", b"192.0.2.9\nunknown, _x\n\n, ,".to_vec()),
        ("too-many", [b"1,".repeat(62), b"10.0.0.1".to_vec()].concat()),
        ("element", b"for=192.0.2.60;proto=http;by=203.0.113.43".to_vec()),
        ("elements", b"for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\",for=unknown;host=\"a, b\"".to_vec()),
        ("escaped", b"for=\"192\\.0.2.9\";secret=\"\\\"\"".to_vec()),
        ("quote-left-open", b"for=192.0.2.9;x=\"".to_vec()),
        ("quote-and-backslash", b"for=192.0.2.9;x=\"\\".to_vec()),
        ("twice", b"for=192.0.2.9;for=10.0.0.1".to_vec()),
        ("other-syntax", b"for:192.0.2.9 | for=\x80".to_vec()),
    ]
}

/// Every seed that is made: target, name, bytes.
fn made() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let of = |target, seeds: Vec<(&'static str, Vec<u8>)>| {
        seeds.into_iter().map(move |(name, bytes)| (target, name, bytes))
    };
    // The first byte of this target's input chooses the size of the reads.
    let cut = |streams: Vec<(&'static str, Vec<u8>)>| {
        streams.into_iter().map(|(name, stream)| (name, [&[3][..], &stream].concat())).collect()
    };
    of("head", heads())
        .chain(of("frames", cut(streams())))
        .chain(of("compressed_frames", cut(compressed_streams())))
        .chain(of("deflate", payloads()))
        .chain(of("messages", plans()))
        .chain(of("proxy", proxies()))
        .chain(of("forwarded", forwarded_lines()))
        .chain(of("differential", streams()))
        .collect()
}

fn path(target: &str, name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz/seeds", target, name].iter().collect()
}

#[test]
fn every_seed_keeps_the_promises_of_its_target() {
    for (target, run) in TARGETS {
        let files = fs::read_dir(path(target, "")).expect("the target has seeds");
        let mut count = 0;
        for file in files {
            let file = file.expect("a file").path();
            println!("{}", file.display());
            run(&fs::read(file).expect("it can be read"));
            count += 1;
        }
        assert!(count > 0, "no seeds for {target}");
    }
}

#[test]
fn the_seeds_in_the_repository_are_those_of_the_vectors() {
    for (target, name, bytes) in made() {
        let stored = fs::read(path(target, name)).unwrap_or_default();
        assert!(stored == bytes, "{target}/{name}: write the seeds anew, as fuzz/README.md says");
    }
}

#[test]
#[ignore = "writes the seeds anew"]
fn write_the_seeds() {
    for (target, name, bytes) in made() {
        fs::create_dir_all(path(target, "")).expect("a folder");
        fs::write(path(target, name), bytes).expect("a file");
    }
}
