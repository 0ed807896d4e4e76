//! Where a NATS server is.

use std::net::{IpAddr, Ipv6Addr};

use toml::Value as Toml;

use crate::settings::kinds::Kind;

/// The port at which NATS listens where nothing else is said.
const PORT: u16 = 4222;

/// The URL of a NATS server. Whoever writes a password into it is refused, and no refusal repeats it.
pub(in crate::settings) struct Server;

impl Kind for Server {
    type Value = String;

    fn placeholder(&self) -> String {
        "URL".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        url(text)
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }

    fn may_hide(&self) -> bool {
        true
    }
}

/// Scheme, host and port of a server, always with its port.
fn url(text: &str) -> Result<String, String> {
    let expected = || {
        "expected the URL of a NATS server such as nats://127.0.0.1:4222 or tls://nats.example.com:4222"
            .to_owned()
    };
    if text.contains('@') {
        return Err(
            "expected no user, password or token in the URL of a NATS server: put them into a file that \
                    cluster-credentials names"
                .to_owned(),
        );
    }
    let (scheme, authority) = text.split_once("://").ok_or_else(expected)?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "nats" | "tls") {
        return Err(expected());
    }
    let (host, port) = parts(authority.strip_suffix('/').unwrap_or(authority)).ok_or_else(expected)?;
    Ok(format!("{scheme}://{}:{port}", host.to_ascii_lowercase()))
}

/// The host, in brackets where it is an IPv6 address, and the port.
fn parts(authority: &str) -> Option<(&str, u16)> {
    let host_len = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_len);
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
        None => rest.is_empty().then_some(PORT),
    };
    Some((host, port.filter(|port| *port != 0)?)).filter(|_| is_host(host))
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !host.is_empty() && host.bytes().all(is_allowed)
        }
    }
}

/// Whether what is said to the server of a URL is encrypted for sure.
pub(super) fn is_encrypted(url: &str) -> bool {
    url.starts_with("tls://")
}

/// Whether the server of a URL is on this machine.
pub(super) fn is_here(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, authority)| authority);
    let host = parts(authority).map_or("", |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_kept_in_one_form() {
        for (text, kept) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("TLS://Nats.Example.com", "tls://nats.example.com:4222"),
            ("nats://nats-1.prod_eu:6222/", "nats://nats-1.prod_eu:6222"),
            ("nats://[::1]", "nats://[::1]:4222"),
            ("tls://[2001:db8::1]:1", "tls://[2001:db8::1]:1"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn what_is_no_server_is_refused_and_not_repeated() {
        for text in [
            "",
            "marker",
            "marker:4222",
            "http://marker",
            "nats:/marker",
            "nats://",
            "nats://:4222",
            "nats://marker:0",
            "nats://marker:65536",
            "nats://marker:",
            "nats://marker:+1",
            "nats://marker/a",
            "nats://marker?a",
            "nats://a marker",
            "nats://::1",
            "nats://[::1",
            "nats://[marker]:1",
            "nats://[::1]marker",
            "nats://é",
        ] {
            let refused = url(text).expect_err(text);
            assert!(
                refused.starts_with("expected the URL") && !refused.contains("marker"),
                "{text}: {refused}"
            );
        }
        for text in ["nats://marker@a:4222", "nats://a:marker@b", "a:marker@b", "tls://marker/b@c"] {
            let refused = url(text).expect_err(text);
            assert!(refused.contains("cluster-credentials") && !refused.contains("marker"), "{refused}");
        }
    }

    #[test]
    fn loopback_is_here_and_all_else_is_elsewhere() {
        for url in ["nats://localhost:4222", "tls://127.1.2.3:4222", "nats://[::1]:1"] {
            assert!(is_here(url), "{url}");
        }
        for url in
            ["nats://localhost.example.com:4222", "nats://10.0.0.1:4222", "nats://nats:4222", "nats://[::]:1"]
        {
            assert!(!is_here(url), "{url}");
        }
        assert!(is_encrypted("tls://a:1") && !is_encrypted("nats://a:1"));
    }
}
