//! The headers that decide whether a request is an opening handshake (RFC 6455 4.1 and 4.2.1).

use httparse::Header;

use super::HandshakeError;
use super::lists::{elements, is_token_bytes};
use super::request::{Request, extension_is_valid};
use super::target::{Target, is_host};

const HOST: &str = "Host";
const ORIGIN: &str = "Origin";
const KEY: &str = "Sec-WebSocket-Key";
const VERSION: &str = "Sec-WebSocket-Version";
const CONTENT_LENGTH: &str = "Content-Length";

/// What the header lines say.
#[derive(Default)]
pub(super) struct Fields<'b> {
    host: Option<&'b [u8]>,
    origin: Option<&'b [u8]>,
    key: Option<&'b [u8]>,
    version: Option<&'b [u8]>,
    content_length: Option<&'b [u8]>,
    transfer_encoding: bool,
    upgrade_websocket: bool,
    connection_upgrade: bool,
    bad_subprotocols: bool,
    bad_extensions: bool,
    host_twice: bool,
    /// The first header that came twice and must not.
    duplicate: Option<&'static str>,
}

impl<'b> Fields<'b> {
    pub(super) fn collect(headers: &[Header<'b>]) -> Self {
        let mut fields = Self::default();
        for header in headers {
            fields.take(header.name, header.value);
        }
        fields
    }

    fn take(&mut self, name: &str, value: &'b [u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is(HOST) {
            self.host_twice |= self.host.is_some();
            once(&mut self.host, value, HOST, &mut self.duplicate);
        } else if is(ORIGIN) {
            // RFC 6454 7.3: "the user agent MUST NOT include more than one Origin header field".
            once(&mut self.origin, value, ORIGIN, &mut self.duplicate);
        } else if is(KEY) {
            // RFC 6455 11.3.1: "The |Sec-WebSocket-Key| header field MUST NOT appear more than once".
            once(&mut self.key, value, KEY, &mut self.duplicate);
        } else if is(VERSION) {
            // RFC 6455 11.3.5: "The |Sec-WebSocket-Version| header field MUST NOT appear more than once in an
            // HTTP request."
            once(&mut self.version, value, VERSION, &mut self.duplicate);
        } else if is(CONTENT_LENGTH) {
            once(&mut self.content_length, value, CONTENT_LENGTH, &mut self.duplicate);
        } else if is("Transfer-Encoding") {
            self.transfer_encoding = true;
        } else if is("Upgrade") {
            self.upgrade_websocket |= elements(value).any(|token| token.eq_ignore_ascii_case(b"websocket"));
        } else if is("Connection") {
            self.connection_upgrade |= elements(value).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
        } else if is("Sec-WebSocket-Protocol") {
            self.bad_subprotocols |= !elements(value).all(is_token_bytes);
        } else if is("Sec-WebSocket-Extensions") {
            self.bad_extensions |= !elements(value).all(extension_is_valid);
        }
    }

    /// Whether no upgrade to WebSocket is asked for at all.
    pub(super) fn not_an_upgrade(&self) -> Option<HandshakeError> {
        // RFC 6455 4.2.1: 'An |Upgrade| header field containing the value "websocket", treated as an ASCII
        // case-insensitive value.'
        (!self.upgrade_websocket).then_some(HandshakeError::NotAnUpgrade)
    }

    /// RFC 9112 3.2: 400 "to any HTTP/1.1 request message that lacks a Host header field and to any request message
    /// that contains more than one Host header field line or a Host header field with an invalid field value".
    pub(super) fn check_host(&self, must_be_there: bool) -> Result<(), HandshakeError> {
        match self.host {
            _ if self.host_twice => Err(HandshakeError::DuplicateHeader(HOST)),
            None if must_be_there => Err(HandshakeError::MissingHeader(HOST)),
            Some(host) if !is_host(host) => Err(HandshakeError::BadHost),
            _ => Ok(()),
        }
    }

    /// Judges the headers of an upgrade, in an order that gives the most telling answer first.
    pub(super) fn into_request(
        self,
        target: Target<'b>,
        header_block: &'b [u8],
    ) -> Result<Request<'b>, HandshakeError> {
        if let Some(name) = self.duplicate {
            return Err(HandshakeError::DuplicateHeader(name));
        }
        // RFC 6455 4.2.1: 'A |Connection| header field that includes the token "Upgrade"'. Proxies that pass
        // on Upgrade alone are common, so that this gets an answer of its own.
        if !self.connection_upgrade {
            return Err(HandshakeError::ConnectionNotUpgrade);
        }
        if self.transfer_encoding || self.content_length.is_some_and(|value| value != b"0") {
            return Err(HandshakeError::HasBody);
        }
        match self.version {
            None => return Err(HandshakeError::MissingHeader(VERSION)),
            Some(b"13") => {}
            Some(_) => return Err(HandshakeError::WrongVersion),
        }
        let key = self.key.ok_or(HandshakeError::MissingHeader(KEY))?;
        let key = valid_key(key).ok_or(HandshakeError::BadKey)?;
        let host = self.host.ok_or(HandshakeError::MissingHeader(HOST))?;
        let host = ascii(host).filter(|host| is_host(host.as_bytes())).ok_or(HandshakeError::BadHost)?;
        let origin = match self.origin {
            None => None,
            Some(origin) => Some(ascii(origin).ok_or(HandshakeError::BadOrigin)?),
        };
        if self.bad_subprotocols {
            return Err(HandshakeError::BadSubprotocols);
        }
        // RFC 6455 9.1: "If a value is received [...] that does not conform to the ABNF below, the recipient
        // of such malformed data MUST immediately _Fail the WebSocket Connection_."
        if self.bad_extensions {
            return Err(HandshakeError::BadExtensions);
        }
        Ok(Request::new(target, host, origin, key, header_block))
    }
}

fn once<'b>(
    slot: &mut Option<&'b [u8]>,
    value: &'b [u8],
    name: &'static str,
    duplicate: &mut Option<&'static str>,
) {
    if slot.replace(value).is_some() {
        duplicate.get_or_insert(name);
    }
}

/// Visible ASCII, not empty.
fn ascii(value: &[u8]) -> Option<&str> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// RFC 6455 4.2.1: "a base64-encoded [...] value that, when decoded, is 16 bytes in length". So it is 22
/// characters and two of padding. What the last character's four spare bits say is left alone: the value is
/// never decoded.
fn valid_key(value: &[u8]) -> Option<&[u8; 24]> {
    let key: &[u8; 24] = value.try_into().ok()?;
    let (digits, padding) = key.split_at(22);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (padding == b"==" && digits.iter().all(is_digit)).then_some(key)
}
