//! One request over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::error::CommandError;

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
}

/// Posts it. Anything but a status of 2xx is an error that has the answer.
pub(super) fn post(message: Message<'_>) -> Result<(), CommandError> {
    let (scheme, rest) = message.url.split_once("://").unwrap_or(("http", message.url));
    let (authority, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if scheme != "http" {
        return Err(CommandError::usage(format!(
            "--endpoint {scheme}://{authority}: only http can be spoken here, so name where the gateway itself listens"
        )));
    }
    let (authority, target) = (authority.to_owned(), target.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::failed(format!("cannot make a request: {error}")))?;
    let answer = runtime
        .block_on(async { tokio::time::timeout(PATIENCE, exchange(&authority, &target, message)).await });
    let problem = match answer {
        Ok(Ok((status, _))) if status.is_success() => return Ok(()),
        Ok(Ok((status, body))) => format!("{authority} answered {status}: {}", shown(&body)),
        Ok(Err(error)) => format!("cannot ask {authority}: {error}"),
        Err(_) => format!("{authority} did not answer within {} s", PATIENCE.as_secs()),
    };
    // A name is looked up on a thread of its own, which may take its time.
    runtime.shutdown_background();
    Err(CommandError::failed(problem))
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    authority: &str,
    target: &str,
    message: Message<'_>,
) -> Result<(StatusCode, Bytes), Problem> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(target)
        .header(HOST, authority)
        .header(AUTHORIZATION, format!("Bearer {}", message.token))
        .header(CONTENT_TYPE, message.content_type)
        .body(Full::new(Bytes::from(message.body)))?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok((status, body))
    };
    tokio::pin!(answer);
    // The connection ends before its answer where the gateway does.
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
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
        let message =
            Message { url: &url, token: "a.b.c", content_type: "text/plain", body: b"hello".to_vec() };
        (post(message), server.join().expect("heard"))
    }

    #[test]
    fn a_message_is_posted_with_its_token() {
        let (result, request) = answered(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(result, Ok(()));
        assert!(
            request.starts_with("POST /api/hubs/chat/:send?a=b HTTP/1.1\r\nhost: 127.0.0.1:"),
            "{request}"
        );
        for part in
            ["authorization: Bearer a.b.c\r\n", "content-type: text/plain\r\n", "content-length: 5\r\n"]
        {
            assert!(request.contains(part), "{part} in {request}");
        }
    }

    #[test]
    fn an_answer_that_says_no_is_shown_without_control_characters() {
        let (result, _) =
            answered(b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n{\"a\":1}\x1b[2J\n");
        let said = result.expect_err("refused");
        assert!(said.to_string().ends_with(" answered 401 Unauthorized: {\"a\":1}[2J"), "{said}");
        assert_eq!(said.exit_code(), 1);
    }

    #[test]
    fn a_gateway_that_is_not_there_is_said_to_be_missing() {
        let message = |url| Message { url, token: "", content_type: "text/plain", body: Vec::new() };
        let said = post(message("http://127.0.0.1:1/")).expect_err("nobody there").to_string();
        assert!(said.starts_with("cannot ask 127.0.0.1:1: "), "{said}");
        let said = post(message("https://127.0.0.1/")).expect_err("refused");
        assert!(said.to_string().contains("only http"), "{said}");
    }
}
