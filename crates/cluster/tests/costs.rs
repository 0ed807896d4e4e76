//! What a message and a name cost.
//!
//! How long it takes is said and not judged: `cargo test --release -p holdfast-cluster --test costs -- --ignored
//! --nocapture`.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use holdfast_cluster::bus::simulated::{Chances, Net};
use holdfast_cluster::envelope::{DataKind, Envelope, Excluded, Operation, Publication, Sender, Target};
use holdfast_cluster::names::Names;
use holdfast_cluster::subject::{ClusterName, Named, Slot, Subjects};
use holdfast_cluster::{Identity, Node, NodeId};

fn envelope(number: u64, payload: &[u8]) -> Envelope<'_> {
    let publication = Publication {
        to: Target::Group("room-0123456789ab"),
        excluded: Excluded::default(),
        filter: None,
        sender: Sender::Client(Some("user-00012345")),
        kind: DataKind::Text,
        payload,
    };
    let operation = Operation::Publish(publication);
    Envelope { node: NodeId::new(5), epoch: 0, number, question: None, hub: "chat", operation }
}

#[test]
fn reading_a_message_allocates_nothing_and_writing_one_once() {
    let mut message = Vec::new();
    let written = allocation_counter::measure(|| envelope(1, b"hello").write(&mut message).expect("short"));
    assert_eq!(written.count_total, 1);
    let read = allocation_counter::measure(|| {
        black_box(Envelope::read(black_box(&message)).expect("a message"));
        black_box(Envelope::read(black_box(&[0xFF; 60])).expect_err("garbage"));
    });
    assert_eq!(read.count_total, 0);
}

/// A table is between 7/16 and 7/8 full, so between 8/7 and 16/7 places of 9 bytes belong to a name.
#[test]
fn a_name_costs_at_most_21_bytes() {
    for count in [60_000, 900_000, 1_000_000] {
        let mut names = None;
        let taken = allocation_counter::measure(|| {
            let own = Names::new();
            (0..count).for_each(|at| own.enter(0, Named::User, &format!("user-{at:08}"), 0));
            names = Some(own);
        });
        let names = names.expect("names");
        let each = f64::from(i32::try_from(taken.bytes_current).expect("megabytes")) / f64::from(count);
        let said = f64::from(i32::try_from(names.bytes()).expect("megabytes")) / f64::from(count);
        println!("{count} names: {each:.1} bytes each, {said:.1} of them in tables");
        // Some names share a hash.
        let least = usize::try_from(count - count / 1000).expect("few");
        assert!(each < 21.5 && names.len() >= least, "{each}, {}", names.len());
    }
}

#[test]
#[ignore = "says how long something takes"]
fn a_message_from_end_to_end() {
    const COUNT: u32 = 1_000_000;
    for len in [128, 1024] {
        let payload = vec![b'a'; len];
        let mut message = Vec::with_capacity(2048);
        timed(&format!("write, {len} bytes"), COUNT, |at| {
            message.clear();
            envelope(at.into(), black_box(&payload)).write(&mut message).expect("short");
        });
        timed(&format!("read, {len} bytes"), COUNT, |_| {
            black_box(Envelope::read(black_box(&message)).expect("a message"));
        });
        let names = Arc::new(Names::new());
        (0..100_000).for_each(|at| names.enter(0, Named::Group, &format!("room-{at}"), 0));
        let identity = Identity {
            cluster: ClusterName::parse("prod").expect("a name"),
            node: NodeId::new(1),
            start: 0,
            release: String::new(),
            hubs: vec!["chat".into()],
        };
        let subject =
            Subjects::of(&identity.cluster).hub("chat", Slot::of(Named::Group, "room-0123456789ab"));
        let mut node = Node::new(identity, Arc::clone(&names));
        let now = Instant::now();
        let mut bus = Net::new(0, Chances::default(), now).join(Vec::new());
        let mut hear = |what: &str, numbers: u64| {
            timed(what, COUNT, |at| {
                message[16..24].copy_from_slice(&(numbers + u64::from(at) + 1).to_le_bytes());
                black_box(node.heard(&mut bus, now, black_box(&subject), black_box(&message)));
            });
        };
        hear(&format!("hear for nobody, {len} bytes"), 0);
        names.enter(0, Named::Group, "room-0123456789ab", 3);
        hear(&format!("hear for a shard, {len} bytes"), 1 << 40);
    }
}

fn timed(what: &str, count: u32, mut run: impl FnMut(u32)) {
    let start = on_the_processor();
    (0..count).for_each(&mut run);
    let each = (on_the_processor() - start) as f64 / f64::from(count);
    println!("{what}: {each:.1} ns");
}

/// Nanoseconds that this thread has run. Time in which others had the processor is none of it (proc(5)).
fn on_the_processor() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("statistics of the scheduler");
    stat.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds")
}
