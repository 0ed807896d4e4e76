//! Identifiers of nodes (RFC 7239 section 6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::hop::Hop;

/// RFC 7239 section 6: `node = nodename [ ":" node-port ]`, where `nodename = IPv4address / "[" IPv6address "]" /
/// "unknown" / obfnode`. The port is checked and not kept. `None` when it is none of these.
pub(super) fn node(text: &[u8]) -> Option<Hop> {
    let (hop, port) = match text {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b']')?;
            (Hop::Address(ipv6(&rest[..end])?), &rest[end + 1..])
        }
        _ => {
            let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            (name(&text[..end])?, &text[end..])
        }
    };
    let valid = match port {
        [] => true,
        [b':', port @ ..] => is_port(port),
        _ => false,
    };
    valid.then_some(hop)
}

/// The same, or an IPv6 address without brackets: what X-Forwarded-For has.
pub(super) fn address_or_node(text: &[u8]) -> Option<Hop> {
    node(text).or_else(|| ipv6(text).map(Hop::Address))
}

fn name(text: &[u8]) -> Option<Hop> {
    if text.eq_ignore_ascii_case(b"unknown") || is_obfuscated(text) {
        return Some(Hop::Hidden);
    }
    // Without leading zeros, which some take for octal.
    let address: Ipv4Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(Hop::Address(address.into()))
}

/// An address without a zone, which would mean something to the proxy's machine alone.
fn ipv6(text: &[u8]) -> Option<IpAddr> {
    let address: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// RFC 7239 section 6: `node-port = port / obfport`, `port = 1*5DIGIT`.
fn is_port(text: &[u8]) -> bool {
    let is_number = matches!(text.len(), 1..=5) && text.iter().all(u8::is_ascii_digit);
    is_number || is_obfuscated(text)
}

/// RFC 7239 6.3: `"_" 1*( ALPHA / DIGIT / "." / "_" / "-")`.
fn is_obfuscated(text: &[u8]) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    matches!(text, [b'_', rest @ ..] if !rest.is_empty() && rest.iter().all(is_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<Hop> {
        Some(Hop::Address(text.parse().unwrap()))
    }

    #[test]
    fn a_node_is_an_address_or_a_word_that_hides_one_with_a_port_or_without() {
        for (text, hop) in [
            ("192.0.2.43", address("192.0.2.43")),
            ("192.0.2.43:47011", address("192.0.2.43")),
            ("192.0.2.43:_port", address("192.0.2.43")),
            ("[2001:db8:cafe::17]", address("2001:db8:cafe::17")),
            ("[2001:DB8:cafe::17]:4711", address("2001:db8:cafe::17")),
            ("[::ffff:192.0.2.43]", address("192.0.2.43")),
            ("unknown", Some(Hop::Hidden)),
            ("UNKNOWN:1", Some(Hop::Hidden)),
            ("_gazonk", Some(Hop::Hidden)),
            ("_SEVKISEK._-9:_x", Some(Hop::Hidden)),
        ] {
            assert_eq!(node(text.as_bytes()), hop, "{text}");
            assert_eq!(address_or_node(text.as_bytes()), hop, "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            " ",
            "192.0.2",
            "192.0.2.256",
            "192.0.02.43",
            "192.0.2.43:",
            "192.0.2.43:123456",
            "192.0.2.43:-1",
            "192.0.2.43:1:2",
            "[2001:db8::1",
            "[2001:db8::1]1",
            "[2001:db8::1]:",
            "[]",
            "[192.0.2.43]",
            "[fe80::1%eth0]",
            "[::1%1]",
            "_",
            "_a b",
            "__\u{e9}",
            "unknown.",
            "example.com",
            "-",
            "\"192.0.2.43\"",
            "1",
            "0x7f.1",
        ] {
            assert_eq!(node(text.as_bytes()), None, "{text}");
            assert_eq!(address_or_node(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn brackets_may_be_missing_only_where_there_is_no_grammar() {
        for (text, canonical) in [
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:192.0.2.43", "192.0.2.43"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ] {
            assert_eq!(node(text.as_bytes()), None, "{text}");
            assert_eq!(address_or_node(text.as_bytes()), address(canonical), "{text}");
        }
    }
}
