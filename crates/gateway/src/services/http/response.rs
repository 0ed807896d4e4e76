//! Answers.

use std::borrow::Cow;
use std::fmt::Write;

use axum::http::StatusCode;
use bytes::Bytes;
use holdfast_proto::handshake::is_token;

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// 200 to 599.
    pub(crate) status: u16,
    /// Names and values. Content-Length, Connection and Transfer-Encoding are the server's own business.
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
    /// To HEAD it is not sent, only its length; 204 and 304 have none.
    pub(crate) body: Bytes,
    /// Close the connection behind it.
    pub(crate) close: bool,
}

impl Response {
    /// Without a body.
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), close: false }
    }

    /// With a sentence for a human.
    pub(crate) fn text(status: u16, sentence: &str) -> Self {
        let body = Bytes::from(format!("{sentence}\n"));
        Self { body, ..Self::new(status) }.with("Content-Type", "text/plain; charset=utf-8")
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The connection ends behind it.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Whether there may be a body (RFC 9110 6.4.1).
    fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }

    /// The head and what follows it on the wire.
    pub(super) fn into_parts(self, is_head: bool, connection: Option<&str>) -> (String, Bytes) {
        let head = self.head(connection);
        let has_body = self.may_have_body() && !is_head;
        (head, if has_body { self.body } else { Bytes::new() })
    }

    fn head(&self, connection: Option<&str>) -> String {
        debug_assert!((200..600).contains(&self.status), "status {} ends no request", self.status);
        let phrase = StatusCode::from_u16(self.status).ok().and_then(|it| it.canonical_reason());
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, phrase.unwrap_or_default());
        for (name, value) in &self.headers {
            // A bug of the handler: with a line end in it, data would become headers.
            let is_valid = is_token(name) && is_printable(value) && !is_ours(name);
            debug_assert!(is_valid, "{name} with this value is not the handler's to send");
            if is_valid {
                push_line(&mut head, name, value);
            }
        }
        if let Some(option) = connection {
            push_line(&mut head, "Connection", option);
        }
        // RFC 9110 8.6: "A server MUST NOT send a Content-Length header field in any response with a status code of
        // 1xx (Informational) or 204 (No Content)."
        if self.may_have_body() {
            push_line(&mut head, "Content-Length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        head
    }
}

fn push_line(head: &mut String, name: &str, value: &str) {
    // A text takes whatever is written.
    let _ = write!(head, "{name}: {value}\r\n");
}

fn is_printable(value: &str) -> bool {
    value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn is_ours(name: &str) -> bool {
    ["Content-Length", "Connection", "Transfer-Encoding"].iter().any(|it| it.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(response: Response, is_head: bool, connection: Option<&str>) -> String {
        let (head, body) = response.into_parts(is_head, connection);
        head + std::str::from_utf8(&body).unwrap()
    }

    #[test]
    fn an_answer_says_its_length() {
        let ok = || Response { body: Bytes::from_static(b"{}"), ..Response::new(200) }.with("X-A", "b c");
        let head = "HTTP/1.1 200 OK\r\nX-A: b c\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(bytes(ok(), false, None), format!("{head}{{}}"));
        assert_eq!(bytes(ok(), true, None), head, "to HEAD");
        let text = Response::text(404, "There is nothing.");
        assert_eq!(
            bytes(text, false, Some("close")),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
             Content-Length: 18\r\n\r\nThere is nothing.\n"
        );
    }

    #[test]
    fn an_answer_without_content_has_neither_length_nor_body() {
        let no = Response { body: Bytes::from_static(b"x"), ..Response::new(204) };
        assert_eq!(bytes(no, false, None), "HTTP/1.1 204 No Content\r\n\r\n");
    }

    #[test]
    #[should_panic(expected = "X-A with this value")]
    fn a_line_end_in_a_header_is_a_bug() {
        drop(Response::new(200).with("X-A", "b\r\nSet-Cookie: c").into_parts(false, None));
    }
}
