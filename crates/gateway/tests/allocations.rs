//! What a shard does without an allocation, counted. The driver under it allocates nothing either.

use std::time::Duration;

use holdfast::PlainShard;
use holdfast::settings::Settings;
use holdfast_ring::{Progress, Token};

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const KEY: [u8; 4] = [9, 8, 7, 6];
const ROUNDS: u64 = 100;

/// A masked frame with this payload, whole.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match u8::try_from(payload.len()) {
        Ok(len @ 0..126) => frame.push(0x80 | len),
        _ => {
            let len = u16::try_from(payload.len()).expect("it is short");
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn shard_with(settings: &Settings, count: u32, sends: Progress) -> (PlainShard, Vec<Token>) {
    let mut shard = PlainShard::new(settings, count, sends);
    let peers = (0..count).map(|_| shard.open(HEAD)).collect();
    (shard, peers)
}

/// Each peer sends `input`, and is answered.
fn exchange(shard: &mut PlainShard, peers: &[Token], input: &[u8]) {
    for some in peers.chunks(PlainShard::DELIVERIES_MAX as usize) {
        some.iter().for_each(|peer| shard.deliver(*peer, input));
        shard.turn();
        // The sends are over.
        shard.turn();
    }
}

/// Allocations of `ROUNDS` exchanges, after some more; each must be answered by `answer_len` bytes.
fn allocations_of(settings: &Settings, sends: Progress, input: &[u8], answer_len: usize) -> u64 {
    let (mut shard, peers) = shard_with(settings, 100, sends);
    (0..3).for_each(|_| exchange(&mut shard, &peers, input));
    let before = shard.bytes_sent();
    let count = allocation_counter::measure(|| {
        (0..ROUNDS).for_each(|_| exchange(&mut shard, &peers, input));
    });
    assert_eq!(shard.bytes_sent() - before, ROUNDS * 100 * answer_len as u64, "all is answered");
    count.count_total
}

#[test]
fn ten_thousand_messages_are_echoed_without_an_allocation() {
    for sends in [Progress::Done, Progress::Pending] {
        for len in [0, 64, 125, 126, 1000, 16_000] {
            let (text, header_len) = (vec![b'x'; len], if len < 126 { 2 } else { 4 });
            for first_byte in [0x81, 0x82] {
                let input = frame(first_byte, &text);
                let count = allocations_of(&Settings::default(), sends, &input, header_len + len);
                assert_eq!(count, 0, "{len} bytes, {sends:?}");
            }
        }
    }
}

#[test]
fn several_messages_and_pings_in_one_read_are_answered_without_an_allocation() {
    let some =
        [frame(0x81, "héllo".as_bytes()), frame(0x89, b"ping"), frame(0x8A, b""), frame(0x82, &[7; 300])];
    let answers = 2 + 6 + 2 + 4 + 4 + 300;
    for sends in [Progress::Done, Progress::Pending] {
        assert_eq!(allocations_of(&Settings::default(), sends, &some.concat(), answers), 0);
    }
}

#[test]
fn what_is_limited_or_may_be_compressed_allocates_nothing_either() {
    let settings = Settings {
        messages_per_second_max: Some(1_000_000),
        bytes_per_second_max: Some(1 << 30),
        connection_age_max: Some(Duration::from_secs(3600)),
        deflate: true,
        ..Settings::default()
    };
    let input = frame(0x81, &[b'x'; 64]);
    assert_eq!(allocations_of(&settings, Progress::Pending, &input, 66), 0);
}

#[test]
fn the_sweep_looks_at_idle_connections_without_an_allocation() {
    let settings = Settings { ping_interval: None, ..Settings::default() };
    let (mut shard, peers) = shard_with(&settings, 5000, Progress::Pending);
    let beat = |shard: &mut PlainShard| {
        shard.advance(Duration::from_millis(250));
        shard.turn();
    };
    let turns = shard.counters().turns.get();
    let count = allocation_counter::measure(|| (0..400).for_each(|_| beat(&mut shard)));
    assert_eq!((count.count_total, shard.counters().turns.get() - turns), (0, 400));
    assert!(peers.iter().all(|peer| shard.is_open(*peer)));
}

#[test]
fn pings_are_sent_without_an_allocation_while_buffers_are_free() {
    let ping_interval = Some(Duration::from_secs(10));
    let settings = Settings { ping_interval, idle_timeout: None, ..Settings::default() };
    let (mut shard, _) = shard_with(&settings, 1000, Progress::Done);
    let mut ten_seconds = || {
        for _ in 0..40 {
            shard.advance(Duration::from_millis(250));
            shard.turn();
        }
        shard.bytes_sent()
    };
    // The first pings are sent, each at a moment of its own.
    ten_seconds();
    let before = ten_seconds();
    let mut after = 0;
    let count = allocation_counter::measure(|| after = ten_seconds());
    assert_eq!((count.count_total, after - before), (0, 2 * 1000));
}

#[test]
fn a_connection_that_was_closed_leaves_nothing_behind() {
    let mut shard = PlainShard::new(&Settings::default(), 10, Progress::Pending);
    let mut life = || {
        let peer = shard.open(HEAD);
        exchange(&mut shard, &[peer], &frame(0x81, b"hello"));
        shard.deliver(peer, &frame(0x88, &1000u16.to_be_bytes()));
        (0..3).for_each(|_| shard.turn());
        assert!(!shard.is_open(peer), "it is closed");
    };
    (0..3).for_each(|_| life());
    let count = allocation_counter::measure(|| (0..100).for_each(|_| life()));
    assert_eq!((count.count_current, count.bytes_current), (0, 0));
    assert!(count.count_total > 0, "an allocation is seen");
    assert_eq!(shard.counters().closed_total(), 103);
}
