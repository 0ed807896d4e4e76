//! Messages of 2 KB to 1 MiB over every pattern of reads: where back ends that keep a part of a frame between two reads
//! have lost some.

use std::io::Write;

use holdfast::settings::{DriverChoice, Settings};

use crate::floods::expect_last_pong;
use crate::rig::frame::{BINARY, CONTINUATION, PING, TEXT, fragment, masked};
use crate::rig::{Peer, pattern, settings, text};
use crate::{Siege, on_every_rung};

on_every_rung!(
    frames_around_the_size_of_a_buffer_survive_reads_around_it,
    messages_in_reads_of_one_byte_come_back,
    messages_in_reads_of_two_kilobytes_come_back,
    messages_written_whole_come_back,
    fragments_of_any_size_in_reads_of_any_size_come_back,
    a_message_cut_at_every_byte_around_each_end_of_a_buffer_comes_back,
);

const BUFFER: usize = 16 << 10;
/// What those are read into who fill such a one.
const LONG: usize = 68 << 10;

/// From 2 KB on: around whole buffers of both sizes with and without a header, around the borders of a header's length,
/// to the most.
const SIZES: [usize; 29] = [
    2_000,
    2_047,
    2_048,
    2_049,
    4_096,
    BUFFER - 15,
    BUFFER - 9,
    BUFFER - 8,
    BUFFER - 7,
    BUFFER - 1,
    BUFFER,
    BUFFER + 1,
    2 * BUFFER - 8,
    2 * BUFFER,
    2 * BUFFER + 1,
    65_535,
    65_536,
    65_537,
    LONG - 15,
    LONG - 14,
    LONG - 13,
    LONG - 1,
    LONG,
    LONG + 1,
    2 * LONG,
    100_000,
    (1 << 20) - 14,
    (1 << 20) - 1,
    1 << 20,
];

/// Numbers from a seed (SplitMix64), so that a failing test fails again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn up_to(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most as u64 + 1)).unwrap()
    }

    fn one_of<const N: usize>(&mut self, choices: [usize; N]) -> usize {
        choices[self.up_to(N - 1)]
    }
}

/// Sends `bytes` in pieces of these sizes, over and over, and waits until each was read, so that each is a read.
fn send_in_reads(siege: &Siege, peer: &mut Peer, bytes: &[u8], sizes: &[usize]) {
    let mut received = siege.read_bytes();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*size));
        peer.send(now);
        received += now.len() as u64;
        rest = later;
        if rest.is_empty() {
            return;
        }
        siege.wait_until_read(received);
    }
}

/// Sends `bytes` in pieces of these sizes without waiting, from another thread.
fn send_in_writes(peer: &Peer, bytes: Vec<u8>, mut size: impl FnMut() -> usize + Send + 'static) -> Sending {
    let mut stream = peer.tcp().try_clone().unwrap();
    std::thread::spawn(move || {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(size().max(1)));
            stream.write_all(now).unwrap();
            rest = later;
        }
    })
}

type Sending = std::thread::JoinHandle<()>;

fn frames_around_the_size_of_a_buffer_survive_reads_around_it(rung: DriverChoice) {
    let siege = Siege::with(Settings { buffer_bytes: BUFFER, ..settings(rung) });
    let mut peer = siege.rig.peer();
    for len in SIZES {
        let message = pattern(len);
        let bytes = [masked(BINARY, &message), masked(TEXT, b"behind")].concat();
        for size in [BUFFER - 1, BUFFER, BUFFER + 1] {
            send_in_reads(&siege, &mut peer, &bytes, &[size]);
            peer.expect_binary(&message);
            peer.expect_text("behind");
        }
    }
    peer.close();
    siege.end();
}

fn messages_in_reads_of_one_byte_come_back(rung: DriverChoice) {
    // In buffers of the smallest size, too.
    for buffer_bytes in [BUFFER, 1024] {
        let siege = Siege::with(Settings { buffer_bytes, ..settings(rung) });
        let mut peer = siege.rig.peer();
        let bytes = [masked(BINARY, &pattern(2_000)), masked(TEXT, &text(2_048))].concat();
        send_in_reads(&siege, &mut peer, &bytes, &[1]);
        peer.expect_binary(&pattern(2_000));
        peer.expect(TEXT, &text(2_048));
        // Longer ones without waiting for each byte.
        let message = text(40_000);
        let sending = send_in_writes(&peer, masked(TEXT, &message), || 1);
        peer.expect(TEXT, &message);
        sending.join().unwrap();
        peer.close();
        siege.end();
    }
}

fn messages_in_reads_of_two_kilobytes_come_back(rung: DriverChoice) {
    let siege = Siege::new(rung);
    let mut peer = siege.rig.peer();
    for len in SIZES {
        let message = text(len);
        send_in_reads(&siege, &mut peer, &masked(TEXT, &message), &[2_048]);
        peer.expect(TEXT, &message);
    }
    peer.close();
    siege.end();
}

fn messages_written_whole_come_back(rung: DriverChoice) {
    for buffer_bytes in [1024, BUFFER, 64 << 10] {
        let siege = Siege::with(Settings { buffer_bytes, ..settings(rung) });
        let mut peer = siege.rig.peer();
        for len in SIZES {
            let message = pattern(len);
            let sending = peer.send_beside(masked(BINARY, &message).repeat(3));
            for _ in 0..3 {
                peer.expect_binary(&message);
            }
            sending.join().unwrap();
        }
        peer.close();
        siege.end();
    }
}

fn fragments_of_any_size_in_reads_of_any_size_come_back(rung: DriverChoice) {
    let siege = Siege::new(rung);
    for seed in 0..12 {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let mut peer = siege.rig.peer();
        let mut stream = Vec::new();
        let messages: Vec<_> = (0..6)
            .map(|_| {
                let longest = dice.one_of([60_000, 1_000_000]);
                let len = 2_000 + dice.up_to(longest);
                if dice.up_to(1) == 0 { (TEXT, text(len)) } else { (BINARY, pattern(len)) }
            })
            .collect();
        let ping = |number: u32| number.to_be_bytes();
        let mut pings = Vec::new();
        for (opcode, message) in &messages {
            let (mut opcode, mut rest) = (*opcode, &message[..]);
            let mut count = 0;
            let longest = dice.one_of([message.len(), BUFFER + 20, 3_000]);
            loop {
                let (now, later) = rest.split_at(rest.len().min(dice.up_to(longest)));
                stream.extend(fragment(later.is_empty(), opcode, now));
                (opcode, rest) = (CONTINUATION, later);
                if rest.is_empty() {
                    break;
                }
                if dice.up_to(3) == 0 {
                    count += 1;
                    stream.extend(masked(PING, &ping(count)));
                }
            }
            pings.push(count);
        }
        let longest = dice.one_of([100, 3_000, BUFFER + 100, 200_000]);
        let sending = send_in_writes(&peer, stream, move || dice.up_to(longest));
        for ((opcode, message), pings) in messages.iter().zip(pings) {
            if pings > 0 {
                expect_last_pong(&mut peer, &ping(pings));
            }
            peer.expect(*opcode, message);
        }
        sending.join().unwrap();
        peer.close();
    }
    siege.end();
}

fn a_message_cut_at_every_byte_around_each_end_of_a_buffer_comes_back(rung: DriverChoice) {
    let siege = Siege::with(Settings { buffer_bytes: 1024, ..settings(rung) });
    let mut peer = siege.rig.peer();
    let message = pattern(2_100);
    let bytes = [masked(BINARY, &message), masked(PING, b"?")].concat();
    let around = |at: usize| at - 10..(at + 20).min(bytes.len());
    for cut in (1..20).chain(around(1024)).chain(around(2048)).chain(around(bytes.len() - 10)) {
        send_in_reads(&siege, &mut peer, &bytes, &[cut, bytes.len()]);
        peer.expect_binary(&message);
        peer.expect_pong(b"?");
    }
    peer.close();
    siege.end();
}
