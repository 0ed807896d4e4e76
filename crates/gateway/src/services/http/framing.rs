//! Where a request ends, and whether the connection goes on behind it (RFC 9112 sections 6 and 9.3).
//!
//! Two readers of one connection must see the same requests. Where the standard lets a recipient repair what is
//! doubtful, it is refused.

use holdfast_proto::handshake::PlainRequest;

/// How a body's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; none where the request says nothing.
    Length(u64),
    /// In chunks.
    Chunked,
}

impl Framing {
    pub(super) const NONE: Self = Self::Length(0);

    /// What the head says.
    ///
    /// # Errors
    ///
    /// A sentence for the client.
    pub(super) fn of(request: &PlainRequest<'_>) -> Result<Self, &'static str> {
        let (mut framing, mut lines) = (Self::NONE, 0);
        for (name, value) in request.headers() {
            if name.eq_ignore_ascii_case("Content-Length") {
                framing = Self::Length(length(value).ok_or("Send a number of bytes as Content-Length.")?);
            } else if name.eq_ignore_ascii_case("Transfer-Encoding") {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err("Send no other Transfer-Encoding than `chunked`.");
                }
                // RFC 9112 6.1: "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding
                // header field MUST treat the message as if the framing is faulty".
                if !request.is_http_1_1 {
                    return Err("Send no Transfer-Encoding in HTTP/1.0.");
                }
                framing = Self::Chunked;
            } else {
                continue;
            }
            lines += 1;
        }
        // RFC 9112 6.3 would take lengths that are the same, and a length next to chunks: both only ever come from a
        // mistake, or from somebody who tries which of two readers believes what.
        if lines > 1 {
            return Err("Say the length of the body only once: Content-Length, or Transfer-Encoding.");
        }
        Ok(framing)
    }
}

/// RFC 9110 8.6: `Content-Length = 1*DIGIT`. What no number can hold is longer than anything.
fn length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// What the client wants of the connection behind the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// HTTP/1.1: it goes on.
    GoesOn,
    /// HTTP/1.0: it goes on, and the client wants to be told so.
    Told,
    Ends,
}

impl Persistence {
    pub(super) fn of(request: &PlainRequest<'_>) -> Self {
        let says = |option: &str| {
            let lines = request.headers().filter(|(name, _)| name.eq_ignore_ascii_case("Connection"));
            let mut options = lines.flat_map(|(_, value)| value.split(|byte| *byte == b','));
            options.any(|it| it.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
        };
        if says("close") {
            Self::Ends
        } else if request.is_http_1_1 {
            Self::GoesOn
        } else if says("keep-alive") {
            Self::Told
        } else {
            Self::Ends
        }
    }
}

/// Whether the client waits to be asked for the body (RFC 9110 10.1.1). Nothing else can be expected.
///
/// # Errors
///
/// Where something else is.
pub(super) fn expects_continue(request: &PlainRequest<'_>) -> Result<bool, ()> {
    match request.header("Expect") {
        // "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation."
        _ if !request.is_http_1_1 => Ok(false),
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(()),
    }
}
