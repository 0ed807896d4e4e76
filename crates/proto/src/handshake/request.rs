//! An opening handshake that was found valid.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::lists::{Lines, elements, is_token_bytes, split_unquoted, trim};
use super::target::Target;

/// RFC 6455 1.3: the GUID that a server appends to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client's opening handshake, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct Request<'b> {
    target: Target<'b>,
    host: &'b str,
    origin: Option<&'b str>,
    key: &'b [u8; 24],
    header_block: &'b [u8],
}

impl<'b> Request<'b> {
    pub(super) fn new(
        target: Target<'b>,
        host: &'b str,
        origin: Option<&'b str>,
        key: &'b [u8; 24],
        header_block: &'b [u8],
    ) -> Self {
        Self { target, host, origin, key, header_block }
    }

    /// The request target as sent: a path with an optional query, or an absolute URI. UTF-8 that a client did not
    /// percent-encode is in it as it came; spaces, `#` and control characters are not.
    #[must_use]
    pub fn target(&self) -> &'b str {
        self.target.raw
    }

    /// The path, from `/` on and without the query, not decoded.
    #[must_use]
    pub fn path(&self) -> &'b str {
        self.target.path()
    }

    /// What follows the first `?` of the target, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        self.target.path_and_query.split_once('?').map(|(_, query)| query)
    }

    /// The host and optional port the peer asked for.
    ///
    /// RFC 9112 3.2.2: of an absolute URI "the origin server MUST ignore the received Host header field (if
    /// any) and instead use the host information of the request-target".
    #[must_use]
    pub fn host(&self) -> &'b str {
        self.target.authority.unwrap_or(self.host)
    }

    /// The Origin header: browsers always send it (RFC 6455 4.1), others need not. Visible ASCII.
    #[must_use]
    pub fn origin(&self) -> Option<&'b str> {
        self.origin
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

    /// The subprotocols the client offers, "ordered by preference" (RFC 6455 4.1); each is a token.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.list("Sec-WebSocket-Protocol").filter_map(|name| std::str::from_utf8(name).ok())
    }

    /// The extensions the client offers, in its order of preference (RFC 6455 9.1).
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'b>> + use<'b> {
        self.list("Sec-WebSocket-Extensions")
            .filter_map(|offer| std::str::from_utf8(offer).ok())
            .map(|offer| Extension { offer })
    }

    /// The Sec-WebSocket-Key as sent.
    #[must_use]
    pub fn key(&self) -> &'b [u8; 24] {
        self.key
    }

    /// What the server answers to prove that it read the handshake.
    ///
    /// RFC 6455 4.2.2: concatenate the key "with the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking
    /// the SHA-1 hash of this concatenated value to obtain a 20-byte value and base64-encoding [...] this
    /// 20-byte hash".
    #[must_use]
    pub fn accept_key(&self) -> AcceptKey {
        let hash = Sha1::new().chain_update(self.key).chain_update(GUID).finalize();
        let mut accept = AcceptKey([b'='; 28]);
        // 20 bytes are always 28 characters.
        let written = STANDARD.encode_slice(hash, &mut accept.0);
        debug_assert_eq!(written, Ok(28));
        accept
    }

    /// RFC 9110 5.3: header lines of one name are one list. "The |Sec-WebSocket-Protocol| header field MAY
    /// appear multiple times in an HTTP request (which is logically the same as a single [...] header field
    /// that contains all values)" (RFC 6455 11.3.4, and 11.3.2 for extensions).
    fn list(&self, name: &'static str) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        self.headers()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| elements(value))
    }
}

/// The value of a Sec-WebSocket-Accept header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptKey([u8; 28]);

impl AcceptKey {
    /// 28 characters of base64.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 28] {
        &self.0
    }
}

/// One extension a client offers, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'b> {
    /// `name; parameter; parameter=value`, valid.
    offer: &'b str,
}

impl<'b> Extension<'b> {
    /// Its name, a token.
    #[must_use]
    pub fn name(&self) -> &'b str {
        self.offer.split(';').next().unwrap_or_default().trim_ascii()
    }

    /// Its parameters: names, and values if they have one. A value in quotes comes without them, but with any
    /// backslashes inside it (no registered extension has a use for those).
    pub fn parameters(&self) -> impl Iterator<Item = (&'b str, Option<&'b str>)> + use<'b> {
        split_unquoted(self.offer.as_bytes(), b';').skip(1).filter_map(|parameter| {
            let (name, value) = parameter_of(parameter)?;
            let name = std::str::from_utf8(name).ok()?;
            Some((name, value.and_then(|value| std::str::from_utf8(value).ok())))
        })
    }
}

/// RFC 6455 9.1: `extension = extension-token *( ";" extension-param )`.
pub(super) fn extension_is_valid(offer: &[u8]) -> bool {
    let mut parts = split_unquoted(offer, b';').map(trim);
    parts.next().is_some_and(is_token_bytes) && parts.all(|parameter| parameter_of(parameter).is_some())
}

/// RFC 6455 9.1: `extension-param = token [ "=" (token | quoted-string) ]`, where "the value after
/// quoted-string unescaping MUST conform to the 'token' ABNF". `None` when it does not.
fn parameter_of(parameter: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let Some(equals) = parameter.iter().position(|byte| *byte == b'=') else {
        let name = trim(parameter);
        return is_token_bytes(name).then_some((name, None));
    };
    let (name, value) = (trim(&parameter[..equals]), trim(&parameter[equals + 1..]));
    let (value, valid) = match value {
        [b'"', quoted @ .., b'"'] => (quoted, is_token_escaped(quoted)),
        token => (token, is_token_bytes(token)),
    };
    (is_token_bytes(name) && valid).then_some((name, Some(value)))
}

/// Whether the inside of a quoted string is a token once each backslash is taken away (RFC 9110 5.6.4).
fn is_token_escaped(quoted: &[u8]) -> bool {
    let mut rest = quoted;
    while let [b'\\', byte, behind @ ..] | [byte, behind @ ..] = rest {
        if !is_token_bytes(&[*byte]) {
            return false;
        }
        rest = behind;
    }
    !quoted.is_empty()
}
