//! Ordinary HTTP requests, such as a load balancer's health check.

use httparse::{EMPTY_HEADER, Status};

use super::target::Target;
use super::{HEADERS_MAX, HeadLimits};

/// A GET or HEAD request that asks for no upgrade, in HTTP/1.0 or 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRequest<'b> {
    /// The path, from `/` on and without the query, not decoded.
    pub path: &'b str,
    /// The method is HEAD: the answer has no body.
    pub is_head: bool,
}

/// Reads a head that [`parse_head`](super::parse_head) has refused because it is no opening handshake. Nothing, if it
/// is no GET or HEAD either.
#[must_use]
pub fn parse_plain<'b>(input: &'b [u8], limits: &HeadLimits) -> Option<PlainRequest<'b>> {
    let window = &input[..input.len().min(limits.head_bytes_max)];
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers[..limits.headers_max.min(HEADERS_MAX)]);
    let Ok(Status::Complete(_)) = parsed.parse(window) else { return None };
    let is_head = match parsed.method? {
        "GET" => false,
        "HEAD" => true,
        _ => return None,
    };
    let target = Target::parse(parsed.path?).ok()?;
    let path = target.path_and_query.split('?').next().filter(|path| !path.is_empty()).unwrap_or("/");
    Some(PlainRequest { path, is_head })
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

    fn plain(head: &str) -> Option<PlainRequest<'_>> {
        parse_plain(head.as_bytes(), &HeadLimits::default())
    }

    #[test]
    fn a_get_and_a_head_are_read_in_both_versions() {
        let path = "/healthz";
        for version in ["1.0", "1.1"] {
            let get = format!("GET /healthz HTTP/{version}\r\n\r\n");
            assert_eq!(plain(&get), Some(PlainRequest { path, is_head: false }));
            let head = format!("HEAD /healthz?from=lb HTTP/{version}\r\nHost: h\r\n\r\n");
            assert_eq!(plain(&head), Some(PlainRequest { path, is_head: true }));
        }
        let whole = plain("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(whole, Some(PlainRequest { path: "/", is_head: false }));
    }

    #[test]
    fn what_is_cut_malformed_or_of_another_method_is_nothing() {
        for head in
            ["", "GET /healthz HTTP/1.1\r\n", "POST / HTTP/1.1\r\n\r\n", "GET * HTTP/1.1\r\n\r\n", "\x16\x03"]
        {
            assert_eq!(plain(head), None, "{head:?}");
        }
    }
}
