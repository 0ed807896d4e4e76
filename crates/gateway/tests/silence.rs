//! Silence: pings, idle connections, and that talking ones are left alone. These tests wait for whole seconds to pass,
//! which is what they are about.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::time::{Duration, Instant};

use holdfast::counters::{CloseCode, CloseReason, Limit};
use holdfast::settings::{DriverChoice, Settings};
use rig::frame::{BINARY, CLOSE, PING, PONG, TEXT, masked};
use rig::{Rig, settings, wait_until};

on_every_rung!(
    a_silent_connection_is_closed_and_a_talking_one_is_not,
    pings_that_nobody_answers_end_a_connection_and_one_that_answers_stays,
    connections_that_are_old_enough_are_closed_one_after_the_other,
    pings_keep_those_that_answer_open_and_find_those_that_do_not,
    a_message_that_is_never_whole_ends_its_connection_and_nobody_elses,
    time_in_which_a_connection_is_not_read_from_counts_for_no_message,
);

const SECOND: Duration = Duration::from_secs(1);

fn a_silent_connection_is_closed_and_a_talking_one_is_not(rung: DriverChoice) {
    let rig = Rig::with(&Settings { idle_timeout: Some(SECOND), ..settings(rung) });
    let mut talking = rig.peer();
    let started = Instant::now();
    let mut silent = rig.peer();
    wait_until("the silent one hears something", || {
        talking.check_echo();
        silent.has_something()
    });
    assert!(started.elapsed() >= SECOND, "no period is cut short");
    silent.expect_close(1001);
    silent.send_close(1001, "");
    silent.expect_end();
    assert_eq!(rig.limited(Limit::IdleTime), 1);
    wait_until("it is counted", || rig.closed(CloseReason::Idle, CloseCode::Away) == 1);
    talking.check_echo();
    assert_eq!(rig.held(), 1);
}

fn pings_keep_those_that_answer_open_and_find_those_that_do_not(rung: DriverChoice) {
    let settings = Settings { ping_interval: Some(SECOND), idle_timeout: Some(2 * SECOND), ..settings(rung) };
    let rig = Rig::with(&settings);
    let (mut answering, mut silent) = (rig.peer(), rig.peer());
    let mut pings = 0;
    wait_until("the silent one is closed", || {
        answering.expect_ping();
        answering.send(&masked(PONG, b""));
        pings += 1;
        while silent.has_something() {
            match silent.read_frame().opcode {
                PING => {}
                opcode => {
                    assert_eq!(opcode, CLOSE);
                    return true;
                }
            }
        }
        false
    });
    assert!(pings > 1, "they come again and again");
    assert_eq!(rig.closed(CloseReason::Idle, CloseCode::Away), 0, "it has not answered the close frame yet");
    drop(silent);
    rig.wait_until_held(1);
    assert_eq!(rig.closed(CloseReason::Idle, CloseCode::Away), 1);
    answering.send_text("still here");
    while answering.read_frame().opcode == PING {}
}

fn pings_that_nobody_answers_end_a_connection_and_one_that_answers_stays(rung: DriverChoice) {
    let settings =
        Settings { ping_interval: Some(SECOND), pings_unanswered_max: Some(2), shards: 1, ..settings(rung) };
    let rig = Rig::with(&settings);
    let (mut answering, mut silent) = (rig.peer(), rig.peer());
    let started = Instant::now();
    let mut pings = 0;
    wait_until("the silent one is closed", || {
        answering.expect_ping();
        answering.send(&masked(PONG, b""));
        while silent.has_something() {
            let frame = silent.read_frame();
            if frame.opcode == CLOSE {
                assert_eq!(frame.payload[..2], 1001_u16.to_be_bytes());
                return true;
            }
            assert_eq!(frame.opcode, PING);
            pings += 1;
        }
        false
    });
    assert_eq!(pings, 2, "so many and no more");
    assert!(started.elapsed() >= SECOND, "each has its time to be answered");
    assert_eq!(rig.limited(Limit::Pings), 1);
    drop(silent);
    rig.wait_until_held(1);
    assert_eq!(rig.closed(CloseReason::Unanswered, CloseCode::Away), 1);
}

fn connections_that_are_old_enough_are_closed_one_after_the_other(rung: DriverChoice) {
    let settings = Settings {
        connection_age_max: Some(3 * SECOND),
        connection_age_jitter: Some(2 * SECOND),
        shards: 1,
        ..settings(rung)
    };
    let rig = Rig::with(&settings);
    let mut peers = rig.peers(30);
    let started = Instant::now();
    let mut partly = false;
    while rig.limited(Limit::Age) < 30 {
        let left = rig.limited(Limit::Age);
        partly |= (1..30).contains(&left);
        assert!(started.elapsed() < rig::PATIENCE, "{left} left");
        std::thread::yield_now();
    }
    assert!(partly, "not all at once");
    for peer in &mut peers {
        peer.expect_close(1001);
        peer.send_close(1001, "");
        peer.expect_end();
    }
    rig.wait_until_empty();
    assert_eq!(rig.closed(CloseReason::Age, CloseCode::Away), 30);
}

fn a_message_that_is_never_whole_ends_its_connection_and_nobody_elses(rung: DriverChoice) {
    let rig = Rig::with(&Settings { message_timeout: Some(SECOND), ..settings(rung) });
    let (mut cut, mut fragmented, mut talking) = (rig.peer(), rig.peer(), rig.peer());
    let message = masked(TEXT, b"a message");
    let started = Instant::now();
    cut.send(&message[..8]);
    // Without FIN: there is more to come. What comes in between does not make it whole.
    fragmented.send(&[&[message[0] & 0x7f], &message[1..]].concat());
    wait_until("one is told to go", || {
        fragmented.send(&masked(PING, b""));
        let frame = fragmented.read_frame();
        if frame.opcode == CLOSE {
            assert_eq!(frame.payload[..2], 1008_u16.to_be_bytes());
            return true;
        }
        assert_eq!(frame.opcode, PONG);
        // Each of its messages is cut, and whole in time.
        talking.send(&message[..8]);
        rig.wait_for_a_turn_of_every_shard();
        talking.send(&message[8..]);
        talking.expect_text("a message");
        false
    });
    assert!(started.elapsed() >= SECOND, "no period is cut short");
    cut.expect_close(1008);
    drop((cut, fragmented));
    wait_until("they are counted", || rig.closed(CloseReason::Unfinished, CloseCode::Policy) == 2);
    assert_eq!(rig.limited(Limit::MessageTime), 2);
    talking.check_echo();
    assert_eq!(rig.held(), 1);
}

fn time_in_which_a_connection_is_not_read_from_counts_for_no_message(rung: DriverChoice) {
    let rig = Rig::with(&Settings {
        message_timeout: Some(SECOND),
        bytes_per_second_max: Some(1024),
        rate_burst: SECOND,
        buffer_bytes: 1024,
        ..settings(rung)
    });
    let mut peer = rig.peer();
    let started = Instant::now();
    let payload = rig::pattern(6 * 1024);
    peer.send(&masked(BINARY, &payload));
    peer.expect_binary(&payload);
    assert!(started.elapsed() > 2 * SECOND, "it had to wait for longer than a message may take");
    assert_eq!(rig.limited(Limit::MessageTime), 0);
}
