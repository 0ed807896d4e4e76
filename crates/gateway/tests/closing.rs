//! The end of a connection: the closing handshake from either side, and all the ways in which peers leave without one.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use holdfast::counters::{CloseCode, CloseReason, Limit};
use holdfast::settings::{DriverChoice, Settings};
use holdfast::{MessageKind, Reply};
use rig::frame::{BINARY, CLOSE, CONTINUATION, PING, TEXT, close, fragment, masked};
use rig::{Rig, SOON, Script, pattern, settings, text, wait_until};

on_every_rung!(
    the_peers_close_code_is_echoed,
    an_empty_close_frame_is_answered_by_an_empty_one,
    a_close_frame_cut_at_every_byte_is_answered,
    the_gateway_closes_with_any_code_and_the_handshake_completes,
    messages_that_cross_the_gateways_close_frame_are_dropped,
    a_peer_that_never_answers_the_close_frame_is_cut,
    what_follows_the_peers_close_frame_is_ignored,
    an_end_of_stream_without_a_close_frame_is_noted_as_gone,
    a_peer_that_has_ended_its_direction_still_gets_all_answers,
    a_peer_that_ends_its_direction_after_the_gateways_close_gets_what_was_sent,
    a_reset_is_noted_as_a_reset,
    an_application_that_closes_within_a_message_sends_what_it_queued_first,
    an_application_may_close_for_every_message_of_a_burst,
    violations_are_answered_with_their_code,
    an_errors_close_frame_reaches_a_peer_that_is_still_sending,
    a_peer_that_sends_for_ever_after_an_error_is_cut,
    a_violation_after_the_gateways_close_frame_ends_the_connection,
);

fn the_peers_close_code_is_echoed(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let codes = [
        (1000, CloseCode::Normal),
        (1001, CloseCode::Away),
        (1003, CloseCode::Unsupported),
        (1008, CloseCode::Policy),
        (1011, CloseCode::Internal),
        (1012, CloseCode::Restart),
        (3000, CloseCode::Registered),
        (3999, CloseCode::Registered),
        (4000, CloseCode::Private),
        (4999, CloseCode::Private),
    ];
    for (index, (code, label)) in codes.into_iter().enumerate() {
        let mut peer = rig.peer();
        peer.check_echo();
        peer.send_close(code, "bye");
        peer.expect_close(code);
        peer.expect_end();
        assert_eq!(script.log.closed(index + 1)[index], (CloseReason::Peer, label));
    }
    rig.wait_until_empty();
    script.log.check_pairs();
}

fn an_empty_close_frame_is_answered_by_an_empty_one(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.peer();
    peer.send(&masked(CLOSE, b""));
    assert_eq!(peer.read_close(), None);
    peer.expect_end();
    assert_eq!(script.log.closed(1), [(CloseReason::Peer, CloseCode::Empty)]);
}

fn a_close_frame_cut_at_every_byte_is_answered(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let frame = close(4000, "cut");
    let mut received = 0;
    for cut in 1..frame.len() {
        let mut peer = rig.peer();
        peer.send(&frame[..cut]);
        wait_until("the first part is read", || {
            rig.sum(|counters| counters.bytes_in.get()) == received + cut as u64
        });
        peer.send(&frame[cut..]);
        received += frame.len() as u64;
        peer.expect_close(4000);
        peer.expect_end();
    }
    rig.wait_until_empty();
}

/// A script in which a message that is a number closes with that code.
fn closing() -> Script {
    Script::default().on_message(|context, from, message| {
        match std::str::from_utf8(message.payload).ok().and_then(|text| text.parse().ok()) {
            Some(code) => {
                assert!(context.close(from, code, "as you wish"));
                Reply::None
            }
            None => Reply::Echo,
        }
    })
}

fn the_gateway_closes_with_any_code_and_the_handshake_completes(rung: DriverChoice) {
    let script = closing();
    let rig = Rig::scripted(&settings(rung), &script);
    for (index, code) in [1000, 1001, 1008, 1011, 1013, 3000, 3999, 4000, 4999].into_iter().enumerate() {
        let mut peer = rig.peer();
        peer.send_text(&format!("{code}"));
        assert_eq!(peer.read_close(), Some((code, "as you wish".to_owned())));
        // A peer may answer with a code of its own.
        peer.send_close(if index % 2 == 0 { code } else { 1000 }, "");
        peer.expect_end();
        assert_eq!(script.log.closed(index + 1)[index], (CloseReason::Application, CloseCode::of(code)));
    }
    rig.wait_until_empty();
    script.log.check_pairs();
}

fn messages_that_cross_the_gateways_close_frame_are_dropped(rung: DriverChoice) {
    let rig = Rig::scripted(&settings(rung), &closing());
    let mut peer = rig.peer();
    peer.send_text("4000");
    peer.expect_close(4000);
    let crossing = [
        masked(TEXT, b"crossing"),
        masked(PING, b"crossing"),
        fragment(false, BINARY, &pattern(100_000)),
        fragment(true, CONTINUATION, b"end"),
    ];
    peer.send(&crossing.concat());
    peer.send_close(4000, "");
    peer.expect_end();
    rig.wait_until_empty();
    assert_eq!(rig.sum(|counters| counters.text_in.get()), 1);
    assert_eq!(rig.sum(|counters| counters.binary_in.get()), 0);
}

fn a_peer_that_never_answers_the_close_frame_is_cut(rung: DriverChoice) {
    let script = closing();
    let rig = Rig::scripted(&Settings { close_timeout: SOON, ..settings(rung) }, &script);
    let mut silent = rig.peer();
    silent.send_text("4000");
    silent.expect_close(4000);
    let mut talking = rig.peer();
    talking.send_text("4000");
    talking.expect_close(4000);
    wait_until("one that only goes on talking is cut", || talking.try_send(&masked(TEXT, b"la")).is_err());
    silent.expect_end();
    rig.wait_until_empty();
    assert_eq!(script.log.closed(2), [(CloseReason::Application, CloseCode::Private); 2]);
    assert_eq!(rig.limited(Limit::CloseTime), 2);
}

fn what_follows_the_peers_close_frame_is_ignored(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for behind in [1, 100, 16_384, 300_000] {
        let mut peer = rig.peer();
        peer.send(&[masked(TEXT, b"before"), close(1000, ""), masked(BINARY, &pattern(behind))].concat());
        peer.expect_text("before");
        peer.expect_close(1000);
        peer.expect_end();
    }
    rig.wait_until_empty();
    assert_eq!(rig.sum(|counters| counters.binary_in.get()), 0);
    assert_eq!(rig.closed(CloseReason::Peer, CloseCode::Normal), 4);
}

fn an_end_of_stream_without_a_close_frame_is_noted_as_gone(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.peer();
    peer.check_echo();
    drop(peer);
    let mut in_a_message = rig.peer();
    in_a_message.send(&masked(TEXT, b"never whole")[..9]);
    in_a_message.end();
    in_a_message.expect_end();
    rig.wait_until_empty();
    assert_eq!(script.log.closed(2), [(CloseReason::Gone, CloseCode::None); 2]);
    script.log.check_pairs();
}

fn a_peer_that_has_ended_its_direction_still_gets_all_answers(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.peer();
    peer.send(&masked(BINARY, &pattern(1 << 20)));
    peer.send(&masked(TEXT, b"and").repeat(1_000));
    peer.end();
    peer.expect_binary(&pattern(1 << 20));
    for _ in 0..1_000 {
        peer.expect_text("and");
    }
    peer.expect_end();
    rig.wait_until_empty();
    assert_eq!(script.log.closed(1), [(CloseReason::Gone, CloseCode::None)]);
}

fn a_peer_that_ends_its_direction_after_the_gateways_close_gets_what_was_sent(rung: DriverChoice) {
    // More than sockets hold, so that much of it waits when the end of stream comes.
    let script = Script::default().on_message(|context, from, _| {
        for _ in 0..16 {
            assert!(context.send(from, MessageKind::Binary, &[&pattern(1 << 20)]));
        }
        assert!(context.close(from, 4000, ""));
        Reply::None
    });
    let rig = Rig::scripted(&Settings { outbox_bytes_max: 32 << 20, ..settings(rung) }, &script);
    let mut peer = rig.peer();
    peer.send_text("go on");
    peer.end();
    for _ in 0..16 {
        peer.expect_binary(&pattern(1 << 20));
    }
    peer.expect_close(4000);
    peer.expect_end();
    rig.wait_until_empty();
    assert_eq!(script.log.read(|heard| heard.closed.len()), 1);
}

fn a_reset_is_noted_as_a_reset(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.peer();
    peer.check_echo();
    peer.reset();
    assert_eq!(script.log.closed(1), [(CloseReason::Reset, CloseCode::None)]);
    rig.wait_until_empty();
    script.log.check_pairs();
}

fn an_application_that_closes_within_a_message_sends_what_it_queued_first(rung: DriverChoice) {
    let script = Script::default().on_message(|context, from, _| {
        assert!(context.send(from, MessageKind::Text, &[b"one"]));
        assert!(context.close(from, 4000, ""));
        Reply::Echo
    });
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.peer();
    peer.send_text("two");
    peer.expect_text("one");
    peer.expect_text("two");
    peer.expect_close(4000);
    peer.send_close(4000, "");
    peer.expect_end();
    rig.wait_until_empty();
    script.log.check_pairs();
}

fn an_application_may_close_for_every_message_of_a_burst(rung: DriverChoice) {
    let script = Script::default().on_message(|context, from, _| {
        // Until the closing has begun it is accepted again and again.
        let _ = context.close(from, 4000, "");
        Reply::None
    });
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peers = rig.peers(20);
    for peer in &mut peers {
        peer.send(&masked(TEXT, b"").repeat(1_000));
    }
    for peer in &mut peers {
        peer.expect_close(4000);
        peer.send_close(4000, "");
        peer.expect_end();
    }
    rig.wait_until_empty();
    script.log.check_pairs();
}

/// What is wrong, and the close code that says so.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let mut unmasked = masked(TEXT, b"hello");
    unmasked[1] &= 0x7f;
    let mut reserved = masked(TEXT, b"hello");
    reserved[0] |= 0x40;
    vec![
        ("an unmasked frame", unmasked, 1002),
        ("a reserved bit", reserved, 1002),
        ("a reserved opcode", masked(3, b""), 1002),
        ("a control frame in fragments", fragment(false, PING, b""), 1002),
        ("a long control frame", masked(PING, &pattern(126)), 1002),
        ("a continuation of nothing", masked(CONTINUATION, b""), 1002),
        ("a message within a message", fragment(false, TEXT, b"").repeat(2), 1002),
        ("a close frame of one byte", masked(CLOSE, b"x"), 1002),
        ("a close code that may not be sent", close(1005, ""), 1002),
        ("a close reason that is no UTF-8", masked(CLOSE, b"\x03\xe8\xff"), 1007),
        ("text that is no UTF-8", masked(TEXT, b"\xff"), 1007),
        ("a message over the limit", masked(BINARY, &pattern(2_000)), 1009),
        (
            "fragments over the limit",
            [fragment(false, BINARY, &pattern(900)), masked(CONTINUATION, &pattern(900))].concat(),
            1009,
        ),
    ]
}

fn violations_are_answered_with_their_code(rung: DriverChoice) {
    let settings = Settings {
        message_bytes_max: 1_000,
        frame_bytes_max: 1_000,
        outbox_bytes_max: 65_536,
        ..settings(rung)
    };
    let script = Script::default();
    let rig = Rig::scripted(&settings, &script);
    for (index, (what, bytes, code)) in violations().into_iter().enumerate() {
        let mut peer = rig.peer();
        peer.send(&[masked(TEXT, b"before"), bytes].concat());
        peer.expect_text("before");
        let (got, reason) = peer.read_close().expect("a code");
        assert_eq!(got, code, "{what}");
        assert!(!reason.is_empty(), "{what}");
        peer.expect_end();
        drop(peer);
        let wanted = if code == 1009 { CloseReason::TooBig } else { CloseReason::Protocol };
        assert_eq!(script.log.closed(index + 1)[index], (wanted, CloseCode::of(code)), "{what}");
    }
    assert_eq!((rig.limited(Limit::FrameBytes), rig.limited(Limit::MessageBytes)), (1, 1));
    rig.wait_until_empty();
}

fn an_errors_close_frame_reaches_a_peer_that_is_still_sending(rung: DriverChoice) {
    let settings = Settings {
        message_bytes_max: 1_000,
        frame_bytes_max: 1_000,
        outbox_bytes_max: 65_536,
        ..settings(rung)
    };
    let rig = Rig::with(&settings);
    for (bytes, code) in
        [(masked(3, b""), 1002), (masked(TEXT, b"\xff"), 1007), (masked(BINARY, &pattern(2_000)), 1009)]
    {
        let mut peer = rig.peer();
        peer.send(&bytes);
        // Blocking, and nothing is read meanwhile: the gateway takes all of it.
        peer.send(&vec![0; 4 << 20]);
        peer.expect_close(code);
        peer.expect_end();
    }
    rig.wait_until_empty();
}

fn a_peer_that_sends_for_ever_after_an_error_is_cut(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.peer();
    peer.send(&masked(3, b""));
    let piece = vec![0; 1 << 20];
    let mut sent = 0_u64;
    while peer.try_send(&piece).is_ok() {
        sent += piece.len() as u64;
        assert!(sent < 1 << 30, "what is discarded is bounded");
    }
    rig.wait_until_empty();
}

fn a_violation_after_the_gateways_close_frame_ends_the_connection(rung: DriverChoice) {
    let script = closing();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.peer();
    peer.send_text("4000");
    peer.expect_close(4000);
    peer.send(&masked(3, b""));
    // It is told by the end of stream: a second close frame may not be sent.
    peer.expect_end();
    peer.send(&text(100_000));
    drop(peer);
    rig.wait_until_empty();
    assert_eq!(script.log.closed(1), [(CloseReason::Application, CloseCode::Private)]);
}
