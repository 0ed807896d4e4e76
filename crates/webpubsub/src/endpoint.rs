//! The names under which others reach this gateway.

use std::fmt;

/// A public name of the gateway: `http://host`, `https://host`, each with a port or without, and nothing behind it.
/// Behind a proxy it is the proxy's. Audiences of tokens are compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    scheme_len: usize,
    /// Of the host, with its brackets if it is an IPv6 address.
    host_len: usize,
}

/// The text is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointError;

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an endpoint is http:// or https://, a host, and a port if need be, and no path")
    }
}

impl std::error::Error for EndpointError {}

impl Endpoint {
    /// Reads an endpoint. A `/` at its end is dropped.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let (scheme, authority) = text.split_once("://").ok_or(EndpointError)?;
        let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let host_len = match authority.strip_prefix('[') {
            Some(rest) => rest.find(']').ok_or(EndpointError)? + 2,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at(host_len);
        if !known || !is_host(host) || !is_port(port) {
            return Err(EndpointError);
        }
        Ok(Self { text: text.to_owned(), scheme_len: scheme.len(), host_len })
    }

    /// As it was written, without a `/` at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host without its port: what services are told in `WebHook-Request-Origin`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority()[..self.host_len]
    }

    /// The host, with its port if one was written.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.text[self.scheme_len + 3..]
    }

    /// The ways to write it: as it is, and with the scheme's own port or without it where that says the same.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = String> {
        let long = || self.has_no_port().then(|| format!("{}{}", self.text, self.own_port()));
        let other = self.short().map(str::to_owned).or_else(long);
        std::iter::once(self.text.clone()).chain(other)
    }

    /// What a text has behind this endpoint, if it begins with one of its spellings. Letter case makes no difference.
    pub(crate) fn rests_of<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let rest = after(text, &self.text);
        let behind_port = rest.filter(|_| self.has_no_port()).and_then(|rest| after(rest, self.own_port()));
        let behind_short = self.short().and_then(|short| after(text, short));
        [rest, behind_port, behind_short].into_iter().flatten()
    }

    /// The port that its scheme has without one.
    fn own_port(&self) -> &'static str {
        if self.scheme_len == 4 { ":80" } else { ":443" }
    }

    fn has_no_port(&self) -> bool {
        self.authority().len() == self.host_len
    }

    /// It without the scheme's own port, where that is written.
    fn short(&self) -> Option<&str> {
        let without = self.text.strip_suffix(self.own_port())?;
        (self.authority().len() == self.host_len + self.own_port().len()).then_some(without)
    }
}

/// What comes behind a beginning, whatever its letter case.
fn after<'t>(text: &'t str, beginning: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then_some(rest)
}

fn is_host(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        }
    }
}

fn is_port(port: &str) -> bool {
    let Some(digits) = port.strip_prefix(':') else { return port.is_empty() };
    digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_and_a_host_and_perhaps_a_port() {
        for (text, host, authority) in [
            ("http://127.0.0.1:8085", "127.0.0.1", "127.0.0.1:8085"),
            ("https://chat.example/", "chat.example", "chat.example"),
            ("HTTPS://[::1]:1", "[::1]", "[::1]:1"),
            ("http://[::1]", "[::1]", "[::1]"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.host(), endpoint.authority()), (host, authority), "{text}");
            assert_eq!(endpoint.as_str(), text.trim_end_matches('/'));
        }
        for text in [
            "",
            "chat.example",
            "ws://a",
            "http://",
            "http://a/b",
            "http://a//",
            "http://a:",
            "http://a:+1",
            "http://a:70000",
            "http://u@a",
            "http://[::1",
            "http://[a]",
            "http://[::1]a",
            "http://a?b",
            "http://a b",
            "http://ü",
            "http://a\r\nb",
        ] {
            assert_eq!(Endpoint::parse(text), Err(EndpointError), "{text}");
        }
    }

    #[test]
    fn the_own_port_of_a_scheme_may_be_written_or_not() {
        for (text, spellings) in [
            ("http://a", vec!["http://a", "http://a:80"]),
            ("http://a:80", vec!["http://a:80", "http://a"]),
            ("https://[::1]:443", vec!["https://[::1]:443", "https://[::1]"]),
            ("https://a:80", vec!["https://a:80"]),
            ("http://[::80]", vec!["http://[::80]", "http://[::80]:80"]),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.spellings().collect::<Vec<_>>(), spellings, "{text}");
            for spelling in spellings {
                let url = format!("{}/x", spelling.to_ascii_uppercase());
                assert!(endpoint.rests_of(&url).any(|rest| rest == "/x" || rest == "/X"), "{text}: {url}");
            }
            assert_eq!(endpoint.rests_of(&format!("{text}0")).filter(|rest| rest.is_empty()).count(), 0);
        }
    }
}
