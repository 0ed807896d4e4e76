//! The headers of a message: `NATS/1.0`, perhaps a status, lines, an empty line.

use std::str;

use bytes::Bytes;

/// Most bytes of headers that are read.
const HEADERS_LEN_MAX: usize = 64 * 1024;
const VERSION: &str = "NATS/1.0";

/// Headers that were read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) status: Option<u16>,
    pub(crate) lines: Vec<(String, String)>,
}

/// Headers as they are written, or None where there are none. A name or a value that would break the message is left
/// out.
pub(crate) fn encode(headers: &[(&str, &str)]) -> Option<Bytes> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_name_byte);
    let is_value = |value: &str| !value.contains(['\r', '\n']);
    let mut text = String::new();
    for (name, value) in headers.iter().filter(|(name, value)| is_name(name) && is_value(value)) {
        for part in [name, ": ", value, "\r\n"] {
            text.push_str(part);
        }
    }
    (!text.is_empty()).then(|| Bytes::from(format!("{VERSION}\r\n{text}\r\n")))
}

/// Reads headers. None: they are not understood.
pub(crate) fn decode(block: &[u8]) -> Option<Headers> {
    if block.len() > HEADERS_LEN_MAX {
        return None;
    }
    let text = str::from_utf8(block).ok()?.strip_prefix(VERSION)?;
    let (first, rest) = text.split_once("\r\n")?;
    let status = status(first)?;
    let mut lines = Vec::new();
    let mut rest = rest;
    loop {
        let (line, next) = rest.split_once("\r\n")?;
        if line.is_empty() {
            return next.is_empty().then_some(Headers { status, lines });
        }
        let (name, value) = line.split_once(':')?;
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return None;
        }
        lines.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        rest = next;
    }
}

/// What is behind the version: nothing, or three digits and perhaps words.
#[allow(clippy::option_option)] // no status, and one that is none
fn status(text: &str) -> Option<Option<u16>> {
    if text.trim().is_empty() {
        return Some(None);
    }
    let word = text.strip_prefix(' ')?.split_ascii_whitespace().next()?;
    let is_status = word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    is_status.then(|| word.parse().ok())
}

fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(block: &str) -> Option<Headers> {
        decode(block.as_bytes())
    }

    fn found(status: Option<u16>, lines: Vec<(String, String)>) -> Option<Headers> {
        Some(Headers { status, lines })
    }

    #[test]
    fn what_is_written_is_read_again_and_what_would_break_a_message_is_left_out() {
        let block = encode(&[("a", "b c"), ("", "x"), ("x:y", "z"), ("x", "y\r\nz: 1"), ("Ce-Id", "")]);
        let block = block.unwrap();
        assert_eq!(&block[..], b"NATS/1.0\r\na: b c\r\nCe-Id: \r\n\r\n");
        let lines = vec![("a".to_owned(), "b c".to_owned()), ("Ce-Id".to_owned(), String::new())];
        assert_eq!(decode(&block), found(None, lines));
        assert_eq!((encode(&[]), encode(&[("a b", "c")])), (None, None));
    }

    #[test]
    fn a_status_is_read_with_and_without_words() {
        assert_eq!(read("NATS/1.0 503\r\n\r\n"), found(Some(503), vec![]));
        assert_eq!(read("NATS/1.0 100 Idle\r\n\r\n"), found(Some(100), vec![]));
        let line = ("A".to_owned(), "b".to_owned());
        assert_eq!(read("NATS/1.0\r\nA:b\r\nA:  b \r\n\r\n"), found(None, vec![line.clone(), line]));
    }

    #[test]
    fn others_are_not_understood() {
        for block in [
            "",
            "NATS/1.0",
            "NATS/1.0\r\n",
            "NATS/1.0\n\n",
            "NATS/2.0\r\n\r\n",
            "NATS/1.0 5\r\n\r\n",
            "NATS/1.0 5033\r\n\r\n",
            "NATS/1.0 +50\r\n\r\n",
            "NATS/1.0x\r\n\r\n",
            "NATS/1.0\r\na\r\n\r\n",
            "NATS/1.0\r\n: b\r\n\r\n",
            "NATS/1.0\r\na b: c\r\n\r\n",
            "NATS/1.0\r\na: b\r\n c\r\n\r\n",
            "NATS/1.0\r\na: b\r\n",
            "NATS/1.0\r\n\r\nmore",
        ] {
            assert_eq!(read(block), None, "{block:?}");
        }
        assert_eq!(decode(b"NATS/1.0\r\na: \xFF\r\n\r\n"), None);
        let long = format!("NATS/1.0\r\na: {}\r\n\r\n", "x".repeat(HEADERS_LEN_MAX));
        assert_eq!(read(&long), None);
    }
}
