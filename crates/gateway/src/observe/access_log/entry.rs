//! What a line of the access log says.

use std::net::IpAddr;
use std::time::SystemTime;

use serde::Serialize;

use crate::counters::{CloseCode, CloseReason, HandshakeOutcome};

/// Most bytes of a text that a peer has sent; more are cut off, and "..." stands for them.
pub(super) const TEXT_LEN_MAX: usize = 512;

/// A line: texts of peers are in JSON strings, so that none can begin a line or a field.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    /// RFC 3339, UTC, milliseconds.
    #[serde(serialize_with = "rfc3339")]
    time: SystemTime,
    /// Of the connection; a refused opening handshake has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum What {
    Open(Greeting),
    Refuse(Greeting),
    Recover(Return),
    Close(Ending),
}

/// How an opening handshake ended.
#[derive(Debug, Serialize)]
pub(crate) struct Greeting {
    /// The effective one, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    #[serde(flatten)]
    pub(crate) asked: Asked,
    /// What was agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subprotocol: Option<String>,
    /// Where there are hubs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// Of the HTTP answer, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(serialize_with = "outcome")]
    pub(crate) outcome: HandshakeOutcome,
}

/// What a request asks for, as far as one came that could be read.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Asked {
    /// Without the query, where tokens are.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

impl Asked {
    pub(crate) fn new(path: &str, origin: Option<&str>) -> Self {
        Self { path: Some(clip(path)), origin: origin.map(clip) }
    }
}

/// From where a reliable client came back to its connection.
#[derive(Debug, Serialize)]
pub(crate) struct Return {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
}

/// How a connection ended, and what went over it after the opening handshake.
#[derive(Debug, Serialize)]
pub(crate) struct Ending {
    #[serde(serialize_with = "reason")]
    pub(crate) reason: CloseReason,
    #[serde(serialize_with = "code")]
    pub(crate) code: CloseCode,
    /// For how long it was open.
    pub(crate) seconds: f64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) messages_in: u64,
    pub(crate) messages_out: u64,
}

impl Entry {
    /// A connection opened.
    pub(crate) fn open(id: String, greeting: Greeting) -> Self {
        // Users are named by others.
        let user = greeting.user.as_deref().map(clip);
        Self { time: SystemTime::now(), id: Some(id), what: What::Open(Greeting { user, ..greeting }) }
    }

    /// An opening handshake ended otherwise.
    pub(crate) fn refuse(greeting: Greeting) -> Self {
        Self { time: SystemTime::now(), id: None, what: What::Refuse(greeting) }
    }

    /// A connection has another socket.
    pub(crate) fn recover(id: String, address: Option<IpAddr>) -> Self {
        Self { time: SystemTime::now(), id: Some(id), what: What::Recover(Return { address }) }
    }

    /// A connection ended.
    pub(crate) fn close(id: String, ending: Ending) -> Self {
        Self { time: SystemTime::now(), id: Some(id), what: What::Close(ending) }
    }

    /// Appends the line.
    pub(super) fn append(&self, line: &mut Vec<u8>) {
        // Neither a map with keys that are no strings nor a writer that fails: it cannot fail.
        let rendered = serde_json::to_writer(&mut *line, self);
        debug_assert!(rendered.is_ok());
        line.push(b'\n');
    }
}

/// What a peer has sent, cut off where it is long.
fn clip(text: &str) -> String {
    if text.len() <= TEXT_LEN_MAX {
        return text.to_owned();
    }
    // Not within a character.
    let end = (0..=TEXT_LEN_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}...", &text[..end])
}

fn rfc3339<S: serde::Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_rfc3339_millis(*time))
}

fn outcome<S: serde::Serializer>(outcome: &HandshakeOutcome, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(outcome.label())
}

fn reason<S: serde::Serializer>(reason: &CloseReason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.label())
}

fn code<S: serde::Serializer>(code: &CloseCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(code.label())
}

#[cfg(test)]
impl Default for Ending {
    fn default() -> Self {
        Self {
            reason: CloseReason::Peer,
            code: CloseCode::Normal,
            seconds: 1.5,
            bytes_in: 0,
            bytes_out: 0,
            messages_in: 0,
            messages_out: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn line(mut entry: Entry) -> String {
        entry.time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_042);
        let mut line = Vec::new();
        entry.append(&mut line);
        String::from_utf8(line).expect("UTF-8")
    }

    fn greeting(asked: Asked) -> Greeting {
        let address = Some("2001:db8::1".parse().expect("an address"));
        let subprotocol = Some("chat".to_owned());
        let outcome = HandshakeOutcome::Accepted;
        Greeting { address, asked, subprotocol, hub: None, user: None, status: Some(101), outcome }
    }

    #[test]
    fn lines_are_json_objects_with_what_is_known() {
        let asked = Asked::new("/chat", Some("https://example.com"));
        assert_eq!(
            line(Entry::open("0-1-2".to_owned(), greeting(asked))),
            "{\"time\":\"2023-11-14T22:13:20.042Z\",\"id\":\"0-1-2\",\"event\":\"open\",\"address\":\"2001:db8::1\",\
             \"path\":\"/chat\",\"origin\":\"https://example.com\",\"subprotocol\":\"chat\",\"status\":101,\
             \"outcome\":\"101\"}\n"
        );
        let gone = HandshakeOutcome::Gone;
        let unknown = Greeting {
            address: None,
            asked: Asked::default(),
            subprotocol: None,
            hub: None,
            user: None,
            status: None,
            outcome: gone,
        };
        assert_eq!(
            line(Entry::refuse(unknown)),
            "{\"time\":\"2023-11-14T22:13:20.042Z\",\"event\":\"refuse\",\"outcome\":\"gone\"}\n"
        );
        assert_eq!(
            line(Entry::recover("0-1-2".to_owned(), "127.0.0.1".parse().ok())),
            "{\"time\":\"2023-11-14T22:13:20.042Z\",\"id\":\"0-1-2\",\"event\":\"recover\",\
             \"address\":\"127.0.0.1\"}\n"
        );
        assert_eq!(
            line(Entry::close(
                "0-1-2".to_owned(),
                Ending { bytes_in: 7, messages_out: 3, ..Ending::default() }
            )),
            "{\"time\":\"2023-11-14T22:13:20.042Z\",\"id\":\"0-1-2\",\"event\":\"close\",\"reason\":\"peer\",\
             \"code\":\"1000\",\"seconds\":1.5,\"bytes_in\":7,\"bytes_out\":0,\"messages_in\":0,\"messages_out\":3}\n"
        );
    }

    #[test]
    fn whatever_a_peer_sends_stays_in_its_string() {
        let path = "/\"},\r\n{\"event\":\"close\"\\\u{1b}[2J\0";
        let line = line(Entry::open("0-1-2".to_owned(), greeting(Asked::new(path, Some(path)))));
        assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line}");
        assert!(!line.bytes().any(|byte| byte < b' ' && byte != b'\n'), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((read["path"].as_str(), read["origin"].as_str()), (Some(path), Some(path)));
        assert_eq!(
            (read["event"].as_str(), read.as_object().map(serde_json::Map::len)),
            (Some("open"), Some(9))
        );
    }

    #[test]
    fn long_texts_are_cut_off() {
        for len in [TEXT_LEN_MAX, TEXT_LEN_MAX + 1, 8000] {
            let clipped = clip(&"x".repeat(len));
            assert_eq!(clipped.len(), if len > TEXT_LEN_MAX { TEXT_LEN_MAX + 3 } else { len });
            assert_eq!(clipped.ends_with("..."), len > TEXT_LEN_MAX);
            let wide = clip(&format!("x{}", "ë".repeat(len)));
            assert_eq!(wide.len(), TEXT_LEN_MAX - 1 + 3, "not within a character");
        }
    }
}
