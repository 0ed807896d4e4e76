//! Backpressure: peers that read slowly or not at all, and peers that flood.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::sync::Mutex;
use std::sync::mpsc::channel;

use bytes::Bytes;
use holdfast::counters::{CloseCode, CloseReason, Limit};
use holdfast::settings::{DriverChoice, Settings};
use holdfast::{MessageKind, Reply};
use rig::frame::{BINARY, CLOSE, TEXT, masked};
use rig::{Peer, Rig, SOON, Script, pattern, settings, text, wait_until};

on_every_rung!(
    one_that_does_not_read_is_closed_with_1013_and_the_others_go_on,
    one_that_reads_at_last_hears_why_it_is_closed,
    one_that_does_not_read_is_given_up_after_send_timeout,
    one_that_floods_and_does_not_read_is_not_read_from_and_nothing_is_lost,
    one_that_is_closed_while_it_is_not_read_from_may_finish_sending_first,
    many_that_do_not_read_hold_no_buffers,
    one_that_floods_does_not_keep_others_waiting,
);

fn one_that_does_not_read_is_closed_with_1013_and_the_others_go_on(rung: DriverChoice) {
    let script = Script::default();
    let settings = Settings { outbox_bytes_max: 3 << 20, close_timeout: SOON, ..settings(rung) };
    let rig = Rig::scripted(&settings, &script);
    let slow = {
        let mut peer = Peer::connect_with_a_small_window(rig.address);
        peer.open("/");
        peer
    };
    let id = script.log.id(0);
    let mut other = rig.peer();
    let payload = Bytes::from(pattern(1 << 20));
    let mut highest = 0;
    wait_until("one that does not read is closed", || {
        // One at a time, and each is looked at: the gauge never passes the limit.
        rig.handle().send(id, MessageKind::Binary, payload.clone()).unwrap();
        other.check_echo();
        highest = highest.max(rig.sum(|counters| counters.outbox_bytes.get()));
        rig.closed(CloseReason::Slow, CloseCode::TryAgain) == 1
    });
    assert!(highest <= 3 << 20, "{highest} bytes in outboxes");
    assert_eq!(rig.limited(Limit::OutboxBytes), 1);
    wait_until("its record is free", || rig.held() == 1);
    rig.wait_until_quiet();
    other.check_echo();
    drop(slow);
    assert_eq!(script.log.closed(1), [(CloseReason::Slow, CloseCode::TryAgain)]);
}

fn one_that_reads_at_last_hears_why_it_is_closed(rung: DriverChoice) {
    let (sender, overflowed) = channel();
    let sender = Mutex::new(sender);
    let script = Script::default().on_message(move |context, from, _| {
        // Far more than sockets and outbox hold.
        let mut count = 0;
        while context.send(from, MessageKind::Binary, &[&pattern(1 << 20)]) {
            count += 1;
        }
        sender.lock().unwrap().send(count).unwrap();
        Reply::None
    });
    let rig = Rig::scripted(&Settings { outbox_bytes_max: 5 << 20, ..settings(rung) }, &script);
    let mut peer = rig.peer();
    peer.send_text("go on");
    let count = overflowed.recv().unwrap();
    assert_eq!(count, 5, "four fit beside their headers; the fifth begins the closing");
    peer.expect_close(1013);
    peer.send_close(1013, "");
    peer.expect_end();
    rig.wait_until_empty();
}

fn one_that_does_not_read_is_given_up_after_send_timeout(rung: DriverChoice) {
    let script = Script::default();
    let settings = Settings {
        outbox_bytes_max: 64 << 20,
        send_timeout: std::time::Duration::from_secs(1),
        ..settings(rung)
    };
    let rig = Rig::scripted(&settings, &script);
    let mut peer = Peer::connect_with_a_small_window(rig.address);
    peer.open("/");
    let id = script.log.id(0);
    // More than sockets hold, and less than the outbox does.
    for _ in 0..32 {
        rig.handle().send(id, MessageKind::Binary, Bytes::from(pattern(1 << 20))).unwrap();
    }
    assert_eq!(script.log.closed(1), [(CloseReason::Slow, CloseCode::None)]);
    assert_eq!(rig.limited(Limit::SendTime), 1);
    rig.wait_until_empty();
    peer.expect_reset();
}

fn one_that_floods_and_does_not_read_is_not_read_from_and_nothing_is_lost(rung: DriverChoice) {
    const COUNT: usize = 8_192;
    let rig = Rig::with(&Settings { shards: 1, ..settings(rung) });
    let mut peer = Peer::connect_with_a_small_window(rig.address);
    peer.open("/");
    let payload = |index: usize| [&format!("{index:08}").into_bytes()[..], &pattern(4_000)].concat();
    let stream: Vec<u8> = (0..COUNT).flat_map(|index| masked(BINARY, &payload(index))).collect();
    let sent = flood_until_it_stops(&rig, &peer, &stream);
    let waiting = rig.sum(|counters| counters.outbox_bytes.get());
    // Up to 64 KiB it is read from; a long buffer brings 68 KiB more, and each frame counts 64 bytes besides.
    assert!(waiting < 140 << 10, "{waiting} bytes in the outbox");
    assert_eq!(rig.sum(|counters| counters.buffers_lent.get() + counters.long_buffers_lent.get()), 0);
    let sending = peer.send_beside(stream[sent..].to_vec());
    for index in 0..COUNT {
        peer.expect_binary(&payload(index));
    }
    sending.join().unwrap();
    peer.close();
    rig.wait_until_empty();
}

fn one_that_is_closed_while_it_is_not_read_from_may_finish_sending_first(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&Settings { shards: 1, ..settings(rung) }, &script);
    let mut peer = Peer::connect_with_a_small_window(rig.address);
    peer.open("/");
    let stream = masked(BINARY, &pattern(4_000)).repeat(8_192);
    let sent = flood_until_it_stops(&rig, &peer, &stream);
    rig.handle().close(script.log.id(0), 4000, "").unwrap();
    // Nothing is read here until all is sent: the gateway takes it, and drops it.
    peer.send(&stream[sent..]);
    let mut frame = peer.read_frame();
    while frame.opcode == BINARY {
        frame = peer.read_frame();
    }
    assert_eq!((frame.opcode, frame.payload), (CLOSE, 4000_u16.to_be_bytes().to_vec()));
    peer.send_close(4000, "");
    peer.expect_end();
    rig.wait_until_empty();
}

/// Sends from `stream` until the gateway, which has one shard, reads no more. Returns how many bytes went.
fn flood_until_it_stops(rig: &Rig, peer: &Peer, stream: &[u8]) -> usize {
    let (mut sent, mut read) = (0, 0);
    wait_until("the gateway reads no more", || {
        let more = peer.flood(&stream[sent..]);
        sent += more;
        assert!(sent < stream.len(), "the gateway took in {sent} bytes from a peer that does not read");
        if more > 0 {
            return false;
        }
        rig.wait_for_a_turn_of_every_shard();
        let before = std::mem::replace(&mut read, rig.sum(|counters| counters.bytes_in.get()));
        // TCP may also stop for a moment by itself, with nothing in the outbox.
        before == read && rig.sum(|counters| counters.outbox_bytes.get()) > 64 << 10
    });
    sent
}

fn many_that_do_not_read_hold_no_buffers(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peers: Vec<Peer> = (0..100)
        .map(|_| {
            let mut peer = Peer::connect_with_a_small_window(rig.address);
            peer.open("/");
            peer
        })
        .collect();
    let payload = Bytes::from(pattern(1 << 20));
    for index in 0..peers.len() {
        rig.handle().send(script.log.id(index), MessageKind::Binary, payload.clone()).unwrap();
    }
    rig.wait_for_a_turn_of_every_shard();
    wait_until("no buffer is lent", || {
        rig.sum(|counters| counters.buffers_lent.get() + counters.long_buffers_lent.get()) == 0
    });
    let mut other = rig.peer();
    other.check_echo();
    for peer in &mut peers {
        peer.expect_binary(&payload);
    }
    rig.wait_until_quiet();
}

fn one_that_floods_does_not_keep_others_waiting(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 1, ..settings(rung) });
    let mut flooding = rig.peer();
    let mut other = rig.peer();
    let message = masked(TEXT, &text(200));
    let sending = flooding.send_beside(message.repeat(20_000));
    let reading = std::thread::spawn(move || {
        for _ in 0..20_000 {
            flooding.expect(TEXT, &text(200));
        }
        flooding
    });
    let mut answers = 0;
    while !reading.is_finished() {
        other.check_echo();
        answers += 1;
    }
    assert!(answers > 1, "the other was answered meanwhile");
    sending.join().unwrap();
    reading.join().unwrap().close();
}
