//! A bus as a node of a cluster has it, in tests.

use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_cluster::bus::{Bus, BusState, Incoming, Refused};
use holdfast_nats::{NatsBus, Options};
use tokio::time::{sleep, timeout};

use crate::server::Server;

/// How long anything may take on a busy machine, unless a test is about how long it takes.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// What the node with this number listens to: its own subject, and that of a hub.
pub(crate) fn options(server: &Server, node: u64) -> Options {
    Options {
        urls: vec![server.url()],
        client_name: format!("test {node}"),
        credentials: None,
        ca: None,
        certificate: None,
        insecure: false,
        queue_bytes: 16 << 20,
        subjects: vec!["hf1.test.h.a.*".to_owned(), own(node)],
        probe: own(node),
        message_max: (1 << 20) + (64 << 10),
    }
}

/// The subject of a node.
pub(crate) fn own(node: u64) -> String {
    format!("hf1.test.n.{node:012x}")
}

/// One that is there.
pub(crate) async fn here(options: &Options) -> NatsBus {
    let bus = NatsBus::start(options).unwrap();
    until(&bus, "it is there", |bus| bus.state() != BusState::Away).await;
    bus
}

pub(crate) async fn until(bus: &NatsBus, what: &str, is_so: impl Fn(&NatsBus) -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so(bus) {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}; {:?}", bus.status());
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until it says this of why it is not there.
pub(crate) async fn until_error(bus: &NatsBus, part: &str) -> String {
    let says = |bus: &NatsBus| bus.status().last_error.is_some_and(|error| error.contains(part));
    until(bus, part, says).await;
    assert_eq!(bus.state(), BusState::Away);
    bus.status().last_error.unwrap()
}

/// The next message.
pub(crate) async fn next(bus: &mut NatsBus) -> Incoming {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(incoming) = bus.next() {
            return incoming;
        }
        assert!(Instant::now() < deadline, "nothing came within {SOON:?}: {:?}", bus.status());
        let _ = timeout(Duration::from_secs(1), bus.come()).await;
    }
}

/// Says a number to the hub.
pub(crate) fn say(bus: &mut NatsBus, number: u64, len: usize) -> Result<(), Refused> {
    let mut message = number.to_be_bytes().to_vec();
    message.resize(len.max(8), b'.');
    bus.try_publish("hf1.test.h.a.all", Bytes::from(message))
}

/// The number that a message says.
pub(crate) fn number(incoming: &Incoming) -> u64 {
    u64::from_be_bytes(incoming.message[..8].try_into().unwrap())
}

/// All that has come.
pub(crate) fn all(bus: &mut NatsBus) -> Vec<Incoming> {
    std::iter::from_fn(|| bus.next()).collect()
}
