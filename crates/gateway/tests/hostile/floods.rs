//! Peers that send much of little: memory stays bounded, and the neighbour is served.

use std::io::Write;

use holdfast::counters::Limit;
use holdfast::settings::{DriverChoice, Settings};

use crate::rig::frame::{BINARY, CONTINUATION, PING, PONG, TEXT, fragment, masked};
use crate::rig::{Peer, pattern, settings, wait_until};
use crate::{Siege, on_every_rung};

on_every_rung!(
    a_million_fragments_of_one_byte_are_one_message,
    a_million_empty_fragments_hold_nothing,
    fragments_of_one_byte_end_at_the_message_limit,
    a_flood_of_pings_that_is_not_read_holds_little_and_the_last_is_answered,
    floods_of_pings_pongs_and_empty_messages_do_not_keep_the_neighbour_waiting,
    pings_within_a_message_of_many_fragments_are_answered_in_order,
    many_with_a_cut_message_hold_what_has_arrived,
    cut_messages_of_all_together_have_a_bound,
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
            stream.write_all(&chunk[..now * piece_len]).expect("all of it is taken");
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

fn a_flood_of_pings_that_is_not_read_holds_little_and_the_last_is_answered(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let mut peer = Peer::connect_with_a_small_window(siege.rig.address);
    peer.open("/");
    let payload = |index: usize| format!("{index:0125}").into_bytes();
    const COUNT: usize = 100_000;
    let stream: Vec<u8> = (0..COUNT).flat_map(|index| masked(PING, &payload(index))).collect();
    let mut sent = 0;
    let mut highest = 0;
    // Until all has gone, or the gateway reads no more.
    wait_until("it ends", || {
        let before = siege.read_bytes();
        let more = peer.flood(&stream[sent..]);
        sent += more;
        siege.check_neighbour();
        highest = highest.max(siege.outbox_bytes());
        let question = masked(TEXT, b"are you there?").len() as u64;
        sent == stream.len() || (more == 0 && siege.read_bytes() - before == question)
    });
    // The answers to one read come on top of what may wait.
    assert!(highest < 256 << 10, "{highest} bytes in the outbox");
    let sending = peer.send_beside(stream[sent..].to_vec());
    expect_last_pong(&mut peer, &payload(COUNT - 1));
    sending.join().unwrap();
    peer.close();
    siege.end();
}

/// Reads pongs, in the order of their pings, up to this one. RFC 6455 5.5.3 lets an endpoint answer only the last of
/// several Pings.
#[track_caller]
pub(crate) fn expect_last_pong(peer: &mut Peer, last: &[u8]) {
    let mut before = Vec::new();
    while before != last {
        let frame = peer.read_frame();
        assert!(frame.opcode == PONG && frame.payload > before, "a later pong, not {frame:?}");
        before = frame.payload;
    }
}

fn floods_of_pings_pongs_and_empty_messages_do_not_keep_the_neighbour_waiting(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    const COUNT: usize = 100_000;
    for (opcode, answers) in [(PING, 1..=COUNT), (PONG, 0..=0), (TEXT, COUNT..=COUNT)] {
        let mut peer = siege.rig.peer();
        let sending = send_many(&peer, &masked(opcode, b""), COUNT);
        let mut end = peer.tcp().try_clone().unwrap();
        let reading = std::thread::spawn(move || {
            let answered =
                std::iter::from_fn(|| Some(peer.read_frame()).filter(|it| it.payload.is_empty())).count();
            (peer, answered)
        });
        while !sending.is_finished() {
            siege.check_neighbour();
        }
        sending.join().unwrap();
        end.write_all(&masked(TEXT, b"the end")).unwrap();
        let (mut peer, answered) = reading.join().unwrap();
        assert!(answers.contains(&answered), "{answered} answers to opcode {opcode}");
        peer.close();
    }
    siege.end();
}

fn pings_within_a_message_of_many_fragments_are_answered_in_order(rung: DriverChoice) {
    const COUNT: usize = 10_000;
    let siege = Siege::new(rung);
    let mut peer = siege.rig.peer();
    let ping = |index: usize| format!("{index:05}").into_bytes();
    let mut stream = fragment(false, BINARY, b"");
    for index in 0..COUNT {
        stream.extend(fragment(false, CONTINUATION, b"x"));
        stream.extend(masked(PING, &ping(index)));
    }
    stream.extend(masked(CONTINUATION, b""));
    let sending = peer.send_beside(stream);
    expect_last_pong(&mut peer, &ping(COUNT - 1));
    peer.expect_binary(&vec![b'x'; COUNT]);
    sending.join().unwrap();
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

fn cut_messages_of_all_together_have_a_bound(rung: DriverChoice) {
    // Room for two, and a little.
    const ALL: usize = (2 << 20) + (64 << 10);
    let mut siege = Siege::with(Settings { shard_partial_bytes_max: Some(ALL), ..settings(rung) });
    // Each within its own limit, and twenty times the bound together.
    let part = &masked(BINARY, &pattern(1 << 20))[..900_000];
    let mut peers = siege.rig.peers(45);
    let mut held = peers.drain(..2).collect::<Vec<_>>();
    let before = siege.read_bytes();
    for peer in &mut held {
        peer.send(part);
    }
    siege.wait_until_read(before + 2 * part.len() as u64);
    for peer in &mut peers {
        peer.send(part);
        siege.check_neighbour();
        assert!(siege.partial_bytes() < ALL as u64 + (1 << 20), "{} bytes held", siege.partial_bytes());
    }
    // Whoever adds more than a little is told.
    for peer in &mut peers {
        peer.expect_close(1013);
        peer.expect_end();
    }
    assert_eq!(siege.rig.limited(Limit::ShardPartialBytes), 43);
    // Whoever holds little is left alone, and so are those who hold what fits.
    let mut small = siege.rig.peer();
    let message = masked(BINARY, &pattern(1000));
    let before = siege.partial_bytes();
    small.send(&message[..900]);
    wait_until("it is cut", || siege.partial_bytes() > before);
    small.send(&message[900..]);
    small.expect_binary(&pattern(1000));
    drop(peers);
    for peer in &mut held {
        peer.send(&masked(BINARY, &pattern(1 << 20))[900_000..]);
        peer.expect_binary(&pattern(1 << 20));
    }
    drop((held, small));
    siege.end();
}
