//! Ordinary HTTP requests, such as a load balancer's health check.

/// A request that asks for no upgrade to WebSocket, in HTTP/1.0 or 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRequest<'b> {
    /// The method, a token: upper and lower case differ.
    pub method: &'b str,
    /// The path, from `/` on and without the query, not decoded.
    pub path: &'b str,
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
    use crate::{HandshakeError, HeadLimits, HeadStatus, parse_head};

    fn plain(head: &str) -> Option<(PlainRequest<'_>, HandshakeError)> {
        match parse_head(head.as_bytes(), &HeadLimits::default()) {
            Ok(HeadStatus::Plain { request, why, head_len }) if head_len == head.len() => {
                Some((request, why))
            }
            _ => None,
        }
    }

    #[test]
    fn every_request_that_is_no_upgrade_is_read_and_its_flaw_named() {
        let (path, why) = ("/healthz", HandshakeError::VersionNotSupported);
        let get = PlainRequest { method: "GET", path };
        assert_eq!(plain("GET /healthz HTTP/1.0\r\n\r\n"), Some((get, why)));
        let head = PlainRequest { method: "HEAD", path };
        assert_eq!(plain("HEAD /healthz?from=lb HTTP/1.0\r\nHost: h\r\n\r\n"), Some((head, why)));
        let why = HandshakeError::MethodNotGet;
        assert_eq!(plain("HEAD /healthz HTTP/1.1\r\n\r\n"), Some((head, why)));
        let upgrade = "POST / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(plain(upgrade), Some((PlainRequest { method: "POST", path: "/" }, why)));
        let why = HandshakeError::NotAnUpgrade;
        let whole = plain("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(whole, Some((PlainRequest { method: "GET", path: "/" }, why)));
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
}
