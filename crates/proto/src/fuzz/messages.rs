//! Streams that are right, made from any bytes: what comes out must be what was meant.

use super::compressed::{deflated_payload, with_inflater};
use super::receive::{Event, client_frame, receive, receive_compressed};
use crate::{CONTROL_PAYLOAD_LEN_MAX, Limits, MessageKind};

const LIMITS: Limits = Limits { frame_bytes_max: 4096, message_bytes_max: 4096 };

/// Most compressed messages of a stream: each costs a reset of the compressor, more than all else of a short stream,
/// and three show whether one leaves anything behind for the next.
const COMPRESSED_MAX: usize = 3;

/// Takes bytes off the front of a fuzzer's input.
struct Dice<'d>(&'d [u8]);

impl<'d> Dice<'d> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    /// Up to `len` bytes.
    fn payload(&mut self, len: usize) -> &'d [u8] {
        let (payload, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        payload
    }
}

/// A stream of a peer that keeps to the standard, and what it means.
#[derive(Default)]
struct Script {
    stream: Vec<u8>,
    events: Vec<Event>,
    /// How many messages are compressed.
    compressed: usize,
}

impl Script {
    /// One message in up to three fragments; compressed, and with pings between them, if `shape` says so.
    fn message(&mut self, [shape, len, first, second]: [u8; 4], payload: &[u8]) {
        let key = [len, shape, second, first];
        let text = shape & 1 == 0 && std::str::from_utf8(payload).is_ok();
        let kind = if text { MessageKind::Text } else { MessageKind::Binary };
        let message = Event::Message(kind, payload.to_vec());
        let (reserved, payload) = if shape & 16 != 0 && self.compressed < COMPRESSED_MAX {
            self.compressed += 1;
            (0x40, deflated_payload(payload))
        } else {
            (0, payload.to_vec())
        };
        let mut cuts = [first, second].map(|cut| usize::from(cut).min(payload.len()));
        cuts.sort_unstable();
        let cuts = &cuts[..usize::from(shape >> 1 & 3).min(2)];
        let (mut opcode, mut start) = (reserved | kind.opcode() as u8, 0);
        for &cut in cuts {
            self.stream.extend(client_frame(opcode, key, &payload[start..cut]));
            (opcode, start) = (0, cut);
            if shape & 8 != 0 {
                self.ping(key, &payload[..cut.min(CONTROL_PAYLOAD_LEN_MAX)]);
            }
        }
        self.stream.extend(client_frame(0x80 | opcode, key, &payload[start..]));
        self.events.push(message);
    }

    fn ping(&mut self, key: [u8; 4], payload: &[u8]) {
        self.stream.extend(client_frame(0x89, key, payload));
        self.events.push(Event::Ping(payload.to_vec()));
    }
}

/// Any bytes as the plan of a stream: what it is made of, how it is fragmented and how it is read.
///
/// # Panics
///
/// When something else comes out than was put in.
pub fn messages(data: &[u8]) {
    let mut dice = Dice(data);
    let Some([first_read, next_reads]) = dice.bytes() else { return };
    let mut script = Script::default();
    while let Some(plan) = dice.bytes::<4>() {
        // Up to 2,040 bytes: past every border of a header's length but the last.
        let payload = dice.payload(usize::from(plan[1]) << (plan[0] >> 6));
        script.message(plan, payload);
    }
    let Script { stream, events, compressed } = script;
    with_inflater(|inflater| {
        for sizes in [&[][..], &[1], &[first_read.into(), usize::from(next_reads) * 16]] {
            let verdict = match compressed {
                0 => receive(&stream, sizes, &LIMITS),
                _ => receive_compressed(&stream, sizes, &LIMITS, inflater),
            };
            assert_eq!((&verdict.events, verdict.error), (&events, None), "in reads of {sizes:?}");
            assert!(verdict.idle, "something is held after the last message");
        }
    });
}
