//! Ordinary HTTP requests, such as a load balancer's health check.

use std::fmt;

use super::lists::Lines;
use super::target::Target;

/// A request that asks for no upgrade to WebSocket, in HTTP/1.0 or 1.1.
#[derive(Clone, Copy)]
pub struct PlainRequest<'b> {
    /// The method, a token: upper and lower case differ.
    pub method: &'b str,
    /// The path, from `/` on and without the query, not decoded.
    pub path: &'b str,
    /// Whether it is in HTTP/1.1, not 1.0.
    pub is_http_1_1: bool,
    target: Target<'b>,
    header_block: &'b [u8],
}

impl<'b> PlainRequest<'b> {
    pub(super) fn new(
        method: &'b str,
        target: Target<'b>,
        is_http_1_1: bool,
        header_block: &'b [u8],
    ) -> Self {
        Self { method, path: target.path(), is_http_1_1, target, header_block }
    }

    /// The request target as sent: a path with an optional query, or an absolute URI. No spaces, `#` and control
    /// characters are in it.
    #[must_use]
    pub fn target(&self) -> &'b str {
        self.target.raw
    }

    /// What follows the first `?` of the target, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        self.target.path_and_query.split_once('?').map(|(_, query)| query)
    }

    /// The value of the first header with this name, upper or lower case alike.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in the order they were sent: name, and value without the whitespace around it.
    pub fn headers(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> + use<'b> {
        Lines::new(self.header_block)
    }
}

impl fmt::Debug for PlainRequest<'_> {
    /// Without the query and the headers, where tokens are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, is_http_1_1, .. } = self;
        let request = &mut f.debug_struct("PlainRequest");
        request
            .field("method", method)
            .field("path", path)
            .field("is_http_1_1", is_http_1_1)
            .finish_non_exhaustive()
    }
}

/// Appends the response that a health check hopes for: 200, and the end of the connection. To HEAD it has no body, but
/// says the length of the one that GET would get (RFC 9110 9.3.2).
pub fn write_healthy(out: &mut Vec<u8>, is_head: bool) {
    out.extend_from_slice(
        b"HTTP/1.1 200 OK\r\n\
          Connection: close\r\n\
          Cache-Control: no-store\r\n\
          Content-Type: text/plain; charset=utf-8\r\n\
          Content-Length: 3\r\n\
          \r\n",
    );
    if !is_head {
        out.extend_from_slice(b"ok\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{RequestStatus, parse_request};
    use crate::{HandshakeError, HeadLimits, HeadStatus, parse_head};

    const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 64 << 10, headers_max: 100 };

    /// Method, path, and what is wrong with it.
    fn plain(head: &str) -> Option<(&str, &str, HandshakeError)> {
        match parse_head(head.as_bytes(), &HeadLimits::default()) {
            Ok(HeadStatus::Plain { request, why, head_len }) if head_len == head.len() => {
                Some((request.method, request.path, why))
            }
            _ => None,
        }
    }

    #[test]
    fn every_request_that_is_no_upgrade_is_read_and_its_flaw_named() {
        let (path, why) = ("/healthz", HandshakeError::VersionNotSupported);
        assert_eq!(plain("GET /healthz HTTP/1.0\r\n\r\n"), Some(("GET", path, why)));
        let with_query = "HEAD /healthz?from=lb HTTP/1.0\r\nHost: h\r\n\r\n";
        assert_eq!(plain(with_query), Some(("HEAD", path, why)));
        let why = HandshakeError::MethodNotGet;
        assert_eq!(plain("HEAD /healthz HTTP/1.1\r\n\r\n"), Some(("HEAD", path, why)));
        let upgrade = "POST / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(plain(upgrade), Some(("POST", "/", why)));
        let why = HandshakeError::NotAnUpgrade;
        assert_eq!(plain("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n"), Some(("GET", "/", why)));
    }

    #[test]
    fn what_is_cut_or_malformed_is_no_request() {
        for head in [
            "",
            "GET /healthz HTTP/1.1\r\n",
            "GET * HTTP/1.1\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\n\r\n",
            "\x16\x03",
        ] {
            assert_eq!(plain(head), None, "{head:?}");
        }
    }

    fn served(head: &str) -> Result<PlainRequest<'_>, HandshakeError> {
        match parse_request(head.as_bytes(), &LIMITS)? {
            RequestStatus::Plain { request, head_len } if head_len == head.len() => Ok(request),
            other => panic!("{head:?}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_with_its_target_and_all_of_its_headers() {
        let head = "POST /a?b=c?d HTTP/1.1\r\nHost: h:1\r\nX: 1 \r\nx:2\r\nAuthorization: Bearer s\r\n\r\n";
        let request = served(head).unwrap();
        assert_eq!((request.method, request.path), ("POST", "/a"));
        assert_eq!((request.target(), request.query()), ("/a?b=c?d", Some("b=c?d")));
        assert_eq!((request.is_http_1_1, request.header("x")), (true, Some(&b"1"[..])));
        let headers: Vec<_> = request.headers().collect();
        let expected = [("Host", "h:1"), ("X", "1"), ("x", "2"), ("Authorization", "Bearer s")];
        assert_eq!(headers, expected.map(|(name, value)| (name, value.as_bytes())));
        assert_eq!(
            format!("{request:?}"),
            r#"PlainRequest { method: "POST", path: "/a", is_http_1_1: true, .. }"#,
            "neither the query nor a token"
        );
    }

    #[test]
    fn a_request_says_for_which_host_it_is() {
        let with = |lines: &str| format!("GET / HTTP/1.1\r\n{lines}\r\n");
        let missing = Some(HandshakeError::MissingHeader("Host"));
        assert_eq!(served(&with("")).err(), missing);
        let twice = Some(HandshakeError::DuplicateHeader("Host"));
        assert_eq!(served(&with("Host: h\r\nHost: h\r\n")).err(), twice);
        for host in ["", "a b", "a/b", "u@h"] {
            let head = with(&format!("Host: {host}\r\n"));
            assert_eq!(served(&head).err(), Some(HandshakeError::BadHost), "{host:?}");
        }
        assert!(served("GET / HTTP/1.0\r\n\r\n").is_ok(), "HTTP/1.0 has no Host");
        assert_eq!(served("GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n").err(), twice);
        let origins = "Host: h\r\nOrigin: a\r\nOrigin: b\r\nHost: i\r\n";
        assert_eq!(served(&with(origins)).err(), twice, "whatever came twice before it");
    }

    #[test]
    fn what_asks_for_a_websocket_is_an_upgrade_well_or_badly() {
        for head in [
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "GET * HTTP/1.1\r\nUpgrade: h2c, WebSocket\r\nContent-Length: 5\r\n\r\n",
        ] {
            let status = parse_request(head.as_bytes(), &LIMITS);
            assert!(matches!(status, Ok(RequestStatus::Upgrade)), "{head:?}: {status:?}");
            let shards = parse_head(head.as_bytes(), &LIMITS);
            assert!(shards.is_err(), "{shards:?}");
        }
        for head in [
            "POST / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
            "GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n",
        ] {
            assert!(served(head).is_ok(), "{head:?}");
        }
    }

    #[test]
    fn as_many_headers_and_bytes_as_may_be() {
        let with = |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(served(&with(99)).is_ok());
        assert_eq!(served(&with(100)).err(), Some(HandshakeError::TooManyHeaders));
        let long = |len: usize| {
            let head = "GET / HTTP/1.1\r\nHost: h\r\nA: \r\n\r\n";
            head.replace("A: ", &format!("A: {}", "b".repeat(len - head.len())))
        };
        assert!(served(&long(64 << 10)).is_ok());
        assert_eq!(served(&long((64 << 10) + 1)).err(), Some(HandshakeError::HeadTooLong));
    }
}
