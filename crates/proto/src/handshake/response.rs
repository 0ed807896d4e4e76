//! What the server answers to an opening handshake.

use super::AcceptKey;
use super::lists::is_token_bytes;

/// Whether `name` is a token (RFC 9110 5.6.2), as the name of a subprotocol must be.
#[must_use]
pub fn is_token(name: &str) -> bool {
    is_token_bytes(name.as_bytes())
}

/// Appends the response that accepts an opening handshake: 101, complete with the empty line (RFC 6455
/// 4.2.2).
///
/// `subprotocol` is one the client offered: RFC 6455 4.2.2 lets the server leave the header out, but not choose
/// another. `extensions` is the value of a Sec-WebSocket-Extensions header.
///
/// A subprotocol that is no token, or extensions with a control character, would let data become headers:
/// that is a bug of the caller. Debug builds panic, release builds leave that header out.
pub fn write_accept(out: &mut Vec<u8>, key: &AcceptKey, subprotocol: Option<&str>, extensions: Option<&str>) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\n\
          Upgrade: websocket\r\n\
          Connection: Upgrade\r\n\
          Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\r\n");
    if let Some(name) = subprotocol {
        write_checked(out, "Sec-WebSocket-Protocol", name, is_token(name));
    }
    if let Some(value) = extensions {
        write_checked(out, "Sec-WebSocket-Extensions", value, is_printable(value));
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends an HTTP response that refuses an opening handshake and ends the connection.
///
/// `reason_text` is the body, for a human; a newline is added. Headers that a status demands are there: Upgrade and
/// Sec-WebSocket-Version for 426, Allow for 405, WWW-Authenticate for 401. A status outside 400 to 599 is a
/// bug of the caller; debug builds panic. `retry_after` asks the client to wait so many seconds before it tries again
/// (RFC 9110 10.2.3).
pub fn write_refusal(out: &mut Vec<u8>, status: u16, reason_text: &str, retry_after: Option<u32>) {
    debug_assert!((400..600).contains(&status), "status {status} does not refuse");
    let phrase = reason_phrase(status);
    let extra = extra_headers(status);
    let body_len = reason_text.len() + 1;
    let retry_after = retry_after.map_or_else(String::new, |seconds| format!("Retry-After: {seconds}\r\n"));
    let head = format!(
        "HTTP/1.1 {status} {phrase}\r\n\
         {extra}\
         {retry_after}\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {body_len}\r\n\
         \r\n",
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(reason_text.as_bytes());
    out.push(b'\n');
}

fn write_checked(out: &mut Vec<u8>, name: &str, value: &str, valid: bool) {
    debug_assert!(valid, "{name}: {value:?} is not a valid header");
    if valid {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

fn is_printable(value: &str) -> bool {
    value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// The connection-related and the demanded headers, lines ended.
fn extra_headers(status: u16) -> &'static str {
    match status {
        // RFC 9110 11.6.1: "A server generating a 401 (Unauthorized) response MUST send a WWW-Authenticate
        // header field".
        401 => "Connection: close\r\nWWW-Authenticate: Bearer\r\n",
        // RFC 9110 15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
        405 => "Connection: close\r\nAllow: GET\r\n",
        // RFC 9110 15.5.22: "The server MUST send an Upgrade header field in a 426 response"; 7.8: with the
        // connection option that goes with it. RFC 6455 4.4: the versions understood.
        426 => "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        _ => "Connection: close\r\n",
    }
}

/// RFC 9110 15: the phrase is for humans and may be any.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ if status < 500 => "Refused",
        _ => "Server Error",
    }
}
