//! RFC 6455 section 5: frames are unmasked and answered in the buffer that they were read into.

use std::ops::Range;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// RFC 6455 7.4.1: protocol error, and payload that is not what it says it is.
const PROTOCOL: u16 = 1002;
const NOT_UTF8: u16 = 1007;

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The peer's close frame is answered by the reply.
    Closed,
    /// It is to be told this close code.
    Error(u16),
}

/// What became of the bytes of a buffer.
#[derive(Debug, Eq, PartialEq)]
pub struct Turn {
    /// Where the answers are.
    pub reply: Range<usize>,
    /// From here on: the start of a frame.
    pub consumed: usize,
    /// How long that frame is, as far as is known.
    pub frame_len: usize,
    pub end: Option<End>,
}

/// Sends back what comes, frame by frame.
#[derive(Debug, Default)]
pub struct Echo {
    /// Within a message of several frames, and whether it is text.
    message: Option<bool>,
    text: Text,
}

struct Header {
    first: u8,
    len: usize,
    payload_len: usize,
}

impl Header {
    /// `None` while it is not whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, u16> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        // RFC 6455 5.1 and 5.2: frames to a server have a mask, and no bit that nobody agreed on.
        if second & MASKED == 0
            || first & 0x70 != 0
            || !matches!(first & 0x0F, CONTINUATION..=BINARY | CLOSE..=PONG)
        {
            return Err(PROTOCOL);
        }
        let (payload_len, len) = match (second & !MASKED, rest) {
            (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 8),
            (127, [a, b, c, d, e, f, g, h, ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 14),
            (126 | 127, _) => return Ok(None),
            (len, _) => (u64::from(len), 6),
        };
        // RFC 6455 5.5
        if first & 0x08 != 0 && (payload_len > 125 || first & FIN == 0) {
            return Err(PROTOCOL);
        }
        let payload_len = usize::try_from(payload_len).map_err(|_| PROTOCOL)?;
        Ok((bytes.len() >= len).then_some(Self { first: *first, len, payload_len }))
    }
}

impl Echo {
    /// Answers all whole frames of `bytes`, in their place.
    pub fn turn(&mut self, bytes: &mut [u8]) -> Turn {
        let mut turn = Turn { reply: 0..0, consumed: 0, frame_len: 0, end: None };
        while turn.end.is_none() {
            match Header::read(&bytes[turn.consumed..]) {
                Err(code) => turn.end = Some(End::Error(code)),
                Ok(None) => break,
                Ok(Some(header)) => {
                    turn.frame_len = header.len.saturating_add(header.payload_len);
                    if bytes.len() - turn.consumed < turn.frame_len {
                        break;
                    }
                    self.answer(&header, bytes, &mut turn);
                    turn.consumed += turn.frame_len;
                    turn.frame_len = 0;
                }
            }
        }
        turn
    }

    fn answer(&mut self, header: &Header, bytes: &mut [u8], turn: &mut Turn) {
        let start = turn.consumed + header.len;
        let mut payload = start..start + header.payload_len;
        let key = [bytes[start - 4], bytes[start - 3], bytes[start - 2], bytes[start - 1]];
        unmask(key, &mut bytes[payload.clone()]);
        match self.check(header.first, &bytes[payload.clone()]) {
            Err(code) => turn.end = Some(End::Error(code)),
            Ok(PONG) => {}
            Ok(opcode) => {
                if opcode == CLOSE {
                    // The close code alone comes back.
                    payload.end = payload.end.min(start + 2);
                    turn.end = Some(End::Closed);
                }
                let first = if opcode == PING { FIN | PONG } else { header.first };
                reply(first, payload, bytes, turn);
            }
        }
    }

    /// The opcode of a frame that may be where it is.
    fn check(&mut self, first: u8, payload: &[u8]) -> Result<u8, u16> {
        let (opcode, last) = (first & 0x0F, first & FIN != 0);
        let is_text = match (opcode, self.message) {
            (CLOSE, _) => return check_close(payload).map(|()| CLOSE),
            (PING | PONG, _) => return Ok(opcode),
            (CONTINUATION, Some(is_text)) => is_text,
            (TEXT | BINARY, None) => opcode == TEXT,
            _ => return Err(PROTOCOL),
        };
        self.message = (!last).then_some(is_text);
        if is_text && !self.text.goes_on(payload, last) {
            return Err(NOT_UTF8);
        }
        Ok(opcode)
    }
}

/// RFC 6455 5.5.1 and 7.4: no payload, or a code that may be sent and a reason in UTF-8.
fn check_close(payload: &[u8]) -> Result<(), u16> {
    match payload {
        [] => Ok(()),
        [high, low, reason @ ..] => match u16::from_be_bytes([*high, *low]) {
            1000..=1003 | 1007..=1014 | 3000..=4999 if std::str::from_utf8(reason).is_ok() => Ok(()),
            1000..=1003 | 1007..=1014 | 3000..=4999 => Err(NOT_UTF8),
            _ => Err(PROTOCOL),
        },
        [_] => Err(PROTOCOL),
    }
}

/// Puts a header before `payload`. The first reply of a buffer stays where its payload is, since a header without a
/// mask is shorter; those behind it are moved up to it.
fn reply(first: u8, payload: Range<usize>, bytes: &mut [u8], turn: &mut Turn) {
    let mut header = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let header_len = match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..=125), _) => {
            header[1] = len;
            2
        }
        (_, Ok(len)) => {
            header[1] = 126;
            header[2..4].copy_from_slice(&len.to_be_bytes());
            4
        }
        (_, Err(_)) => {
            header[1] = 127;
            header[2..].copy_from_slice(&(payload.len() as u64).to_be_bytes());
            10
        }
    };
    if turn.reply.is_empty() {
        turn.reply = payload.start - header_len..payload.start - header_len;
    }
    let at = turn.reply.end + header_len;
    turn.reply.end = at + payload.len();
    if payload.start != at {
        bytes.copy_within(payload, at);
    }
    bytes[at - header_len..at].copy_from_slice(&header[..header_len]);
}

fn unmask(key: [u8; 4], payload: &mut [u8]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// UTF-8 that comes in pieces: the bytes of a code point that the last piece has cut.
#[derive(Debug, Default)]
struct Text {
    cut: [u8; 4],
    cut_len: usize,
}

impl Text {
    fn goes_on(&mut self, mut bytes: &[u8], last: bool) -> bool {
        while self.cut_len > 0 {
            let Some((byte, rest)) = bytes.split_first() else { return !last };
            self.cut[self.cut_len] = *byte;
            self.cut_len += 1;
            bytes = rest;
            match std::str::from_utf8(&self.cut[..self.cut_len]) {
                Ok(_) => self.cut_len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        let Err(error) = std::str::from_utf8(bytes) else { return true };
        let cut = &bytes[error.valid_up_to()..];
        if last || error.error_len().is_some() {
            return false;
        }
        self.cut[..cut.len()].copy_from_slice(cut);
        self.cut_len = cut.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(MASKED | u8::try_from(len).unwrap()),
            len @ 126..=65_535 => {
                frame.push(MASKED | 126);
                frame.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            len => {
                frame.push(MASKED | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(KEY);
        let start = frame.len();
        frame.extend(payload);
        unmask(KEY, &mut frame[start..]);
        frame
    }

    /// The answer to frames that all come at once.
    fn answer(frames: &[Vec<u8>]) -> (Vec<u8>, Option<End>) {
        let mut bytes = frames.concat();
        let turn = Echo::default().turn(&mut bytes);
        (bytes[turn.reply].to_vec(), turn.end)
    }

    #[test]
    fn every_size_comes_back_without_a_mask() {
        for (size, header) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![7; size];
            assert_eq!(answer(&[frame(0x82, &payload)]), ([header, payload].concat(), None));
        }
    }

    #[test]
    fn frames_behind_each_other_are_answered_in_one_piece() {
        let frames = [frame(0x8A, b"?"), frame(0x01, b"Hel"), frame(0x89, b"hi"), frame(0x80, b"lo")];
        let expected = [&[0x01, 3][..], b"Hel", &[0x8A, 2], b"hi", &[0x80, 2], b"lo"].concat();
        assert_eq!(answer(&frames), (expected, None));
    }

    #[test]
    fn a_frame_cut_anywhere_is_left_until_it_is_whole() {
        let whole = frame(0x82, &[7; 300]);
        for cut in 0..whole.len() {
            let turn = Echo::default().turn(&mut whole[..cut].to_vec());
            assert_eq!((turn.reply, turn.consumed, turn.end), (0..0, 0, None));
            assert_eq!(turn.frame_len, if cut < 8 { 0 } else { whole.len() });
        }
    }

    #[test]
    fn a_close_frame_is_answered_with_its_code() {
        let (reply, end) = answer(&[frame(0x88, b"\x03\xE8bye"), frame(0x82, b"too late")]);
        assert_eq!((reply, end), (vec![0x88, 2, 3, 0xE8], Some(End::Closed)));
        assert_eq!(answer(&[frame(0x88, b"")]), (vec![0x88, 0], Some(End::Closed)));
    }

    #[test]
    fn what_breaks_the_rfc_is_named_by_its_close_code() {
        for bytes in [
            vec![0x82, 0],
            frame(0xC2, b""),
            frame(0x83, b""),
            frame(0x80, b""),
            frame(0x09, b""),
            frame(0x89, &[0; 126]),
            frame(0x88, &[3]),
            frame(0x88, &1005_u16.to_be_bytes()),
            [frame(0x01, b""), frame(0x81, b"")].concat(),
        ] {
            assert_eq!(answer(&[bytes]).1, Some(End::Error(PROTOCOL)));
        }
        assert_eq!(answer(&[frame(0x81, b"\xFF")]).1, Some(End::Error(NOT_UTF8)));
    }

    #[test]
    fn text_may_be_cut_within_a_code_point_but_not_end_there() {
        let text = "ä€😀".as_bytes();
        for cut in 0..text.len() {
            let pieces = [frame(0x01, &text[..cut]), frame(0x00, b""), frame(0x80, &text[cut..])];
            assert_eq!(answer(&pieces).1, None, "cut at {cut}");
            let whole = std::str::from_utf8(&text[..cut]).is_ok();
            let end = answer(&[frame(0x01, &text[..cut]), frame(0x80, b"")]).1;
            assert_eq!(end, (!whole).then_some(End::Error(NOT_UTF8)), "ended at {cut}");
        }
    }
}
