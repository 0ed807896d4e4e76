//! Messages on their way to a server, and from it.

use async_nats::{HeaderMap, StatusCode, Subject};
use bytes::Bytes;

/// Bytes of a message that are no part of what it says: what it costs to keep it waiting.
const OVERHEAD: usize = 128;
/// Longest subject. A server ends a connection whose line has more than 4,096 bytes, with the reply's subject in it.
pub(crate) const SUBJECT_LEN_MAX: usize = 1024;

/// A message to a server.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) subject: Subject,
    pub(crate) reply: Option<Subject>,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) payload: Bytes,
}

/// A message from a server.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) subject: Subject,
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) payload: Bytes,
}

impl Outgoing {
    /// Bytes that a server counts: what is said, and headers as they are written.
    pub(crate) fn wire_len(&self) -> usize {
        let line = |name: &str, value: &str| name.len() + value.len() + 4;
        let headers = self.headers.as_ref().filter(|headers| !headers.is_empty());
        let lines = headers.map(|headers| {
            let values =
                headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
            values.map(|(name, value)| line(name.as_ref(), value.as_str())).sum::<usize>()
        });
        self.payload.len() + lines.map_or(0, |lines| lines + "NATS/1.0\r\n\r\n".len())
    }
}

/// What waiting costs.
pub(crate) trait Cost {
    /// Bytes, about.
    fn cost(&self) -> usize;
}

impl Cost for Outgoing {
    fn cost(&self) -> usize {
        OVERHEAD + self.subject.len() + self.payload.len() + headers_len(self.headers.as_ref())
    }
}

impl Cost for Received {
    fn cost(&self) -> usize {
        OVERHEAD + self.subject.len() + self.payload.len() + headers_len(self.headers.as_ref())
    }
}

impl From<async_nats::Message> for Received {
    fn from(message: async_nats::Message) -> Self {
        let async_nats::Message { subject, status, headers, payload, .. } = message;
        Self { subject, status, headers, payload }
    }
}

fn headers_len(headers: Option<&HeaderMap>) -> usize {
    let line = |name: &str, value: &str| OVERHEAD + name.len() + value.len();
    let all = headers.into_iter().flat_map(HeaderMap::iter);
    all.flat_map(|(name, values)| values.iter().map(move |value| line(name.as_ref(), value.as_str()))).sum()
}

/// Whether a server takes this as the subject of a message: tokens with something in them, no wildcard, no space, not
/// so long that it ends the connection.
pub(crate) fn is_subject(text: &str) -> bool {
    is_pattern(text) && text.split('.').all(|token| !matches!(token, "*" | ">"))
}

/// A text as one token of a subject: in lower case, and every byte but `a` to `z`, `0` to `9`, `_` and `-` as `=XX`.
#[must_use]
pub fn token(text: &str) -> String {
    holdfast_cluster::subject::escape(text)
}

/// Whether this can be listened to: as a subject, and with wildcards.
pub(crate) fn is_pattern(text: &str) -> bool {
    let is_plain = |byte: u8| byte > b' ' && byte != 0x7F;
    let is_token = |token: &str| !token.is_empty() && token.bytes().all(is_plain);
    text.len() <= SUBJECT_LEN_MAX && text.split('.').all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_that_end_a_connection_or_mean_others_are_none() {
        for subject in ["a", "hf1.prod.h.chat=2Ea.all", "a.b*", "é.b"] {
            assert!(is_subject(subject), "{subject}");
        }
        let long = "a".repeat(SUBJECT_LEN_MAX + 1);
        for subject in
            ["", ".", "a.", ".a", "a..b", "*", "a.*", "a.>", "a b", "a\r\nPUB b", "a\tb", "a\0b", &long]
        {
            assert!(!is_subject(subject), "{subject}");
        }
    }
}
