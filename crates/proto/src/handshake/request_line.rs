//! What is wrong with a request line that the parser has refused (RFC 9112 section 3).
//!
//! The parser reads a space in the target as its end and takes what follows for the version. So the line is looked at
//! once more, only when it is refused.

use super::HandshakeError;
use super::lists::is_token_bytes;
use super::target::Target;

/// What a whole request line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'b> {
    /// The method, a token: upper and lower case differ.
    pub method: &'b str,
    /// The path, from `/` on and without the query, not decoded.
    pub path: &'b str,
}

/// Reads the request line alone, as far as the whole head has not come. `None` while it is not whole, and where it is
/// none in HTTP/1.0 or 1.1: what is wrong with it, [`parse_head`](super::parse_head) says.
#[must_use]
pub fn parse_request_line(input: &[u8]) -> Option<RequestLine<'_>> {
    let Line { method, target, end: Some(b' '), behind } = Line::of(input)? else { return None };
    if !behind.starts_with(b"HTTP/1.1\r\n") && !behind.starts_with(b"HTTP/1.0\r\n") {
        return None;
    }
    let method = std::str::from_utf8(method).ok()?;
    let target = Target::parse(std::str::from_utf8(target).ok()?).ok()?;
    Some(RequestLine { method, path: target.path() })
}

/// The beginning of a request line that has not come whole: its method, and as much of its path as is there. `None`
/// where there is less, or where what is there begins none. For whoever must decide before the whole line fits.
#[must_use]
pub fn begun_request_line(input: &[u8]) -> Option<RequestLine<'_>> {
    let Line { method, target, end: None, .. } = Line::of(input)? else { return None };
    let target = std::str::from_utf8(target).ok().filter(|target| target.starts_with('/'))?;
    let path = target.split('?').next().unwrap_or_default();
    Some(RequestLine { method: std::str::from_utf8(method).ok()?, path })
}

/// A request line as far as its method and a space are there.
struct Line<'b> {
    /// A token.
    method: &'b [u8],
    /// Up to the first byte that no target has.
    target: &'b [u8],
    /// That byte.
    end: Option<u8>,
    /// What follows it.
    behind: &'b [u8],
}

impl<'b> Line<'b> {
    fn of(window: &'b [u8]) -> Option<Self> {
        let mut line = window;
        // RFC 9112 2.2 allows empty lines before it.
        while let Some(next) = line.strip_prefix(b"\r\n").or_else(|| line.strip_prefix(b"\n")) {
            line = next;
        }
        let (method, rest) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
        if !is_token_bytes(method) {
            return None;
        }
        let rest = rest.get(1..)?;
        let target_len = rest.iter().position(|byte| !is_visible(*byte)).unwrap_or(rest.len());
        let (target, behind) = rest.split_at(target_len);
        Some(Self {
            method,
            target,
            end: behind.first().copied(),
            behind: behind.get(1..).unwrap_or_default(),
        })
    }
}

/// What a target may consist of, as bytes. Whether they are UTF-8 is seen when all are there.
fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic() || !byte.is_ascii()
}

/// The method or the target has a byte that it must not have.
pub(super) fn bad_token(window: &[u8]) -> HandshakeError {
    match Line::of(window) {
        Some(Line { target, end: Some(end), .. })
            if !matches!((target, end), ([], b' ') | (_, b'\r' | b'\n')) =>
        {
            HandshakeError::UnencodedTarget
        }
        _ => HandshakeError::BadRequestLine,
    }
}

/// What follows the target is not the version 1.0 or 1.1.
pub(super) fn bad_version(window: &[u8]) -> Option<HandshakeError> {
    let version = Line::of(window)?.behind;
    let Some(number) = version.strip_prefix(b"HTTP/") else { return Some(HandshakeError::BadRequestLineEnd) };
    // With a space in the target, `HTTP/2` can be a part of it: how the line goes on decides.
    let end = number.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let is_version = number[0].is_ascii_digit() && matches!(number[end], b'\r' | b'\n');
    Some(if is_version { HandshakeError::VersionNotSupported } else { HandshakeError::BadRequestLineEnd })
}

/// A line does not end as it must: the request line goes on behind its version, or a CR has no LF behind it.
pub(super) fn bad_new_line(window: &[u8]) -> Option<HandshakeError> {
    let behind = Line::of(window).and_then(|line| line.behind.strip_prefix(b"HTTP/1."));
    Some(match behind {
        Some([_, b'\r' | b'\n', ..]) | None => HandshakeError::BadLineEnding,
        Some(_) => HandshakeError::BadRequestLineEnd,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str) -> Option<(&str, &str)> {
        parse_request_line(input.as_bytes()).map(|line| (line.method, line.path))
    }

    #[test]
    fn a_request_line_is_read_before_the_head_is_whole() {
        assert_eq!(read("POST /a?b HTTP/1.1\r\n"), Some(("POST", "/a")));
        assert_eq!(read("\r\nGET http://h/a/b HTTP/1.0\r\nHos"), Some(("GET", "/a/b")));
        assert_eq!(read("GET http://h HTTP/1.1\r\n\r\n"), Some(("GET", "/")));
    }

    #[test]
    fn what_is_cut_or_malformed_is_no_request_line() {
        let whole = "POST /a HTTP/1.1\r\n";
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), None, "{:?}", &whole[..len]);
        }
        for line in [
            "POST /a b HTTP/1.1\r\n",
            "POST  /a HTTP/1.1\r\n",
            "POST /a HTTP/1.1\n",
            "POST /a HTTP/2.0\r\n",
            "POST /a HTTP/1.1 \r\n",
            "PO(ST /a HTTP/1.1\r\n",
            "OPTIONS * HTTP/1.1\r\n",
            "POST /a#b HTTP/1.1\r\n",
            "POST /\u{0} HTTP/1.1\r\n",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
        assert_eq!(parse_request_line(b"POST /\xff HTTP/1.1\r\n"), None);
    }

    #[test]
    fn a_line_that_is_not_whole_says_its_method_and_the_beginning_of_its_path() {
        let begun = |text: &str| {
            begun_request_line(text.as_bytes()).map(|line| (line.method.to_owned(), line.path.to_owned()))
        };
        let is = |method: &str, path: &str| Some((method.to_owned(), path.to_owned()));
        assert_eq!(begun("POST /api/hubs/chat/:send?excluded=aaaa"), is("POST", "/api/hubs/chat/:send"));
        assert_eq!(begun("\r\nGET /cli"), is("GET", "/cli"));
        for none in ["", "POST", "POST ", "POST x", "P(ST /a", "GET /a HTTP/1.1\r\n", "GET /a "] {
            assert_eq!(begun(none), None, "{none:?}");
        }
    }
}
