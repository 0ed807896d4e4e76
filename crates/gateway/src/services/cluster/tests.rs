//! Parts of a node without shards: what these are told stays in their mailboxes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_cluster::envelope::{
    DataKind, Envelope, Excluded, Operation, Publication, Sender, Target as WireTarget,
};
use holdfast_cluster::{Delivery, NodeId, Where};

use super::super::deeds::Deeds;
use super::super::hubs::Hubs;
use super::Planned;
use super::delivery::{Deliverer, NOTES_BYTES_MAX};
use super::line::WAIT_MAX;
use super::node::Cluster;
use crate::handle::Command;
use crate::settings::{Hub, HubSettings, Settings};
use crate::{Handle, PUBLICATIONS_MAX};

const MOST: usize = PUBLICATIONS_MAX as usize;

fn settings() -> Settings {
    let hub = Hub {
        name: "chat".to_owned(),
        keys: Vec::new(),
        settings: HubSettings::default(),
        handlers: Vec::new(),
    };
    Settings {
        cluster: vec!["nats://127.0.0.1:4222".to_owned()],
        cluster_name: Some("test".to_owned()),
        cluster_queue_bytes: 1 << 20,
        shards: 1,
        hubs: vec![hub],
        ..Settings::default()
    }
}

/// A node with one shard, which does nothing.
struct Idle {
    handle: Handle,
    cluster: Arc<Cluster>,
    deliverer: Deliverer,
    now: Instant,
}

impl Idle {
    fn new() -> Self {
        let (settings, handle) = (settings(), Handle::new(1));
        let planned = Planned::new(&settings).expect("its settings are good").expect("a cluster");
        let cluster = planned.of(&handle);
        let hubs = Arc::new(Hubs::new(&settings).expect("its settings are good"));
        let deeds = Deeds { handle: handle.clone(), hubs };
        let deliverer = Deliverer::new(Arc::clone(&cluster), deeds, 1 << 20);
        Self { handle, cluster, deliverer, now: Instant::now() }
    }

    /// Another node publishes so many bytes.
    fn publish(&mut self, to: WireTarget<'_>, len: usize) {
        let payload = vec![b'x'; len];
        let operation = Operation::Publish(Publication {
            to,
            excluded: Excluded::default(),
            filter: None,
            sender: Sender::Service,
            kind: DataKind::Text,
            payload: &payload,
        });
        let to = match to {
            WireTarget::Connection(name) => Where::Connection(name),
            _ => Where::Shards(vec![0]),
        };
        self.take(operation, to);
    }

    fn take(&mut self, operation: Operation<'_>, to: Where) {
        let from = NodeId::new(7);
        let envelope = Envelope { node: from, epoch: 0, number: 1, question: None, hub: "chat", operation };
        let mut message = Vec::new();
        envelope.write(&mut message).expect("it is not too long");
        let delivery = Delivery { from, hub: 0, operation, to, asker: None };
        self.deliverer.take(self.now, delivery, &Bytes::from(message));
    }

    /// Time passes, and what waits is tried again.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.deliverer.retry(self.now);
    }

    /// What the shard has been told: the lengths of publications, and 0 for anything else. It is done with it.
    fn told(&self) -> Vec<usize> {
        let len = |command: &Command| match command {
            Command::Publish { message, .. } => message.of(holdfast_hub::Form(0)).len(),
            _ => 0,
        };
        self.handle.mailbox(0).take_all().iter().map(len).collect()
    }

    /// How many wait, and how many were dropped.
    fn waiting(&self) -> (usize, u64) {
        (self.cluster.tally.waiting.load(Relaxed), self.cluster.tally.dropped.load(Relaxed))
    }
}

const ROOM: WireTarget<'_> = WireTarget::Group("room");

#[test]
fn what_a_shard_has_no_room_for_waits_in_order_and_what_comes_later_behind_it() {
    // Whoever waits for the end of a close waits on it.
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _entered = runtime.enter();
    let mut idle = Idle::new();
    (1..=MOST + 3).for_each(|len| idle.publish(ROOM, len));
    // What would find room waits too.
    idle.take(
        Operation::Close { of: ROOM, excluded: Excluded::default(), reason: None },
        Where::Shards(vec![0]),
    );
    assert_eq!(idle.waiting(), (4, 0));
    idle.pass(WAIT_MAX / 2);
    assert_eq!((idle.told().len(), idle.waiting()), (MOST, (4, 0)), "it is not done with any");
    idle.pass(Duration::ZERO);
    assert_eq!(idle.told(), [MOST + 1, MOST + 2, MOST + 3, 0]);
    assert_eq!(idle.waiting(), (0, 0));
}

#[test]
fn what_waits_for_too_long_or_is_too_much_is_dropped_and_counted() {
    let mut idle = Idle::new();
    (0..MOST + 5).for_each(|_| idle.publish(ROOM, 1));
    idle.pass(WAIT_MAX);
    assert_eq!(idle.waiting(), (0, 5));
    // As much as cluster-queue-bytes has room for waits.
    (0..40).for_each(|_| idle.publish(ROOM, 100_000));
    assert_eq!(idle.waiting(), (10, 35));
    assert_eq!(idle.told().len(), MOST);
}

#[test]
fn what_single_connections_are_sent_is_bounded() {
    let mut idle = Idle::new();
    let any = crate::ConnectionId { shard: 0, epoch: 0, key: 0, generation: 0 };
    let name = WireTarget::Connection(idle.handle.names().name(any).into());
    // In bytes of JSON, which is a little longer.
    let most = NOTES_BYTES_MAX as usize / 901_000;
    (0..=most).for_each(|_| idle.publish(name, 900_000));
    assert_eq!((idle.told().len(), idle.waiting()), (most, (1, 0)));
    idle.pass(Duration::ZERO);
    assert_eq!((idle.told().len(), idle.waiting()), (1, (0, 0)));
}

#[test]
fn a_node_has_the_id_that_is_in_the_names_of_its_connections() {
    let planned = Planned::new(&settings()).expect("its settings are good").expect("a cluster");
    let (first, second) = (Handle::new(1), Handle::new(1));
    let made = planned.of(&first);
    assert_eq!(made.own(), first.names().node());
    assert!(Arc::ptr_eq(&made, &planned.of(&first)));
    assert_eq!(planned.of(&second).own(), second.names().node());
    assert!(Planned::new(&Settings::default()).expect("nothing is wrong").is_none());
}
