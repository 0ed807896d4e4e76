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
use rig::frame::{CLOSE, PING, PONG, masked};
use rig::{Rig, settings, wait_until};

on_every_rung!(
    a_silent_connection_is_closed_and_a_talking_one_is_not,
    pings_keep_those_that_answer_open_and_find_those_that_do_not,
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
