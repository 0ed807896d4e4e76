//! What was said before a connection was lost never comes later, and an exchange of connections is never cut short.

use std::time::{Duration, Instant};

use holdfast_cluster::bus::{Bus, BusState};
use holdfast_nats::Options;
use rustix::process::Signal;
use tokio::time::sleep;

use crate::client::Client;
use crate::fake::{bus, info, listen, proper};
use crate::node::{SOON, all, here, number, options, say, until};
use crate::server::{Server, pair};

#[tokio::test]
async fn a_server_that_is_started_anew_under_load_delivers_nothing_old() {
    let Some(server) = Server::start("") else { return };
    let mut node = here(&options(&server, 1)).await;
    let (mut taken, mut at) = (0, 0);
    let load = |node: &mut holdfast_nats::NatsBus, at: &mut u64, taken: &mut u64| {
        for _ in 0..200 {
            *at += 1;
            *taken += u64::from(say(node, *at, 1024).is_ok());
        }
    };
    for _ in 0..100 {
        load(&mut node, &mut at, &mut taken);
        sleep(Duration::from_millis(1)).await;
    }
    let port = server.kill();
    let killed = Instant::now();
    while killed.elapsed() < Duration::from_millis(500) {
        load(&mut node, &mut at, &mut taken);
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(node.state(), BusState::Away);
    let old = at;
    let server = Server::start_on(port, "").unwrap();
    let mut other = Client::connect(&server).await;
    other.subscribe("hf1.test.h.a.all", "").await;
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let payload = other.next().await.payload;
            let _ = sender.send(u64::from_be_bytes(payload[..8].try_into().unwrap()));
        }
    });
    while heard.is_empty() {
        assert!(killed.elapsed() < SOON, "{:?}", node.status());
        load(&mut node, &mut at, &mut taken);
        sleep(Duration::from_millis(2)).await;
    }
    until(&node, "all was sent", |node| node.status().queue_bytes == 0).await;
    (at, taken) = (at + 1, taken + 1);
    say(&mut node, at, 1024).unwrap();
    let mut last = old;
    while last < at {
        let next = heard.recv().await.unwrap();
        assert!(next > last, "{next} behind {last}, and {old} were said before");
        last = next;
    }
    sleep(Duration::from_millis(100)).await;
    let counts = node.status().counts;
    assert_eq!((counts.sent + counts.lost, counts.sessions), (taken, 2));
}

fn lame(name: &str, others: &str) -> Vec<u8> {
    info(name, &format!(",\"ldm\":true{others}")).into_bytes()
}

fn hello() -> Vec<u8> {
    b"MSG hf1.test.h.a.b 1 8\r\n\0\0\0\0\0\0\0\x07\r\n".to_vec()
}

#[tokio::test]
async fn a_server_may_say_twice_that_it_is_about_to_end() {
    let new = listen(|stream, _| proper(stream, info("new", ""), vec![])).await;
    let others = format!(",\"connect_urls\":[\"127.0.0.1:{new}\"]");
    let old = listen(move |stream, _| {
        let says = vec![(50, lame("old", &others)), (500, lame("old", &others)), (700, hello())];
        proper(stream, info("old", &others), says)
    })
    .await;
    let mut bus = bus(old);
    until(&bus, "it has moved", |bus| bus.status().counts.sessions == 2).await;
    // What the old one said long after the second notice was heard.
    assert_eq!(all(&mut bus).iter().map(number).collect::<Vec<_>>(), [7]);
    assert!(bus.status().server.unwrap().contains("(new"));
}

#[tokio::test]
async fn where_the_new_connection_is_lost_the_old_one_goes_on_and_another_is_tried() {
    let new = listen(|stream, number| {
        let says = if number == 0 { vec![(100, b"garbage\r\n".to_vec())] } else { vec![] };
        proper(stream, info("new", ""), says)
    })
    .await;
    let others = format!(",\"connect_urls\":[\"127.0.0.1:{new}\"]");
    let old = listen(move |stream, _| {
        proper(stream, info("old", &others), vec![(50, lame("old", &others)), (500, hello())])
    })
    .await;
    let mut bus = bus(old);
    until(&bus, "it is there", |bus| bus.state() != BusState::Away).await;
    let start = Instant::now();
    while bus.status().counts.sessions < 2 {
        assert!(bus.state() != BusState::Away && start.elapsed() < SOON, "{:?}", bus.status());
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(all(&mut bus).iter().map(number).collect::<Vec<_>>(), [7]);
    let status = bus.status();
    assert!(status.server.unwrap().contains("(new") && status.counts.lost == 0);
    assert!(status.last_error.unwrap().contains("no NATS"));
}

#[tokio::test]
async fn a_goodbye_is_heard_whenever_it_is_said_while_servers_change() {
    let Some((first, second)) = pair("") else { return };
    let mut other = here(&options(&second, 99)).await;
    let mut nodes = Vec::new();
    for node in 0..8 {
        // They hear only their own: it is about what they say.
        let own = crate::node::own(node);
        nodes.push(here(&Options { subjects: vec![own], ..options(&first, node) }).await);
    }
    let deadline = Instant::now() + SOON;
    while all(&mut other).is_empty() {
        assert!(Instant::now() < deadline);
        say(&mut nodes[0], 1_000, 8).unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    first.signal(Signal::USR2);
    for (number, node) in nodes.iter_mut().enumerate() {
        say(node, number as u64, 8).unwrap();
        node.end(Duration::from_millis(100)).await;
        sleep(Duration::from_millis(40)).await;
    }
    let mut heard = Vec::new();
    while heard.len() < 8 {
        assert!(Instant::now() < deadline, "{heard:?}");
        sleep(Duration::from_millis(10)).await;
        heard.extend(all(&mut other).iter().map(number).filter(|number| *number < 1_000));
    }
    assert_eq!(heard, (0..8).collect::<Vec<_>>());
}
