//! What is published while there is no server costs nothing. A file of its own: it measures its whole process.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use bytes::Bytes;
use holdfast_cluster::bus::{Bus, Refused};
use holdfast_nats::{NatsBus, Options};

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_hundred_thousand_publications_while_it_is_away_leave_nothing_behind() {
    let options = Options {
        // Nobody listens there.
        urls: vec!["nats://127.0.0.1:1".to_owned()],
        client_name: "test".to_owned(),
        credentials: None,
        ca: None,
        certificate: None,
        insecure: false,
        queue_bytes: 16 << 20,
        subjects: vec!["hf1.test.c".to_owned()],
        probe: "hf1.test.n.000000000001".to_owned(),
        message_max: 1 << 20,
    };
    let mut bus = NatsBus::start(&options).unwrap();
    let mut publish = || {
        for _ in 0..100_000 {
            let message = Bytes::from(vec![0; 1024]);
            assert_eq!(bus.try_publish("hf1.test.c", message), Err(Refused::Away));
        }
    };
    publish();
    tokio::task::yield_now().await;
    let before = resident_kib();
    publish();
    tokio::task::yield_now().await;
    let after = resident_kib();
    assert!(after < before + 1024, "{before} KiB before, {after} KiB after");
    assert_eq!(bus.status().queue_bytes, 0);
}
