//! Bounds: bytes, and the time of clients that are slow.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn small() -> Limits {
    Limits { body_bytes_max: 8, ..Limits::default() }
}

fn post(len: usize, body: &str) -> Vec<u8> {
    format!("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: {len}\r\n\r\n{body}").into_bytes()
}

fn chunks(body: &str) -> Vec<u8> {
    format!("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

fn status(answers: &str) -> &str {
    answers.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or(answers)
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_when_that_is_known() {
    let rig = Rig::new(small(), 1 << 20);
    for (bytes, expected) in [
        (post(8, "12345678"), "200"),
        (post(9, ""), "413"),
        (chunks("8\r\n12345678\r\n0\r\n\r\n"), "200"),
        (chunks("4\r\n1234\r\n5\r\n"), "413"),
        (chunks("9\r\n"), "413"),
    ] {
        let mut client = rig.connect();
        client.send(&bytes).await;
        let (answers, _, _) = client.end().await;
        assert_eq!(status(&answers), expected, "{answers}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_or_has_too_many_lines_is_refused() {
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(Limits::HEAD_BYTES_MAX));
    assert_eq!(status(&answers(long.as_bytes()).await), "431");
    let many = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(Limits::HEADERS_MAX + 1));
    assert_eq!(status(&answers(many.as_bytes()).await), "431");
    assert_eq!(status(&answers(&b"\r\n".repeat(Limits::HEAD_BYTES_MAX / 2)).await), "431");
    let head = |len: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(len));
    let longest = head(Limits::HEAD_BYTES_MAX - head(0).len());
    assert_eq!(answers(longest.as_bytes()).await, answer("GET / 192.0.2.1 "));
}

#[tokio::test]
async fn all_bodies_share_one_budget_and_give_it_back() {
    for (begin, end) in [(post(8, "1234567"), "8"), (chunks("8\r\n12345678\r\n0\r\n"), "\r\n")] {
        let rig = Rig::new(small(), 12);
        let mut first = rig.connect();
        first.send(&begin).await;
        assert_eq!(rig.budget.taken(), 8);
        for bytes in [post(5, ""), chunks("5\r\n12345\r\n")] {
            let mut late = rig.connect();
            late.send(&bytes).await;
            let (answers, _, _) = late.end().await;
            assert_eq!(status(&answers), "503");
            assert!(answers.contains("\r\nRetry-After: 1\r\n"), "{answers}");
        }
        first.send(end.as_bytes()).await;
        first.expect(&answer("POST /p 192.0.2.1 12345678")).await;
        assert_eq!(rig.budget.taken(), 0);
        // One that goes away in the middle.
        first.send(&begin).await;
        assert_eq!(first.end().await, (String::new(), Ended::Closed, Vec::new()));
        assert_eq!(rig.budget.taken(), 0);
    }
}

#[tokio::test]
async fn nothing_is_held_of_a_body_whose_sender_may_not_ask() {
    let rig = Rig::new(small(), 12);
    let mut client = rig.connect();
    client.send(b"POST /secret HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n1234").await;
    let answers = client.read_all().await;
    assert_eq!((status(&answers), rig.budget.taken()), ("401", 0));
    assert!(answers.contains("\r\nConnection: close\r\n"), "{answers}");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_however_it_trickles() {
    let rig = Rig::default();
    let mut client = rig.connect();
    let start = Instant::now();
    for byte in &GET[..9] {
        client.send(&[*byte]).await;
        sleep(SECOND).await;
    }
    assert_eq!(status(&client.read_all().await), "408");
    assert_eq!(start.elapsed(), Limits::default().head_time);
    // Later ones have it from their first byte on.
    let mut client = rig.connect();
    client.send(GET).await;
    client.expect(&answer("GET /get 192.0.2.1 ")).await;
    sleep(SECOND * 60).await;
    client.send(b"\r\n").await;
    sleep(SECOND * 10).await;
    let start = Instant::now();
    client.send(b"GET").await;
    assert_eq!(status(&client.read_all().await), "408");
    assert_eq!(start.elapsed(), Limits::default().head_time);
}

#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_is_closed_without_a_word() {
    let mut client = Rig::default().connect();
    let start = Instant::now();
    assert_eq!((client.read_all_of_a_closed().await, start.elapsed()), (String::new(), SECOND * 10));
    let mut client = Rig::default().connect();
    client.send(GET).await;
    client.expect(&answer("GET /get 192.0.2.1 ")).await;
    let start = Instant::now();
    assert_eq!((client.read_all_of_a_closed().await, start.elapsed()), (String::new(), SECOND * 75));
}

impl Client {
    /// Reads until the server has dropped the connection.
    async fn read_all_of_a_closed(&mut self) -> String {
        let (ended, stream) = (&mut self.served).await.unwrap();
        assert_eq!(ended, Ended::Closed);
        drop(stream);
        self.read_all().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_has_its_time_however_it_trickles() {
    for bytes in [post(100, "x"), chunks("64\r\nx")] {
        let mut client = Rig::default().connect();
        let start = Instant::now();
        client.send(&bytes).await;
        for _ in 0..29 {
            sleep(SECOND).await;
            client.send(b"x").await;
        }
        assert_eq!(status(&client.read_all().await), "408");
        assert_eq!(start.elapsed(), Limits::default().body_time);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_read_its_answer_is_closed() {
    let rig = Rig::default();
    let mut client = rig.connect_with(GET, 8);
    let start = Instant::now();
    assert_eq!(client.read_all_of_a_closed().await.len(), 8);
    assert_eq!(start.elapsed(), Limits::default().answer_time);
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_is_read_by_one_that_goes_on_sending_for_a_while() {
    let rig = Rig::new(small(), 12);
    let mut client = rig.connect_with(b"", 1024);
    client.send(&post(1 << 20, "")).await;
    // More than the connection holds: the server must take it.
    client.send(&[b'x'; 1 << 20]).await;
    assert_eq!(status(&client.read_all().await), "413");
    let start = Instant::now();
    let (ended, _stream) = client.served.await.unwrap();
    assert_eq!((ended, start.elapsed()), (Ended::Closed, Limits::default().linger_time));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_much_is_thrown_away() {
    let mut client = Rig::new(small(), 12).connect();
    client.send(&post(9, "")).await;
    let start = Instant::now();
    let piece = [b'x'; 1 << 20];
    let mut sent = 0;
    while client.stream.write_all(&piece).await.is_ok() && sent < 200 {
        sent += 1;
        if client.served.is_finished() {
            break;
        }
    }
    assert!((63..70).contains(&sent), "{sent} MiB");
    assert_eq!(start.elapsed(), Duration::ZERO);
}
