//! What comes of a request.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

/// Longest text of a failure in bytes: a service has a say in some of them.
const TEXT_MAX: usize = 200;

/// What a service answered, whatever its status. Redirects are answers too.
#[derive(Clone)]
pub struct Answer {
    /// The status, 200 to 999; or 101, after which nothing more is heard.
    pub status: u16,
    /// The header fields, at most [`headers_max`](crate::Limits::headers_max).
    pub headers: HeaderMap,
    /// The body as it came, at most [`answer_bytes_max`](crate::Limits::answer_bytes_max). Never encoded.
    pub body: Bytes,
}

impl Answer {
    /// Whether the service was content: 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it may be otherwise next time: 5xx, 408 and 429.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..600)
    }

    /// Whether it is the answer of something before the service, or of a service that cannot work now.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self.status, 502..=504)
    }
}

/// Header values and body are not shown: they may be secrets.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, body } = self;
        let names: Vec<_> = headers.keys().collect();
        f.debug_struct("Answer")
            .field("status", status)
            .field("headers", &names)
            .field("bytes", &body.len())
            .finish()
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The name has no address, or nobody could say in time.
    Resolve,
    /// No connection: refused, unreachable, or too slow.
    Connect,
    /// No TLS session, such as with a certificate that is not trusted.
    Tls,
    /// The connection ended before the answer was whole.
    Broken,
    /// The answer was not whole in time.
    Timeout,
    /// The answer is no HTTP, or its head is past the bounds.
    Malformed,
    /// The body is longer than it may be.
    TooLong,
    /// The body has a content encoding, which nobody asked for.
    Encoded,
    /// The circuit breaker of each address is open.
    Open,
    /// All connections were in use until the time was over.
    Busy,
    /// No address may be used: [`Endpoint::permit`](crate::Endpoint::permit).
    Held,
    /// The request is none, such as with a target of more than 64 KiB.
    Unsendable,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::Resolve => "its name cannot be resolved",
            Self::Connect => "it cannot be connected to",
            Self::Tls => "TLS with it failed",
            Self::Broken => "it broke the connection",
            Self::Timeout => "it did not answer in time",
            Self::Malformed => "its answer is not valid",
            Self::TooLong => "its answer is too long",
            Self::Encoded => "its answer is encoded",
            Self::Open => "it failed too often and is left alone for a while",
            Self::Busy => "all connections to it are in use",
            Self::Held => "it is not permitted to be asked",
            Self::Unsendable => "the request cannot be sent",
        }
    }

    /// Whether it says that the service is unwell.
    pub(crate) fn is_outage(self) -> bool {
        matches!(
            self,
            Self::Resolve | Self::Connect | Self::Tls | Self::Broken | Self::Timeout | Self::Malformed
        )
    }

    /// Whether it is of no use to ask again: the service has heard the request and would answer the same.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::TooLong | Self::Encoded | Self::Held | Self::Unsendable)
    }
}

/// A request without an answer. Its text is for logs; it has nothing of the address, the request or the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: Kind,
    is_sent: bool,
    detail: String,
}

impl Failure {
    /// One of a service that was asked by another way than HTTP.
    #[must_use]
    pub fn new(kind: Kind, is_sent: bool, detail: impl fmt::Display) -> Self {
        Self { is_sent, ..Self::unsent(kind, detail) }
    }

    /// No byte of the request was sent.
    pub(crate) fn unsent(kind: Kind, detail: impl fmt::Display) -> Self {
        Self { kind, is_sent: false, detail: shortened(detail.to_string()) }
    }

    /// Some or all of the request was sent.
    pub(crate) fn sent(kind: Kind, detail: impl fmt::Display) -> Self {
        Self { is_sent: true, ..Self::unsent(kind, detail) }
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the service may have heard of the request. False where no byte of it was sent, or where the service
    /// said by HTTP/2 that it has not looked at it.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.is_sent
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl Error for Failure {}

/// What a request cost, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How often it was tried, at any address: 0 where all breakers were open, more than 1 where it was repeated.
    pub attempts: u32,
    /// From the call to its outcome, waits included.
    pub latency: Duration,
}

/// What came of a request, and what it cost.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer, with whatever status; or why there is none.
    pub result: Result<Answer, Failure>,
    /// What it cost.
    pub report: Report,
}

/// What hyper says of a failed request, in words of our own: what the peer wrote is not repeated.
pub(crate) fn described(error: &hyper::Error) -> Cow<'static, str> {
    if let Some(reason) = source::<h2::Error>(error).and_then(h2::Error::reason) {
        return reason.to_string().into();
    }
    if let Some(error) = source::<std::io::Error>(error) {
        return error.kind().to_string().into();
    }
    if error.is_parse_too_large() {
        "its head is too large".into()
    } else if error.is_parse() {
        "it is no HTTP".into()
    } else if error.is_incomplete_message() {
        "it ended in the middle".into()
    } else {
        "the connection is closed".into()
    }
}

/// The error of a type that is at the ground of another.
pub(crate) fn source<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn shortened(text: String) -> String {
    if text.len() > TEXT_MAX { text.chars().take(TEXT_MAX / 4).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_shows_neither_header_values_nor_body() {
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", "marker".parse().unwrap());
        let shown = format!("{:?}", Answer { status: 200, headers, body: Bytes::from_static(b"marker") });
        assert!(shown.contains("set-cookie") && !shown.contains("marker"), "{shown}");
    }

    #[test]
    fn texts_of_failures_are_bounded_and_break_no_character() {
        let failure = Failure::unsent(Kind::Tls, "ü".repeat(10_000));
        assert!(failure.to_string().len() < 2 * TEXT_MAX);
        assert_eq!(Failure::sent(Kind::Broken, "").to_string(), "it broke the connection");
    }
}
