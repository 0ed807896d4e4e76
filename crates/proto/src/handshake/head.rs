//! From the bytes of a request head to a [`Request`] or the reason why not.

use std::mem::MaybeUninit;

use httparse::Status;

use super::fields::Fields;
use super::target::Target;
use super::{HandshakeError, PlainRequest, Request, request_line};

/// The most header lines that [`HeadLimits::headers_max`] can allow.
pub const HEADERS_MAX: usize = 128;

/// How large a request head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the head, from the first of the request line to the last of the empty line.
    pub head_bytes_max: usize,
    /// Header lines; values over [`HEADERS_MAX`] count as that.
    pub headers_max: usize,
}

impl Default for HeadLimits {
    /// 8192 bytes and 64 header lines.
    fn default() -> Self {
        Self { head_bytes_max: 8192, headers_max: 64 }
    }
}

/// How far a request head is.
#[derive(Clone, Copy, Debug)]
pub enum HeadStatus<'b> {
    /// So far it is well-formed, but not all there.
    NeedMore,
    /// An opening handshake.
    Upgrade {
        /// The request.
        request: Request<'b>,
        /// Bytes of the head; what follows in the input are frames the peer sent without waiting.
        head_len: usize,
    },
    /// Another HTTP request, which asks for no upgrade to WebSocket.
    Plain {
        /// The request.
        request: PlainRequest<'b>,
        /// Bytes of the head; what follows in the input is the body, or the next request.
        head_len: usize,
        /// What is wrong with it where only opening handshakes are served.
        why: HandshakeError,
    },
}

/// Reads a request head. `input` is everything received so far, from the first byte of the head.
///
/// The verdict does not depend on how the head was cut into reads; what is malformed is refused as soon as it
/// is there. Nothing is allocated.
///
/// # Errors
///
/// What is wrong first, with the HTTP status to answer: malformed lines in the order of the wire; then, once
/// the head is whole, the target, and of an opening handshake each header.
pub fn parse_head<'b>(input: &'b [u8], limits: &HeadLimits) -> Result<HeadStatus<'b>, HandshakeError> {
    let window = &input[..input.len().min(limits.head_bytes_max)];
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let headers = &mut headers[..limits.headers_max.min(HEADERS_MAX)];
    let mut parsed = httparse::Request::new(&mut []);
    let status = match parsed.parse_with_uninit_headers(window, headers) {
        Ok(status) => status,
        Err(error) => malformed(error, window).map_or(Ok(Status::Partial), Err)?,
    };
    let head_len = match status {
        Status::Complete(head_len) => head_len,
        Status::Partial if window.len() == limits.head_bytes_max => return Err(HandshakeError::HeadTooLong),
        Status::Partial => return Ok(HeadStatus::NeedMore),
    };
    let head = &window[..head_len];
    check_line_endings(head)?;
    let method = parsed.method.unwrap_or_default();
    let not_served = if parsed.version != Some(1) {
        Some(HandshakeError::VersionNotSupported)
    } else if method != "GET" {
        // RFC 6455 4.1: "The method of the request MUST be GET".
        Some(HandshakeError::MethodNotGet)
    } else {
        None
    };
    let target =
        Target::parse(parsed.path.unwrap_or_default()).map_err(|error| not_served.unwrap_or(error))?;
    let fields = Fields::collect(parsed.headers);
    if let Some(why) = not_served.or_else(|| fields.not_an_upgrade()) {
        let request = PlainRequest { method, path: target.path() };
        return Ok(HeadStatus::Plain { request, head_len, why });
    }
    let request = fields.into_request(target, header_block(head))?;
    Ok(HeadStatus::Upgrade { request, head_len })
}

/// What the parser's error means; nothing while that depends on bytes that are not there yet.
fn malformed(error: httparse::Error, window: &[u8]) -> Option<HandshakeError> {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Some(HandshakeError::BadHeader),
        httparse::Error::NewLine => request_line::bad_new_line(window),
        httparse::Error::Status | httparse::Error::Token => Some(request_line::bad_token(window)),
        httparse::Error::TooManyHeaders => Some(HandshakeError::TooManyHeaders),
        httparse::Error::Version => request_line::bad_version(window),
    }
}

fn check_line_endings(head: &[u8]) -> Result<(), HandshakeError> {
    let mut ends = memchr::memchr_iter(b'\n', head);
    if ends.all(|end| head[..end].ends_with(b"\r")) { Ok(()) } else { Err(HandshakeError::BadLineEnding) }
}

/// What follows the request line. RFC 9112 2.2 allows empty lines before it.
fn header_block(head: &[u8]) -> &[u8] {
    let blank = head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let line = memchr::memchr(b'\n', &head[blank..]).unwrap_or(head.len());
    head.get(blank + line + 1..).unwrap_or_default()
}
