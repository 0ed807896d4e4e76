//! What the protocol takes, without a shard.

use std::hint::black_box;

use flate2::{Compress, Compression, FlushCompress};
use holdfast_proto::handshake::parse_head;
use holdfast_proto::{
    Deflater, HeadLimits, HeadStatus, Inflater, Limits, MessageKind, Opcode, Payload, Receiver, Step,
    WindowBits, answer_code, deflate, encode_close, header_len, write_accept, write_header,
};

use super::{BINARY, CLOSE, HEAD, Named, TEXT, counted, frame, prose};

/// By name.
pub(super) const WORK: &[Named] = &[
    ("proto: echo, binary, 64 B", || echo(BINARY, 64)),
    ("proto: echo, binary, 1 KiB", || echo(BINARY, 1024)),
    ("proto: echo, binary, 16 KiB", || echo(BINARY, 16 << 10)),
    ("proto: echo, text, 64 B", || echo(TEXT, 64)),
    ("proto: echo, text, 1 KiB", || echo(TEXT, 1024)),
    ("proto: echo, text, 16 KiB", || echo(TEXT, 16 << 10)),
    ("proto: echo, text, 1 KiB, read in two pieces", echo_in_pieces),
    ("proto: inflate, text, 1 KiB", inflate),
    ("proto: deflate, text, 1 KiB", deflate),
    ("proto: opening handshake", opening_handshake),
    ("proto: closing handshake", closing_handshake),
];

const LIMITS: Limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };
const TIMES: u32 = 100;

/// A message and its answer, in place, from a buffer with many.
fn echo(first_byte: u8, len: usize) -> u32 {
    let mut input = frame(first_byte, prose(len).as_bytes()).repeat(TIMES as usize);
    let mut receiver = Receiver::new();
    let (mut at, mut answered) = (0, 0);
    counted(&mut || {
        while let Ok(Step::Message { kind, payload: Payload::InBuffer(range) }) =
            receiver.next(&mut input, &mut at, &LIMITS)
        {
            let start = range.start - header_len(range.len());
            write_header(kind.opcode(), range.len(), &mut input[start..]);
            black_box(&input[start..range.end]);
            answered += 1;
        }
    });
    assert_eq!(answered, TIMES, "all is answered");
    TIMES
}

/// The frame is cut by the end of a read, so that it is put together in memory of its own.
fn echo_in_pieces() -> u32 {
    let whole = frame(TEXT, prose(1024).as_bytes());
    let mut receiver = Receiver::new();
    for _ in 0..TIMES {
        let (mut head, mut tail) = (whole[..700].to_vec(), whole[700..].to_vec());
        let mut answer = None;
        counted(&mut || {
            assert_eq!(receiver.next(&mut head, &mut 0, &LIMITS), Ok(Step::NeedMore));
            if let Ok(Step::Message { kind, payload: Payload::Assembled(assembled) }) =
                receiver.next(&mut tail, &mut 0, &LIMITS)
            {
                answer = Some(assembled.into_frame(kind.opcode()));
            }
        });
        assert_eq!(answer.map(|frame| frame.len()), Some(4 + 1024));
    }
    TIMES
}

fn inflate() -> u32 {
    let mut stream = Compress::new_with_window_bits(Compression::default(), false, 15);
    let mut payload = Vec::with_capacity(4096);
    let compressed = stream.compress_vec(prose(1024).as_bytes(), &mut payload, FlushCompress::Sync);
    assert!(compressed.is_ok() && payload.ends_with(&[0, 0, 0xFF, 0xFF]));
    // RFC 7692 7.2.1: the last four bytes are left out; RSV1 says that it is compressed.
    payload.truncate(payload.len() - 4);
    let whole = frame(TEXT | 0x40, &payload);
    let (mut receiver, mut inflater) = (Receiver::new(), Inflater::new());
    let mut read = |count: bool| {
        let mut input = whole.clone();
        let mut len = 0;
        let mut receive = || {
            if let Ok(Step::Message { kind: MessageKind::Text, payload }) =
                receiver.next_compressed(&mut input, &mut 0, &LIMITS, &mut inflater)
            {
                len = payload.len();
            }
        };
        if count {
            counted(&mut receive);
        } else {
            receive();
        }
        assert_eq!(len, 1024, "it is inflated");
    };
    // The decompressor is made.
    read(false);
    (0..TIMES).for_each(|_| read(true));
    TIMES
}

fn deflate() -> u32 {
    let (mut deflater, text) = (Deflater::new(2), prose(1024));
    let mut made = |text: &str| deflater.frame(WindowBits::default(), Opcode::Text, &[text.as_bytes()]);
    // The compressor is made.
    assert!(made(&text).is_some_and(|frame| frame.len() < 1024));
    counted(&mut || (0..TIMES).for_each(|_| drop(black_box(made(&text)))));
    TIMES
}

/// The request is parsed and judged, compression agreed on, the answer written.
fn opening_handshake() -> u32 {
    let (limits, mut answer) = (HeadLimits::default(), Vec::with_capacity(1024));
    counted(&mut || {
        for _ in 0..TIMES {
            answer.clear();
            if let Ok(HeadStatus::Upgrade { request, .. }) = parse_head(black_box(HEAD), &limits) {
                let agreed = deflate::negotiate(request.extensions());
                let extensions = agreed.map(|agreement| agreement.answer());
                write_accept(&mut answer, &request.accept_key(), None, extensions);
            }
        }
    });
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "it is accepted");
    TIMES
}

fn closing_handshake() -> u32 {
    let whole = frame(CLOSE, &[&1001_u16.to_be_bytes()[..], b"going away"].concat());
    for _ in 0..TIMES {
        let (mut input, mut receiver, mut answer) = (whole.clone(), Receiver::new(), None);
        counted(&mut || {
            if let Ok(Step::Close { code, .. }) = receiver.next(&mut input, &mut 0, &LIMITS) {
                answer = Some(encode_close(answer_code(code), ""));
            }
        });
        assert_eq!(answer.map(|frame| frame.as_bytes().to_vec()), Some(vec![0x88, 2, 0x03, 0xE9]));
    }
    TIMES
}
