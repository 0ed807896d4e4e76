//! What is sent on a connection, and what must come back.

use anyhow::{bail, ensure};

use crate::frame::{Found, FrameReader, Opcode, write_frame, write_header};
use crate::payload::{Kind, fill, mask, masking_key};

/// The messages of a run: message `number` always has the same bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages {
    /// Payload bytes.
    pub(crate) size: usize,
    pub(crate) kind: Kind,
    /// The reply is the frame itself, byte for byte (a raw TCP echo), not a frame with the payload.
    pub(crate) raw: bool,
}

impl Messages {
    fn opcode(self) -> Opcode {
        match self.kind {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        }
    }

    /// Appends message `number` as a client sends it: one masked frame.
    pub(super) fn write(self, number: u64, frame: &mut Vec<u8>) {
        let key = masking_key(number);
        write_header(frame, self.opcode(), self.size, key);
        let start = frame.len();
        frame.resize(start + self.size, 0);
        let payload = &mut frame[start..];
        fill(number, 0, self.kind, payload);
        mask(key, 0, payload);
    }

    /// Writes bytes `start..start + len` of what a raw echo of message `number` sends back.
    fn write_raw(self, number: u64, start: usize, len: usize, out: &mut Vec<u8>) {
        let key = masking_key(number);
        write_header(out, self.opcode(), self.size, key);
        let header_len = out.len();
        out.drain(..start.min(header_len));
        out.truncate(len);
        let have = out.len();
        let offset = (start + have).saturating_sub(header_len);
        let len = len.min((header_len + self.size).saturating_sub(start));
        out.resize(len, 0);
        fill(number, offset, self.kind, &mut out[have..]);
        mask(key, offset, &mut out[have..]);
    }

    fn frame_len(self) -> usize {
        let mut header = Vec::new();
        write_header(&mut header, self.opcode(), self.size, [0; 4]);
        header.len() + self.size
    }
}

/// The reply that a connection waits for, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Reply {
    reader: FrameReader,
    /// Message in flight.
    number: Option<u64>,
    /// Bytes of the reply that were right so far.
    right: usize,
}

/// What bytes received mean.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// The reply is not whole yet.
    Waiting,
    /// The reply is whole, and right.
    Whole,
}

impl Reply {
    /// Message `number` has been sent.
    pub(super) fn expect(&mut self, number: u64) {
        self.number = Some(number);
        self.right = 0;
    }

    /// Compares `bytes` with what must come; appends what has to be answered to `answers`.
    ///
    /// # Errors
    ///
    /// A sentence that names the message and the first byte that differs.
    pub(super) fn take_in(
        &mut self,
        messages: Messages,
        mut bytes: &[u8],
        scratch: &mut Vec<u8>,
        answers: &mut Vec<u8>,
    ) -> anyhow::Result<Progress> {
        if messages.raw {
            return self.take_in_raw(messages, bytes, scratch);
        }
        let mut progress = Progress::Waiting;
        while !bytes.is_empty() {
            match self.reader.next(&mut bytes)? {
                None => {}
                Some(Found::Control { opcode: Opcode::Ping, payload }) => {
                    write_frame(answers, Opcode::Pong, payload, masking_key(0));
                }
                Some(Found::Control { opcode: Opcode::Close, payload }) => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    bail!("lost: close code {code}");
                }
                Some(Found::Control { .. }) => {}
                Some(Found::Payload { bytes, last, .. }) => {
                    let Some(number) = self.number else { bail!("a message that nobody asked for") };
                    scratch.clear();
                    scratch.resize(bytes.len(), 0);
                    fill(number, self.right, messages.kind, scratch);
                    compare(number, self.right, bytes, scratch)?;
                    self.right += bytes.len();
                    ensure!(
                        self.right <= messages.size && (!last || self.right == messages.size),
                        "message {number}: {} bytes sent, {} came back",
                        messages.size,
                        self.right
                    );
                    if last {
                        self.number = None;
                        progress = Progress::Whole;
                    }
                }
            }
        }
        Ok(progress)
    }

    fn take_in_raw(
        &mut self,
        messages: Messages,
        bytes: &[u8],
        scratch: &mut Vec<u8>,
    ) -> anyhow::Result<Progress> {
        let Some(number) = self.number else { bail!("bytes that nobody asked for") };
        scratch.clear();
        messages.write_raw(number, self.right, bytes.len(), scratch);
        compare(number, self.right, bytes, scratch)?;
        self.right += bytes.len();
        if self.right < messages.frame_len() {
            return Ok(Progress::Waiting);
        }
        self.number = None;
        Ok(Progress::Whole)
    }
}

fn compare(number: u64, offset: usize, bytes: &[u8], expected: &[u8]) -> anyhow::Result<()> {
    if bytes == expected {
        return Ok(());
    }
    match bytes.iter().zip(expected).position(|(byte, expected)| byte != expected) {
        Some(at) => bail!(
            "message {number}: byte {} of the reply is {:#04x} and should be {:#04x}",
            offset + at,
            bytes[at],
            expected[at]
        ),
        None => bail!("message {number}: more came back than was sent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 6] = [0, 1, 64, 125, 126, 70_000];

    fn messages(size: usize, raw: bool) -> Messages {
        Messages { size, kind: Kind::Binary, raw }
    }

    /// What a WebSocket echo of message `number` sends back.
    fn echo(messages: Messages, number: u64) -> Vec<u8> {
        let mut payload = vec![0; messages.size];
        fill(number, 0, messages.kind, &mut payload);
        let mut reply = vec![0x82];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(len @ 0..=125), _) => reply.push(len),
            (_, Ok(len)) => {
                reply.push(126);
                reply.extend_from_slice(&len.to_be_bytes());
            }
            _ => {
                reply.push(127);
                reply.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        reply.extend_from_slice(&payload);
        reply
    }

    fn take_in(reply: &mut Reply, messages: Messages, bytes: &[u8]) -> anyhow::Result<Progress> {
        reply.take_in(messages, bytes, &mut Vec::new(), &mut Vec::new())
    }

    fn sent(messages: Messages, number: u64) -> Vec<u8> {
        let mut frame = Vec::new();
        messages.write(number, &mut frame);
        frame
    }

    #[test]
    fn a_right_reply_cut_anywhere_is_right() {
        for raw in [false, true] {
            for size in SIZES {
                let messages = messages(size, raw);
                let bytes = if raw { sent(messages, 5) } else { echo(messages, 5) };
                for cut in (1..bytes.len()).filter(|cut| *cut < 200 || bytes.len() - cut < 20) {
                    let mut reply = Reply::default();
                    reply.expect(5);
                    assert_eq!(take_in(&mut reply, messages, &bytes[..cut]).unwrap(), Progress::Waiting);
                    assert_eq!(take_in(&mut reply, messages, &bytes[cut..]).unwrap(), Progress::Whole);
                }
            }
        }
    }

    #[test]
    fn a_reply_with_one_wrong_byte_is_refused() {
        for raw in [false, true] {
            let messages = messages(64, raw);
            let right = if raw { sent(messages, 5) } else { echo(messages, 5) };
            let header_len = if raw { 0 } else { 2 };
            for at in header_len..right.len() {
                let mut bytes = right.clone();
                bytes[at] ^= 1;
                let mut reply = Reply::default();
                reply.expect(5);
                assert!(take_in(&mut reply, messages, &bytes).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn the_reply_to_another_message_is_refused() {
        for size in [1, 64] {
            let messages = messages(size, false);
            let mut reply = Reply::default();
            reply.expect(6);
            assert!(take_in(&mut reply, messages, &echo(messages, 5)).is_err());
        }
    }

    #[test]
    fn a_short_reply_and_a_long_one_are_refused() {
        for (sent, echoed) in [(64, 63), (64, 65)] {
            let mut reply = Reply::default();
            reply.expect(5);
            assert!(take_in(&mut reply, messages(sent, false), &echo(messages(echoed, false), 5)).is_err());
        }
        let mut reply = Reply::default();
        reply.expect(5);
        let mut long = sent(messages(64, true), 5);
        long.push(0);
        assert!(take_in(&mut reply, messages(64, true), &long).is_err());
    }

    #[test]
    fn a_second_reply_is_refused() {
        let messages = messages(64, false);
        let mut reply = Reply::default();
        reply.expect(5);
        assert_eq!(take_in(&mut reply, messages, &echo(messages, 5)).unwrap(), Progress::Whole);
        assert!(take_in(&mut reply, messages, &echo(messages, 5)).is_err());
    }

    #[test]
    fn a_ping_within_a_reply_is_answered() {
        let messages = messages(4, false);
        let mut payload = [0; 4];
        fill(5, 0, messages.kind, &mut payload);
        let bytes = [&[0x02, 2][..], &payload[..2], &[0x89, 1, b'?'], &[0x80, 2], &payload[2..]].concat();
        let mut reply = Reply::default();
        reply.expect(5);
        let mut answers = Vec::new();
        let progress = reply.take_in(messages, &bytes, &mut Vec::new(), &mut answers).unwrap();
        assert_eq!(progress, Progress::Whole);
        assert_eq!(answers[..2], [0x8A, 0x81]);
        assert_eq!(answers.len(), 7);
    }
}
