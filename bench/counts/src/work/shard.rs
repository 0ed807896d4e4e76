//! What a whole shard takes, on a driver that costs next to nothing: a turn of that driver copies its events, a send
//! adds a number.

use std::time::Duration;

use holdfast::PlainShard;
use holdfast::settings::Settings;
use holdfast_ring::{Progress, Token};

use super::{BINARY, CLOSE, HEAD, Named, TEXT, counted, frame, prose};

/// By name.
pub(super) const WORK: &[Named] = &[
    ("shard: echo, binary, 64 B, sends pending", || echo(BINARY, 64, Progress::Pending)),
    ("shard: echo, binary, 64 B, sends done at once", || echo(BINARY, 64, Progress::Done)),
    ("shard: echo, text, 1 KiB, sends pending", || echo(TEXT, 1024, Progress::Pending)),
    ("shard: opening handshake", opening_handshake),
    ("shard: closing handshake", closing_handshake),
    ("shard: sweep, one connection, nothing due", sweep),
    ("shard: sweep, one connection, pinged", ping),
];

/// Connections that talk: as many as there are buffers.
const TALKING: u32 = PlainShard::DELIVERIES_MAX;
const ROUNDS: u32 = 20;
/// Connections that are silent.
const SILENT: u32 = 10_000;

fn shard_with(settings: &Settings, count: u32, sends: Progress) -> (PlainShard, Vec<Token>) {
    let mut shard = PlainShard::new(settings, count, sends);
    let peers = (0..count).map(|_| shard.open(HEAD)).collect();
    (shard, peers)
}

/// All peers send a message; it comes in one turn, and the end of the sends in the next.
fn echo(first_byte: u8, len: usize, sends: Progress) -> u32 {
    let (mut shard, peers) = shard_with(&Settings::default(), TALKING, sends);
    let input = frame(first_byte, prose(len).as_bytes());
    let mut exchange = |count: bool| {
        peers.iter().for_each(|peer| shard.deliver(*peer, &input));
        let mut turns = || (0..2).for_each(|_| shard.turn());
        if count {
            counted(&mut turns);
        } else {
            turns();
        }
    };
    exchange(false);
    (0..ROUNDS).for_each(|_| exchange(true));
    let done = ROUNDS * TALKING;
    let counters = shard.counters();
    let answered = counters.text_out.get() + counters.binary_out.get();
    assert_eq!(answered, u64::from(done + TALKING), "all is answered");
    done
}

/// From the accepted descriptor to the record of a connection whose 101 has gone.
fn opening_handshake() -> u32 {
    let times = 200;
    let mut shard = PlainShard::new(&Settings::default(), 1000, Progress::Pending);
    let mut open = || {
        let peer = shard.open(HEAD);
        assert!(shard.is_open(peer), "it is let in");
    };
    (0..10).for_each(|_| open());
    counted(&mut || (0..times).for_each(|_| open()));
    times
}

/// From the peer's close frame to the free slot.
fn closing_handshake() -> u32 {
    let (mut shard, peers) = shard_with(&Settings::default(), 200, Progress::Pending);
    let input = frame(CLOSE, &1000_u16.to_be_bytes());
    for peer in &peers {
        shard.deliver(*peer, &input);
        counted(&mut || (0..3).for_each(|_| shard.turn()));
        assert!(!shard.is_open(*peer), "it is closed");
    }
    200
}

/// Ten seconds of silence, in beats; what a beat sends is over in the turn behind it.
fn ten_seconds(shard: &mut PlainShard) {
    for _ in 0..40 {
        shard.advance(Duration::from_millis(250));
        (0..2).for_each(|_| shard.turn());
    }
}

/// A look at each connection, once a second.
fn sweep() -> u32 {
    let settings = Settings { ping_interval: None, idle_timeout: None, ..Settings::default() };
    let (mut shard, _) = shard_with(&settings, SILENT, Progress::Pending);
    ten_seconds(&mut shard);
    let before = shard.bytes_sent();
    counted(&mut || ten_seconds(&mut shard));
    assert_eq!(shard.bytes_sent(), before, "nothing is due");
    10 * SILENT
}

/// The same with a ping to each in that time; nine of ten looks find none due.
fn ping() -> u32 {
    let ping_interval = Some(Duration::from_secs(10));
    let settings = Settings { ping_interval, idle_timeout: None, ..Settings::default() };
    let (mut shard, _) = shard_with(&settings, SILENT, Progress::Pending);
    // The first pings are sent, each at a moment of its own.
    (0..2).for_each(|_| ten_seconds(&mut shard));
    let before = shard.bytes_sent();
    counted(&mut || ten_seconds(&mut shard));
    assert_eq!(shard.bytes_sent() - before, 2 * u64::from(SILENT), "each is pinged once");
    SILENT
}
