//! What is said is heard.

use std::time::Duration;

use bytes::Bytes;
use holdfast_cluster::bus::{Bus, BusState, Refused};
use holdfast_nats::Options;

use crate::node::{all, here, next, number, options, own, say, until};
use crate::server::Server;

#[tokio::test]
async fn what_a_node_says_comes_to_the_others_in_order_and_not_back_to_it() {
    let Some(server) = Server::start("") else { return };
    let mut a = here(&options(&server, 1)).await;
    let mut b = here(&options(&server, 2)).await;
    for at in 0..10_000 {
        say(&mut a, at, 100).unwrap();
        if at % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    a.try_publish(&own(2), Bytes::from_static(b"12345678 last")).unwrap();
    // What comes by one subscription is in order; another's may come in between.
    let (mut at, mut direct) = (0, 0);
    while at + direct < 10_001 {
        let message = next(&mut b).await;
        if message.subject == own(2) {
            assert_eq!(message.message, "12345678 last");
            direct += 1;
        } else {
            assert_eq!(number(&message), at);
            at += 1;
        }
    }
    assert_eq!((at, direct), (10_000, 1));
    b.try_publish(&own(1), Bytes::from_static(b"only this")).unwrap();
    assert_eq!(next(&mut a).await.message, "only this");
    let counts = b.status().counts;
    assert_eq!((counts.received, counts.dropped, counts.lost, counts.sessions), (10_001, 0, 0, 1));
    assert_eq!(a.status().counts.sent, 10_001);
}

#[tokio::test]
async fn the_longest_message_passes_and_a_longer_one_is_refused() {
    let Some(server) = Server::start("") else { return };
    let options = options(&server, 1);
    let (mut a, mut b) = (here(&options).await, here(&crate::node::options(&server, 2)).await);
    say(&mut a, 7, options.message_max).unwrap();
    assert_eq!(say(&mut a, 8, options.message_max + 1), Err(Refused::TooLarge));
    let message = next(&mut b).await;
    assert_eq!((number(&message), message.message.len()), (7, options.message_max));
}

#[tokio::test]
async fn a_subject_that_would_end_the_connection_or_mean_others_is_refused() {
    let Some(server) = Server::start("") else { return };
    let (mut a, mut b) = (here(&options(&server, 1)).await, here(&options(&server, 2)).await);
    let long = format!("hf1.test.{}", "x".repeat(5000));
    for subject in ["", "hf1.test.h.a.*", "hf1.>", "a..b", "hf1.test.c reply", "x\r\nPUB y 0\r\n\r\n", &long]
    {
        assert_eq!(a.try_publish(subject, Bytes::new()), Err(Refused::TooLarge), "{subject}");
    }
    say(&mut a, 1, 8).unwrap();
    assert_eq!(number(&next(&mut b).await), 1);
    assert_eq!(a.status().counts.sessions, 1);
}

#[tokio::test]
async fn what_is_said_right_after_a_node_is_there_is_heard_by_it() {
    let Some(server) = Server::start("") else { return };
    let mut speaker = here(&options(&server, 1)).await;
    for round in 0..100 {
        let mut other = here(&options(&server, 2)).await;
        say(&mut speaker, round, 8).unwrap();
        assert_eq!(number(&next(&mut other).await), round);
    }
}

#[tokio::test]
async fn a_burst_of_small_messages_has_room_everywhere() {
    let Some(server) = Server::start("") else { return };
    let mut node = here(&Options { queue_bytes: 256 << 20, ..options(&server, 1) }).await;
    let other = async_nats::connect(server.url()).await.unwrap();
    let publish = async {
        for _ in 0..300_000 {
            other.publish("hf1.test.h.a.all", Bytes::from_static(b"12345678")).await.unwrap();
        }
        other.flush().await.unwrap();
    };
    publish.await;
    until(&node, "all came", |node| node.status().counts.received == 300_000).await;
    assert_eq!((all(&mut node).len(), node.status().counts.dropped), (300_000, 0));
}

#[tokio::test]
async fn what_nobody_fetches_is_bounded_in_bytes_and_the_rest_is_counted() {
    let Some(server) = Server::start("") else { return };
    let mut slow = here(&Options { queue_bytes: 1 << 20, ..options(&server, 1) }).await;
    let mut other = here(&options(&server, 2)).await;
    for at in 0..4_000 {
        say(&mut other, at, 1024).unwrap();
    }
    let is_all = |slow: &holdfast_nats::NatsBus| {
        let counts = slow.status().counts;
        counts.received + counts.dropped == 4_000
    };
    until(&slow, "all came", is_all).await;
    let status = slow.status();
    assert!(status.inbox_bytes <= 1 << 20 && status.counts.dropped > 2_900, "{status:?}");
    let numbers: Vec<_> = all(&mut slow).iter().map(number).collect();
    assert_eq!(numbers, (0..status.counts.received).collect::<Vec<_>>());
    assert_eq!(slow.status().inbox_bytes, 0);
}

#[tokio::test]
async fn at_the_end_what_waits_is_sent_and_then_it_is_away() {
    let Some(server) = Server::start("") else { return };
    let (mut a, mut b) = (here(&options(&server, 1)).await, here(&options(&server, 2)).await);
    for at in 0..5_000 {
        say(&mut a, at, 1000).unwrap();
    }
    a.end(Duration::from_secs(20)).await;
    assert_eq!((a.state(), say(&mut a, 9, 8)), (BusState::Away, Err(Refused::Away)));
    for at in 0..5_000 {
        assert_eq!(number(&next(&mut b).await), at);
    }
}

#[tokio::test]
async fn the_last_clone_ends_it() {
    let Some(server) = Server::start("") else { return };
    let bus = here(&options(&server, 1)).await;
    let clone = bus.clone();
    let other = async_nats::connect(server.url()).await.unwrap();
    let ask = || async { other.request(own(1), Bytes::new()).await.unwrap_err().to_string() };
    drop(bus);
    let ours = other.publish(own(1), Bytes::from_static(b"12345678")).await;
    assert!(ours.is_ok());
    let mut clone = clone;
    assert_eq!(next(&mut clone).await.message, "12345678");
    drop(clone);
    // Nobody listens to its subject any more.
    let deadline = std::time::Instant::now() + crate::node::SOON;
    while !ask().await.contains("no responders") {
        assert!(std::time::Instant::now() < deadline);
    }
}
