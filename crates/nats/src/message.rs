//! Messages on their way to a server, and from it.

use bytes::Bytes;

/// Bytes of a message that are no part of what it says: what it costs to keep it waiting.
const OVERHEAD: usize = 128;
/// Longest subject. A server ends a connection whose line has more than 4,096 bytes, with the reply's subject in it.
pub(crate) const SUBJECT_LEN_MAX: usize = 1024;

/// A message to a server.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) subject: Box<str>,
    pub(crate) reply: Option<Box<str>>,
    /// As they are written.
    pub(crate) headers: Option<Bytes>,
    pub(crate) payload: Bytes,
}

/// A message from a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) subject: String,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Bytes,
}

impl Outgoing {
    /// Bytes that a server counts: what is said, and headers as they are written.
    pub(crate) fn wire_len(&self) -> usize {
        self.payload.len() + self.headers.as_ref().map_or(0, Bytes::len)
    }
}

/// What waiting costs.
pub(crate) trait Cost {
    /// Bytes, about.
    fn cost(&self) -> usize;
}

impl Cost for Outgoing {
    fn cost(&self) -> usize {
        OVERHEAD + self.subject.len() + self.reply.as_ref().map_or(0, |reply| reply.len()) + self.wire_len()
    }
}

impl Cost for Received {
    fn cost(&self) -> usize {
        let lines = self.headers.iter().map(|(name, value)| OVERHEAD + name.len() + value.len());
        OVERHEAD + self.subject.len() + self.payload.len() + lines.sum::<usize>()
    }
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
