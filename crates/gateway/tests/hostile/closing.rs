//! Closing handshakes that break RFC 6455 5.5.1 and section 7, or are never finished.

use holdfast::counters::{CloseCode, CloseReason};
use holdfast::settings::{DriverChoice, Settings};

use crate::rig::frame::{BINARY, CLOSE, PING, TEXT, close, fragment, masked};
use crate::rig::{Rig, SOON, Script, pattern, settings, wait_until};
use crate::{Siege, on_every_rung};

on_every_rung!(
    close_codes_that_may_not_be_sent_are_answered_1002,
    close_codes_that_may_be_sent_are_answered_with_themselves,
    a_close_reason_that_is_cut_inside_a_code_point_is_answered_1007,
    data_after_the_peers_close_frame_is_never_handled,
    one_that_sends_its_close_frame_and_stays_is_cut,
    one_that_goes_on_talking_after_the_gateways_close_frame_is_cut,
    one_that_only_pings_after_the_gateways_close_frame_is_cut,
    one_that_closes_within_a_message_leaves_nothing,
    hundreds_that_never_answer_the_close_frame_are_all_cut,
);

/// RFC 6455 7.4.1 and 7.4.2: the borders of every range, and what it names. All 65,536 are tried in holdfast-proto.
const WRONG_CODES: [u16; 24] = [
    0, 1, 2, 500, 998, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1100, 1500, 1999, 2000, 2001, 2500, 2998,
    2999, 5000, 5001, 9999, 65_535,
];

fn close_codes_that_may_not_be_sent_are_answered_1002(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for code in WRONG_CODES {
        for reason in ["", "reason"] {
            siege.expect_code(&format!("code {code}"), &close(code, reason), 1002);
        }
    }
    siege.rig.wait_until_held(1);
    assert_eq!(siege.rig.closed(CloseReason::Protocol, CloseCode::Protocol), 2 * WRONG_CODES.len() as u64);
    siege.end();
}

fn close_codes_that_may_be_sent_are_answered_with_themselves(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let codes = (1000..=1003).chain(1007..=1014).chain([3000, 3001, 3999, 4000, 4001, 4999]);
    for code in codes {
        siege.expect_code(&format!("code {code}"), &close(code, "reason"), code);
    }
    siege.end();
}

fn a_close_reason_that_is_cut_inside_a_code_point_is_answered_1007(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let reason = "\u{e9}\u{20ac}\u{1f600}".as_bytes();
    for len in 0..=reason.len() {
        let bytes = masked(CLOSE, &[&1000_u16.to_be_bytes(), &reason[..len]].concat());
        let whole = std::str::from_utf8(&reason[..len]).is_ok();
        siege.expect_code(&format!("{len} bytes of reason"), &bytes, if whole { 1000 } else { 1007 });
    }
    siege.end();
}

fn data_after_the_peers_close_frame_is_never_handled(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let behind = [
        masked(TEXT, b"too late"),
        masked(PING, b"too late"),
        masked(BINARY, &pattern(1 << 20)),
        close(1001, ""),
        masked(3, b"wrong, and too late"),
    ];
    // In the same segment, and one after the other.
    let mut peer = siege.rig.peer();
    let sending = peer.send_beside([&[close(1000, "")], &behind[..]].concat().concat());
    peer.expect_close(1000);
    peer.expect_end();
    sending.join().unwrap();
    drop(peer);
    siege.check_neighbour();
    for bytes in &behind {
        let mut peer = siege.rig.peer();
        peer.send(&close(4000, ""));
        // The connection may be over already at the gateway's end.
        let _ = peer.try_send(bytes);
        peer.expect_close(4000);
        peer.expect_over();
    }
    siege.rig.wait_until_held(1);
    assert_eq!(siege.rig.sum(|counters| counters.binary_in.get()), 0);
    assert_eq!(siege.rig.closed(CloseReason::Peer, CloseCode::Normal), 1);
    siege.end();
}

fn one_that_sends_its_close_frame_and_stays_is_cut(rung: DriverChoice) {
    let siege = Siege::with(Settings { close_timeout: SOON, ..settings(rung) });
    let mut peer = siege.rig.peer();
    // With more behind it, so that the gateway waits for the peer to close.
    peer.send(&[close(1000, ""), masked(TEXT, b"more")].concat());
    peer.expect_close(1000);
    wait_until("it is cut", || siege.rig.held() == 1);
    siege.end();
}

/// A script that begins a closing handshake on the message "close", and echoes others.
fn closing() -> Script {
    Script::default().on_message(|context, from, message| {
        if message.payload == b"close" {
            assert!(context.close(from, 4000, "as you wish"));
            return holdfast::Reply::None;
        }
        holdfast::Reply::Echo
    })
}

/// One that is told 4000 and then sends `bytes` again and again is cut, and nothing of it counts.
fn check_talker_is_cut(rung: DriverChoice, bytes: &[u8]) {
    let settings = Settings { shards: 1, close_timeout: SOON, ..settings(rung) };
    let rig = Rig::scripted(&settings, &closing());
    let mut neighbour = rig.peer();
    let mut peer = rig.peer();
    peer.send_text("close");
    peer.expect_close(4000);
    wait_until("the talker is cut", || peer.try_send(bytes).is_err());
    wait_until("its record is free", || rig.held() == 1);
    rig.wait_until_quiet();
    neighbour.check_echo();
    neighbour.close();
    assert_eq!(rig.closed(CloseReason::Application, CloseCode::Private), 1);
    assert_eq!(rig.sum(|counters| counters.binary_in.get()), 0);
    rig.wait_until_empty();
}

fn one_that_goes_on_talking_after_the_gateways_close_frame_is_cut(rung: DriverChoice) {
    check_talker_is_cut(rung, &masked(BINARY, &pattern(1000)));
}

fn one_that_only_pings_after_the_gateways_close_frame_is_cut(rung: DriverChoice) {
    check_talker_is_cut(rung, &masked(PING, b"still here"));
}

fn one_that_closes_within_a_message_leaves_nothing(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let open = fragment(false, BINARY, &pattern(300_000));
    for (what, end) in [("its own code", close(4321, "")), ("no code", masked(CLOSE, b""))] {
        let mut peer = siege.rig.peer();
        let sending = peer.send_beside([open.clone(), end].concat());
        let code = peer.read_close().map(|(code, _)| code);
        assert_eq!(code, (what == "its own code").then_some(4321), "{what}");
        peer.expect_end();
        sending.join().unwrap();
        siege.check_neighbour();
    }
    // Within a frame: by end of stream, and by reset.
    for resets in [false, true] {
        let mut peer = siege.rig.peer();
        peer.send(&open[..200_000]);
        wait_until("a part is held", || siege.partial_bytes() >= 190_000);
        if resets {
            peer.reset();
        } else {
            peer.end();
            peer.expect_end();
        }
        wait_until("it is given back", || siege.partial_bytes() == 0);
    }
    siege.end();
}

fn hundreds_that_never_answer_the_close_frame_are_all_cut(rung: DriverChoice) {
    let rig = Rig::scripted(&Settings { shards: 1, close_timeout: SOON, ..settings(rung) }, &closing());
    let mut neighbour = rig.peer();
    let mut peers = rig.peers(300);
    for peer in &mut peers {
        peer.send_text("close");
    }
    for peer in &mut peers {
        peer.expect_close(4000);
    }
    wait_until("all are cut", || rig.held() == 1);
    neighbour.check_echo();
    neighbour.close();
    rig.wait_until_empty();
}
