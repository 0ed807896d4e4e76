//! Services that answer what they should not: each costs a bounded amount, and is told apart.

#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use std::net::Shutdown;

use bytes::Bytes;
use holdfast_upstream::{Answer, Failure, Kind, Limits, Repeat};
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::join;
use tokio::net::TcpStream;

use rig::*;

/// What comes of an answer of these bytes, after which the service closes.
async fn said(bytes: &str, limits: Limits) -> Result<Answer, Failure> {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits);
    let service = async {
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        // It need not take all of it.
        let _ = stream.write_all(bytes.as_bytes()).await;
        let _ = stream.into_std().unwrap().shutdown(Shutdown::Write);
    };
    join!(post(&endpoint, Repeat::UnlessSent), service).0.result
}

/// The same with a service that goes on with `more` until it is hung up on.
async fn goes_on(start: &str, more: &str, limits: Limits) -> Failure {
    async fn endless(mut stream: TcpStream, start: &str, more: &str) {
        heard(&mut stream).await;
        let _ = stream.write_all(start.as_bytes()).await;
        while stream.write_all(more.as_bytes()).await.is_ok() {}
    }
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits);
    let service = async { endless(accept(&listener).await, start, more).await };
    join!(post(&endpoint, Repeat::UnlessSent), service).0.result.unwrap_err()
}

async fn kind(bytes: &str) -> Kind {
    let failure = said(bytes, limits()).await.expect_err(bytes);
    assert!(failure.is_sent(), "{bytes}: {failure}");
    failure.kind()
}

fn short() -> Limits {
    Limits { answer_bytes_max: 1000, ..limits() }
}

#[tokio::test]
async fn endless_bodies_and_heads_are_hung_up_on() {
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(goes_on(chunked, &chunk, limits()).await.kind(), Kind::TooLong);
    assert_eq!(goes_on("HTTP/1.0 200 OK\r\n\r\n", &chunk, limits()).await.kind(), Kind::TooLong);
    assert_eq!(goes_on("HTTP/1.1 200 OK\r\n", "a: b\r\n", limits()).await.kind(), Kind::Malformed);
    assert_eq!(goes_on("HTTP/1.1 200 OK\r\na: ", "bbbbbbbb", limits()).await.kind(), Kind::Malformed);
    assert_eq!(goes_on("", "HTTP/1.1", limits()).await.kind(), Kind::Malformed);
    let limits = Limits { attempt_max: SOON, delays: [PAST_THE_END; 3], ..limits() };
    assert_eq!(goes_on("", "HTTP/1.1 100 Continue\r\n\r\n", limits).await.kind(), Kind::Timeout);
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_it_may_be_and_no_longer() {
    let sized =
        |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
    assert_eq!(said(&sized(1000), short()).await.unwrap().body.len(), 1000);
    assert_eq!(said(&sized(1001), short()).await.unwrap_err().kind(), Kind::TooLong);
    let chunked = |length: usize| {
        let body = "x".repeat(length - 500);
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}1f4\r\n{}\r\n{:x}\r\n{body}\r\n0\r\n\r\n", "x".repeat(500), body.len())
    };
    assert_eq!(said(&chunked(1000), short()).await.unwrap().body.len(), 1000);
    assert_eq!(said(&chunked(1001), short()).await.unwrap_err().kind(), Kind::TooLong);
    let unsized_ = |length: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(length));
    assert_eq!(said(&unsized_(1000), short()).await.unwrap().body.len(), 1000);
    assert_eq!(said(&unsized_(1001), short()).await.unwrap_err().kind(), Kind::TooLong);
    // A length that was only said is enough.
    let promise = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
    assert!(matches!(kind(promise).await, Kind::TooLong | Kind::Malformed));
}

#[tokio::test]
async fn heads_have_bounds_in_bytes_and_fields() {
    let fields = |count: usize, value: &str| {
        let fields: String = (0..count).map(|number| format!("x-{number}: {value}\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n")
    };
    assert!(said(&fields(99, ""), limits()).await.is_ok());
    assert_eq!(kind(&fields(100, "")).await, Kind::Malformed);
    assert!(said(&fields(1, &"x".repeat(16_000)), limits()).await.is_ok());
    assert_eq!(kind(&fields(1, &"x".repeat(17_000))).await, Kind::Malformed);
}

#[tokio::test]
async fn what_is_no_http_is_told_apart_from_what_breaks_off() {
    assert_eq!(kind("SSH-2.0-OpenSSH\r\n\r\n").await, Kind::Malformed);
    assert_eq!(kind("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").await, Kind::Malformed);
    assert_eq!(
        kind("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab").await,
        Kind::Malformed
    );
    assert_eq!(kind("HTTP/1.1 200 OK\r\nna me: x\r\n\r\n").await, Kind::Malformed);
    assert_eq!(kind("").await, Kind::Broken);
    assert_eq!(kind("HTTP/1.1 200 O").await, Kind::Broken);
    assert_eq!(kind("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").await, Kind::Broken);
    assert_eq!(kind("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab").await, Kind::Broken);
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab";
    assert!(matches!(kind(chunk).await, Kind::Broken | Kind::Malformed));
}

#[tokio::test]
async fn an_encoded_answer_is_a_failure() {
    for name in ["gzip", "br", "identity, gzip"] {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: 2\r\n\r\nab");
        assert_eq!(kind(&text).await, Kind::Encoded);
    }
    let plain = "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(said(plain, limits()).await.unwrap().body, "ab");
}

#[tokio::test]
async fn what_follows_an_answer_is_no_answer_to_the_next_request() {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    let service = async {
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        say(
            &mut stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake",
        )
        .await;
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        say(&mut stream, OK).await;
    };
    let client = async {
        for _ in 0..2 {
            assert_eq!(post(&endpoint, Repeat::UnlessSent).await.result.unwrap().body, "ok");
        }
    };
    join!(service, client);
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_an_answer_at_most() {
    let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    if let Ok(answer) = said(text, limits()).await {
        assert!(answer.status == 101 && answer.body.is_empty() && !answer.is_success(), "{answer:?}");
    }
}

#[tokio::test]
async fn silence_at_any_point_ends_with_the_attempt() {
    let limits = Limits { attempt_max: SOON, delays: [PAST_THE_END; 3], ..limits() };
    for text in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"] {
        let (listener, address) = listen().await;
        let endpoint = endpoint(&[&address], limits.clone());
        let service = async {
            let mut stream = accept(&listener).await;
            heard(&mut stream).await;
            say(&mut stream, text).await;
            ended(&mut stream).await;
        };
        let (outcome, ()) = join!(post(&endpoint, Repeat::UnlessSent), service);
        let failure = outcome.result.unwrap_err();
        assert_eq!((failure.kind(), failure.is_sent()), (Kind::Timeout, true), "{text}");
    }
}

#[tokio::test]
async fn a_connection_whose_answer_came_before_the_request_was_read_is_not_used_again() {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    let service = async {
        let mut early = accept(&listener).await;
        assert_ne!(early.read(&mut [0; 10]).await.unwrap(), 0);
        say(&mut early, OK).await;
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        say(&mut stream, OK).await;
        early
    };
    let client = async {
        let long = Bytes::from(vec![b'x'; 32 << 20]);
        let outcome = endpoint.post(&[], HeaderMap::new, long, Repeat::UnlessSent).await;
        assert_eq!(outcome.result.unwrap().body, "ok");
        assert_eq!(post(&endpoint, Repeat::UnlessSent).await.result.unwrap().body, "ok");
    };
    // Most of the first request is not read before the second has its answer.
    drop(join!(service, client));
}
