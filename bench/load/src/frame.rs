//! RFC 6455 section 5.2, the side that opens: frames sent with a mask, frames read without one.

use anyhow::{bail, ensure};

/// What a frame is (RFC 6455 5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn read(first: u8) -> anyhow::Result<Self> {
        Ok(match first & 0x0F {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => bail!("a frame with the reserved opcode {other}"),
        })
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Appends the header of a whole, masked message.
pub(crate) fn write_header(out: &mut Vec<u8>, opcode: Opcode, payload_len: usize, key: [u8; 4]) {
    const FIN: u8 = 0x80;
    const MASKED: u8 = 0x80;
    out.push(FIN | opcode as u8);
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(len @ 0..=125), _) => out.push(MASKED | len),
        (_, Ok(len)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
}

/// Appends a whole, masked frame.
pub(crate) fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
    write_header(out, opcode, payload.len(), key);
    let start = out.len();
    out.extend_from_slice(payload);
    crate::payload::mask(key, 0, &mut out[start..]);
}

/// A whole message as a server frames it, without a mask.
pub(crate) fn server_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    write_header(&mut frame, opcode, payload.len(), [0; 4]);
    // The same header without its key and the bit that says so.
    frame.truncate(frame.len() - 4);
    frame[1] &= 0x7F;
    frame.extend_from_slice(payload);
    frame
}

/// What [`FrameReader::next`] found.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Found<'a> {
    /// A piece of a message's payload; `last` when the message ends with it. An empty message is one empty piece. The
    /// opcode is that of its frame.
    Payload { opcode: Opcode, bytes: &'a [u8], last: bool },
    /// A whole control frame.
    Control { opcode: Opcode, payload: &'a [u8] },
}

/// Reads frames from pieces cut anywhere. Holds no payload, except that of a control frame that was cut.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// Payload bytes of the current frame still to come.
    remaining: u64,
    /// Payload so far of a control frame that was cut.
    #[allow(clippy::box_collection, reason = "8 bytes in each of a million connections, not 24")]
    control: Option<Box<Vec<u8>>>,
    header: [u8; 10],
    header_len: u8,
    /// Whether `header` is whole and its payload is being read.
    in_payload: bool,
    /// Whether a message has begun whose last frame has not come.
    in_message: bool,
}

impl FrameReader {
    /// Takes the next piece off `input`; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// A sentence when the peer breaks RFC 6455.
    pub(crate) fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> anyhow::Result<Option<Found<'a>>> {
        if !self.in_payload && !self.read_header(input)? {
            return Ok(None);
        }
        let opcode = Opcode::read(self.header[0])?;
        let available = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        if available == 0 && self.remaining > 0 {
            return Ok(None);
        }
        let (bytes, rest) = input.split_at(available);
        *input = rest;
        self.remaining -= available as u64;
        if opcode.is_control() {
            return Ok(self.control(opcode, bytes));
        }
        let last = self.remaining == 0 && self.header[0] & 0x80 != 0;
        if self.remaining == 0 {
            self.end_frame();
        }
        self.in_message = !last;
        Ok(Some(Found::Payload { opcode, bytes, last }))
    }

    /// Bytes kept by [`Self::put_scratch`]; for the head of an answer, before the first frame.
    pub(crate) fn take_scratch(&mut self) -> Option<Vec<u8>> {
        self.control.take().map(|bytes| *bytes)
    }

    /// Keeps a few bytes until [`Self::take_scratch`].
    pub(crate) fn put_scratch(&mut self, bytes: Vec<u8>) {
        self.control = Some(Box::new(bytes));
    }

    fn end_frame(&mut self) {
        self.in_payload = false;
        self.header_len = 0;
    }

    fn control<'a>(&'a mut self, opcode: Opcode, bytes: &'a [u8]) -> Option<Found<'a>> {
        if self.remaining > 0 {
            self.control.get_or_insert_default().extend_from_slice(bytes);
            return None;
        }
        self.end_frame();
        match self.control.take() {
            None => Some(Found::Control { opcode, payload: bytes }),
            Some(mut payload) => {
                payload.extend_from_slice(bytes);
                // Given back on the next cut frame; until then these few bytes stay with the reader.
                let payload: &'a Vec<u8> = self.control.insert(payload);
                Some(Found::Control { opcode, payload })
            }
        }
    }

    /// Whether the header is whole now.
    fn read_header(&mut self, input: &mut &[u8]) -> anyhow::Result<bool> {
        loop {
            let have = usize::from(self.header_len);
            let need = header_bytes(&self.header[..have]);
            if have == need {
                break;
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(false) };
            *input = rest;
            self.header[have] = byte;
            self.header_len += 1;
        }
        self.check_header()?;
        self.in_payload = true;
        Ok(true)
    }

    fn check_header(&mut self) -> anyhow::Result<()> {
        let [first, second, ..] = self.header;
        let opcode = Opcode::read(first)?;
        ensure!(first & 0x70 == 0, "a frame with a reserved bit set");
        // RFC 6455 5.1: a client must close a connection if it detects a masked frame.
        ensure!(second & 0x80 == 0, "a masked frame from the server");
        self.remaining = match second {
            126 => u64::from(u16::from_be_bytes([self.header[2], self.header[3]])),
            127 => {
                let mut len = [0; 8];
                len.copy_from_slice(&self.header[2..]);
                u64::from_be_bytes(len)
            }
            len => u64::from(len),
        };
        if opcode.is_control() {
            // RFC 6455 5.5
            ensure!(first & 0x80 != 0, "a fragmented control frame");
            ensure!(self.remaining <= 125, "a control frame with more than 125 bytes");
            self.control = None;
        } else {
            let continues = opcode == Opcode::Continuation;
            ensure!(continues == self.in_message, "a fragment out of order");
        }
        Ok(())
    }
}

/// Bytes of a server's frame header, as far as its first bytes tell.
const fn header_bytes(header: &[u8]) -> usize {
    match header {
        [_, second, ..] => match *second & 0x7F {
            126 => 4,
            127 => 10,
            _ => 2,
        },
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader says of `pieces`: payloads joined, one line per message or control frame.
    fn read(pieces: &[&[u8]]) -> anyhow::Result<Vec<(Option<Opcode>, Vec<u8>)>> {
        let mut reader = FrameReader::default();
        let mut found = Vec::new();
        let mut message = Vec::new();
        for mut piece in pieces.iter().copied() {
            loop {
                match reader.next(&mut piece)? {
                    None if piece.is_empty() => break,
                    None => {}
                    Some(Found::Control { opcode, payload }) => found.push((Some(opcode), payload.to_vec())),
                    Some(Found::Payload { bytes, last, .. }) => {
                        message.extend_from_slice(bytes);
                        if last {
                            found.push((None, std::mem::take(&mut message)));
                        }
                    }
                }
            }
        }
        assert!(message.is_empty());
        assert!(reader.header_len == 0 && !reader.in_message, "a frame is cut");
        Ok(found)
    }

    /// A fragmented "hello" with a ping between, an empty message, 300 bytes, 70,000 bytes, a close frame.
    fn stream() -> Vec<u8> {
        let mut stream = vec![0x01, 3, b'h', b'e', b'l', 0x89, 2, b'h', b'i', 0x80, 2, b'l', b'o', 0x82, 0];
        stream.extend_from_slice(&[0x82, 126, 1, 44]);
        stream.extend_from_slice(&[7; 300]);
        stream.extend_from_slice(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        stream.extend_from_slice(&[9; 70_000]);
        stream.extend_from_slice(&[0x88, 2, 3, 0xE8]);
        stream
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_frames() {
        let stream = stream();
        let expected = vec![
            (Some(Opcode::Ping), b"hi".to_vec()),
            (None, b"hello".to_vec()),
            (None, Vec::new()),
            (None, vec![7; 300]),
            (None, vec![9; 70_000]),
            (Some(Opcode::Close), vec![3, 0xE8]),
        ];
        assert_eq!(read(&[&stream]).unwrap(), expected);
        let cuts = (0..400).chain(stream.len() - 20..stream.len());
        for cut in cuts {
            assert_eq!(read(&[&stream[..cut], &stream[cut..]]).unwrap(), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes).unwrap(), expected);
    }

    #[test]
    fn what_breaks_the_rfc_is_refused() {
        let broken: [&[u8]; 7] = [
            &[0x81, 0x80, 1, 2, 3, 4],
            &[0xC1, 0],
            &[0x83, 0],
            &[0x09, 0],
            &[0x89, 126, 0, 126],
            &[0x80, 0],
            &[0x01, 0, 0x81, 0],
        ];
        for bytes in broken {
            assert!(read(&[bytes]).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_header_has_the_shortest_length_that_fits() {
        for (payload_len, header_len) in
            [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14), (1 << 20, 14)]
        {
            let mut header = Vec::new();
            write_header(&mut header, Opcode::Binary, payload_len, [1, 2, 3, 4]);
            assert_eq!(header.len(), header_len);
            assert_eq!(header[0], 0x82);
            assert_eq!(header[header_len - 4..], [1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_frame_carries_its_payload_masked() {
        let mut frame = Vec::new();
        // RFC 6455 5.7: a single-frame masked text message
        write_frame(&mut frame, Opcode::Text, b"Hello", [0x37, 0xFA, 0x21, 0x3D]);
        assert_eq!(frame, [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]);
    }

    #[test]
    fn a_reader_takes_no_more_than_a_few_dozen_bytes() {
        assert!(size_of::<FrameReader>() <= 32);
    }
}
