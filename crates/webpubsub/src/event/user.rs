//! The answer to an event of a client.

use super::answer::{Answer, Failure};
use crate::data::{Data, DataKind};

/// What a service says to an event of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAnswer<'a> {
    /// It was heard.
    Done {
        /// What is sent to the client: text, JSON or bytes, never empty; nothing where the body was empty.
        reply: Option<Data<'a>>,
        /// The state from now on, which may be empty; nothing if it stays as it is.
        state: Option<&'a str>,
    },
    /// The service failed.
    Failed(Failure),
}

impl<'a> UserAnswer<'a> {
    /// What an answer means: 2xx is success. Its body is of the kind that its Content-Type says, bytes where there is
    /// none.
    #[must_use]
    pub fn read(answer: &Answer<'a>) -> Self {
        Self::done(answer).unwrap_or_else(Self::Failed)
    }

    fn done(answer: &Answer<'a>) -> Result<Self, Failure> {
        if !answer.is_success() {
            return Err(Failure::Status(answer.status));
        }
        let state = answer.state()?;
        if answer.body.is_empty() {
            return Ok(Self::Done { reply: None, state });
        }
        let kind = match answer.content_type {
            None => DataKind::Binary,
            Some(value) => DataKind::from_content_type(value).ok_or(Failure::ContentType)?,
        };
        let reply = Data::checked(kind, answer.body).ok_or(Failure::Body)?;
        Ok(Self::Done { reply: Some(reply), state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(status: u16, content_type: Option<&'a str>, body: &'a [u8]) -> UserAnswer<'a> {
        UserAnswer::read(&Answer { status, content_type: content_type.map(str::as_bytes), state: None, body })
    }

    #[test]
    fn a_body_is_sent_as_its_type_says() {
        let (text, json) = ("text/plain; charset=utf-8", "application/json");
        for (content_type, body, kind, bytes) in [
            (Some(text), "grüße", DataKind::Text, "grüße"),
            (Some(json), " {\"a\": 1.0} ", DataKind::Json, "{\"a\": 1.0}"),
            (Some("application/octet-stream"), "x", DataKind::Binary, "x"),
            (None, "x", DataKind::Binary, "x"),
        ] {
            let reply = Some(Data { kind, bytes: bytes.as_bytes() });
            assert_eq!(
                read(200, content_type, body.as_bytes()),
                UserAnswer::Done { reply, state: None },
                "{body}"
            );
        }
    }

    #[test]
    fn an_empty_body_sends_nothing_and_a_state_is_kept() {
        for (status, content_type) in
            [(200, Some("application/octet-stream")), (204, None), (200, Some("text/html"))]
        {
            assert_eq!(read(status, content_type, b""), UserAnswer::Done { reply: None, state: None });
        }
        let answer = Answer { status: 200, content_type: None, state: Some(b"bmV3"), body: b"" };
        assert_eq!(UserAnswer::read(&answer), UserAnswer::Done { reply: None, state: Some("bmV3") });
    }

    #[test]
    fn nonsense_is_a_failure() {
        let json = Some("application/json");
        for (status, content_type, body, failure) in [
            (500, None, "x", Failure::Status(500)),
            (404, None, "", Failure::Status(404)),
            (302, None, "", Failure::Status(302)),
            (200, Some("text/html"), "x", Failure::ContentType),
            (200, json, "{", Failure::Body),
            (200, json, " ", Failure::Body),
        ] {
            assert_eq!(read(status, content_type, body.as_bytes()), UserAnswer::Failed(failure), "{body}");
        }
        assert_eq!(read(200, Some("text/plain"), b"\xff"), UserAnswer::Failed(Failure::Body));
        let answer = Answer { status: 200, content_type: None, state: Some(b"a\r\nb: c"), body: b"" };
        assert_eq!(UserAnswer::read(&answer), UserAnswer::Failed(Failure::State));
    }
}
