//! Frames as a peer writes and reads them: made here, from RFC 6455 5.2, and not with the code under test.

use std::io::Read;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame that the gateway sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// A whole message in one masked frame.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    fragment(true, opcode, payload)
}

/// A masked frame.
pub fn fragment(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![if fin { FIN | opcode } else { opcode }];
    let len = payload.len();
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=125), _) => frame.push(MASKED | len),
        (_, Ok(len)) => {
            frame.push(MASKED | 126);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(MASKED | 127);
            frame.extend(u64::try_from(len).unwrap().to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A masked close frame.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    masked(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Reads one frame of the gateway's: not masked, no reserved bits, the length in the fewest bytes.
#[track_caller]
pub fn read(from: &mut impl Read) -> Frame {
    let (frame, compressed) = read_compressed(from);
    assert!(!compressed, "no extension was agreed on");
    frame
}

/// The same where permessage-deflate was agreed on, and whether the frame has RSV1.
#[track_caller]
pub fn read_compressed(from: &mut impl Read) -> (Frame, bool) {
    let [first, second] = read_array(from);
    assert_eq!(first & 0x30, 0, "these bits mean nothing");
    assert_eq!(second & MASKED, 0, "a server does not mask");
    let len = match second {
        126 => {
            let len = usize::from(u16::from_be_bytes(read_array(from)));
            assert!(len > 125, "the fewest bytes");
            len
        }
        127 => {
            let len = usize::try_from(u64::from_be_bytes(read_array(from))).unwrap();
            assert!(len > 65_535, "the fewest bytes");
            len
        }
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    from.read_exact(&mut payload).expect("the payload");
    (Frame { fin: first & FIN != 0, opcode: first & 0x0f, payload }, first & RSV1 != 0)
}

#[track_caller]
fn read_array<const N: usize>(from: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).expect("a frame");
    bytes
}
