//! Slow readers: what waits for them is bounded for each and for all of them, and the others do not notice.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use bytes::Bytes;
use holdfast::counters::{CloseCode, CloseReason, Limit};
use holdfast::settings::{DriverChoice, Settings, SlowPolicy};
use holdfast::{MessageKind, Reply};
use rig::frame::{BINARY, CLOSE, PING, PONG, TEXT, masked};
use rig::{Peer, Rig, Script, pattern, settings, wait_until};

on_every_rung!(
    one_that_does_not_read_loses_its_oldest_messages_and_hears_the_newest,
    one_whose_messages_were_dropped_can_be_closed_as_any_other,
    past_the_total_those_who_do_not_read_are_closed_and_others_hear_everything,
    past_the_total_those_who_do_not_read_lose_messages_and_others_hear_everything,
    a_million_tiny_messages_are_not_a_few_megabytes,
    of_pings_that_wait_only_the_newest_is_answered,
    answers_to_one_read_fit_the_smallest_outbox_that_settings_allow,
);

/// A peer that takes next to nothing until it reads.
fn slow_peer(rig: &Rig) -> Peer {
    let mut peer = Peer::connect_with_a_small_window(rig.address);
    peer.open("/");
    peer
}

/// A message of this length that begins with its number.
fn numbered(index: usize, len: usize) -> Bytes {
    let mut payload = pattern(len);
    payload[..8].copy_from_slice(format!("{index:08}").as_bytes());
    Bytes::from(payload)
}

fn number(payload: &[u8]) -> usize {
    std::str::from_utf8(&payload[..8]).unwrap().parse().unwrap()
}

fn dropping(rung: DriverChoice) -> Settings {
    Settings { shards: 1, outbox_bytes_max: 2 << 20, slow_policy: SlowPolicy::DropOldest, ..settings(rung) }
}

const LEN: usize = 100_000;
/// Far more than the sockets and the outbox hold.
const COUNT: usize = 300;

fn one_that_does_not_read_loses_its_oldest_messages_and_hears_the_newest(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&dropping(rung), &script);
    let mut slow = slow_peer(&rig);
    let id = script.log.id(0);
    let mut neighbour = rig.peer();
    for index in 0..COUNT {
        rig.handle().send(id, MessageKind::Binary, numbered(index, LEN)).unwrap();
        neighbour.check_echo();
    }
    wait_until("messages are dropped", || rig.sum(|counters| counters.dropped.get()) > 0);
    assert!(rig.sum(|counters| counters.outbox_bytes.get()) <= 2 << 20);
    let mut heard = Vec::new();
    while heard.last() != Some(&(COUNT - 1)) {
        let frame = slow.read_frame();
        assert_eq!((frame.fin, frame.opcode, frame.payload.len()), (true, BINARY, LEN));
        let index = number(&frame.payload);
        assert!(frame.payload == numbered(index, LEN), "message {index} is whole");
        heard.push(index);
    }
    assert!(heard.is_sorted(), "in order: {heard:?}");
    let dropped = rig.sum(|counters| counters.dropped.get());
    assert_eq!(heard.len() as u64 + dropped, COUNT as u64);
    assert_eq!(rig.limited(Limit::OutboxBytes), dropped);
    slow.check_echo();
    assert_eq!(rig.held(), 2);
}

fn one_whose_messages_were_dropped_can_be_closed_as_any_other(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&dropping(rung), &script);
    let mut slow = slow_peer(&rig);
    let id = script.log.id(0);
    for index in 0..COUNT {
        rig.handle().send(id, MessageKind::Binary, numbered(index, LEN)).unwrap();
    }
    rig.handle().close(id, 4000, "").unwrap();
    // Whether it comes too late or not, it drops no close frame.
    rig.handle().send(id, MessageKind::Binary, numbered(COUNT, LEN)).unwrap();
    let mut last = slow.read_frame();
    while last.opcode == BINARY {
        assert!(number(&last.payload) <= COUNT);
        last = slow.read_frame();
    }
    assert_eq!((last.opcode, last.payload), (CLOSE, 4000_u16.to_be_bytes().to_vec()));
    slow.send_close(4000, "");
    slow.expect_end();
    rig.wait_until_empty();
}

/// Opens connections that do not read, and sends each of them so many messages of 1 MiB.
fn fill(rig: &Rig, script: &Script, peers: usize, messages: usize) -> Vec<Peer> {
    let slow: Vec<Peer> = (0..peers).map(|_| slow_peer(rig)).collect();
    for index in 0..messages {
        for peer in 0..peers {
            let message = numbered(index, 1 << 20);
            rig.handle().send(script.log.id(peer), MessageKind::Binary, message).unwrap();
        }
    }
    slow
}

fn with_a_total(rung: DriverChoice, slow_policy: SlowPolicy) -> Settings {
    Settings {
        shards: 1,
        outbox_bytes_max: 64 << 20,
        shard_outbox_bytes_max: Some(8 << 20),
        slow_policy,
        ..settings(rung)
    }
}

/// A message at a time to one that reads, each as large as those that wait for the others.
fn hears_everything(rig: &Rig, script: &Script, opened: usize, neighbour: &mut Peer) {
    for index in 0..20 {
        let message = numbered(index, 1 << 20);
        rig.handle().send(script.log.id(opened), MessageKind::Binary, message.clone()).unwrap();
        neighbour.expect_binary(&message);
    }
    neighbour.check_echo();
}

fn past_the_total_those_who_do_not_read_are_closed_and_others_hear_everything(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&with_a_total(rung, SlowPolicy::Close), &script);
    // Sockets take some 4 MiB each.
    let slow = fill(&rig, &script, 6, 12);
    wait_until("one is closed", || rig.limited(Limit::ShardOutboxBytes) > 0);
    let mut neighbour = rig.peer();
    hears_everything(&rig, &script, 6, &mut neighbour);
    let closing = rig.limited(Limit::ShardOutboxBytes);
    drop(slow);
    rig.wait_until_held(1);
    assert_eq!(rig.closed(CloseReason::Slow, CloseCode::TryAgain), closing);
    assert_eq!(rig.limited(Limit::OutboxBytes), 0);
    neighbour.close();
    rig.wait_until_empty();
}

fn past_the_total_those_who_do_not_read_lose_messages_and_others_hear_everything(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&with_a_total(rung, SlowPolicy::DropOldest), &script);
    let mut slow = fill(&rig, &script, 6, 12);
    wait_until("messages are dropped", || rig.sum(|counters| counters.dropped.get()) > 0);
    // One message each may come on top.
    let waiting = rig.sum(|counters| counters.outbox_bytes.get());
    assert!(waiting <= (8 + 6) << 20, "{waiting} bytes");
    let mut neighbour = rig.peer();
    hears_everything(&rig, &script, 6, &mut neighbour);
    assert_eq!(rig.held(), 7, "nobody is closed");
    let mut heard = 0;
    for peer in &mut slow {
        peer.send(&masked(PING, b"the end"));
        loop {
            let frame = peer.read_frame();
            if frame.opcode == PONG {
                break;
            }
            assert!(frame.payload == numbered(number(&frame.payload), 1 << 20));
            heard += 1;
        }
    }
    assert_eq!(heard + rig.sum(|counters| counters.dropped.get()), 6 * 12);
}

fn a_million_tiny_messages_are_not_a_few_megabytes(rung: DriverChoice) {
    let script = Script::default().on_message(move |context, from, _| {
        while context.send(from, MessageKind::Text, &[b"x"]) {}
        Reply::None
    });
    let rig = Rig::scripted(&Settings { shards: 1, ..settings(rung) }, &script);
    let mut peer = rig.peer();
    peer.send_text("go on");
    peer.expect_close(1013);
    peer.send_close(1013, "");
    peer.expect_end();
    rig.wait_until_empty();
    let sent = rig.sum(|counters| counters.text_out.get());
    assert_eq!(sent, (2 << 20) / (3 + 64) + 1, "each takes 64 bytes besides its own");
}

fn of_pings_that_wait_only_the_newest_is_answered(rung: DriverChoice) {
    const COUNT: usize = 150_000;
    let rig = Rig::with(&Settings { shards: 1, ..settings(rung) });
    let mut peer = slow_peer(&rig);
    let payload = |index: usize| numbered(index, 120);
    let stream: Vec<u8> = (0..COUNT).flat_map(|index| masked(PING, &payload(index))).collect();
    // It is read from all the time: answers that are not sent yet are not kept.
    peer.send(&stream);
    wait_until("all is read", || rig.sum(|counters| counters.bytes_in.get()) == stream.len() as u64);
    let waiting = rig.sum(|counters| counters.outbox_bytes.get());
    assert!(waiting <= 128 << 10, "{waiting} bytes");
    let mut heard = Vec::new();
    while heard.last() != Some(&(COUNT - 1)) {
        let frame = peer.read_frame();
        assert_eq!(frame.opcode, PONG);
        assert!(frame.payload == payload(number(&frame.payload)));
        heard.push(number(&frame.payload));
    }
    assert!(heard.is_sorted() && heard.len() < COUNT, "{} answers", heard.len());
    peer.check_echo();
    peer.close();
    rig.wait_until_empty();
}

fn answers_to_one_read_fit_the_smallest_outbox_that_settings_allow(rung: DriverChoice) {
    // As settings demand for messages of 1000 bytes, buffers of 1 KiB and this prefix.
    let settings = Settings {
        shards: 1,
        message_bytes_max: 1_000,
        frame_bytes_max: 1_000,
        buffer_bytes: 1_024,
        pool_bytes: Some(64 << 10),
        outbox_bytes_max: 22_763,
        echo_prefix: "fourteen bytes".to_owned(),
        ..settings(rung)
    };
    let rig = Rig::with(&settings);
    let mut peer = rig.peer();
    let sending = peer.send_beside(masked(TEXT, b"").repeat(50_000));
    for _ in 0..50_000 {
        peer.expect_text("fourteen bytes");
    }
    sending.join().unwrap();
    assert_eq!(rig.limited(Limit::OutboxBytes), 0);
    peer.close();
    rig.wait_until_empty();
}
