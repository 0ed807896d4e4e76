//! RFC 6455 section 4.1, the side that opens: the request, and what its answer must say.

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::payload::mix;
use crate::target::Target;

/// RFC 6455 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// An answer's head is no longer than this.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Sec-WebSocket-Key of connection `index`: 16 bytes in base64, another for each.
fn key(index: u32) -> String {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&mix(u64::from(index)).to_le_bytes());
    nonce[8..].copy_from_slice(&mix(!u64::from(index)).to_le_bytes());
    STANDARD.encode(nonce)
}

/// Sec-WebSocket-Accept that belongs to a key (RFC 6455 4.2.2, item 5.4).
fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// The request of connection `index`.
pub(crate) fn request(target: &Target, index: u32) -> String {
    let authority = &target.authority;
    let (path, key) = (target.path(index), key(index));
    let offer = if target.deflate {
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    } else {
        ""
    };
    let protocol = target.protocol.as_ref().map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let protocol = protocol.unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{offer}{protocol}\r\n"
    )
}

/// Reads the answer to [`request`]: `None` while it is cut, else the bytes of its head; frames may follow. `deflate`
/// says that it must agree on permessage-deflate, and else it must not.
///
/// # Errors
///
/// A sentence when the answer is not the 101 that RFC 6455 4.1 asks for.
pub(crate) fn check_answer(bytes: &[u8], index: u32, deflate: bool) -> anyhow::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let head_bytes = match answer.parse(bytes).context("an answer that is not HTTP")? {
        httparse::Status::Complete(head_bytes) => head_bytes,
        httparse::Status::Partial => {
            ensure!(bytes.len() <= HEAD_BYTES_MAX, "an answer's head without end");
            return Ok(None);
        }
    };
    let code = answer.code.unwrap_or(0);
    if code != 101 {
        bail!("answered {code} {}", answer.reason.unwrap_or(""));
    }
    let header = |name: &str| {
        let mut values = answer.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        values.next().and_then(|header| std::str::from_utf8(header.value).ok()).unwrap_or("")
    };
    ensure!(header("Upgrade").eq_ignore_ascii_case("websocket"), "a 101 without Upgrade: websocket");
    let upgrades = header("Connection").split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    ensure!(upgrades, "a 101 without Connection: Upgrade");
    ensure!(header("Sec-WebSocket-Accept") == accept(&key(index)), "a wrong Sec-WebSocket-Accept");
    let agreed = header("Sec-WebSocket-Extensions").starts_with("permessage-deflate");
    ensure!(agreed || !deflate, "a 101 without permessage-deflate");
    ensure!(deflate || !agreed, "a 101 with permessage-deflate, which was not offered");
    Ok(Some(head_bytes))
}

/// Whether the head of an answer, whole, agrees on the subprotocol that was asked for.
///
/// # Errors
///
/// A sentence when it does not.
pub(crate) fn check_protocol(head: &[u8], target: &Target) -> anyhow::Result<()> {
    let Some(asked) = &target.protocol else { return Ok(()) };
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    answer.parse(head).context("an answer that is not HTTP")?;
    let mut found = answer.headers.iter().filter(|it| it.name.eq_ignore_ascii_case("Sec-WebSocket-Protocol"));
    ensure!(
        found.next().is_some_and(|it| it.value == asked.as_bytes()),
        "a 101 without the subprotocol {asked}"
    );
    Ok(())
}

/// Whether the head of a server's refusal is whole.
///
/// # Errors
///
/// A sentence when it is anything but 503.
pub(crate) fn check_refusal(bytes: &[u8]) -> anyhow::Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let whole = answer.parse(bytes).context("an answer that is not HTTP")?.is_complete();
    ensure!(whole || bytes.len() <= HEAD_BYTES_MAX, "an answer's head without end");
    ensure!(!whole || answer.code == Some(503), "answered {} instead of 503", answer.code.unwrap_or(0));
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::TargetArguments;

    fn answer(index: u32) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            accept(&key(index))
        )
    }

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        // RFC 6455 1.3
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_answer_cut_anywhere_waits_for_the_rest() {
        let answer = answer(5);
        for cut in 0..answer.len() {
            assert_eq!(check_answer(&answer.as_bytes()[..cut], 5, false).unwrap(), None);
        }
        let with_frame = format!("{answer}\u{1}frame");
        assert_eq!(check_answer(with_frame.as_bytes(), 5, false).unwrap(), Some(answer.len()));
    }

    #[test]
    fn the_answer_to_another_request_is_refused() {
        assert!(check_answer(answer(5).as_bytes(), 6, false).is_err());
    }

    #[test]
    fn compression_is_agreed_on_when_it_is_offered_and_only_then() {
        let plain = answer(5);
        let agreed = plain.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
        assert!(check_answer(plain.as_bytes(), 5, true).is_err());
        assert!(check_answer(agreed.as_bytes(), 5, false).is_err());
        assert_eq!(check_answer(agreed.as_bytes(), 5, true).unwrap(), Some(agreed.len()));
    }

    #[test]
    fn the_subprotocol_must_be_the_one_that_was_asked_for() {
        let mut target = Target::new(&TargetArguments::to("ws://127.0.0.1:1/")).unwrap();
        assert!(check_protocol(answer(5).as_bytes(), &target).is_ok());
        assert!(!request(&target, 5).contains("Sec-WebSocket-Protocol"));
        target.protocol = Some("json".to_owned());
        assert!(request(&target, 5).ends_with("\r\nSec-WebSocket-Protocol: json\r\n\r\n"));
        let with = |name: &str| {
            answer(5).replace("\r\n\r\n", &format!("\r\nsec-websocket-protocol: {name}\r\n\r\n"))
        };
        assert!(check_protocol(with("json").as_bytes(), &target).is_ok());
        assert!(check_protocol(with("other").as_bytes(), &target).is_err());
        assert!(check_protocol(answer(5).as_bytes(), &target).is_err());
    }

    #[test]
    fn a_refusal_is_named_by_its_status() {
        let error = check_answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 0, false).unwrap_err();
        assert_eq!(error.to_string(), "answered 503 Service Unavailable");
    }
}
