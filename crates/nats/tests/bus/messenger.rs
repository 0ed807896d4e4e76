//! Events for services, and their answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use bytes::Bytes;
use futures_util::StreamExt;
use holdfast_nats::{Credentials, Messenger, NotAnswered, Options, Refused};
use rustix::process::Signal;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::node::SOON;
use crate::server::Server;

fn options(server: &Server) -> Options {
    Options { urls: vec![server.url()], client_name: "test".to_owned(), ..Options::default() }
}

async fn here(options: &Options) -> Messenger {
    let messenger = Messenger::new(options).unwrap();
    messenger.start(&Handle::current());
    messenger.reach(SOON).await.unwrap();
    messenger
}

/// Another client, whose server has heard of all that it has said. (Its flush does not show that.)
async fn heard_of(other: &async_nats::Client) {
    other.flush().await.unwrap();
    let nobody = other.request("nobody.there", Bytes::new()).await;
    assert!(nobody.unwrap_err().to_string().contains("no responders"));
}

async fn ask(messenger: &Messenger, subject: &str) -> Result<holdfast_nats::Answer, NotAnswered> {
    messenger.ask(subject, &[("ce-id", "7")], Bytes::from_static(b"hello"), Duration::from_secs(20)).await
}

#[tokio::test]
async fn what_is_published_comes_with_its_headers_and_nobody_is_waited_for() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    let other = async_nats::connect(server.url()).await.unwrap();
    let mut heard = other.subscribe("events.>").await.unwrap();
    heard_of(&other).await;
    let headers = [("ce-type", "azure.webpubsub.sys.connected"), ("content-type", "application/json")];
    messenger.publish("nobody.there", &[], Bytes::from_static(b"x")).unwrap();
    messenger.publish("events.chat.connected", &headers, Bytes::from_static(b"{}")).unwrap();
    let message = heard.next().await.unwrap();
    assert_eq!((message.subject.as_str(), &message.payload[..]), ("events.chat.connected", &b"{}"[..]));
    assert!(message.reply.is_none());
    let map = message.headers.unwrap();
    for (name, value) in headers {
        assert_eq!(map.get(name).unwrap().as_str(), value);
    }
    messenger.flush(SOON).await;
    assert!(messenger.status().counts.sent >= 2);
}

#[tokio::test]
async fn one_of_those_who_listen_answers() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    let other = async_nats::connect(server.url()).await.unwrap();
    let mut heard = other.queue_subscribe("events.>", "service".to_owned()).await.unwrap();
    let mut twin = other.queue_subscribe("events.>", "service".to_owned()).await.unwrap();
    heard_of(&other).await;
    let service = async {
        loop {
            let message = tokio::select! {
                Some(message) = heard.next() => message,
                Some(message) = twin.next() => message,
            };
            let mut headers = HeaderMap::new();
            headers.insert("status", "201");
            headers.insert("Ce-ConnectionState", "abc");
            let id = message.headers.as_ref().unwrap().get("ce-id").unwrap().as_str();
            let body = Bytes::from(format!("{id} {}", std::str::from_utf8(&message.payload).unwrap()));
            other.publish_with_headers(message.reply.unwrap(), headers, body).await.unwrap();
        }
    };
    let asked = async {
        for _ in 0..1000 {
            let answer = ask(&messenger, "events.chat.message").await.unwrap();
            let headers: BTreeMap<_, _> =
                answer.headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            assert_eq!(headers, BTreeMap::from([("status", "201"), ("Ce-ConnectionState", "abc")]));
            assert_eq!(answer.body, "7 hello");
        }
    };
    tokio::select! { () = service => {}, () = asked => {} }
    assert_eq!(messenger.status().questions, 0);
}

#[tokio::test]
async fn where_nobody_listens_that_is_known_at_once_and_where_nobody_answers_in_time() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(ask(&messenger, "events.chat.connect").await, Err(NotAnswered::Nobody));
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let other = async_nats::connect(server.url()).await.unwrap();
    let _silent = other.subscribe("events.>").await.unwrap();
    heard_of(&other).await;
    let late = messenger.ask("events.a", &[], Bytes::new(), Duration::from_millis(300));
    assert_eq!(late.await, Err(NotAnswered::Late));
    assert_eq!(messenger.status().questions, 0);
}

#[tokio::test]
async fn a_hundred_thousand_questions_that_nobody_answers_leave_nothing_behind() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    for round in 0..100 {
        let asked: Vec<_> = (0..1000).map(|_| messenger.ask("a.b", &[], Bytes::new(), SOON)).collect();
        let answers = futures_util::future::join_all(asked).await;
        assert!(
            answers.iter().all(|answer| *answer == Err(NotAnswered::Nobody)),
            "{round}: {:?}",
            answers[0]
        );
        assert_eq!(messenger.status().questions, 0);
    }
}

#[tokio::test]
async fn a_question_is_over_when_the_server_is() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    let other = async_nats::connect(server.url()).await.unwrap();
    let mut silent = other.subscribe("events.>").await.unwrap();
    heard_of(&other).await;
    let (answer, ()) = tokio::join!(ask(&messenger, "events.a"), async {
        assert!(silent.next().await.is_some());
        server.kill();
    });
    assert_eq!(answer, Err(NotAnswered::Lost));
    assert_eq!(ask(&messenger, "events.a").await, Err(NotAnswered::NotSent(Refused::Away)));
    assert_eq!(messenger.publish("events.a", &[], Bytes::new()), Err(Refused::Away));
    assert_eq!(messenger.status().counts.away, 2);
}

#[tokio::test]
async fn what_is_longer_than_the_server_takes_is_refused_headers_and_all() {
    let Some(server) = Server::start("max_payload: 4096") else { return };
    let messenger = here(&options(&server)).await;
    let body = |len: usize| Bytes::from(vec![b'x'; len]);
    assert_eq!(messenger.publish("a", &[], body(4097)), Err(Refused::TooLarge));
    assert_eq!(messenger.publish("a", &[("a", "b")], body(4096)), Err(Refused::TooLarge));
    messenger.publish("a", &[], body(4096)).unwrap();
    // NATS/1.0, a line, an empty line.
    messenger.publish("a", &[("a", "b")], body(4096 - 12 - 6)).unwrap();
    messenger.flush(SOON).await;
    let counts = messenger.status().counts;
    assert_eq!((counts.sent, counts.too_large, counts.sessions), (2, 2, 1));
}

#[tokio::test]
async fn a_server_that_stands_still_keeps_nobody_waiting_and_what_waits_is_bounded() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&Options { queue_bytes: 1 << 20, ..options(&server) }).await;
    server.signal(Signal::STOP);
    let mut taken = 0;
    let start = Instant::now();
    let why = loop {
        match messenger.publish("events.a", &[], Bytes::from(vec![0; 1024])) {
            Ok(()) => taken += 1,
            Err(Refused::Full) if taken < 2000 => sleep(Duration::from_millis(1)).await,
            Err(why) => break why,
        }
        assert!(start.elapsed() < Duration::from_secs(4));
    };
    assert!(why == Refused::Full && taken < 5000, "{taken}");
    let end = Instant::now() + SOON;
    while messenger.is_here() {
        assert!(Instant::now() < end);
        sleep(Duration::from_millis(10)).await;
    }
    let counts = messenger.status().counts;
    assert!(counts.lost > 0 && counts.lost + counts.sent == taken, "{taken}: {counts:?}");
    server.signal(Signal::CONT);
}

#[tokio::test]
async fn a_denied_subject_is_refused_at_once_and_the_others_go_on() {
    let users = r#"authorization { users: [ { user: u, password: p, permissions: {
        publish: ["events.>", "_INBOX.holdfast.>"], subscribe: ["_INBOX.holdfast.>"] } } ] }"#;
    let Some(server) = Server::start(users) else { return };
    let credentials = Some(Credentials::parse("u:p").unwrap());
    let messenger = here(&Options { credentials, ..options(&server) }).await;
    let start = Instant::now();
    assert_eq!(ask(&messenger, "other.a").await, Err(NotAnswered::Denied));
    assert_eq!(ask(&messenger, "events.a").await, Err(NotAnswered::Nobody));
    assert!(start.elapsed() < Duration::from_secs(10));
    let status = messenger.status();
    assert!(status.counts.sessions == 1 && status.last_error.unwrap().contains("\"other.a\""));
}
