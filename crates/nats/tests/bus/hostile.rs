//! Servers that say what none says: whoever is on the way, another program, a defect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast_cluster::bus::{Bus, BusState};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::Client;
use crate::fake::{NOBODY, bus, info, listen, proper};
use crate::node::{all, here, options, until};
use crate::server::Server;

const BAD: [&str; 14] = [
    "-ERR\r\n\r\n",
    "\r\n",
    "MSG a 1 18446744073709551615\r\n",
    "MSG a 1 18446744073709551614\r\n",
    "HMSG a 1 18446744073709551615 18446744073709551615\r\n",
    "HMSG a 1 12 4\r\nNATS",
    "MSG\r\n",
    "MSG a 1 -1\r\n",
    "MSG a 1 2\r\nlonger than that\r\n",
    "INFO\r\n",
    "INFO {\"max_payload\":\"x\"}\r\n",
    "INFO [[[[[[[[[[[[[[[[[[[[[[[[\r\n",
    "\0\0\0\0\n",
    "HTTP/1.1 400 Bad Request\r\n\r\n",
];

/// The bus comes back at the next connection, which is a good one, and has said in one line why the first was none.
async fn comes_back(port: u16, what: String) {
    let bus = bus(port);
    let mut errors = Vec::new();
    let deadline = Instant::now() + crate::node::SOON;
    loop {
        let status = bus.status();
        errors.extend(status.last_error);
        if bus.state() != BusState::Away && !errors.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{what:?}: {:?}", bus.status());
        sleep(Duration::from_millis(10)).await;
    }
    assert!(errors.iter().all(|error| !error.contains(['\r', '\n']) && error.len() < 400), "{errors:?}");
}

#[tokio::test]
async fn a_bad_line_at_any_time_ends_the_connection_and_no_more() {
    let mut set = JoinSet::new();
    for bad in BAD {
        for stage in 0..3 {
            let port = listen(move |mut stream, number| async move {
                if number > 0 {
                    return proper(stream, info("good", ""), vec![]).await;
                }
                let says = match stage {
                    0 => bad.to_owned(),
                    1 => info("bad", "") + bad,
                    _ => return proper(stream, info("bad", ""), vec![(10, bad.into())]).await,
                };
                stream.write_all(says.as_bytes()).await.unwrap();
                sleep(Duration::from_secs(20)).await;
            })
            .await;
            set.spawn(comes_back(port, format!("{stage} {bad}")));
        }
    }
    while let Some(done) = set.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_server_may_end_at_any_byte() {
    let all =
        info("cut", "") + "PONG\r\nHMSG hf1.test.n.000000000001.p.1 1 " + NOBODY + "MSG a 1 2\r\nhi\r\n";
    let mut set = JoinSet::new();
    for cut in 0..all.len() {
        let piece = all[..cut].to_owned();
        let port = listen(move |mut stream, number| {
            let piece = piece.clone();
            async move {
                match number {
                    0 => drop(stream.write_all(piece.as_bytes()).await),
                    _ => proper(stream, info("good", ""), vec![]).await,
                }
            }
        })
        .await;
        set.spawn(comes_back(port, format!("cut at {cut}")));
    }
    while let Some(done) = set.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn what_never_ends_is_left_and_takes_no_memory() {
    for (start, stage) in [("x", 0), ("INFO {", 0), ("-ERR ", 1), ("MSG ", 1), ("INFO ", 1)] {
        let said = Arc::new(AtomicU64::new(0));
        let total = said.clone();
        let port = listen(move |mut stream, number| {
            let said = total.clone();
            async move {
                if number > 0 {
                    return proper(stream, info("good", ""), vec![]).await;
                }
                let first = if stage == 0 { start.to_owned() } else { info("bad", "") + start };
                let _ = stream.write_all(first.as_bytes()).await;
                let more = vec![b'x'; 64 << 10];
                while stream.write_all(&more).await.is_ok() {
                    said.fetch_add(more.len() as u64, Ordering::Relaxed);
                }
            }
        })
        .await;
        comes_back(port, format!("endless {start:?}")).await;
        // Both sockets hold some.
        assert!(said.load(Ordering::Relaxed) < 16 << 20, "{start}: {said:?}");
    }
}

#[tokio::test]
async fn one_that_says_a_byte_now_and_then_is_left_in_time() {
    let port = listen(|mut stream, number| async move {
        if number > 0 {
            return proper(stream, info("good", ""), vec![]).await;
        }
        for byte in info("slow", "").bytes() {
            let _ = stream.write_all(&[byte]).await;
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let start = Instant::now();
    let bus = bus(port);
    until(&bus, "it is said", |bus| bus.status().last_error.is_some()).await;
    assert!(bus.status().last_error.unwrap().contains("does not answer"), "{:?}", bus.status());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    until(&bus, "it is there", |bus| bus.state() != BusState::Away).await;
}

#[tokio::test]
async fn messages_that_are_much_too_long_are_passed_over_and_counted() {
    let mut long = b"MSG hf1.test.h.a.b 1 3000000\r\n".to_vec();
    long.resize(long.len() + 3_000_000, b'x');
    long.extend_from_slice(b"\r\nMSG hf1.test.h.a.b 1 2\r\nhi\r\n");
    let port = listen(move |stream, _| proper(stream, info("good", ""), vec![(1, long.clone())])).await;
    let mut bus = bus(port);
    until(&bus, "the next came", |bus| bus.status().counts.received == 1).await;
    assert_eq!((bus.next().unwrap().message, bus.status().counts.dropped), ("hi".into(), 1));
    assert_eq!(bus.status().counts.sessions, 1);
}

#[tokio::test]
async fn headers_that_nobody_understands_cost_the_headers_and_no_more() {
    let Some(server) = Server::start("") else { return };
    let mut node = here(&options(&server, 1)).await;
    let mut other = Client::connect(&server).await;
    let long = format!("NATS/1.0\r\na: {}\r\n\r\n", "x".repeat(100_000));
    let blocks: [&[u8]; 7] = [
        b"x",
        b"NATS/1.0",
        b"NATS/9.9\r\n\r\n",
        b"NATS/1.0\r\nno colon\r\n\r\n",
        b"NATS/1.0\r\na: \xFF\r\n\r\n",
        b"\r\n\r\n\r\n",
        long.as_bytes(),
    ];
    for block in blocks {
        other.publish_with("hf1.test.h.a.all", block, b"still here").await;
    }
    other.publish_with("hf1.test.h.a.all", b"NATS/1.0\r\na: b\r\n\r\n", b"good").await;
    other.flush().await;
    until(&node, "all came", |node| node.status().counts.received == 8).await;
    let heard = all(&mut node);
    assert!(heard[..7].iter().all(|message| message.message == "still here") && heard[7].message == "good");
    let counts = node.status().counts;
    assert_eq!((counts.bare, counts.sessions, counts.dropped), (7, 1, 0));
}

#[tokio::test]
async fn a_subject_that_is_no_text_costs_its_message_and_no_more() {
    let Some(server) = Server::start("") else { return };
    let mut node = here(&options(&server, 1)).await;
    let mut other = Client::connect(&server).await;
    other.send(b"PUB hf1.test.h.a.\xFF\xFE 2\r\nhi\r\n").await;
    other.flush().await;
    until(&node, "it came", |node| node.status().counts.received == 1).await;
    assert_eq!(all(&mut node).len(), 1);
    assert_eq!(node.status().counts.sessions, 1);
}
