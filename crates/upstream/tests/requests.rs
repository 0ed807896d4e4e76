//! Requests and answers as they should be, and when a request is sent again.

mod rig;

use std::time::Duration;

use bytes::Bytes;
use holdfast_upstream::{Kind, Limits, Repeat, State, Tls};
use http::HeaderMap;
use tokio::join;
use tokio::net::UnixListener;

use rig::*;

#[tokio::test]
async fn a_request_is_written_whole_and_its_answer_comes_back_whole() {
    let (listener, address) = listen().await;
    let address = address.replace("http://", "http://ann:secret@") + "e/{hub}/{event}?code=1";
    let endpoint = endpoint(&[&address], limits());
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("ce-id", "7"), ("host", "other"), ("content-length", "99"), ("connection", "close")]
    {
        headers.insert(name, value.parse().unwrap());
    }
    let values = [("hub", "a/b"), ("event", "message")];
    let service = async {
        let mut stream = accept(&listener).await;
        let text = heard(&mut stream).await;
        say(&mut stream, "HTTP/1.1 201 Created\r\nce-connectionState: abc\r\nContent-Length: 3\r\n\r\nyes")
            .await;
        text
    };
    let (outcome, text) = join!(
        endpoint.post(&values, || headers.clone(), Bytes::from_static(b"hello"), Repeat::UnlessSent),
        service
    );
    let answer = outcome.result.unwrap();
    assert_eq!((answer.status, &answer.body[..], answer.is_success()), (201, &b"yes"[..], true));
    assert_eq!(answer.headers["ce-connectionstate"], "abc");
    assert_eq!(outcome.report.attempts, 1);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /e/a%2Fb/message?code=1 HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", listener.local_addr().unwrap());
    let expected = [
        "accept-encoding: identity",
        "authorization: Basic YW5uOnNlY3JldA==",
        "ce-id: 7",
        "content-length: 5",
        &host,
    ];
    assert_eq!((lines, body), (expected.to_vec(), "hello"));
}

#[tokio::test]
async fn a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_replaced() {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    let service = async {
        for requests in [2, 1] {
            let mut stream = accept(&listener).await;
            for _ in 0..requests {
                heard(&mut stream).await;
                say(&mut stream, OK).await;
            }
        }
    };
    let client = async {
        for _ in 0..3 {
            let outcome = post(&endpoint, Repeat::UnlessSent).await;
            assert_eq!(outcome.result.unwrap().body, "ok");
            assert_eq!(outcome.report.attempts, 1);
        }
    };
    join!(service, client);
}

#[tokio::test]
async fn a_connection_closed_right_after_its_answer_loses_no_request() {
    const REQUESTS: usize = 100;
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    let service = async {
        for _ in 0..REQUESTS {
            let mut stream = accept(&listener).await;
            heard(&mut stream).await;
            // The answer does not say that it closes.
            say(&mut stream, OK).await;
        }
    };
    let client = async {
        for _ in 0..REQUESTS {
            let outcome = post(&endpoint, Repeat::UnlessSent).await;
            assert_eq!((outcome.result.unwrap().status, outcome.report.attempts), (200, 1));
        }
    };
    join!(service, client);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_goes_there() {
    let (listener, address) = listen().await;
    let (other, elsewhere) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    let service = async {
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        let text =
            format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
        say(&mut stream, &text).await;
    };
    let (outcome, ()) = join!(post(&endpoint, Repeat::Always), service);
    assert_eq!(outcome.result.unwrap().status, 307);
    other.into_std().unwrap().accept().expect_err("nobody");
}

#[tokio::test]
async fn a_unix_socket_takes_requests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let endpoint = endpoint(&[&format!("unix:{}:/e/{{event}}", path.display())], limits());
    let service = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let text = heard(&mut stream).await;
        say(&mut stream, OK).await;
        text
    };
    let (outcome, text) = join!(post(&endpoint, Repeat::UnlessSent), service);
    assert_eq!(outcome.result.unwrap().body, "ok");
    assert!(
        text.starts_with("POST /e/message HTTP/1.1\r\n") && text.contains("host: localhost\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn the_next_address_is_tried_when_nothing_could_be_sent_to_the_former() {
    let (listener, address) = listen().await;
    let refused = nowhere().await;
    let endpoint = endpoint(&["unix:/nowhere", &refused, "http://nowhere.invalid/", &address], limits());
    let service = async {
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        say(&mut stream, OK).await;
    };
    let (outcome, ()) = join!(post(&endpoint, Repeat::UnlessSent), service);
    assert_eq!(outcome.result.unwrap().body, "ok");
    assert_eq!(outcome.report.attempts, 4);
}

#[tokio::test]
async fn what_was_sent_once_goes_nowhere_else_unless_repeats_are_allowed() {
    let (listener, address) = listen().await;
    let (other, elsewhere) = listen().await;
    let endpoint = endpoint(&[&address, &elsewhere], limits());
    // Read, and closed without an answer.
    let service = async { drop(heard(&mut accept(&listener).await).await) };
    let (outcome, ()) = join!(post(&endpoint, Repeat::UnlessSent), service);
    let failure = outcome.result.unwrap_err();
    assert_eq!((failure.kind(), failure.is_sent(), outcome.report.attempts), (Kind::Broken, true, 1));

    let service = async {
        heard(&mut accept(&listener).await).await;
        let mut stream = accept(&other).await;
        heard(&mut stream).await;
        say(&mut stream, OK).await;
    };
    let (outcome, ()) = join!(post(&endpoint, Repeat::Always), service);
    assert_eq!((outcome.result.unwrap().status, outcome.report.attempts), (200, 2));
}

#[tokio::test]
async fn a_connection_that_is_reset_after_the_request_was_written_counts_as_sent() {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    // Closed while bytes wait to be read: a reset.
    let service = async { accept(&listener).await.peek(&mut [0]).await.unwrap() };
    let (outcome, _) = join!(post(&endpoint, Repeat::UnlessSent), service);
    let failure = outcome.result.unwrap_err();
    assert!(failure.is_sent(), "{failure}");
}

#[tokio::test]
async fn what_was_not_sent_is_repeated_until_somebody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.sock");
    let endpoint = endpoint(&[&format!("unix:{}", path.display())], limits());
    let service = async {
        tokio::task::yield_now().await;
        let listener = UnixListener::bind(&path).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        heard(&mut stream).await;
        say(&mut stream, OK).await;
    };
    let (outcome, ()) = join!(post(&endpoint, Repeat::UnlessSent), service);
    assert_eq!(outcome.result.unwrap().status, 200);
    assert!(outcome.report.attempts > 1);
}

#[tokio::test]
async fn answers_that_may_pass_are_repeated_where_repeats_are_allowed_and_the_last_one_is_given_back() {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    let service = async {
        let mut stream = accept(&listener).await;
        for status in [500, 408, 429, 503] {
            heard(&mut stream).await;
            say(&mut stream, &format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n")).await;
        }
        heard(&mut stream).await;
        say(&mut stream, OK).await;
        heard(&mut stream).await;
        say(&mut stream, BAD).await;
        stream
    };
    let client = async {
        let outcome = post(&endpoint, Repeat::Always).await;
        assert_eq!((outcome.result.unwrap().status, outcome.report.attempts), (200, 5));
        let outcome = post(&endpoint, Repeat::UnlessSent).await;
        assert_eq!((outcome.result.unwrap().status, outcome.report.attempts), (500, 1));
    };
    join!(service, client);
    let endpoint = rig::endpoint(&[&address], Limits { delays: [PAST_THE_END; 3], ..limits() });
    let service = async {
        let mut stream = accept(&listener).await;
        heard(&mut stream).await;
        say(&mut stream, BAD).await;
    };
    let (outcome, ()) = join!(post(&endpoint, Repeat::Always), service);
    assert_eq!((outcome.result.unwrap().status, outcome.report.attempts), (500, 1), "no time for another");
}

#[tokio::test]
async fn a_new_address_of_a_name_is_followed_when_a_connection_is_old() {
    let ((one, first), (two, second)) = (listen().await, listen().await);
    let told = Told::default();
    let place = |address: &str| address["http://".len()..].trim_end_matches('/').parse().unwrap();
    let limits = Limits { age_max: Duration::from_millis(50), ..limits() };
    let endpoint = endpoint_of(&told.client(Tls::new(None).unwrap()), &["http://service.example/"], limits);
    told.say(&[place(&first)]);
    let service = async {
        let mut stream = accept(&one).await;
        heard(&mut stream).await;
        say(&mut stream, OK).await;
        // Nothing more comes here: it is closed when it is old.
        ended(&mut stream).await;
    };
    let (outcome, ()) = join!(post(&endpoint, Repeat::UnlessSent), service);
    assert!(outcome.result.is_ok());
    // The first of these refuses; the next is tried within the same attempt.
    told.say(&[place(&nowhere().await), place(&second)]);
    let service = async {
        let mut stream = accept(&two).await;
        heard(&mut stream).await;
        say(&mut stream, OK).await;
    };
    let (outcome, ()) = join!(post(&endpoint, Repeat::UnlessSent), service);
    assert_eq!((outcome.result.unwrap().status, outcome.report.attempts), (200, 1));
}

#[tokio::test]
async fn a_breaker_opens_after_failures_in_a_row_and_nothing_is_sent_while_it_is_open() {
    let (listener, address) = listen().await;
    let limits = Limits { failures_max: 3, open_min: PAST_THE_END, open_max: PAST_THE_END, ..limits() };
    let endpoint = endpoint(&[&address], limits);
    for _ in 0..3 {
        assert_eq!(endpoint.states().collect::<Vec<_>>(), [State::Closed]);
        let service = async { drop(heard(&mut accept(&listener).await).await) };
        let (outcome, ()) = join!(post(&endpoint, Repeat::UnlessSent), service);
        assert_eq!(outcome.result.unwrap_err().kind(), Kind::Broken);
    }
    assert_eq!(endpoint.states().collect::<Vec<_>>(), [State::Open]);
    for repeat in [Repeat::UnlessSent, Repeat::Always] {
        // At once: it would not close in time.
        let outcome = post(&endpoint, repeat).await;
        let failure = outcome.result.unwrap_err();
        assert_eq!((failure.kind(), failure.is_sent(), outcome.report.attempts), (Kind::Open, false, 0));
    }
}

#[tokio::test]
async fn a_breaker_closes_after_a_success_and_requests_wait_for_it() {
    let (listener, address) = listen().await;
    let endpoint =
        endpoint(&[&address], Limits { failures_max: 1, open_min: SOON, open_max: SOON, ..limits() });
    let service = async {
        heard(&mut accept(&listener).await).await;
        let mut stream = accept(&listener).await;
        for _ in 0..2 {
            heard(&mut stream).await;
            say(&mut stream, OK).await;
        }
    };
    let client = async {
        let outcome = post(&endpoint, Repeat::UnlessSent).await;
        assert_eq!(outcome.result.unwrap_err().kind(), Kind::Broken);
        for _ in 0..2 {
            let outcome = post(&endpoint, Repeat::UnlessSent).await;
            assert_eq!((outcome.result.unwrap().status, outcome.report.attempts), (200, 1));
            assert_eq!(endpoint.states().collect::<Vec<_>>(), [State::Closed]);
        }
    };
    join!(service, client);
}

#[tokio::test]
async fn an_open_breaker_sends_requests_to_the_next_address() {
    let (listener, address) = listen().await;
    let refused = nowhere().await;
    let limits = Limits { failures_max: 1, open_min: PAST_THE_END, open_max: PAST_THE_END, ..limits() };
    let endpoint = endpoint(&[&refused, &address], limits);
    let service = async {
        let mut stream = accept(&listener).await;
        for _ in 0..2 {
            heard(&mut stream).await;
            say(&mut stream, OK).await;
        }
    };
    let client = async {
        assert_eq!(post(&endpoint, Repeat::UnlessSent).await.report.attempts, 2);
        assert_eq!(post(&endpoint, Repeat::UnlessSent).await.report.attempts, 1);
    };
    join!(service, client);
    assert_eq!(endpoint.states().collect::<Vec<_>>(), [State::Open, State::Closed]);
}

#[tokio::test]
async fn an_address_that_is_not_permitted_is_not_asked_but_for_its_permission() {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    endpoint.permit(0, false);
    let outcome = post(&endpoint, Repeat::Always).await;
    assert_eq!((outcome.result.unwrap_err().kind(), outcome.report.attempts), (Kind::Held, 0));

    let mut headers = HeaderMap::new();
    headers.insert("webhook-request-origin", "gateway.example".parse().unwrap());
    let service = async {
        let mut stream = accept(&listener).await;
        let text = heard(&mut stream).await;
        let allowed = "WebHook-Allowed-Origin: a\r\nWebHook-Allowed-Origin: *\r\n";
        say(&mut stream, &format!("HTTP/1.1 200 OK\r\n{allowed}Content-Length: 0\r\n\r\n")).await;
        heard(&mut stream).await;
        say(&mut stream, OK).await;
        text
    };
    let client = async {
        let answer = endpoint.validate(0, &[("event", "validate")], &headers).await.unwrap();
        let allowed: Vec<_> = answer.headers.get_all("webhook-allowed-origin").iter().collect();
        assert_eq!(allowed, ["a", "*"]);
        endpoint.permit(0, true);
        assert!(post(&endpoint, Repeat::UnlessSent).await.result.is_ok());
    };
    let (text, ()) = join!(service, client);
    assert!(
        text.starts_with("OPTIONS / HTTP/1.1\r\n")
            && text.contains("webhook-request-origin: gateway.example")
    );
    assert_eq!(endpoint.validate(1, &[], &headers).await.unwrap_err().kind(), Kind::Held);
}

#[tokio::test]
async fn connections_are_bounded_and_requests_past_that_wait_for_one() {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], Limits { connections_max: 1, ..limits() });
    let service = async {
        let mut stream = accept(&listener).await;
        for _ in 0..3 {
            heard(&mut stream).await;
            say(&mut stream, OK).await;
        }
    };
    let one = || post(&endpoint, Repeat::UnlessSent);
    let posts = async { join!(one(), one(), one()) };
    let ((one, two, three), ()) = join!(posts, service);
    assert!([one, two, three].iter().all(|outcome| outcome.result.is_ok()));
}

#[tokio::test]
async fn a_request_that_waits_for_a_connection_until_its_time_is_over_was_not_sent() {
    let (listener, address) = listen().await;
    let limits = Limits { connections_max: 1, attempt_max: SOON, delays: [PAST_THE_END; 3], ..limits() };
    let endpoint = endpoint(&[&address], limits);
    let headers = HeaderMap::new();
    // A validation has more time, and the only connection.
    let failure = tokio::select! {
        _ = endpoint.validate(0, &[], &headers) => unreachable!(),
        failure = async {
            let mut stream = accept(&listener).await;
            heard(&mut stream).await;
            let outcome = post(&endpoint, Repeat::UnlessSent).await;
            outcome.result.unwrap_err()
        } => failure,
    };
    assert_eq!((failure.kind(), failure.is_sent()), (Kind::Busy, false));
    assert_eq!(endpoint.states().collect::<Vec<_>>(), [State::Closed]);
}

#[tokio::test]
async fn dropping_a_request_closes_its_connection() {
    let (listener, address) = listen().await;
    let endpoint = endpoint(&[&address], limits());
    let mut stream = tokio::select! {
        _ = post(&endpoint, Repeat::Always) => unreachable!(),
        stream = async {
            let mut stream = accept(&listener).await;
            heard(&mut stream).await;
            stream
        } => stream,
    };
    ended(&mut stream).await;
}
