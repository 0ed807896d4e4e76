//! PROXY headers of both versions, whole, cut, damaged.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use holdfast_proto::fuzz;
use holdfast_proto::proxy::{ProxyError, ProxyStatus, V1_LEN_MAX, V2_LEN_MAX, parse_proxy};
use proptest::prelude::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, rest].concat()
}

/// Source 192.0.2.1:4660, destination 198.51.100.2:443.
const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb];

fn ipv6() -> Vec<u8> {
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    [&address("2001:db8::1")[..], &address("2001:db8::2"), &[0x12, 0x34, 0x01, 0xbb]].concat()
}

#[track_caller]
fn check(header: &[u8], source: Option<&str>) {
    let source = source.map(|text| text.parse::<SocketAddr>().unwrap());
    let complete = Ok(ProxyStatus::Complete { source, header_len: header.len() });
    for len in 0..header.len() {
        assert_eq!(parse_proxy(&header[..len]), Ok(ProxyStatus::NeedMore), "cut at {len}");
    }
    assert_eq!(parse_proxy(header), complete);
    assert_eq!(parse_proxy(&[header, b"GET / HTTP/1.1\r\n"].concat()), complete, "with a request behind it");
    fuzz::proxy(header);
}

#[test]
fn version_1_names_the_source() {
    check(b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n", Some("192.0.2.1:4660"));
    check(b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", Some("[2001:db8::1]:0"));
    let longest = "ffff:".repeat(7) + "ffff";
    let line = format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n");
    check(line.as_bytes(), Some(&format!("[{longest}]:65535")));
}

#[test]
fn version_1_may_not_know_the_source() {
    check(b"PROXY UNKNOWN\r\n", None);
    check(format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_LEN_MAX - 16)).as_bytes(), None);
}

#[test]
fn version_2_names_the_source_and_its_extensions_are_skipped() {
    check(&v2(0x21, 0x11, &IPV4), Some("192.0.2.1:4660"));
    check(&v2(0x21, 0x21, &ipv6()), Some("[2001:db8::1]:4660"));
    // PP2_TYPE_CRC32C with a checksum that is wrong: it is not looked at.
    check(&v2(0x21, 0x11, &[&IPV4[..], &[3, 0, 4, 1, 2, 3, 4]].concat()), Some("192.0.2.1:4660"));
}

#[test]
fn a_proxy_may_speak_for_itself_or_not_know() {
    check(&v2(0x20, 0x00, b""), None);
    check(&v2(0x20, 0x11, &IPV4), None);
    check(&v2(0x20, 0xff, b"anything"), None);
    check(&v2(0x21, 0x00, b"extensions"), None);
    check(&v2(0x21, 0x31, &[b'/'; 216]), None);
}

#[test]
fn what_is_no_header_is_seen_at_its_first_wrong_byte() {
    for input in [&b"G"[..], b"PO", b"PROXY\r", b"\r\n\r\n\0\r\nQUIX", b"\x16", b"\n"] {
        assert_eq!(parse_proxy(input), Err(ProxyError::Missing), "{input:?}");
        assert_eq!(parse_proxy(&input[..input.len() - 1]), Ok(ProxyStatus::NeedMore), "{input:?}");
        fuzz::proxy(input);
    }
}

#[test]
fn malformed_headers_are_refused() {
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4660\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4660 443 \r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 4660 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 04660 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.2 1 443\r\n",
        "PROXY TCP4 ::1 ::1 1 443\r\n",
        "PROXY TCP6 192.0.2.1 ::1 1 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
    ] {
        assert_eq!(parse_proxy(line.as_bytes()), Err(ProxyError::Malformed), "{line:?}");
        fuzz::proxy(line.as_bytes());
    }
    for header in
        [v2(0x11, 0x11, &IPV4), v2(0x22, 0x11, &IPV4), v2(0x21, 0x13, &IPV4), v2(0x21, 0x11, &IPV4[..11])]
    {
        assert_eq!(parse_proxy(&header), Err(ProxyError::Malformed), "{header:?}");
        fuzz::proxy(&header);
    }
}

#[test]
fn a_header_has_a_bound() {
    let line = [&b"PROXY UNKNOWN "[..], &[b'x'; V1_LEN_MAX]].concat();
    assert_eq!(parse_proxy(&line[..V1_LEN_MAX - 1]), Ok(ProxyStatus::NeedMore));
    assert_eq!(parse_proxy(&line[..V1_LEN_MAX]), Err(ProxyError::TooLong));
    let longest = vec![0; V2_LEN_MAX - 16];
    check(&v2(0x21, 0x00, &longest), None);
    let header = v2(0x21, 0x00, &[&longest[..], &[0]].concat());
    assert_eq!(parse_proxy(&header[..16]), Err(ProxyError::TooLong), "as soon as the length is there");
}

proptest! {
    #[test]
    fn any_bytes_keep_the_promises(
        start in prop::sample::select(vec![
            &b""[..], b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 1::", SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21",
        ]),
        data in proptest::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(&b" \r\n.:01\x11\x21"[..])],
            0..150,
        ),
    ) {
        fuzz::proxy(&[start, &data].concat());
    }

    #[test]
    fn every_address_is_read_back_from_both_versions(
        source in any::<SocketAddr>(),
        behind in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let source = SocketAddr::new(source.ip(), source.port());
        let (ip, port) = (source.ip(), source.port());
        let family = if ip.is_ipv4() { 4 } else { 6 };
        let line = format!("PROXY TCP{family} {ip} {ip} {port} 443\r\n");
        let octets = match ip {
            std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
            std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let rest = [&octets[..], &octets, &port.to_be_bytes(), &[1, 187]].concat();
        let binary = v2(0x21, if ip.is_ipv4() { 0x11 } else { 0x21 }, &rest);
        for header in [line.as_bytes(), &binary] {
            let input = [header, &behind].concat();
            prop_assert_eq!(
                parse_proxy(&input),
                Ok(ProxyStatus::Complete { source: Some(source), header_len: header.len() })
            );
        }
    }
}
