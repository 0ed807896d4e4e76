//! Rates: connections that send too many frames or bytes are held back or closed, and the others do not notice.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::time::Duration;

use holdfast::counters::{CloseCode, CloseReason, Limit};
use holdfast::settings::{DriverChoice, RatePolicy, Settings};
use rig::frame::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, fragment, masked};
use rig::{Peer, Rig, Script, pattern, settings, wait_until};

on_every_rung!(
    too_many_messages_are_answered_1008_and_neighbours_do_not_notice,
    pings_pongs_and_fragments_count_as_messages_do,
    too_many_bytes_are_answered_1008_and_neighbours_do_not_notice,
    too_many_bytes_behind_the_request_are_answered_1008,
    one_who_keeps_to_the_rates_is_left_alone,
    a_new_connection_in_an_old_record_has_a_full_bucket,
    one_who_has_to_wait_loses_nothing,
    one_who_has_to_wait_is_not_read_from_and_can_be_closed,
);

const SECOND: Duration = Duration::from_secs(1);

/// Ten frames at once, then one a second.
fn ten_frames(rung: DriverChoice, policy: RatePolicy) -> Settings {
    Settings {
        shards: 1,
        messages_per_second_max: Some(1),
        rate_burst: 10 * SECOND,
        rate_policy: policy,
        ..settings(rung)
    }
}

/// Reads answers until the close frame comes, which must have the code 1008. Returns how many came before.
#[track_caller]
fn answers_before_1008(peer: &mut Peer, opcode: u8) -> usize {
    let mut count = 0;
    loop {
        let frame = peer.read_frame();
        if frame.opcode == CLOSE {
            assert_eq!(frame.payload[..2], 1008_u16.to_be_bytes());
            return count;
        }
        assert_eq!(frame.opcode, opcode);
        count += 1;
    }
}

fn too_many_messages_are_answered_1008_and_neighbours_do_not_notice(rung: DriverChoice) {
    let rig = Rig::with(&ten_frames(rung, RatePolicy::Close));
    let (mut flooding, mut neighbour) = (rig.peer(), rig.peer());
    neighbour.check_echo();
    flooding.send(&masked(TEXT, b"").repeat(1_000));
    let answers = answers_before_1008(&mut flooding, TEXT);
    assert!((10..100).contains(&answers), "{answers} answers");
    flooding.expect_end();
    drop(flooding);
    neighbour.check_echo();
    rig.wait_until_held(1);
    assert_eq!(rig.limited(Limit::MessageRate), 1);
    assert_eq!(rig.closed(CloseReason::Rate, CloseCode::Policy), 1);
    neighbour.close();
    rig.wait_until_empty();
}

fn pings_pongs_and_fragments_count_as_messages_do(rung: DriverChoice) {
    let rig = Rig::with(&ten_frames(rung, RatePolicy::Close));
    let fragments = [fragment(false, TEXT, b"x"), fragment(false, CONTINUATION, b"x").repeat(999)].concat();
    for (flood, answer) in
        [(masked(PING, b"").repeat(1_000), PONG), (masked(PONG, b"").repeat(1_000), PONG), (fragments, TEXT)]
    {
        let mut peer = rig.peer();
        peer.send(&flood);
        assert!(answers_before_1008(&mut peer, answer) < 100);
        peer.expect_end();
    }
    rig.wait_until_empty();
    assert_eq!(rig.limited(Limit::MessageRate), 3);
}

fn ten_kib(rung: DriverChoice, policy: RatePolicy) -> Settings {
    Settings {
        shards: 1,
        bytes_per_second_max: Some(1 << 10),
        rate_burst: 10 * SECOND,
        rate_policy: policy,
        ..settings(rung)
    }
}

fn too_many_bytes_are_answered_1008_and_neighbours_do_not_notice(rung: DriverChoice) {
    let rig = Rig::with(&ten_kib(rung, RatePolicy::Close));
    let (mut flooding, mut neighbour) = (rig.peer(), rig.peer());
    flooding.send_binary(&pattern(9 << 10));
    flooding.expect_binary(&pattern(9 << 10));
    flooding.send_binary(&pattern(900 << 10));
    flooding.expect_close(1008);
    flooding.expect_end();
    drop(flooding);
    neighbour.check_echo();
    rig.wait_until_held(1);
    assert_eq!(rig.limited(Limit::ByteRate), 1);
    assert_eq!(rig.closed(CloseReason::Rate, CloseCode::Policy), 1);
    neighbour.close();
    rig.wait_until_empty();
}

fn too_many_bytes_behind_the_request_are_answered_1008(rung: DriverChoice) {
    let settings = Settings { rate_burst: SECOND, ..ten_kib(rung, RatePolicy::Close) };
    let rig = Rig::with(&settings);
    let mut peer = rig.silent_peer();
    peer.send(&[rig::request("/"), masked(BINARY, &pattern(900 << 10))].concat());
    peer.expect_accepted();
    peer.expect_close(1008);
    peer.expect_end();
    drop(peer);
    rig.wait_until_empty();
    assert_eq!(rig.limited(Limit::ByteRate), 1);
}

fn one_who_keeps_to_the_rates_is_left_alone(rung: DriverChoice) {
    for policy in [RatePolicy::Close, RatePolicy::Wait] {
        let rig = Rig::with(&Settings {
            messages_per_second_max: Some(1_000),
            bytes_per_second_max: Some(100 << 10),
            ..ten_frames(rung, policy)
        });
        let mut peer = rig.peer();
        for _ in 0..500 {
            peer.check_echo();
        }
        peer.send_close(1000, "");
        peer.expect_close(1000);
        rig.wait_until_empty();
        assert_eq!((rig.limited(Limit::MessageRate), rig.limited(Limit::ByteRate)), (0, 0));
    }
}

fn a_new_connection_in_an_old_record_has_a_full_bucket(rung: DriverChoice) {
    let rig = Rig::with(&ten_frames(rung, RatePolicy::Close));
    for _ in 0..5 {
        let mut peer = rig.peer();
        for _ in 0..10 {
            peer.check_echo();
        }
        peer.close();
        rig.wait_until_empty();
    }
    assert_eq!(rig.limited(Limit::MessageRate), 0);
}

fn one_who_has_to_wait_loses_nothing(rung: DriverChoice) {
    const COUNT: usize = 6_000;
    let rig = Rig::with(&Settings {
        messages_per_second_max: Some(3_000),
        rate_burst: SECOND,
        idle_timeout: Some(SECOND),
        ..ten_frames(rung, RatePolicy::Wait)
    });
    let (mut flooding, mut neighbour) = (rig.peer(), rig.peer());
    let stream: Vec<u8> = (0..COUNT).flat_map(|index| masked(TEXT, format!("{index}").as_bytes())).collect();
    let sending = flooding.send_beside(stream);
    for index in 0..COUNT {
        flooding.expect_text(&format!("{index}"));
        if index % 100 == 0 {
            neighbour.check_echo();
        }
    }
    sending.join().unwrap();
    assert!(rig.limited(Limit::MessageRate) > 0, "it had to wait");
    assert_eq!(rig.held(), 2);
}

fn one_who_has_to_wait_is_not_read_from_and_can_be_closed(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&ten_frames(rung, RatePolicy::Wait), &script);
    let mut peer = rig.peer();
    peer.send(&masked(TEXT, b"").repeat(100));
    wait_until("it has to wait", || rig.limited(Limit::MessageRate) == 1);
    let read = rig.sum(|counters| counters.bytes_in.get());
    peer.send_text("not yet");
    for _ in 0..5 {
        rig.wait_for_a_turn_of_every_shard();
    }
    assert_eq!(rig.sum(|counters| counters.bytes_in.get()), read);
    for _ in 0..read / 6 {
        peer.expect_text("");
    }
    rig.handle().close(script.log.id(0), 4000, "").unwrap();
    peer.expect_close(4000);
    peer.send_close(4000, "");
    peer.expect_end();
    rig.wait_until_empty();
    assert_eq!(rig.limited(Limit::MessageRate), 1, "it is counted once for each wait");
}
