//! RFC 6455 section 4: the opening handshake.

use std::io;

use tokio_uring::buf::BoundedBuf as _;
use tokio_uring::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

const HEAD_BYTES_MAX: usize = 4096;
const HEADERS_MAX: usize = 64;
const REFUSAL: &str = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Reads the request and answers it.
///
/// # Errors
///
/// When it was no opening handshake, or the stream has ended.
pub async fn open(stream: &TcpStream) -> io::Result<()> {
    let mut head = Vec::with_capacity(HEAD_BYTES_MAX);
    let key = loop {
        match key(&head) {
            Ok(Some(key)) => break key,
            Ok(None) if head.len() < HEAD_BYTES_MAX => {}
            Ok(None) | Err(NoHandshake) => {
                stream.write_all(REFUSAL.as_bytes()).await.0?;
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let from = head.len();
        let (result, slice) = stream.read(head.slice(from..)).await;
        if result? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head = slice.into_inner();
    };
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: \
            {accept}\r\n\r\n"
    );
    stream.write_all(answer.into_bytes()).await.0
}

#[derive(Debug, Eq, PartialEq)]
struct NoHandshake;

/// The Sec-WebSocket-Key of a request; `None` while the request is not whole.
fn key(head: &[u8]) -> Result<Option<String>, NoHandshake> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_len) = request.parse(head).map_err(|_| NoHandshake)? else {
        return Ok(None);
    };
    let value = |name: &str| {
        let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok()).ok_or(NoHandshake)
    };
    let has = |name: &str, token: &str| {
        value(name).is_ok_and(|value| value.split(',').any(|it| it.trim().eq_ignore_ascii_case(token)))
    };
    let asks = request.method == Some("GET")
        && request.version == Some(1)
        && has("Upgrade", "websocket")
        && has("Connection", "upgrade")
        && has("Sec-WebSocket-Version", "13");
    // RFC 6455 4.1: the peer must wait for the answer before it sends anything more.
    if !asks || head.len() > head_len {
        return Err(NoHandshake);
    }
    value("Sec-WebSocket-Key").map(|key| Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[test]
    fn a_request_gives_its_key_once_it_is_whole() {
        for len in 0..REQUEST.len() {
            assert_eq!(key(&REQUEST.as_bytes()[..len]), Ok(None));
        }
        assert_eq!(key(REQUEST.as_bytes()), Ok(Some("dGhlIHNhbXBsZSBub25jZQ==".to_owned())));
    }

    #[test]
    fn another_request_is_refused() {
        for (part, other) in [("GET", "POST"), ("websocket", "h2c"), ("13", "8"), ("-Key", "-Kee")] {
            assert_eq!(key(REQUEST.replace(part, other).as_bytes()), Err(NoHandshake));
        }
    }
}
