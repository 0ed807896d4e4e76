//! A server that ends, stands still, or never was there.

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use holdfast_cluster::bus::{Bus, BusState, Refused};
use holdfast_nats::{NatsBus, Options};
use rustix::process::Signal;
use tokio::time::sleep;

use crate::node::{all, here, next, number, options, say, until, until_error};
use crate::server::{Server, free_port, pair, program};

/// What may be on its way to a server without an answer, and a message more.
const WINDOW: usize = (2 << 20) + 2048;

#[tokio::test]
async fn a_server_that_comes_back_has_the_node_again_and_none_of_what_was_said_while_it_was_away() {
    let Some(server) = Server::start("") else { return };
    let options = options(&server, 1);
    let mut node = here(&options).await;
    let first = node.state().session();
    let port = server.kill();
    until(&node, "it is away", |node| node.state() == BusState::Away).await;
    assert!((0..1000).all(|at| say(&mut node, at, 100) == Err(Refused::Away)));
    assert_eq!(node.status().queue_bytes, 0);
    // Some seconds away: waits have become longer.
    sleep(Duration::from_secs(3)).await;
    let server = Server::start_on(port, "").unwrap();
    let mut other =
        here(&Options { subjects: vec!["hf1.test.h.a.*".into()], ..crate::node::options(&server, 2) }).await;
    let back = Instant::now();
    until(&node, "it is back", |node| node.state() != BusState::Away).await;
    assert!(back.elapsed() < Duration::from_secs(6), "{:?}", back.elapsed());
    assert!(node.state().session() > first && node.status().counts.sessions == 2);
    say(&mut node, 5_000, 8).unwrap();
    assert_eq!(number(&next(&mut other).await), 5_000);
    say(&mut other, 6_000, 8).unwrap();
    assert_eq!(number(&next(&mut node).await), 6_000);
}

#[tokio::test]
async fn without_a_server_at_the_start_it_says_why_and_comes_when_there_is_one() {
    if program().is_none() {
        return;
    }
    let port = free_port();
    let options = Options { urls: vec![format!("nats://127.0.0.1:{port}")], ..Options::clone(&idle()) };
    let bus = NatsBus::start(&options).unwrap();
    let error = until_error(&bus, "refused").await;
    assert!(error.starts_with(&format!("no connection to nats://127.0.0.1:{port}: ")), "{error}");
    let _server = Server::start_on(port, "").unwrap();
    until(&bus, "it is there", |bus| bus.state() != BusState::Away).await;
}

/// Options without a server.
fn idle() -> Options {
    Options {
        urls: vec![],
        client_name: "test".to_owned(),
        credentials: None,
        ca: None,
        certificate: None,
        insecure: false,
        queue_bytes: 1 << 20,
        subjects: vec!["hf1.test.h.a.*".to_owned()],
        probe: "hf1.test.n.000000000001".to_owned(),
        message_max: 1 << 20,
    }
}

#[tokio::test]
async fn whatever_else_listens_there_is_said() {
    for (says, part) in
        [("", "does not answer"), ("SSH-2.0\r\n", "no connection"), ("INFO {}\r\n", "at most 0 bytes")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.write_all(says.as_bytes());
                if says.starts_with("INFO") {
                    let _ = stream.write_all(b"PONG\r\n");
                }
                kept.push(stream);
            }
        });
        let bus = NatsBus::start(&Options { urls: vec![format!("127.0.0.1:{port}")], ..idle() }).unwrap();
        until_error(&bus, part).await;
    }
}

#[tokio::test]
async fn a_server_that_stands_still_is_found_within_seven_seconds_and_tells_little_of_the_old_later() {
    let Some((first, second)) = pair("") else { return };
    let mut node = here(&options(&first, 1)).await;
    let mut other = here(&options(&second, 2)).await;
    // Each server knows of the other's listeners.
    let deadline = Instant::now() + crate::node::SOON;
    while all(&mut other).is_empty() {
        assert!(Instant::now() < deadline);
        say(&mut node, 0, 8).unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_millis(500)).await;
    all(&mut other);
    first.signal(Signal::STOP);
    let (stopped, mut taken) = (Instant::now(), 0);
    while node.state() != BusState::Away {
        taken += u64::from(say(&mut node, 1, 1024).is_ok());
        if taken % 64 == 0 || node.status().queue_bytes > 15 << 20 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(node.status().queue_bytes <= 16 << 20);
        assert!(stopped.elapsed() < Duration::from_secs(7), "{:?}", node.status());
    }
    assert!(taken > 10_000, "{taken} were taken, but it is about many");
    let error = node.status().last_error.unwrap();
    assert!(error.contains("does not answer any more"), "{error}");
    // It goes to the other one, which the first has told of.
    until(&node, "it is back", |node| node.state() != BusState::Away).await;
    assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
    say(&mut node, 2, 8).unwrap();
    while number(&next(&mut other).await) != 2 {}
    all(&mut node);
    first.signal(Signal::CONT);
    sleep(Duration::from_secs(2)).await;
    let (late, own) = (all(&mut other), all(&mut node));
    let bytes = |messages: &[holdfast_cluster::bus::Incoming]| {
        messages.iter().map(|it| it.message.len()).sum::<usize>()
    };
    assert!(bytes(&late) <= WINDOW && bytes(&own) <= WINDOW, "{} and {} bytes", bytes(&late), bytes(&own));
    assert!(node.status().counts.lost > 1000, "{:?}", node.status());
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes_and_thrown_away_with_the_connection() {
    let Some(server) = Server::start("") else { return };
    let mut node = here(&Options { queue_bytes: 4 << 20, ..options(&server, 1) }).await;
    server.signal(Signal::STOP);
    let mut taken = 0;
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match say(&mut node, taken, 64 << 10) {
            Ok(()) => taken += 1,
            Err(why) => {
                assert_eq!(why, Refused::Full);
                sleep(Duration::from_millis(2)).await;
                // It stays full: nothing more goes to the server.
                if say(&mut node, taken, 64 << 10) == Err(Refused::Full) && node.status().counts.sent >= 32 {
                    break;
                }
            }
        }
        tokio::task::yield_now().await;
        assert!(Instant::now() < deadline, "{:?}", node.status());
    }
    assert!((90..110).contains(&taken), "{taken} of 64 KiB: 2 MiB on their way, 4 MiB wait");
    until(&node, "it is away", |node| node.state() == BusState::Away).await;
    let status = node.status();
    assert!(status.queue_bytes == 0 && status.counts.lost >= 60, "{status:?}");
    assert_eq!(status.counts.lost + status.counts.sent, taken);
    server.signal(Signal::CONT);
    until(&node, "it is back", |node| node.state() != BusState::Away).await;
}
