//! What a reliable client has been sent and not acknowledged, and what it is still to be sent: numbered, in order, kept
//! until it says that it has it. Pure: without sockets, without a clock.
//!
//! A message is kept as the frame that everybody gets, so that a fan-out is kept once for all. What one client gets of
//! it has a number in it, which is written when it is sent.

use std::collections::VecDeque;

use bytes::Bytes;
use holdfast_proto::{Opcode, header_len, write_header};

use super::outbox::queued_bytes;
use super::planted::{Planted, is_planted};
use crate::publish::Numbering;

/// Most messages that are kept for one client.
pub(crate) const MESSAGES_MAX: usize = 1000;
/// Most bytes of them, with what each takes besides.
pub(crate) const BYTES_MAX: usize = 16 << 20;

/// Bytes that a message becomes longer by its number and its header, at most: a frame's header, the head of the
/// payload, and a number with what stands around it.
pub(crate) const HEAD_MAX: usize = 128;

/// How the messages of an empty queue are numbered.
static NONE: Numbering = Numbering { at: 0, before: "", after: "" };

/// The queue of one reliable client. It is there while something is in it.
#[derive(Debug)]
pub(crate) struct Unacked {
    /// The number of the first.
    first: u64,
    /// Whole frames, without numbers.
    frames: VecDeque<Bytes>,
    /// Of all of them, with what each takes besides.
    bytes: usize,
    /// So many of them have been sent, or begun, since the client has its present socket.
    sent: usize,
    /// What has not gone of one that is too long for one piece. It is kept by itself, since a client may say of one
    /// that it had before that it has it while it is sent again.
    begun: Bytes,
    /// What waits in the outbox goes before the next of these.
    outbox_first: bool,
    numbering: &'static Numbering,
}

impl Unacked {
    /// An empty one, whose first message gets this number.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            first,
            frames: VecDeque::new(),
            bytes: 0,
            sent: 0,
            begun: Bytes::new(),
            outbox_first: false,
            numbering: &NONE,
        }
    }

    /// Bytes of all messages, with what each takes besides.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing is kept, and nothing is being sent.
    pub(crate) fn is_over(&self) -> bool {
        self.frames.is_empty() && self.begun.is_empty()
    }

    /// Puts a frame at the end. Whether there is room for it: for one there is always.
    pub(crate) fn push(&mut self, frame: Bytes, numbering: &'static Numbering) -> bool {
        let bytes = self.bytes + queued_bytes(&frame);
        if self.frames.len() >= MESSAGES_MAX || bytes > BYTES_MAX && !self.frames.is_empty() {
            return false;
        }
        // All of one application's are numbered in the same way.
        (self.bytes, self.numbering) = (bytes, numbering);
        self.frames.push_back(frame);
        true
    }

    /// The client has all up to this number, which was given.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        while self.first <= number
            && let Some(frame) = self.frames.pop_front()
        {
            self.bytes -= queued_bytes(&frame);
            self.first += 1;
            self.sent = self.sent.saturating_sub(1);
        }
        if self.frames.capacity() > 64 && self.frames.len() * 4 < self.frames.capacity() {
            self.frames.shrink_to(self.frames.len() * 2);
        }
    }

    /// Throws all of it away, but for the rest of what has gone in part: its client would take the next frame for it.
    pub(crate) fn clear(&mut self) {
        self.frames = VecDeque::new();
        (self.bytes, self.sent) = (0, 0);
    }

    /// The client has another socket: all of it is sent again, after what waits in the outbox.
    pub(crate) fn begin_again(&mut self) {
        self.sent = 0;
        self.begun = Bytes::new();
        self.outbox_first = true;
        self.first += u64::from(is_planted(Planted::Renumbers));
    }

    /// Whether something of it is to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.frames.len() || !self.begun.is_empty()
    }

    /// Whether a message has gone in part: nothing else may be sent before its end.
    pub(crate) fn is_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Whether what waits in the outbox goes first.
    pub(crate) fn yields(&self) -> bool {
        self.outbox_first
    }

    /// What waits in the outbox was there before what comes now.
    pub(crate) fn yield_to_outbox(&mut self) {
        self.outbox_first = true;
    }

    /// The outbox is empty.
    pub(crate) fn outbox_is_empty(&mut self) {
        self.outbox_first = false;
    }

    /// The next part of a message that has been begun, of so many bytes at most.
    pub(crate) fn go_on(&mut self, most: usize) -> Option<Bytes> {
        let len = self.begun.len().min(most);
        (len > 0).then(|| self.begun.split_to(len))
    }

    /// How much memory [`write`](Self::write) needs for the next message.
    pub(crate) fn wants(&self) -> usize {
        self.frames.get(self.sent).map_or(0, Bytes::len) + HEAD_MAX
    }

    /// Writes what is to be sent next: messages as long as they fit whole, or the beginning of one that does not.
    /// Returns how many bytes that are. Nothing may be begun, and there must be room for the longest head.
    pub(crate) fn write(&mut self, memory: &mut [u8]) -> usize {
        debug_assert!(self.begun.is_empty() && memory.len() >= HEAD_MAX);
        let mut at = 0;
        while let Some(frame) = self.frames.get(self.sent) {
            let number = self.first + self.sent as u64;
            let mut head = [0; HEAD_MAX];
            let (head_len, start) = self.number(number, frame, &mut head);
            let (rest, room) = (&frame[start..], memory.len() - at);
            let fits = head_len + rest.len() <= room;
            if !fits && at > 0 {
                break;
            }
            let now = rest.len().min(room.saturating_sub(head_len));
            memory[at..at + head_len].copy_from_slice(&head[..head_len]);
            memory[at + head_len..at + head_len + now].copy_from_slice(&rest[..now]);
            at += head_len + now;
            let rest = (!fits).then(|| frame.slice(start + now..));
            self.sent += 1;
            if let Some(rest) = rest {
                self.begun = rest;
                break;
            }
        }
        self.outbox_first = true;
        at
    }

    /// Writes the head of a message with its number: the header of its frame, and its payload as far as that is not as
    /// it was. Returns how many bytes that are, and where in the frame the rest of the payload begins.
    fn number(&self, number: u64, frame: &Bytes, head: &mut [u8; HEAD_MAX]) -> (usize, usize) {
        let Numbering { at, before, after } = *self.numbering;
        let own = own_header_len(frame);
        // A payload that is shorter has no place for a number: nobody makes one.
        let at = at.min(frame.len() - own);
        let mut digits = [0; 20];
        let digits = decimal(number, &mut digits);
        let added = before.len() + digits.len() + after.len();
        let payload_len = frame.len() - own + added;
        let mut end = header_len(payload_len);
        write_header(Opcode::Text, payload_len, &mut head[..end]);
        for part in [&frame[own..own + at], before.as_bytes(), digits, after.as_bytes()] {
            head[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
        (end, own + at)
    }

    /// Where each frame lies, and how long it is.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> impl Iterator<Item = (*const u8, usize)> {
        assert_eq!(self.bytes, self.frames.iter().map(queued_bytes).sum::<usize>());
        self.frames.iter().map(|frame| (frame.as_ptr(), frame.len()))
    }
}

/// Bytes of the header of a frame of our own, which is not masked (RFC 6455 5.2).
fn own_header_len(frame: &Bytes) -> usize {
    match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    }
}

/// A number in decimal digits.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789"[usize::try_from(number % 10).unwrap_or(0)];
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{MessageKind, Prepared};

    static NUMBERING: Numbering = Numbering { at: 2, before: "#", after: ";" };

    fn frame_of(payload: &str) -> Bytes {
        Prepared::new(MessageKind::Text, &[payload.as_bytes()]).plain()
    }

    fn numbered(number: u64, payload: &str) -> Bytes {
        frame_of(&format!("{}#{number};{}", &payload[..2], &payload[2..]))
    }

    /// Sends all that is to be sent, in pieces of so many bytes.
    fn send(unacked: &mut Unacked, most: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        while unacked.has_unsent() {
            if let Some(piece) = unacked.go_on(most) {
                sent.extend(piece);
                continue;
            }
            let mut memory = vec![0; most.max(HEAD_MAX)];
            let len = unacked.write(&mut memory);
            assert!(len > 0, "it gets on");
            sent.extend(&memory[..len]);
        }
        sent
    }

    #[test]
    fn a_message_has_its_number_and_the_right_length_whatever_its_own() {
        for len in
            [2, 3, 110, 118, 120, 121, 122, 123, 124, 125, 126, 127, 65_530, 65_531, 65_535, 65_536, 200_000]
        {
            let payload = "x".repeat(len);
            for number in [1, 9, 10, 12_345, u64::MAX - 1] {
                for most in [128, 4096, 1 << 20] {
                    let mut unacked = Unacked::new(number);
                    assert!(unacked.push(frame_of(&payload), &NUMBERING));
                    assert_eq!(send(&mut unacked, most), numbered(number, &payload), "{len} {number}");
                }
            }
        }
    }

    #[test]
    fn a_payload_without_a_place_for_a_number_does_no_harm() {
        let mut unacked = Unacked::new(1);
        assert!(unacked.push(frame_of(""), &NUMBERING) && unacked.push(frame_of("a"), &NUMBERING));
        assert_eq!(send(&mut unacked, 128), [frame_of("#1;"), frame_of("a#2;")].concat());
    }

    #[test]
    fn there_is_room_for_a_thousand_messages_and_for_16_mib() {
        let mut unacked = Unacked::new(1);
        let pushed = (0..2000).take_while(|_| unacked.push(frame_of("ab"), &NUMBERING)).count();
        assert_eq!(pushed, MESSAGES_MAX);
        unacked.acknowledge(1);
        assert!(unacked.push(frame_of("ab"), &NUMBERING) && !unacked.push(frame_of("ab"), &NUMBERING));
        let mut unacked = Unacked::new(1);
        let long = frame_of(&"x".repeat((1 << 20) - 64 - 10));
        assert_eq!((0..2000).take_while(|_| unacked.push(long.clone(), &NUMBERING)).count(), 16);
        assert_eq!(unacked.bytes(), BYTES_MAX);
        let (mut unacked, longest) = (Unacked::new(1), frame_of(&"x".repeat(BYTES_MAX + 1)));
        assert!(
            unacked.push(longest.clone(), &NUMBERING) && !unacked.push(longest, &NUMBERING),
            "for one there is"
        );
    }

    #[test]
    fn one_that_is_acknowledged_while_it_is_sent_again_goes_to_its_end() {
        let mut unacked = Unacked::new(1);
        let payload = "y".repeat(1000);
        assert!(unacked.push(frame_of(&payload), &NUMBERING) && unacked.push(frame_of("ab"), &NUMBERING));
        send(&mut unacked, 4096);
        unacked.begin_again();
        let mut memory = [0; 200];
        let len = unacked.write(&mut memory);
        assert!(unacked.is_begun());
        unacked.acknowledge(1);
        let sent = [memory[..len].to_vec(), send(&mut unacked, 128)].concat();
        assert_eq!(sent, [numbered(1, &payload), numbered(2, "ab")].concat());
        unacked.acknowledge(2);
        assert!(unacked.is_over());
    }

    /// What happens to a queue.
    #[derive(Clone, Debug)]
    enum Deed {
        Push(usize),
        /// Up to so many behind the first that is kept.
        Acknowledge(u64),
        /// A piece is sent, of so many bytes at most.
        Send(usize),
        Drop,
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            3 => prop_oneof![2..300_usize, 2..5000_usize].prop_map(Deed::Push),
            1 => (0..6_u64).prop_map(Deed::Acknowledge),
            3 => (128..2000_usize).prop_map(Deed::Send),
            1 => Just(Deed::Drop),
        ];
        prop::collection::vec(deed, 1..200)
    }

    /// Takes whole messages out of what a client has read.
    fn read(bytes: &mut Vec<u8>) -> Vec<u64> {
        let mut numbers = Vec::new();
        loop {
            let Some(second) = bytes.get(1) else { return numbers };
            let (header, len) = match second {
                126 if bytes.len() >= 4 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
                126 => return numbers,
                len => (2, usize::from(*len)),
            };
            let Some(payload) = bytes.get(header..header + len) else { return numbers };
            let text = std::str::from_utf8(payload).expect("it is text");
            let (number, rest) = text[3..].split_once(';').expect("it has a number");
            let number: u64 = number.parse().expect("it is a number");
            assert_eq!(&text[..3], "zz#");
            assert!(rest.bytes().all(|byte| byte == b'z'));
            numbers.push(number);
            bytes.drain(..header + len);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_or_out_of_order_on_any_socket(deeds in deeds()) {
            let mut unacked = Unacked::new(1);
            let (mut given, mut acked, mut unread) = (0, 0, Vec::new());
            // The next number on this socket.
            let mut next = 1;
            for deed in deeds {
                match deed {
                    Deed::Push(len) => given += u64::from(unacked.push(frame_of(&"z".repeat(len)), &NUMBERING)),
                    Deed::Acknowledge(more) => {
                        acked = (acked + more).min(given);
                        unacked.acknowledge(acked);
                    }
                    Deed::Send(most) => {
                        if let Some(piece) = unacked.go_on(most) {
                            unread.extend(piece);
                        } else if unacked.has_unsent() {
                            let mut memory = vec![0; most];
                            let len = unacked.write(&mut memory);
                            prop_assert!(len > 0);
                            unread.extend(&memory[..len]);
                        }
                        for number in read(&mut unread) {
                            // What was acknowledged before it was sent again is left out.
                            let is_next = number == next || (next..=acked + 1).contains(&number);
                            prop_assert!(is_next, "{} for {}", number, next);
                            next = number + 1;
                        }
                    }
                    Deed::Drop => {
                        unacked.begin_again();
                        unread.clear();
                        next = acked + 1;
                    }
                }
                prop_assert_eq!(unacked.kept().count(), unacked.len());
                prop_assert_eq!(unacked.len() as u64, given - acked);
            }
            unacked.begin_again();
            let mut all = send(&mut unacked, 500);
            prop_assert_eq!(read(&mut all), (acked + 1..=given).collect::<Vec<_>>());
        }
    }
}
