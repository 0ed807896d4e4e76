//! Frames that break RFC 6455 section 5.

use holdfast::settings::{DriverChoice, Settings};

use crate::rig::frame::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, fragment, masked};
use crate::rig::{pattern, settings};
use crate::{Siege, on_every_rung};

on_every_rung!(
    every_first_byte_that_may_not_be_is_answered_1002,
    every_first_byte_that_may_not_be_inside_a_message_is_answered_1002,
    an_unmasked_frame_of_any_kind_is_answered_1002,
    a_control_frame_over_125_bytes_is_answered_1002_at_its_header,
    a_length_in_more_bytes_than_it_needs_is_answered_1002,
    lengths_up_to_two_to_the_64_are_answered_at_the_header_and_cost_nothing,
    a_code_is_the_same_whatever_valid_messages_come_before,
    whatever_follows_a_violation_is_neither_answered_nor_kept,
);

const OPCODES: [u8; 6] = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG];

/// RFC 6455 5.2, 5.4 and 5.5: what no frame may begin with.
fn is_wrong(first: u8, inside_message: bool) -> bool {
    let (fin, reserved, opcode) = (first & 0x80 != 0, first & 0x70 != 0, first & 0x0F);
    let out_of_place = match opcode {
        CONTINUATION => !inside_message,
        TEXT | BINARY => inside_message,
        CLOSE | PING | PONG => !fin,
        _ => true,
    };
    reserved || out_of_place
}

fn every_first_byte_that_may_not_be_is_answered_1002(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for first in (0..=255).filter(|first| is_wrong(*first, false)) {
        siege.expect_code(&format!("first byte {first:#x}"), &[first], 1002);
    }
    siege.end();
}

fn every_first_byte_that_may_not_be_inside_a_message_is_answered_1002(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for first in (0..=255).filter(|first| is_wrong(*first, true)) {
        let bytes = [fragment(false, TEXT, b"a message begins"), vec![first, 0x80, 0, 0, 0, 0]].concat();
        siege.expect_code(&format!("first byte {first:#x}"), &bytes, 1002);
    }
    siege.end();
}

fn an_unmasked_frame_of_any_kind_is_answered_1002(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for opcode in OPCODES {
        for len in [0, 5, 125] {
            let mut bytes = fragment(false, TEXT, b"");
            // Only a continuation needs a message that is open.
            bytes.truncate(if opcode == CONTINUATION { bytes.len() } else { 0 });
            bytes.extend([0x80 | opcode, len]);
            bytes.extend(pattern(len.into()));
            siege.expect_code(&format!("opcode {opcode}, {len} bytes"), &bytes, 1002);
        }
    }
    // With two and eight bytes of length, told by the second byte alone.
    siege.expect_code("126", &[0x82, 126], 1002);
    siege.expect_code("127", &[0x82, 127], 1002);
    siege.end();
}

fn a_control_frame_over_125_bytes_is_answered_1002_at_its_header(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for opcode in [CLOSE, PING, PONG] {
        for len in [126, 127, 128, 1000, 65_535, 65_536] {
            siege.expect_code(&format!("opcode {opcode}"), &masked(opcode, &pattern(len)), 1002);
        }
        for second in [0x80 | 126, 0x80 | 127] {
            siege.expect_code(&format!("opcode {opcode}"), &[0x80 | opcode, second], 1002);
        }
        // What is allowed is answered: a Close with a code, a Ping with a Pong.
        let mut peer = siege.rig.peer();
        match opcode {
            CLOSE => {
                peer.send(&masked(CLOSE, &[&1000_u16.to_be_bytes(), &[b'x'; 123][..]].concat()));
                peer.expect_close(1000);
                peer.expect_end();
            }
            PING => {
                peer.send(&masked(PING, &pattern(125)));
                peer.expect_pong(&pattern(125));
            }
            _ => {
                peer.send(&masked(PONG, &pattern(125)));
                peer.check_echo();
            }
        }
    }
    siege.end();
}

fn a_length_in_more_bytes_than_it_needs_is_answered_1002(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    for opcode in [TEXT, BINARY] {
        for len in 0..126_u16 {
            let bytes = [&[0x80 | opcode, 0x80 | 126][..], &len.to_be_bytes()].concat();
            siege.expect_code(&format!("{len} in two bytes"), &bytes, 1002);
        }
        for len in [0, 1, 125, 126, 127, 65_534, 65_535_u64] {
            let bytes = [&[0x80 | opcode, 0x80 | 127][..], &len.to_be_bytes(), &[0; 4]].concat();
            siege.expect_code(&format!("{len} in eight bytes"), &bytes, 1002);
        }
    }
    siege.end();
}

fn lengths_up_to_two_to_the_64_are_answered_at_the_header_and_cost_nothing(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let most = settings(rung).message_bytes_max as u64;
    for (len, code) in [
        (most + 1, 1009),
        (1 << 31, 1009),
        (1 << 32, 1009),
        ((1 << 63) - 1, 1009),
        // RFC 6455 5.2: "the most significant bit MUST be 0".
        (1 << 63, 1002),
        ((1 << 63) + 1, 1002),
        (u64::MAX, 1002),
    ] {
        for first in [0x82, 0x02] {
            let header = [&[first, 0x80 | 127][..], &len.to_be_bytes()].concat();
            siege.expect_code(&format!("{len} bytes"), &header, code);
        }
    }
    // A length within the limit is not reserved either: only what comes is kept.
    let mut peer = siege.rig.peer();
    let before = siege.read_bytes();
    peer.send(&[&[0x82, 0x80 | 127][..], &most.to_be_bytes(), &[1, 2, 3, 4], b"ten bytes."].concat());
    siege.wait_until_read(before + 24);
    siege.rig.wait_for_a_turn_of_every_shard();
    let held = siege.partial_bytes();
    assert!((1..1024).contains(&held), "{held} bytes held for ten");
    peer.reset();
    siege.end();
}

fn a_code_is_the_same_whatever_valid_messages_come_before(rung: DriverChoice) {
    let siege = Siege::new(rung);
    for len in [0, 1, 125, 126, 5_000, 40_000, 200_000] {
        let mut peer = siege.rig.peer();
        let bytes = [masked(BINARY, &pattern(len)), masked(PING, b"?"), masked(3, b"")].concat();
        let sending = peer.send_beside(bytes);
        peer.expect_binary(&pattern(len));
        peer.expect_pong(b"?");
        peer.expect_close(1002);
        peer.expect_end();
        sending.join().unwrap();
    }
    siege.end();
}

fn whatever_follows_a_violation_is_neither_answered_nor_kept(rung: DriverChoice) {
    let mut siege = Siege::with(Settings { message_bytes_max: 1 << 20, ..settings(rung) });
    let mut peer = siege.rig.peer();
    peer.send(&masked(3, b""));
    peer.expect_close(1002);
    let more = [
        masked(TEXT, b"a message"),
        masked(PING, b"a ping"),
        fragment(false, BINARY, &pattern(500_000)),
        masked(CLOSE, b""),
        vec![0xFF; 1000],
    ];
    let before = siege.read_bytes();
    peer.send(&more.concat());
    siege.wait_until_read(before + more.concat().len() as u64);
    siege.rig.wait_for_a_turn_of_every_shard();
    assert_eq!((siege.partial_bytes(), siege.outbox_bytes()), (0, 0));
    siege.check_neighbour();
    peer.expect_end();
    drop(peer);
    siege.end();
}
