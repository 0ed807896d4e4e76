//! Events for services, and their answers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_nats::{Credentials, Messenger, NotAnswered, Options, Refused};
use rustix::process::Signal;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::client::Client;
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

async fn ask(messenger: &Messenger, subject: &str) -> Result<holdfast_nats::Answer, NotAnswered> {
    messenger.ask(subject, &[("ce-id", "7")], Bytes::from_static(b"hello"), Duration::from_secs(20)).await
}

#[tokio::test]
async fn what_is_published_comes_with_its_headers_and_nobody_is_waited_for() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    let mut heard = Client::connect(&server).await;
    heard.subscribe("events.>", "").await;
    let headers = [("ce-type", "azure.webpubsub.sys.connected"), ("content-type", "application/json")];
    messenger.publish("nobody.there", &[], Bytes::from_static(b"x")).unwrap();
    let deadline = Instant::now() + SOON;
    let message = loop {
        messenger.publish("events.chat.connected", &headers, Bytes::from_static(b"{}")).unwrap();
        if let Some(message) = heard.next_within(Duration::from_millis(200)).await {
            break message;
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!((message.subject.as_str(), &message.payload[..]), ("events.chat.connected", &b"{}"[..]));
    assert!(message.reply.is_none());
    let lines = "ce-type: azure.webpubsub.sys.connected\r\ncontent-type: application/json\r\n";
    assert_eq!(message.headers, format!("NATS/1.0\r\n{lines}\r\n"));
    messenger.flush(SOON).await;
    assert!(messenger.status().counts.sent >= 2);
}

#[tokio::test]
async fn one_of_those_who_listen_answers() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    let serve = || async {
        let mut heard = Client::connect(&server).await;
        heard.subscribe("events.>", "service").await;
        loop {
            let message = heard.next().await;
            assert_eq!(message.headers, "NATS/1.0\r\nce-id: 7\r\n\r\n");
            let headers = b"NATS/1.0\r\nstatus: 201\r\nCe-ConnectionState:abc\r\n\r\n";
            let body = [b"7 ", &message.payload[..]].concat();
            heard.publish_with(&message.reply.unwrap(), headers, &body).await;
        }
    };
    let asked = async {
        while ask(&messenger, "events.chat.message").await == Err(NotAnswered::Nobody) {}
        for _ in 0..1000 {
            let answer = ask(&messenger, "events.chat.message").await.unwrap();
            let headers: Vec<_> =
                answer.headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            assert_eq!(headers, [("status", "201"), ("Ce-ConnectionState", "abc")]);
            assert_eq!(answer.body, "7 hello");
        }
    };
    tokio::select! { () = serve() => {}, () = serve() => {}, () = asked => {} }
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
    let mut silent = Client::connect(&server).await;
    silent.subscribe("events.>", "").await;
    let late = || messenger.ask("events.a", &[], Bytes::new(), Duration::from_millis(300));
    let deadline = Instant::now() + SOON;
    while late().await != Err(NotAnswered::Late) {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(messenger.status().questions, 0);
}

#[tokio::test]
async fn a_hundred_thousand_questions_that_nobody_answers_leave_nothing_behind() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    for round in 0..100 {
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let messenger = messenger.clone();
            asked.spawn(async move { messenger.ask("a.b", &[], Bytes::new(), SOON).await });
        }
        while let Some(answer) = asked.join_next().await {
            assert_eq!(answer.unwrap(), Err(NotAnswered::Nobody), "{round}");
        }
        assert_eq!(messenger.status().questions, 0);
    }
}

#[tokio::test]
async fn a_question_is_over_when_the_server_is() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    let mut silent = Client::connect(&server).await;
    silent.subscribe("events.>", "").await;
    let (answer, ()) = tokio::join!(ask(&messenger, "events.a"), async {
        silent.next().await;
        server.kill();
    });
    assert_eq!(answer, Err(NotAnswered::Lost));
    let soon = messenger.ask("events.a", &[], Bytes::new(), Duration::from_millis(300));
    assert_eq!(soon.await, Err(NotAnswered::NotSent(Refused::Away)));
    assert_eq!(messenger.publish("events.a", &[], Bytes::new()), Err(Refused::Away));
    assert_eq!(messenger.status().counts.away, 2);
}

#[tokio::test]
async fn a_question_waits_for_a_server_that_is_away() {
    let Some(server) = Server::start("") else { return };
    let messenger = here(&options(&server)).await;
    let port = server.kill();
    while messenger.is_here() {
        sleep(Duration::from_millis(10)).await;
    }
    let (answer, _server) = tokio::join!(ask(&messenger, "events.a"), async {
        sleep(Duration::from_millis(300)).await;
        Server::start_on(port, "").unwrap()
    });
    assert_eq!(answer, Err(NotAnswered::Nobody));
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
            Err(Refused::Full) => {
                // What the server has read before it stood still, and the window, go on.
                sleep(Duration::from_millis(100)).await;
                if messenger.publish("events.a", &[], Bytes::from(vec![0; 1024])) == Err(Refused::Full) {
                    break Refused::Full;
                }
                taken += 1;
            }
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
    assert!(messenger.status().counts.lost > 500, "{:?}", messenger.status());
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
    // Longer than what is shown of it.
    let long = format!("long.{}", "x".repeat(1000));
    assert_eq!(ask(&messenger, &long).await, Err(NotAnswered::Denied));
    messenger.publish(&long, &[], Bytes::new()).unwrap();
    assert_eq!(ask(&messenger, "events.a").await, Err(NotAnswered::Nobody));
    assert!(start.elapsed() < Duration::from_secs(10));
    let status = messenger.status();
    assert!(status.counts.sessions == 1 && status.last_error.unwrap().contains("\"long.x"));
}
