//! What can be wrong with an opening handshake, and the HTTP status that says so.

use std::fmt;

/// The request is not an opening handshake this server accepts.
///
/// [`status`](Self::status) is the HTTP status to refuse it with; `Display` says in one sentence what the
/// peer must change, and serves as the refusal's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeError {
    /// RFC 9112 section 3: not a request line. TLS on a plain port ends here.
    BadRequestLine,
    /// RFC 9112 section 3: what follows the target is not an HTTP version and the end of the line. Mostly a client did
    /// not encode a space in its query.
    BadRequestLineEnd,
    /// RFC 9112 section 5: not a header line, or one folded over several lines.
    BadHeader,
    /// RFC 9112 2.2: "the line terminator for the start-line and fields is the sequence CRLF". A bare LF,
    /// which a recipient may accept, is refused: two readers of one head must not see different lines.
    BadLineEnding,
    /// RFC 6585 section 5: the head is longer than [`HeadLimits::head_bytes_max`](super::HeadLimits).
    HeadTooLong,
    /// RFC 6585 section 5: more header lines than [`HeadLimits::headers_max`](super::HeadLimits).
    TooManyHeaders,
    /// RFC 6455 4.1: "the HTTP version MUST be at least 1.1"; others than 1.1 have no upgrade.
    VersionNotSupported,
    /// RFC 6455 4.1: "The method of the request MUST be GET".
    MethodNotGet,
    /// RFC 6455 4.1: the target is a path or an absolute http or https URI; section 3: without a fragment.
    BadTarget,
    /// RFC 3986 section 2: the target has a control character, or a byte that is not UTF-8. Other characters that the
    /// standard wants percent-encoded are taken, since browsers and other clients send them as they are.
    UnencodedTarget,
    /// An ordinary HTTP request, such as a load balancer's health check: no Upgrade header that names
    /// `websocket`.
    NotAnUpgrade,
    /// RFC 6455 4.2.1: the Connection header must include the token `Upgrade`.
    ConnectionNotUpgrade,
    /// The named header is missing and must be there.
    MissingHeader(&'static str),
    /// The named header is there more than once and must not be.
    DuplicateHeader(&'static str),
    /// RFC 9112 3.2: the Host header is not a host and an optional port.
    BadHost,
    /// RFC 6454 7: the Origin header is not an origin.
    BadOrigin,
    /// RFC 6455 4.2.1: the Sec-WebSocket-Key is not 16 bytes in base64.
    BadKey,
    /// RFC 6455 4.4: the Sec-WebSocket-Version is not 13.
    WrongVersion,
    /// RFC 6455 4.1: a subprotocol's name is not a token.
    BadSubprotocols,
    /// RFC 6455 9.1: the extensions do not follow the grammar.
    BadExtensions,
    /// RFC 9110 7.8: a request with a body cannot be upgraded before the body is read; an opening handshake
    /// has none.
    HasBody,
}

impl HandshakeError {
    /// The HTTP status that refuses the request: 400, 405, 426, 431 or 505.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequestLine
            | Self::BadRequestLineEnd
            | Self::BadHeader
            | Self::BadLineEnding
            | Self::BadTarget
            | Self::UnencodedTarget
            | Self::ConnectionNotUpgrade
            | Self::MissingHeader(_)
            | Self::DuplicateHeader(_)
            | Self::BadHost
            | Self::BadOrigin
            | Self::BadKey
            | Self::BadSubprotocols
            | Self::BadExtensions
            | Self::HasBody => 400,
            Self::MethodNotGet => 405,
            // RFC 6455 4.4: to another version a server "MUST respond with a |Sec-WebSocket-Version| header
            // field"; RFC 9110 15.5.22: 426 "might be willing to do so after the client upgrades to a
            // different protocol".
            Self::NotAnUpgrade | Self::WrongVersion => 426,
            Self::HeadTooLong | Self::TooManyHeaders => 431,
            Self::VersionNotSupported => 505,
        }
    }

    /// A short name in snake case, for metric labels and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequestLine => "bad_request_line",
            Self::BadRequestLineEnd => "bad_request_line_end",
            Self::BadHeader => "bad_header",
            Self::BadLineEnding => "bad_line_ending",
            Self::HeadTooLong => "head_too_long",
            Self::TooManyHeaders => "too_many_headers",
            Self::VersionNotSupported => "version_not_supported",
            Self::MethodNotGet => "method_not_get",
            Self::BadTarget => "bad_target",
            Self::UnencodedTarget => "unencoded_target",
            Self::NotAnUpgrade => "not_an_upgrade",
            Self::ConnectionNotUpgrade => "connection_not_upgrade",
            Self::MissingHeader(_) => "missing_header",
            Self::DuplicateHeader(_) => "duplicate_header",
            Self::BadHost => "bad_host",
            Self::BadOrigin => "bad_origin",
            Self::BadKey => "bad_key",
            Self::WrongVersion => "wrong_version",
            Self::BadSubprotocols => "bad_subprotocols",
            Self::BadExtensions => "bad_extensions",
            Self::HasBody => "has_body",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::MissingHeader(name) => return write!(f, "Add the header {name}."),
            Self::DuplicateHeader(name) => return write!(f, "Send the header {name} only once."),
            Self::BadRequestLine => {
                "Begin with a request line such as `GET / HTTP/1.1` (without TLS, on this port)."
            }
            Self::BadRequestLineEnd => {
                "End the request line with ` HTTP/1.1`, and percent-encode a space in the target (`%20`)."
            }
            Self::BadHeader => {
                "Write each header on one line, as `Name: value`: no space in the name or behind it, and no control \
                 characters."
            }
            Self::BadLineEnding => "End each line of the head with CR and LF.",
            Self::HeadTooLong => "Send a shorter request head.",
            Self::TooManyHeaders => "Send fewer headers.",
            Self::VersionNotSupported => "Use HTTP/1.1.",
            Self::MethodNotGet => "Use the method GET.",
            Self::BadTarget => {
                "Ask for a path that begins with `/`, or a URI such as `http://example.com/path`; without a fragment \
                 (`#`)."
            }
            Self::UnencodedTarget => {
                "Percent-encode control characters in the target, and what is not UTF-8."
            }
            Self::NotAnUpgrade => "Connect with a WebSocket client: send `Upgrade: websocket`.",
            Self::ConnectionNotUpgrade => {
                "Send `Connection: Upgrade`; a proxy on the way may have to be told to pass it on."
            }
            Self::BadHost => "Send a host and an optional port as the header Host.",
            Self::BadOrigin => "Send an origin such as `https://example.com` as the header Origin.",
            Self::BadKey => "Send 16 random bytes in base64 as the header Sec-WebSocket-Key.",
            Self::WrongVersion => "Send `Sec-WebSocket-Version: 13`.",
            Self::BadSubprotocols => {
                "Send names of letters, digits and !#$%&'*+-.^_`|~, with commas between them, as \
                Sec-WebSocket-Protocol."
            }
            Self::BadExtensions => "Send `name; parameter=value, ...` as Sec-WebSocket-Extensions.",
            Self::HasBody => {
                "Send the request without a body: no Transfer-Encoding, and no Content-Length other than `0`."
            }
        };
        f.write_str(sentence)
    }
}

impl std::error::Error for HandshakeError {}
