//! permessage-deflate (RFC 7692).

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress};

use super::receive::{Event, client_frame, receive_compressed};
use crate::{Deflater, Inflater, Limits, MessageKind, ProtocolError, WindowBits};

thread_local! {
    /// One for all that a thread does, as a shard has it: what came before must not show. A finding that one input
    /// alone does not show again is a finding about this.
    static INFLATER: RefCell<Inflater> = const { RefCell::new(Inflater::new()) };
    /// The other side's.
    static CLIENT: RefCell<Compress> =
        RefCell::new(Compress::new_with_window_bits(Compression::default(), false, 15));
    /// By level.
    static DEFLATERS: RefCell<[Option<Deflater>; 9]> = const { RefCell::new([const { None }; 9]) };
}

/// Lends the thread's inflater.
pub(super) fn with_inflater(run: impl FnOnce(&mut Inflater)) {
    INFLATER.with_borrow_mut(run);
}

/// What a client sends as the payload of a compressed message: RFC 7692 7.2.1, by hand.
#[must_use]
pub fn deflated_payload(message: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(message.len() + message.len() / 10 + 64);
    let status = CLIENT.with_borrow_mut(|stream| {
        stream.reset();
        stream.compress_vec(message, &mut payload, FlushCompress::Sync)
    });
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
    with_inflater(|inflater| {
        let mut receive = |sizes: &[usize]| receive_compressed(stream, sizes, &limits, inflater);
        let whole = receive(&[]);
        assert_eq!(receive(&[1]), whole, "byte by byte");
        let size = usize::from(size);
        assert_eq!(receive(&[size]), whole, "in reads of {size}");
        assert_eq!(receive(&[size, usize::MAX / 2]), whole, "cut at {size}");
    });
}

/// Any bytes as a binary message that is compressed, sent, and inflated again: as one frame, and as two fragments. The
/// first byte chooses level and window size.
///
/// # Panics
///
/// When a promise is broken.
pub fn deflate(data: &[u8]) {
    let Some((&choice, payload)) = data.split_first() else { return };
    let (window, level) =
        (usize::from(choice) % WindowBits::COUNT, usize::from(choice) / WindowBits::COUNT % 9);
    let (head, tail) = payload.split_at(payload.len() / 3);
    let frame = DEFLATERS.with_borrow_mut(|deflaters| {
        let level_number = u32::try_from(level + 1).unwrap_or(9);
        let deflater = deflaters[level].get_or_insert_with(|| Deflater::new(level_number));
        let window = WindowBits::all().nth(window)?;
        deflater.frame(window, MessageKind::Binary.opcode(), &[head, tail])
    });
    // None where it would not have been shorter.
    let Some(frame) = frame else { return };
    assert_eq!(frame[0], 0xC2);
    let compressed = &frame[server_header_len(&frame)..];
    assert!(compressed.len() < payload.len(), "compressed and yet not shorter");
    check_inflated(compressed, payload);
}

/// `compressed` as a client's message becomes `payload`, and only if so much is allowed.
fn check_inflated(compressed: &[u8], payload: &[u8]) {
    let key = [payload[0], 1, 2, 3];
    let limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: payload.len().min(1 << 20) };
    let tight = Limits { message_bytes_max: payload.len() - 1, ..limits };
    let expected = [Event::Message(MessageKind::Binary, payload.to_vec())];
    let (first, last) = compressed.split_at(compressed.len() / 2);
    let fragments = [client_frame(0x42, key, first), client_frame(0x80, key, last)].concat();
    with_inflater(|inflater| {
        for stream in [client_frame(0xC2, key, compressed), fragments] {
            let verdict = receive_compressed(&stream, &[], &limits, inflater);
            assert_eq!((verdict.error, &*verdict.events), (None, &expected[..]));
            let verdict = receive_compressed(&stream, &[], &tight, inflater);
            assert_eq!((verdict.error, verdict.events.len()), (Some(ProtocolError::MessageTooLong), 0));
        }
    });
}

/// How long the header of a frame from this server is, as the frame itself says.
fn server_header_len(frame: &[u8]) -> usize {
    match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}
