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
    let Some(head) = Head::read(input, limits)? else { return Ok(HeadStatus::NeedMore) };
    let not_served = head.not_served();
    let target = Target::parse(head.target).map_err(|error| not_served.unwrap_or(error))?;
    if let Some(why) = not_served.or_else(|| head.fields.not_an_upgrade()) {
        return Ok(HeadStatus::Plain { request: head.plain(target), head_len: head.len, why });
    }
    let request = head.fields.into_request(target, head.header_block)?;
    Ok(HeadStatus::Upgrade { request, head_len: head.len })
}

/// How far a request head is that anything may be asked with.
#[derive(Clone, Copy, Debug)]
pub enum RequestStatus<'b> {
    /// So far it is well-formed, but not all there.
    NeedMore,
    /// It asks for an upgrade to WebSocket, well or badly: [`parse_head`] says which, and never finds it to be plain.
    Upgrade,
    /// An ordinary request.
    Plain {
        /// The request.
        request: PlainRequest<'b>,
        /// Bytes of the head; what follows in the input is the body, or the next request.
        head_len: usize,
    },
}

/// Reads a request head as [`parse_head`] does, where ordinary requests are served: those must say for which host they
/// are. Of an upgrade nothing but the form of its lines is looked at.
///
/// # Errors
///
/// What is wrong first: malformed lines in the order of the wire; then, once the head is whole, the target and Host.
pub fn parse_request<'b>(input: &'b [u8], limits: &HeadLimits) -> Result<RequestStatus<'b>, HandshakeError> {
    let Some(head) = Head::read(input, limits)? else { return Ok(RequestStatus::NeedMore) };
    if head.not_served().is_none() && head.fields.not_an_upgrade().is_none() {
        return Ok(RequestStatus::Upgrade);
    }
    let request = head.plain(Target::parse(head.target)?);
    head.fields.check_host(head.is_http_1_1)?;
    Ok(RequestStatus::Plain { request, head_len: head.len })
}

/// A head whose lines are well-formed.
struct Head<'b> {
    method: &'b str,
    target: &'b str,
    /// Or 1.0.
    is_http_1_1: bool,
    fields: Fields<'b>,
    header_block: &'b [u8],
    /// Bytes of it.
    len: usize,
}

impl<'b> Head<'b> {
    /// `None` where more is needed.
    fn read(input: &'b [u8], limits: &HeadLimits) -> Result<Option<Self>, HandshakeError> {
        let window = &input[..input.len().min(limits.head_bytes_max)];
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let headers = &mut headers[..limits.headers_max.min(HEADERS_MAX)];
        let mut parsed = httparse::Request::new(&mut []);
        let status = match parsed.parse_with_uninit_headers(window, headers) {
            Ok(status) => status,
            Err(error) => malformed(error, window).map_or(Ok(Status::Partial), Err)?,
        };
        let len = match status {
            Status::Complete(len) => len,
            Status::Partial if window.len() == limits.head_bytes_max => {
                return Err(HandshakeError::HeadTooLong);
            }
            Status::Partial => return Ok(None),
        };
        let head = &window[..len];
        check_line_endings(head)?;
        Ok(Some(Self {
            method: parsed.method.unwrap_or_default(),
            target: parsed.path.unwrap_or_default(),
            is_http_1_1: parsed.version == Some(1),
            fields: Fields::collect(parsed.headers),
            header_block: header_block(head),
            len,
        }))
    }

    /// Why it can be no opening handshake, whatever its headers say.
    fn not_served(&self) -> Option<HandshakeError> {
        if !self.is_http_1_1 {
            Some(HandshakeError::VersionNotSupported)
        } else if self.method != "GET" {
            // RFC 6455 4.1: "The method of the request MUST be GET".
            Some(HandshakeError::MethodNotGet)
        } else {
            None
        }
    }

    fn plain(&self, target: Target<'b>) -> PlainRequest<'b> {
        PlainRequest::new(self.method, target, self.is_http_1_1, self.header_block)
    }
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
