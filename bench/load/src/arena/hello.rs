//! The one message of the arena, as it is sent and as it must come back.

use anyhow::{bail, ensure};

use crate::frame::{Found, FrameReader, Opcode, server_frame, write_frame};
use crate::payload::masking_key;

/// What everybody sends.
const HELLO: &[u8] = b"hello";

/// Frames to send, and the stream that must come back for them, both ready to be cut from.
#[derive(Debug)]
pub(super) struct Hello {
    /// Frames to send, one behind the other.
    frames: Vec<u8>,
    frame_len: usize,
    /// Replies, one behind the other: as many bytes as one read takes, from any place within a reply.
    replies: Vec<u8>,
    reply_len: usize,
    /// A reply is the very frame that was sent.
    raw: bool,
}

impl Hello {
    /// At most `sent_max` messages are sent at once, and `read_bytes_max` bytes read. `raw`: every byte that is sent
    /// comes back as it is.
    pub(super) fn new(sent_max: u16, read_bytes_max: usize, raw: bool) -> Self {
        let mut frame = Vec::new();
        write_frame(&mut frame, Opcode::Text, HELLO, masking_key(0));
        let reply = if raw { frame.clone() } else { server_frame(Opcode::Text, HELLO) };
        Self {
            frames: frame.repeat(sent_max.into()),
            frame_len: frame.len(),
            replies: reply.repeat(read_bytes_max / reply.len() + 2),
            reply_len: reply.len(),
            raw,
        }
    }

    /// `count` messages to send.
    pub(super) fn frames(&self, count: usize) -> &[u8] {
        &self.frames[..count * self.frame_len]
    }
}

/// The replies of one connection, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Bytes of the current reply that came.
    at: usize,
    /// Reads frame by frame, once something else has come than replies in one frame each.
    reader: Option<Box<Reader>>,
}

#[derive(Debug, Default)]
struct Reader {
    frames: FrameReader,
    /// Bytes of the payload that were right so far.
    right: usize,
}

impl Replies {
    /// Compares `bytes` with what must come; returns how many replies are whole with them, and appends what has to be
    /// answered to `answers`.
    ///
    /// # Errors
    ///
    /// A sentence when something else came than the message, whole, as text.
    pub(super) fn take_in(
        &mut self,
        hello: &Hello,
        bytes: &[u8],
        answers: &mut Vec<u8>,
    ) -> anyhow::Result<usize> {
        if let Some(reader) = &mut self.reader {
            return reader.take_in(bytes, answers);
        }
        let expected = &hello.replies[self.at..];
        if expected.starts_with(bytes) {
            let come = self.at + bytes.len();
            self.at = come % hello.reply_len;
            return Ok(come / hello.reply_len);
        }
        ensure!(!hello.raw, "other bytes came back than were sent");
        // A ping, or a message in several frames, or what is wrong.
        let begun = &hello.replies[..self.at];
        let reader = self.reader.insert(Box::default());
        let whole = reader.take_in(begun, answers)?;
        Ok(whole + reader.take_in(bytes, answers)?)
    }
}

impl Reader {
    fn take_in(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) -> anyhow::Result<usize> {
        let mut whole = 0;
        while !bytes.is_empty() {
            match self.frames.next(&mut bytes)? {
                None => {}
                Some(Found::Control { opcode: Opcode::Ping, payload }) => {
                    write_frame(answers, Opcode::Pong, payload, masking_key(0));
                }
                Some(Found::Control { opcode: Opcode::Close, payload }) => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    bail!("lost: close code {code}");
                }
                Some(Found::Control { .. }) => {}
                Some(Found::Payload { opcode, bytes, last }) => {
                    ensure!(opcode != Opcode::Binary, "a text message came back as a binary one");
                    let right = HELLO[self.right..].starts_with(bytes);
                    self.right += bytes.len();
                    ensure!(
                        right && (!last || self.right == HELLO.len()),
                        "another message came back than was sent"
                    );
                    if last {
                        self.right = 0;
                        whole += 1;
                    }
                }
            }
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ_BYTES_MAX: usize = 64;

    fn hello(raw: bool) -> Hello {
        Hello::new(4, READ_BYTES_MAX, raw)
    }

    /// How many replies each of `pieces` ends.
    fn take_in(raw: bool, pieces: &[&[u8]]) -> anyhow::Result<Vec<usize>> {
        let (hello, mut replies) = (hello(raw), Replies::default());
        pieces.iter().map(|piece| replies.take_in(&hello, piece, &mut Vec::new())).collect()
    }

    #[test]
    fn replies_cut_anywhere_are_counted_when_they_are_whole() {
        for raw in [false, true] {
            let reply = if raw { hello(true).frames(1).to_vec() } else { server_frame(Opcode::Text, HELLO) };
            let stream = reply.repeat(3);
            assert_eq!(take_in(raw, &[&stream]).unwrap(), [3]);
            for cut in 1..stream.len() {
                let begun = cut / reply.len();
                assert_eq!(take_in(raw, &[&stream[..cut], &stream[cut..]]).unwrap(), [begun, 3 - begun]);
            }
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(take_in(raw, &bytes).unwrap().iter().sum::<usize>(), 3);
        }
    }

    #[test]
    fn as_many_bytes_as_one_read_takes_are_compared_from_any_place_within_a_reply() {
        let stream = server_frame(Opcode::Text, HELLO).repeat(READ_BYTES_MAX);
        for at in 0..7 {
            let long = &stream[at..at + READ_BYTES_MAX];
            assert_eq!(
                take_in(false, &[&stream[..at], long]).unwrap()[1],
                (at + READ_BYTES_MAX) / 7,
                "from {at}"
            );
        }
    }

    #[test]
    fn one_wrong_byte_is_refused_wherever_it_is() {
        for raw in [false, true] {
            let right = if raw {
                hello(true).frames(2).to_vec()
            } else {
                server_frame(Opcode::Text, HELLO).repeat(2)
            };
            for at in 0..right.len() {
                let mut wrong = right.clone();
                wrong[at] ^= 0x02;
                // A length that is wrong may leave the last frame without its end: then nothing is whole.
                let whole = take_in(raw, &[&wrong]).map(|whole| whole[0]);
                assert!(whole.is_err() || whole.is_ok_and(|whole| whole < 2), "byte {at}");
            }
        }
    }

    #[test]
    fn a_message_that_is_shorter_or_longer_or_binary_is_refused() {
        let frame =
            |first: u8, payload: &[u8]| [&[first, u8::try_from(payload.len()).unwrap()], payload].concat();
        for wrong in [frame(0x81, b"hell"), frame(0x81, b"hello!"), frame(0x82, b"hello"), frame(0x81, b"")] {
            assert!(take_in(false, &[&wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn fragments_and_pings_between_replies_are_no_mistake() {
        let reply = server_frame(Opcode::Text, HELLO);
        let cut = [&[0x01, 2][..], b"he", &[0x89, 1, b'?'], &[0x80, 3], b"llo"].concat();
        let stream = [&reply[..], &cut, &reply].concat();
        for at in 1..stream.len() {
            let (hello, mut replies, mut answers) = (hello(false), Replies::default(), Vec::new());
            let mut whole = replies.take_in(&hello, &stream[..at], &mut answers).unwrap();
            whole += replies.take_in(&hello, &stream[at..], &mut answers).unwrap();
            assert_eq!((whole, answers.len()), (3, 7), "cut at {at}");
            assert_eq!(answers[..2], [0x8A, 0x81]);
        }
    }

    #[test]
    fn a_close_frame_is_a_loss_with_its_code() {
        let error = take_in(false, &[&[0x88, 2, 3, 0xE8]]).unwrap_err();
        assert_eq!(error.to_string(), "lost: close code 1000");
    }
}
