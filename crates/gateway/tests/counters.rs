//! Counters: after a conversation every number is what it must be, to the byte.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use holdfast::counters::{CloseCode, CloseReason, Count, HandshakeOutcome};
use holdfast::settings::{DriverChoice, Settings};
use rig::frame::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, fragment, masked};
use rig::{Peer, Rig, pattern, request, settings, text, wait_until};

on_every_rung!(
    after_a_conversation_every_count_is_right,
    bytes_behind_the_request_count_and_the_handshake_does_not,
    every_way_to_end_is_counted_once,
    gauges_show_what_is_under_way_and_fall_to_zero,
    an_idle_connection_is_charged_its_records_and_nothing_else,
);

/// A peer that counts what is on the wire after the opening handshake.
struct Scale {
    peer: Peer,
    sent: u64,
    received: u64,
}

impl Scale {
    fn open(rig: &Rig) -> Self {
        Self { peer: rig.peer(), sent: 0, received: 0 }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.sent += bytes.len() as u64;
        self.peer.send(bytes);
    }

    fn hear(&mut self, opcode: u8, payload: &[u8]) {
        // The gateway's header is four bytes shorter than a peer's: it has no masking key.
        self.received += masked(opcode, payload).len() as u64 - 4;
        self.peer.expect(opcode, payload);
    }
}

fn after_a_conversation_every_count_is_right(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut scale = Scale::open(&rig);
    for len in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        scale.say(&masked(TEXT, &text(len)));
        scale.hear(TEXT, &text(len));
    }
    scale.say(&masked(BINARY, &pattern(1 << 20)));
    scale.hear(BINARY, &pattern(1 << 20));
    scale.say(&fragment(false, BINARY, b"in "));
    scale.say(&masked(PING, b"between"));
    scale.hear(PONG, b"between");
    scale.say(&masked(CONTINUATION, b"fragments"));
    scale.hear(BINARY, b"in fragments");
    scale.say(&masked(PONG, b"not asked for"));
    scale.say(&close(4000, "enough"));
    scale.hear(CLOSE, &4000_u16.to_be_bytes());
    scale.peer.expect_end();
    rig.wait_until_empty();

    assert_eq!(rig.sum(|counters| counters.accepted.get()), 1);
    assert_eq!(rig.sum(|counters| counters.opened.get()), 1);
    assert_eq!(rig.closed(CloseReason::Peer, CloseCode::Private), 1);
    assert_eq!(rig.sum(|counters| counters.text_in.get()), 7);
    assert_eq!(rig.sum(|counters| counters.text_out.get()), 7);
    assert_eq!(rig.sum(|counters| counters.binary_in.get()), 2);
    assert_eq!(rig.sum(|counters| counters.binary_out.get()), 2);
    assert_eq!(rig.sum(|counters| counters.bytes_in.get()), scale.sent);
    assert_eq!(rig.sum(|counters| counters.bytes_out.get()), scale.received);
    assert_eq!(rig.sum(|counters| counters.accept_errors.get()), 0);
    let durations = rig.sum(|counters| counters.handshake_duration.buckets().map(|(count, _)| count).sum());
    assert_eq!(durations, 1);
}

fn bytes_behind_the_request_count_and_the_handshake_does_not(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.silent_peer();
    peer.send(&[request("/"), masked(TEXT, b"12345"), masked(PING, b"")].concat());
    peer.expect_accepted();
    peer.expect_text("12345");
    peer.expect_pong(b"");
    peer.close();
    rig.wait_until_empty();
    // Headers of six bytes from the peer and of two from the gateway; close frames with a code of two bytes.
    assert_eq!(rig.sum(|counters| counters.bytes_in.get()), 6 + 5 + 6 + 6 + 2);
    assert_eq!(rig.sum(|counters| counters.bytes_out.get()), 2 + 5 + 2 + 2 + 2);
}

fn every_way_to_end_is_counted_once(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peers = rig.peers(5);
    peers.pop().unwrap().close();
    drop(peers.pop());
    peers.pop().unwrap().reset();
    let mut wrong = peers.pop().unwrap();
    wrong.send(&masked(3, b""));
    wrong.expect_close(1002);
    drop(wrong);
    let mut staying = peers.pop().unwrap();
    rig.wait_until_held(1);
    assert_eq!(rig.closed(CloseReason::Peer, CloseCode::Normal), 1);
    assert_eq!(rig.closed(CloseReason::Gone, CloseCode::None), 1);
    assert_eq!(rig.closed(CloseReason::Reset, CloseCode::None), 1);
    assert_eq!(rig.closed(CloseReason::Protocol, CloseCode::Protocol), 1);
    assert_eq!(rig.handshakes(HandshakeOutcome::Accepted), 5);
    assert_eq!(rig.sum(|counters| counters.handshakes.iter().map(Count::get).sum()), 5);
    staying.check_echo();
}

fn gauges_show_what_is_under_way_and_fall_to_zero(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 1, ..settings(rung) });
    let mut silent = rig.silent_peer();
    wait_until("an opening handshake is under way", || rig.on_its_way()[0] == 1);
    silent.open("/");
    wait_until("no more", || rig.on_its_way()[0] == 0);
    let message = masked(BINARY, &pattern(500_000));
    silent.send(&message[..400_000]);
    wait_until("a message is cut", || rig.on_its_way()[4] >= 390_000);
    silent.send(&message[400_000..]);
    silent.expect_binary(&pattern(500_000));
    rig.wait_until_quiet();
    // One that leaves with a message cut.
    silent.send(&message[..400_000]);
    wait_until("a message is cut", || rig.on_its_way()[4] >= 390_000);
    silent.reset();
    rig.wait_until_empty();
}

fn an_idle_connection_is_charged_its_records_and_nothing_else(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 1, ..settings(rung) });
    let mut peers = rig.peers(100);
    for peer in &mut peers {
        peer.check_echo();
    }
    rig.wait_until_quiet();
    rig.wait_for_a_turn_of_every_shard();
    let bytes = rig.sum(|counters| counters.record_bytes.get());
    assert!((1..=100 * 96).contains(&bytes), "{bytes} bytes for 100 connections");
    drop(peers);
    rig.wait_until_empty();
    wait_until("nothing is charged", || rig.sum(|counters| counters.record_bytes.get()) == 0);
}
