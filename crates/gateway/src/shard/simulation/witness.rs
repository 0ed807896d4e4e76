//! What a peer hears from the gateway, taken apart by RFC 6455 5.2 and not by the code under test.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::script::MESSAGE_BYTES_MAX;

/// A frame that the gateway sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// Compresses a message as RFC 7692 7.2.1 says.
pub(super) fn deflate(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 1024);
    let mut compress = Compress::new(Compression::fast(), false);
    compress.compress_vec(message, &mut bytes, FlushCompress::Sync).expect("it compresses");
    assert!(compress.total_in() == message.len() as u64 && bytes.ends_with(&TAIL));
    bytes.truncate(bytes.len() - TAIL.len());
    bytes
}

/// The reverse (RFC 7692 7.2.2).
fn inflate(payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(MESSAGE_BYTES_MAX + 1024);
    let mut decompress = Decompress::new(false);
    let input = [payload, &TAIL].concat();
    decompress.decompress_vec(&input, &mut message, FlushDecompress::Sync).expect("it was compressed");
    assert_eq!(decompress.total_in(), input.len() as u64, "all of it");
    message
}

/// The answer to a request that asks for no WebSocket.
pub(super) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What a compressed message leaves out at its end.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Reads the gateway's side of a connection, and asserts that its form is right.
#[derive(Debug, Default)]
pub(super) struct Witness {
    input: Vec<u8>,
    /// The HTTP status, once the head of the answer is there.
    pub(super) status: Option<u16>,
    /// Requests before that which were answered.
    pub(super) answers: usize,
    /// Messages may be compressed.
    compressed: bool,
    /// How many were.
    pub(super) inflated: u64,
    /// The code of the gateway's close frame, once that is there.
    pub(super) closed: Option<u16>,
}

impl Witness {
    /// Takes bytes; returns the frames that are whole now.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.input.extend(bytes);
        if self.status.is_none() {
            self.hear_head();
        }
        let mut frames = Vec::new();
        // What follows any other status is text for humans.
        while self.status == Some(101)
            && let Some(frame) = self.next_frame()
        {
            assert!(self.closed.is_none(), "nothing follows the close frame, but {frame:?}");
            if frame.opcode == CLOSE {
                self.closed = Some(close_code(&frame.payload));
            }
            frames.push(frame);
        }
        frames
    }

    fn hear_head(&mut self) {
        let end = self.input.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { return };
        let head = String::from_utf8(self.input.drain(..end + 4).collect()).expect("ASCII");
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        if head == String::from_utf8_lossy(ANSWER) {
            self.answers += 1;
            return self.hear_head();
        }
        let status = head[9..12].parse().expect("a status");
        let accepts = head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(status == 101, accepts, "{head}");
        self.compressed = head.contains("Sec-WebSocket-Extensions: permessage-deflate");
        self.status = Some(status);
    }

    fn next_frame(&mut self) -> Option<Heard> {
        let (&first, &second) = (self.input.first()?, self.input.get(1)?);
        let opcode = first & 0x0f;
        let is_compressed = self.compressed && first & 0x40 != 0 && opcode < CLOSE;
        let expected = if is_compressed { 0xc0 } else { 0x80 };
        assert_eq!(first & 0xf0, expected, "whole, and with no more than was agreed on");
        assert!([TEXT, BINARY, CLOSE, PING, PONG].contains(&opcode), "opcode {opcode}");
        let (header, len) = match second {
            126 => (4, usize::from(u16::from_be_bytes(self.input.get(2..4)?.try_into().ok()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(self.input.get(2..10)?.try_into().ok()?)).ok()?),
            len => (2, usize::from(len)),
        };
        assert!(
            second < 128 && len < 1 << 24,
            "not masked, and not longer than anything sent: {second} {len}"
        );
        assert!(opcode < CLOSE || len < 126, "control frames are short");
        let payload = self.input.get(header..header + len)?;
        let payload = if is_compressed { inflate(payload) } else { payload.to_vec() };
        self.inflated += u64::from(is_compressed);
        self.input.drain(..header + len);
        Some(Heard { opcode, payload })
    }
}

/// The code in a close frame's payload; 1005 if there is none (RFC 6455 7.1.5).
fn close_code(payload: &[u8]) -> u16 {
    match payload {
        [] => 1005,
        [high, low, reason @ ..] => {
            assert!(std::str::from_utf8(reason).is_ok(), "a reason is UTF-8");
            let code = u16::from_be_bytes([*high, *low]);
            assert!(holdfast_proto::valid_close_code(code), "{code} may not be sent");
            code
        }
        [_] => panic!("half a close code"),
    }
}
