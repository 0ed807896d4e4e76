//! Request heads.

use crate::deflate::negotiate;
use crate::handshake::{HEADERS_MAX, RequestStatus, parse_request};
use crate::{HandshakeError, HeadLimits, HeadStatus, parse_head, write_accept, write_refusal};

/// Any bytes as a request head.
///
/// # Panics
///
/// When a promise is broken.
pub fn head(data: &[u8]) {
    let limits = HeadLimits { head_bytes_max: 1024, headers_max: 16 };
    let whole = parse_head(data, &limits).map(outline);
    let first = (0..=data.len())
        .filter(|len| is_cut(data, *len))
        .map(|len| parse_head(&data[..len], &limits).map(outline))
        .find(|outcome| *outcome != Ok(None))
        .unwrap_or(Ok(None));
    assert_eq!(first, whole, "the verdict depends on the cuts");
    check_request(data, &limits);
    match parse_head(data, &limits) {
        Ok(HeadStatus::NeedMore) => assert!(data.len() < limits.head_bytes_max),
        Ok(HeadStatus::Upgrade { request, head_len }) => {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut parsed = httparse::Request::new(&mut headers);
            assert_eq!(parsed.parse(data), Ok(httparse::Status::Complete(head_len)));
            let parsed = parsed.headers.iter().map(|header| (header.name, header.value));
            assert!(request.headers().eq(parsed), "the header lines read again are not the same");
            let mut response = Vec::new();
            write_accept(&mut response, &request.accept_key(), request.subprotocols().next(), None);
            check_response(&response, 101);
            if let Some(agreement) = negotiate(request.extensions()) {
                response.clear();
                write_accept(&mut response, &request.accept_key(), None, Some(agreement.answer()));
                check_response(&response, 101);
            }
            for extension in request.extensions() {
                assert!(!extension.name().is_empty());
                assert!(extension.parameters().all(|(name, _)| !name.is_empty()));
            }
        }
        Ok(HeadStatus::Plain { request, head_len, why }) => {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut parsed = httparse::Request::new(&mut headers);
            assert_eq!(parsed.parse(data), Ok(httparse::Status::Complete(head_len)));
            assert_eq!(parsed.method, Some(request.method));
            assert!(request.path.starts_with('/') && !request.path.contains('?'));
            let parsed = parsed.headers.iter().map(|header| (header.name, header.value));
            assert!(request.headers().eq(parsed), "the header lines read again are not the same");
            check_refusal(why);
        }
        Err(error) => check_refusal(error),
    }
}

/// Who serves ordinary requests must see the same borders as who serves opening handshakes: else a connection could go
/// to and fro between them.
fn check_request(data: &[u8], limits: &HeadLimits) {
    let (served, shown) = (parse_request(data, limits), parse_head(data, limits));
    match (served, shown) {
        (Ok(RequestStatus::NeedMore), Ok(HeadStatus::NeedMore))
        | (Ok(RequestStatus::Upgrade), Ok(HeadStatus::Upgrade { .. }) | Err(_))
        | (Err(_), Ok(HeadStatus::Plain { .. }) | Err(_)) => {}
        (
            Ok(RequestStatus::Plain { request, head_len }),
            Ok(HeadStatus::Plain { request: other, head_len: len, .. }),
        ) => {
            assert_eq!((request.method, request.target(), head_len), (other.method, other.target(), len));
        }
        (served, shown) => panic!("{served:?}, but {shown:?}"),
    }
}

fn check_refusal(error: HandshakeError) {
    let mut response = Vec::new();
    write_refusal(&mut response, error.status(), &error.to_string(), None);
    check_response(&response, error.status());
}

/// Whether to try what the first `len` bytes alone are: everywhere in short heads, near the ends of lines and here and
/// there in long ones.
fn is_cut(data: &[u8], len: usize) -> bool {
    let near = len.saturating_sub(2)..data.len().min(len + 1);
    data.len() < 64 || len == data.len() || len.is_multiple_of(16) || data[near].contains(&b'\n')
}

fn outline(status: HeadStatus<'_>) -> Option<usize> {
    match status {
        HeadStatus::NeedMore => None,
        HeadStatus::Upgrade { head_len, .. } | HeadStatus::Plain { head_len, .. } => Some(head_len),
    }
}

fn check_response(response: &[u8], status: u16) {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Response::new(&mut headers);
    let parsed_head = parsed.parse(response);
    let Ok(httparse::Status::Complete(head_len)) = parsed_head else { panic!("response {parsed_head:?}") };
    assert_eq!(parsed.code, Some(status));
    let length = parsed.headers.iter().find(|header| header.name == "Content-Length");
    let length = length.map_or(0, |header| {
        std::str::from_utf8(header.value).ok().and_then(|value| value.parse().ok()).unwrap_or(usize::MAX)
    });
    assert_eq!(response.len() - head_len, length);
}
