//! Peers that send much of little: memory stays bounded, and the neighbour is served.

use holdfast::settings::{DriverChoice, Settings};

use crate::rig::frame::{BINARY, CONTINUATION, PING, PONG, TEXT, fragment, masked};
use crate::rig::{Peer, settings, wait_until};
use crate::{Siege, on_every_rung};

on_every_rung!(
    a_million_fragments_of_one_byte_are_one_message,
    a_million_empty_fragments_hold_nothing,
    fragments_of_one_byte_end_at_the_message_limit,
    a_flood_of_pings_that_is_not_read_fills_a_bounded_outbox_and_nothing_is_lost,
    floods_of_pings_pongs_and_empty_messages_do_not_keep_the_neighbour_waiting,
    pings_within_a_message_of_many_fragments_are_each_answered,
    many_with_a_cut_message_hold_what_has_arrived,
);

const MILLION: usize = 1_000_000;

/// Memory of the allocator's that a message of a million bytes may take while it grows: twice what has arrived.
const PARTIAL_BYTES_MAX: u64 = (1 << 20) + 1024;

/// Sends `piece` again and again from another thread, until `count` of them have gone.
fn send_many(peer: &Peer, piece: &[u8], count: usize) -> std::thread::JoinHandle<()> {
    // In chunks of about 64 KiB, so that memory is bounded at this end too.
    let per_chunk = (64 << 10) / piece.len();
    let chunk = piece.repeat(per_chunk);
    let piece_len = piece.len();
    let mut stream = peer.tcp().try_clone().expect("a second descriptor");
    std::thread::spawn(move || {
        let mut left = count;
        while left > 0 {
            let now = left.min(per_chunk);
            std::io::Write::write_all(&mut stream, &chunk[..now * piece_len]).expect("all of it is taken");
            left -= now;
        }
    })
}

fn a_million_fragments_of_one_byte_are_one_message(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let mut peer = siege.rig.peer();
    peer.send(&fragment(false, TEXT, b"<"));
    let sending = send_many(&peer, &fragment(false, CONTINUATION, b"x"), MILLION);
    let mut highest = 0;
    while !sending.is_finished() {
        siege.check_neighbour();
        highest = highest.max(siege.partial_bytes());
    }
    sending.join().unwrap();
    assert!(highest <= PARTIAL_BYTES_MAX, "{highest} bytes held");
    peer.send(&masked(CONTINUATION, b">"));
    peer.expect(TEXT, &[b"<", &vec![b'x'; MILLION][..], b">"].concat());
    peer.close();
    siege.end();
}

fn a_million_empty_fragments_hold_nothing(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let mut peer = siege.rig.peer();
    peer.send(&fragment(false, BINARY, b""));
    let sending = send_many(&peer, &fragment(false, CONTINUATION, b""), MILLION);
    while !sending.is_finished() {
        siege.check_neighbour();
        assert!(siege.partial_bytes() <= 1024);
    }
    sending.join().unwrap();
    peer.send(&masked(CONTINUATION, b"at last"));
    peer.expect_binary(b"at last");
    peer.close();
    siege.end();
}

fn fragments_of_one_byte_end_at_the_message_limit(rung: DriverChoice) {
    let most = 100_000;
    let siege = Siege::with(Settings { message_bytes_max: most, frame_bytes_max: most, ..settings(rung) });
    let mut peer = siege.rig.peer();
    peer.send(&fragment(false, BINARY, b""));
    let sending = send_many(&peer, &fragment(false, CONTINUATION, b"x"), most + 1);
    peer.expect_close(1009);
    sending.join().unwrap();
    peer.expect_end();
    drop(peer);
    // Exactly the limit is taken.
    let mut peer = siege.rig.peer();
    peer.send(&fragment(false, BINARY, b""));
    send_many(&peer, &fragment(false, CONTINUATION, b"x"), most).join().unwrap();
    peer.send(&masked(CONTINUATION, b""));
    peer.expect_binary(&vec![b'x'; most]);
    peer.close();
    siege.end();
}

fn a_flood_of_pings_that_is_not_read_fills_a_bounded_outbox_and_nothing_is_lost(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let mut peer = Peer::connect_with_a_small_window(siege.rig.address);
    peer.open("/");
    let payload = |index: usize| format!("{index:0125}").into_bytes();
    let mut stream: Vec<u8> = Vec::new();
    let (mut made, mut sent) = (0, 0);
    let mut highest = 0;
    wait_until("no more pings are read", || {
        while stream.len() - sent < 1 << 20 {
            stream.extend(masked(PING, &payload(made)));
            made += 1;
        }
        let more = peer.flood(&stream[sent..]);
        sent += more;
        assert!(sent < 256 << 20, "{sent} bytes were taken of a peer that does not read");
        siege.check_neighbour();
        highest = highest.max(siege.outbox_bytes());
        more == 0 && siege.outbox_bytes() > 64 << 10 && {
            let before = siege.read_bytes();
            siege.check_neighbour();
            // The neighbour's question is all that was read since.
            siege.read_bytes() - before == masked(TEXT, b"are you there?").len() as u64
        }
    });
    assert!(highest < 128 << 10, "{highest} bytes in the outbox");
    assert_eq!(siege.partial_bytes() / 1024, 0);
    // Every ping that was sent whole is answered, in order; of the last one the rest is sent first.
    let len = masked(PING, &payload(0)).len();
    let whole = sent.div_ceil(len);
    let sending = peer.send_beside(stream[sent..whole * len].to_vec());
    for index in 0..whole {
        peer.expect_pong(&payload(index));
    }
    sending.join().unwrap();
    peer.close();
    siege.end();
}

fn floods_of_pings_pongs_and_empty_messages_do_not_keep_the_neighbour_waiting(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    const COUNT: usize = 100_000;
    for (opcode, answer) in [(PING, Some(PONG)), (PONG, None), (TEXT, Some(TEXT))] {
        let mut peer = siege.rig.peer();
        let sending = send_many(&peer, &masked(opcode, b""), COUNT);
        let reading = std::thread::spawn(move || {
            if let Some(answer) = answer {
                for _ in 0..COUNT {
                    peer.expect(answer, b"");
                }
            }
            peer
        });
        while !sending.is_finished() || !reading.is_finished() {
            siege.check_neighbour();
        }
        sending.join().unwrap();
        let mut peer = reading.join().unwrap();
        peer.check_echo();
        peer.close();
    }
    siege.end();
}

fn pings_within_a_message_of_many_fragments_are_each_answered(rung: DriverChoice) {
    const COUNT: usize = 10_000;
    let siege = Siege::new(rung);
    let mut peer = siege.rig.peer();
    peer.send(&fragment(false, BINARY, b""));
    let pair = [fragment(false, CONTINUATION, b"x"), masked(PING, b"?")].concat();
    let sending = send_many(&peer, &pair, COUNT);
    for _ in 0..COUNT {
        peer.expect_pong(b"?");
    }
    sending.join().unwrap();
    peer.send(&masked(CONTINUATION, b""));
    peer.expect_binary(&vec![b'x'; COUNT]);
    peer.close();
    siege.end();
}

fn many_with_a_cut_message_hold_what_has_arrived(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let mut peers = siege.rig.peers(200);
    let before = siege.read_bytes();
    // Each announces the largest frame there may be, and sends a kilobyte of it.
    let part = [&[0x82, 0x80 | 127, 0, 0, 0, 0, 0, 16, 0, 0, 1, 2, 3, 4][..], &[7; 1024]].concat();
    for peer in &mut peers {
        peer.send(&part);
    }
    siege.wait_until_read(before + 200 * part.len() as u64);
    siege.rig.wait_for_a_turn_of_every_shard();
    let held = siege.partial_bytes();
    assert!((200 * 1024..200 * 3 * 1024).contains(&held), "{held} bytes held for 200 KiB");
    siege.check_neighbour();
    drop(peers);
    wait_until("it is given back", || siege.partial_bytes() == 0);
    siege.end();
}
