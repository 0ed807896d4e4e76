//! Documents: from whom they are taken, and what those who have them may do.

#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use std::fs;
use std::net::Shutdown;

use bytes::Bytes;
use holdfast_upstream::{
    Client, DOCUMENT_LEN_MAX, Document, DocumentError, FETCH_MAX, Kind, Limits, SourceError, Tls,
};
use tokio::io::AsyncWriteExt;
use tokio::join;

use rig::*;

fn client() -> Client {
    Client::new(Tls::new(None).unwrap())
}

fn at(text: &str) -> Result<Document, SourceError> {
    Document::new(&client(), text)
}

/// What comes of an answer of these bytes, after which the provider goes on with `more` until it is hung up on.
async fn said(start: &str, more: &str, limits: Limits) -> Result<Bytes, DocumentError> {
    let (listener, address) = listen().await;
    let document = Document::with_limits(&client(), &format!("{address}keys"), &limits).unwrap();
    let provider = async {
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        // It need not take all of it.
        let _ = stream.write_all(start.as_bytes()).await;
        while !more.is_empty() && stream.write_all(more.as_bytes()).await.is_ok() {}
        let _ = stream.into_std().unwrap().shutdown(Shutdown::Write);
    };
    join!(document.read(), provider).0
}

async fn kind(start: &str, more: &str) -> Kind {
    match said(start, more, limits()).await {
        Err(DocumentError::Failed(_, failure)) => failure.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_source_is_https_or_http_on_this_machine_or_a_file() {
    for text in [
        "https://id.example/keys?tenant=1",
        "https://user:password@id.example",
        "http://127.0.0.1/",
        "http://127.9.9.9:1/keys",
        "http://[::1]:8080/keys",
        "http://localhost:8080/keys",
        "http://LOCALHOST",
    ] {
        assert!(!at(text).expect(text).is_file(), "{text}");
    }
    for text in ["keys.json", "/etc/keys.json", "./a:b", "a b", "https", "key:s"] {
        assert!(at(text).expect(text).is_file(), "{text}");
        assert_eq!(at(text).unwrap().to_string(), text);
    }
    for text in [
        "http://id.example/keys",
        "http://10.0.0.1/keys",
        "http://0.0.0.0/keys",
        "http://[::]/keys",
        "http://[::ffff:127.0.0.1]/keys",
        "http://localhost.example/keys",
        "http://127.0.0.1.example/keys",
        "http://127.1/keys",
        "http://127.0.0.1@id.example/keys",
    ] {
        assert_eq!(at(text).expect_err(text), SourceError::Plain, "{text}");
    }
    for text in ["ftp://127.0.0.1/keys", "unix:/run/keys.sock", "file:///etc/keys", "HTTPS://id.example/"] {
        assert_eq!(at(text).expect_err(text), SourceError::Scheme, "{text}");
    }
    for text in ["https://", "https:/id.example", "https://id.example/#keys", "https://id.example/{hub}"] {
        assert!(matches!(at(text), Err(SourceError::Address(_))), "{text}");
    }
    assert_eq!(at("").unwrap_err(), SourceError::Empty);
}

#[test]
fn what_it_is_called_has_no_secret() {
    let document = at("https://user:marker@id.example/keys?code=marker").unwrap();
    assert_eq!(document.to_string(), "https://id.example/keys");
    assert!(!format!("{document:?}").contains("marker"));
}

#[tokio::test]
async fn a_document_is_asked_for_and_its_type_does_not_matter() {
    let (listener, address) = listen().await;
    let document = at(&format!("{address}keys?a=b")).unwrap();
    let provider = async {
        let mut stream = accept(&listener).await;
        let request = heard(&mut stream).await;
        say(
            &mut stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        )
        .await;
        request
    };
    let (read, request) = join!(document.read(), provider);
    assert_eq!(read.unwrap(), "{}");
    assert!(request.starts_with("GET /keys?a=b HTTP/1.1\r\n") && request.ends_with("\r\n\r\n"), "{request}");
    let request = request.to_lowercase();
    assert!(request.contains("accept: application/json") && request.contains("accept-encoding: identity"));
    assert!(!request.contains("content-length") && !request.contains("transfer-encoding"), "{request}");
}

#[tokio::test]
async fn any_status_but_200_is_none_and_no_redirect_is_followed() {
    let (elsewhere, place) = listen().await;
    for status in [201, 204, 206, 301, 302, 303, 304, 307, 308, 401, 404, 429, 500, 503] {
        let answer = format!("HTTP/1.1 {status} x\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
        let error = said(&answer, "", limits()).await.unwrap_err();
        let DocumentError::Status(_, said) = &error else { panic!("{error}") };
        assert_eq!(*said, status);
        let is_redirect = error.to_string().contains("redirects are not followed");
        assert_eq!(is_redirect, (300..400).contains(&status), "{error}");
    }
    let elsewhere = elsewhere.into_std().unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_document_has_a_bound_and_endless_ones_are_hung_up_on() {
    let sized = |len: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{}", "x".repeat(len));
    assert_eq!(said(&sized(DOCUMENT_LEN_MAX), "", limits()).await.unwrap().len(), DOCUMENT_LEN_MAX);
    assert_eq!(kind(&sized(DOCUMENT_LEN_MAX + 1), "").await, Kind::TooLong);
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(kind(chunked, &chunk).await, Kind::TooLong);
    assert_eq!(kind("HTTP/1.0 200 OK\r\n\r\n", &chunk).await, Kind::TooLong);
    assert_eq!(kind("HTTP/1.1 200 OK\r\n", "a: b\r\n").await, Kind::Malformed);
    let lax = Limits { answer_bytes_max: usize::MAX, ..limits() };
    let DocumentError::Failed(_, failure) = said(chunked, &chunk, lax).await.unwrap_err() else { panic!() };
    assert_eq!(failure.kind(), Kind::TooLong);
}

#[tokio::test]
async fn what_breaks_off_or_is_no_http_or_is_encoded_is_none() {
    assert_eq!(kind("", "").await, Kind::Broken);
    assert_eq!(kind("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", "").await, Kind::Broken);
    assert_eq!(kind("SSH-2.0-OpenSSH\r\n\r\n", "").await, Kind::Malformed);
    let encoded = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(kind(encoded, "").await, Kind::Encoded);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_ten_seconds_whatever_the_limits_are() {
    for text in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"] {
        let (listener, address) = listen().await;
        let document = Document::with_limits(&client(), &address, &limits()).unwrap();
        let provider = async {
            let mut stream = accept(&listener).await;
            heard(&mut stream).await;
            say(&mut stream, text).await;
            ended(&mut stream).await;
        };
        let begun = tokio::time::Instant::now();
        let (read, ()) = join!(document.read(), provider);
        let DocumentError::Failed(_, failure) = read.unwrap_err() else { panic!("{text}") };
        assert_eq!(failure.kind(), Kind::Timeout, "{text}");
        assert!(begun.elapsed() <= FETCH_MAX + SOON, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn where_nobody_listens_it_says_so() {
    let error = at(&nowhere().await).unwrap().read().await.unwrap_err();
    assert!(error.to_string().contains("it cannot be connected to"), "{error}");
}

#[tokio::test]
async fn a_name_for_this_machine_that_is_another_is_not_connected_to() {
    let told = Told::default();
    let (listener, _) = listen().await;
    let here = listener.local_addr().unwrap();
    let document = Document::new(&told.client(Tls::new(None).unwrap()), "http://localhost/keys").unwrap();
    told.say(&["192.0.2.1:80".parse().unwrap(), "[2001:db8::1]:80".parse().unwrap()]);
    let DocumentError::Failed(_, failure) = document.read().await.unwrap_err() else { panic!() };
    assert_eq!(failure.kind(), Kind::Resolve);
    told.say(&["192.0.2.1:80".parse().unwrap(), here]);
    let provider = async {
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        say(&mut stream, OK).await;
    };
    assert_eq!(join!(document.read(), provider).0.unwrap(), "ok");
}

#[tokio::test]
async fn a_file_is_read_with_a_bound_and_what_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let document = at(path.to_str().unwrap()).unwrap();
    let error = document.read().await.unwrap_err();
    assert!(matches!(error, DocumentError::File(..)) && error.to_string().contains("keys.json"), "{error}");
    fs::write(&path, "{}").unwrap();
    assert_eq!(document.read().await.unwrap(), "{}");
    fs::write(&path, vec![b' '; DOCUMENT_LEN_MAX]).unwrap();
    assert_eq!(document.read().await.unwrap().len(), DOCUMENT_LEN_MAX);
    fs::write(&path, vec![b' '; DOCUMENT_LEN_MAX + 1]).unwrap();
    assert!(matches!(document.read().await.unwrap_err(), DocumentError::TooLong(_)));
    // A folder, and what has no end. A pipe would be waited for if it were opened.
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    for path in [folder.path(), "/dev/zero".as_ref(), pipe.as_path()] {
        let error = at(path.to_str().unwrap()).unwrap().read().await.unwrap_err();
        assert!(matches!(error, DocumentError::NoFile(_)), "{error}");
    }
}
