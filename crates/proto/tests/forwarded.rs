//! X-Forwarded-For and Forwarded: whom proxies speak for, and what clients cannot make them say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use holdfast_proto::forwarded::ForwardedError::{Malformed, TooLong};
use holdfast_proto::forwarded::ForwardedHeader::{Forwarded, XForwardedFor};
use holdfast_proto::forwarded::{ForwardedError, ForwardedHeader, HOPS_MAX, Hop, forwarded_client};
use holdfast_proto::fuzz;
use proptest::prelude::*;

type Outcome = Result<Option<Hop>, ForwardedError>;

/// Proxies are in 10.0.0.0/8 and fd00::/8.
fn is_proxy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

fn read(header: ForwardedHeader, lines: &[&str]) -> Outcome {
    forwarded_client(header, lines.iter().map(|line| line.as_bytes()), is_proxy)
}

fn client(address: &str) -> Outcome {
    Ok(Some(Hop::Address(address.parse().unwrap())))
}

const HIDDEN: Outcome = Ok(Some(Hop::Hidden));

#[test]
fn the_first_from_the_right_that_is_no_proxy_is_the_client() {
    for (lines, outcome) in [
        (&["192.0.2.1"][..], client("192.0.2.1")),
        (&["192.0.2.9, 192.0.2.1"], client("192.0.2.1")),
        (&["192.0.2.9, 192.0.2.1,10.0.0.1 ,\tfd00::1"], client("192.0.2.1")),
        (&["192.0.2.9", "192.0.2.1, 10.0.0.1", "10.0.0.2"], client("192.0.2.1")),
        // A proxy that asks for itself, or one behind others.
        (&["10.0.0.3, 10.0.0.1, 10.0.0.2"], client("10.0.0.3")),
        (&["2001:db8::1, [fd00::1]:80"], client("2001:db8::1")),
        (&["::ffff:192.0.2.1"], client("192.0.2.1")),
        (&["192.0.2.1, ::ffff:10.0.0.1"], client("192.0.2.1")),
        (&["192.0.2.1:4711, 10.0.0.1:80"], client("192.0.2.1")),
        (&["192.0.2.9, unknown, 10.0.0.1"], HIDDEN),
        (&[], Ok(None)),
        (&["", " , ,"], Ok(None)),
        (&[",192.0.2.1,,"], client("192.0.2.1")),
    ] {
        assert_eq!(read(XForwardedFor, lines), outcome, "{lines:?}");
    }
}

#[test]
fn the_examples_of_rfc_7239_are_read() {
    for (line, outcome) in [
        // Section 4.
        ("for=\"_gazonk\"", HIDDEN),
        ("For=\"[2001:db8:cafe::17]:4711\"", client("2001:db8:cafe::17")),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", client("192.0.2.60")),
        ("for=192.0.2.43, for=198.51.100.17", client("198.51.100.17")),
        // Section 6.3, 7.1 and 7.4.
        ("for=_hidden, for=_SEVKISEK", HIDDEN),
        ("for=192.0.2.43, for=\"[2001:db8:cafe::17]\"", client("2001:db8:cafe::17")),
        ("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown", HIDDEN),
        // Section 7.5.
        (
            "for=192.0.2.43,\tfor=198.51.100.17;by=203.0.113.60;proto=http;host=example.com",
            client("198.51.100.17"),
        ),
    ] {
        assert_eq!(read(Forwarded, &[line]), outcome, "{line}");
    }
}

#[test]
fn elements_may_be_written_in_many_ways() {
    for (lines, outcome) in [
        (&["for=192.0.2.1", "for=10.0.0.1, for=10.0.0.2"][..], client("192.0.2.1")),
        (&["FOR=192.0.2.1"], client("192.0.2.1")),
        (&["by=_a;;for=\"192.0.2.1:80\"; proto=https ;"], client("192.0.2.1")),
        (&["for=\"192\\.0.2.\\1\""], client("192.0.2.1")),
        (&["host=\"a,b;for=192.0.2.9\\\"\";for=192.0.2.1"], client("192.0.2.1")),
        (&["for=192.0.2.1, proto=https"], HIDDEN),
        (&["for=192.0.2.1, ;"], HIDDEN),
        (&[", ,"], Ok(None)),
    ] {
        assert_eq!(read(Forwarded, lines), outcome, "{lines:?}");
    }
}

#[test]
fn what_does_not_follow_the_grammar_is_malformed() {
    for line in [
        "192.0.2.1",
        "for=",
        "for",
        "=192.0.2.1",
        "for =192.0.2.1",
        "for= 192.0.2.1",
        "for=192.0.2.1:80",
        "for=[2001:db8::1]",
        "for=2001:db8::1",
        "for=\"2001:db8::1\"",
        "for=\"192.0.2.1",
        "for=\"192.0.2.1\\\"",
        "for=\"192.0.2.1\" x",
        "for=\"192.0.2.1\"for=10.0.0.1",
        "for=192.0.2.1;for=192.0.2.1",
        "for=192.0.2.1 proto=http",
        "for=\"192.0.2.1\u{1}\"",
        "for=example.com",
        "for=192.0.2.1;host=a/b",
    ] {
        assert_eq!(read(Forwarded, &[line]), Err(Malformed), "{line}");
        assert_eq!(read(Forwarded, &[&format!("{line}, for=10.0.0.1")]), Err(Malformed), "{line} and more");
    }
    let long = format!("for=\"\\_{}\"", "x".repeat(64));
    assert_eq!(read(Forwarded, &[&long]), Err(Malformed), "more backslashed than an address has");
    for line in
        ["x", "192.0.2.1 10.0.0.1", "\"192.0.2.1\"", "for=192.0.2.1", "192.0.2.1;10.0.0.1", "x, 10.0.0.1"]
    {
        assert_eq!(read(XForwardedFor, &[line]), Err(Malformed), "{line}");
    }
}

#[test]
fn what_a_client_has_written_to_the_left_of_its_address_is_not_looked_at() {
    assert_eq!(read(XForwardedFor, &["\", x, 10.0.0.1, 192.0.2.1, 10.0.0.2"]), client("192.0.2.1"));
    assert_eq!(read(Forwarded, &["for=\"", "for=192.0.2.1, for=10.0.0.1"]), client("192.0.2.1"));
    // In the proxy's own line it would have the last word on where the proxy's words begin.
    assert_eq!(read(Forwarded, &["for=192.0.2.9;x=\", for=192.0.2.1"]), Err(Malformed));
    let quoted = "for=192.0.2.9;x=\", for=\"[2001:db8::1]\";host=\";y=\"";
    assert_eq!(read(Forwarded, &[quoted]), Err(Malformed));
}

#[test]
fn a_list_has_a_bound() {
    let list = |len: usize| vec!["10.0.0.1"; len].join(",");
    assert_eq!(read(XForwardedFor, &[&list(HOPS_MAX)]), client("10.0.0.1"));
    assert_eq!(read(XForwardedFor, &[&list(HOPS_MAX + 1)]), Err(TooLong));
    assert_eq!(read(XForwardedFor, &[&list(HOPS_MAX), "192.0.2.1"]), Err(TooLong));
    let elements = vec!["for=192.0.2.1"; HOPS_MAX];
    assert_eq!(read(Forwarded, &elements), client("192.0.2.1"));
    assert_eq!(read(Forwarded, &[&elements[..], &["for=192.0.2.1"]].concat()), Err(TooLong));
}

#[test]
fn nothing_is_allocated() {
    let lines = ["192.0.2.9, x, unknown", "[2001:db8::1]:80, 10.0.0.1"];
    let elements = ["for=\"\\[2001:db8::1]\";proto=https, for=10.0.0.1", "for=_x;host=\"a\\\"b\""];
    let info = allocation_counter::measure(|| {
        let _ = (read(XForwardedFor, &lines), read(Forwarded, &elements));
    });
    assert_eq!(info.count_total, 0);
}

/// An entry as it is written, and what it means.
fn entry() -> impl Strategy<Value = (String, Result<Hop, ForwardedError>)> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
        any::<[u8; 16]>().prop_map(|bytes| IpAddr::from(bytes).to_canonical()),
        any::<[u8; 15]>().prop_map(|bytes| {
            let mut all = [0xfd; 16];
            all[1..].copy_from_slice(&bytes);
            IpAddr::from(all)
        }),
    ];
    let port = prop_oneof![Just(String::new()), any::<u16>().prop_map(|port| format!(":{port}"))];
    prop_oneof![
        6 => (address, port).prop_map(|(address, port)| {
            let text = if address.is_ipv4() { format!("{address}{port}") } else { format!("[{address}]{port}") };
            (text, Ok(Hop::Address(address)))
        }),
        1 => "_[a-zA-Z0-9._-]{1,9}".prop_map(|text| (text, Ok(Hop::Hidden))),
        1 => Just(("unknown".to_owned(), Ok(Hop::Hidden))),
        1 => "[g-t]{1,5}\\.".prop_map(|text| (text, Err(Malformed))),
    ]
}

/// The algorithm as everybody describes it, from the right.
fn from_the_right(hops: &[Result<Hop, ForwardedError>]) -> Outcome {
    let mut last = Ok(None);
    for hop in hops.iter().rev() {
        last = (*hop).map(Some);
        if !matches!(hop, Ok(Hop::Address(address)) if is_proxy(*address)) {
            break;
        }
    }
    last
}

fn cut_into_lines(entries: &[String], cuts: &[bool]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (index, entry) in entries.iter().enumerate() {
        let line = lines.last_mut().unwrap();
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(entry);
        if cuts.get(index) == Some(&true) {
            lines.push(String::new());
        }
    }
    lines
}

fn refs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

proptest! {
    #[test]
    fn the_walk_is_the_one_from_the_right(
        entries in prop::collection::vec(entry(), 0..12),
        cuts in prop::collection::vec(any::<bool>(), 12),
    ) {
        let hops: Vec<_> = entries.iter().map(|(_, hop)| *hop).collect();
        let texts: Vec<String> = entries.iter().map(|(text, _)| text.clone()).collect();
        prop_assert_eq!(read(XForwardedFor, &refs(&cut_into_lines(&texts, &cuts))), from_the_right(&hops));

        // Forwarded, each element in a line of its own, so that a malformed one ends nothing but itself.
        let elements: Vec<String> =
            texts.iter().map(|text| format!("by=_me;for=\"{text}\";proto=https")).collect();
        prop_assert_eq!(read(Forwarded, &refs(&elements)), from_the_right(&hops));
        if hops.iter().all(Result::is_ok) {
            prop_assert_eq!(read(Forwarded, &refs(&cut_into_lines(&elements, &cuts))), from_the_right(&hops));
        }
    }

    #[test]
    fn no_client_passes_for_another(
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[ -~]{0,60}".prop_map(String::into_bytes),
            r#"(for=|"|\\|;|,|10\.0\.0\.1|192\.0\.2\.9|_x|by=|host="|\[|\]| ){0,20}"#.prop_map(String::into_bytes),
        ],
    ) {
        fuzz::forwarded(&data);
    }
}
