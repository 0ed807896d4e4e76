//! One request over HTTP.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use holdfast_upstream::{Address, Client, Endpoint, Limits, Repeat, Tls};

use super::error::CommandError;
use super::runtime::block_on;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is shown of an answer.
const SHOWN_CHARS: usize = 500;
/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What is to be posted where.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) url: &'a str,
    pub(super) token: &'a str,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Authorities that are trusted besides the built-in ones.
    pub(super) ca: Option<&'a PathBuf>,
}

/// Posts it. Anything but a status of 2xx is an error that has the answer.
pub(super) fn post(message: Message<'_>) -> Result<(), CommandError> {
    let usage = |error: &dyn std::fmt::Display| CommandError::usage(error.to_string());
    let address = Address::parse(message.url, &[]).map_err(|error| usage(&error))?;
    let tls = Tls::new(message.ca.map(PathBuf::as_path)).map_err(|error| usage(&error))?;
    let shown_address = address.to_string();
    let host = shown_address.split("/api/").next().unwrap_or_default().to_owned();
    let headers = headers(message.token, message.content_type)?;
    let limits = Limits {
        timeout: PATIENCE,
        attempt_max: PATIENCE,
        answer_bytes_max: ANSWER_BYTES_MAX,
        // One try, and what it says.
        delays: [PATIENCE; 3],
        ..Limits::default()
    };
    let endpoint = Endpoint::new(&Client::new(tls), vec![address], limits);
    let posted = block_on(endpoint.post(&[], || headers.clone(), message.body.into(), Repeat::UnlessSent))?;
    Err(CommandError::failed(match posted.result {
        Ok(answer) if answer.is_success() => return Ok(()),
        Ok(answer) => format!("{host} answered {}: {}", answer.status, shown(&answer.body)),
        Err(failure) => format!("cannot ask {host}: {failure}"),
    }))
}

fn headers(token: &str, content_type: &'static str) -> Result<HeaderMap, CommandError> {
    let bearer = HeaderValue::try_from(format!("Bearer {token}"));
    let mut bearer = bearer.map_err(|_| CommandError::usage("the token cannot be sent"))?;
    bearer.set_sensitive(true);
    let content_type = HeaderValue::from_static(content_type);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer), (CONTENT_TYPE, content_type)]))
}

/// The beginning of an answer, without what would move a terminal's cursor.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().filter(|char| !char.is_control()).take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request, and gives back what it was.
    fn answered(answer: &'static [u8]) -> (Result<(), CommandError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/api/hubs/chat/:send?a=b", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut heard = Vec::new();
            while !heard.ends_with(b"hello") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                heard.push(byte[0]);
            }
            stream.write_all(answer).expect("written");
            String::from_utf8(heard).expect("text")
        });
        let message = Message {
            url: &url,
            token: "a.b.c",
            content_type: "text/plain",
            body: b"hello".to_vec(),
            ca: None,
        };
        (post(message), server.join().expect("heard"))
    }

    #[test]
    fn a_message_is_posted_with_its_token() {
        let (result, request) = answered(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(result, Ok(()));
        assert!(request.starts_with("POST /api/hubs/chat/:send?a=b HTTP/1.1\r\n"), "{request}");
        for part in [
            "host: 127.0.0.1:",
            "authorization: Bearer a.b.c\r\n",
            "content-type: text/plain\r\n",
            "content-length: 5\r\n",
        ] {
            assert!(request.contains(part), "{part} in {request}");
        }
    }

    #[test]
    fn an_answer_that_says_no_is_shown_without_control_characters() {
        let (result, _) =
            answered(b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n{\"a\":1}\x1b[2J\n");
        let said = result.expect_err("refused");
        assert!(said.to_string().ends_with(" answered 401: {\"a\":1}[2J"), "{said}");
        assert_eq!(said.exit_code(), 1);
    }

    #[test]
    fn a_gateway_that_is_not_there_is_said_to_be_missing() {
        let message =
            |url| Message { url, token: "", content_type: "text/plain", body: Vec::new(), ca: None };
        let said = post(message("http://127.0.0.1:1/")).expect_err("nobody there").to_string();
        assert!(said.starts_with("cannot ask http://127.0.0.1:1"), "{said}");
        let said = post(message("https://127.0.0.1:1/")).expect_err("nobody there").to_string();
        assert!(said.starts_with("cannot ask https://127.0.0.1:1"), "{said}");
        let said = post(message("ftp://127.0.0.1/")).expect_err("refused");
        assert_eq!(said.exit_code(), 2, "{said}");
    }
}
