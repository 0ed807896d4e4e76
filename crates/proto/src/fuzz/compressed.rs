//! permessage-deflate (RFC 7692).

use flate2::{Compress, Compression, FlushCompress};

use super::{Event, client_frame, receive_compressed};
use crate::{Deflater, Inflater, Limits, MessageKind, ProtocolError, WindowBits};

/// What a client sends as the payload of a compressed message: RFC 7692 7.2.1, by hand.
#[must_use]
pub fn deflated_payload(message: &[u8]) -> Vec<u8> {
    let mut stream = Compress::new_with_window_bits(Compression::default(), false, 15);
    let mut payload = Vec::with_capacity(message.len() + message.len() / 10 + 64);
    let status = stream.compress_vec(message, &mut payload, FlushCompress::Sync);
    assert!(status.is_ok() && payload.len() < payload.capacity() && payload.ends_with(&[0, 0, 0xFF, 0xFF]));
    payload.truncate(payload.len() - 4);
    payload
}

/// Any bytes as the input of a connection that has agreed on permessage-deflate: the first byte chooses how it is cut.
///
/// # Panics
///
/// When a promise is broken.
pub fn compressed_frames(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else { return };
    let limits = Limits { frame_bytes_max: 700, message_bytes_max: 1000 };
    // One for all, as a shard has it: what came before must not show.
    let inflater = &mut Inflater::new();
    let whole = receive_compressed(stream, &[], &limits, inflater);
    assert_eq!(receive_compressed(stream, &[1], &limits, inflater), whole, "byte by byte");
    let size = usize::from(size);
    assert_eq!(receive_compressed(stream, &[size], &limits, inflater), whole, "in reads of {size}");
    let cut = receive_compressed(stream, &[size, usize::MAX / 2], &limits, inflater);
    assert_eq!(cut, whole, "cut at {size}");
}

/// Any bytes as a binary message that is compressed at every window size, sent, and inflated again: as one frame, and as
/// two fragments.
///
/// # Panics
///
/// When a promise is broken.
pub fn deflate(data: &[u8]) {
    let Some((&level, payload)) = data.split_first() else { return };
    let limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: payload.len().min(1 << 20) };
    let mut deflater = Deflater::new((level % 9 + 1).into());
    let inflater = &mut Inflater::new();
    let expected = [Event::Message(MessageKind::Binary, payload.to_vec())];
    for window in WindowBits::all() {
        let (head, tail) = payload.split_at(payload.len() / 3);
        let Some(frame) = deflater.frame(window, MessageKind::Binary.opcode(), &[head, tail]) else {
            continue;
        };
        assert_eq!(frame[0], 0xC2);
        let compressed = &frame[server_header_len(&frame)..];
        assert!(compressed.len() < payload.len(), "compressed and yet not shorter");
        let key = [level, 1, 2, 3];
        let (first, last) = compressed.split_at(compressed.len() / 2);
        let fragments = [client_frame(0x42, key, first), client_frame(0x80, key, last)].concat();
        for stream in [client_frame(0xC2, key, compressed), fragments] {
            let verdict = receive_compressed(&stream, &[], &limits, inflater);
            assert_eq!((verdict.error, &*verdict.events), (None, &expected[..]));
            let tight = Limits { message_bytes_max: payload.len() - 1, ..limits };
            let verdict = receive_compressed(&stream, &[], &tight, inflater);
            assert_eq!((verdict.error, verdict.events.len()), (Some(ProtocolError::MessageTooLong), 0));
        }
    }
}

/// How long the header of a frame from this server is, as the frame itself says.
fn server_header_len(frame: &[u8]) -> usize {
    match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}
