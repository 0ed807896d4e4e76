//! Bodies of fuzz targets, and what tests need to drive a receiver.
//!
//! [`head`], [`frames`], [`compressed_frames`] and [`deflate`] take any bytes and panic when a promise of this crate is
//! broken: verdicts do not depend on cuts, memory follows what has arrived, what is handed out is where it is said to be,
//! what is compressed comes back.

use std::ops::Range;

use flate2::{Compress, Compression, FlushCompress};

use crate::deflate::negotiate;
use crate::handshake::HEADERS_MAX;
use crate::{
    Deflater, HeadLimits, HeadStatus, Inflater, Limits, MessageKind, Payload, ProtocolError, Receiver, Step,
    WindowBits, header_len, parse_head, unmask, write_accept, write_refusal,
};

/// What [`Step`] says, with the bytes copied out of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`Step::Message`]
    Message(MessageKind, Vec<u8>),
    /// [`Step::Ping`]
    Ping(Vec<u8>),
    /// [`Step::Pong`]
    Pong(Vec<u8>),
    /// [`Step::Close`]
    Close(Option<u16>, Vec<u8>),
}

/// All that came out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In order.
    pub events: Vec<Event>,
    /// Why it failed, if it did.
    pub error: Option<ProtocolError>,
    /// Nothing was held at the end.
    pub idle: bool,
}

/// A client's frame: `first` is its first byte (FIN, reserved bits, opcode), the length is minimal.
#[must_use]
pub fn client_frame(first: u8, key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u64).to_be_bytes();
    let mut frame = vec![first];
    match header_len(payload.len()) {
        2 => frame.push(0x80 | len[7]),
        4 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len[6..]);
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&len);
        }
    }
    frame.extend_from_slice(&key);
    let start = frame.len();
    frame.extend_from_slice(payload);
    unmask(&mut frame[start..], key, 0);
    frame
}

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

/// Feeds `stream` to a new receiver in reads of the given sizes (a read of 0 bytes counts as 1; the last size
/// is repeated; without sizes it is one read) and checks every promise on the way.
///
/// # Panics
///
/// When a promise is broken.
#[must_use]
pub fn receive(stream: &[u8], sizes: &[usize], limits: &Limits) -> Verdict {
    receive_in_reads(stream, sizes, limits, None)
}

/// As [`receive`], on a connection that has agreed on permessage-deflate.
///
/// # Panics
///
/// When a promise is broken.
#[must_use]
pub fn receive_compressed(
    stream: &[u8],
    sizes: &[usize],
    limits: &Limits,
    inflater: &mut Inflater,
) -> Verdict {
    receive_in_reads(stream, sizes, limits, Some(inflater))
}

fn receive_in_reads(
    stream: &[u8],
    sizes: &[usize],
    limits: &Limits,
    mut inflater: Option<&mut Inflater>,
) -> Verdict {
    let mut receiver = Receiver::new();
    let mut verdict = Verdict { events: Vec::new(), error: None, idle: true };
    let mut sizes = sizes.iter().copied();
    let mut size = stream.len().max(1);
    let mut fed = 0;
    let mut idle_at = 0;
    while fed < stream.len() {
        size = sizes.next().unwrap_or(size).max(1);
        let end = stream.len().min(fed + size);
        let mut read = stream[fed..end].to_vec();
        fed = end;
        let inflater = inflater.as_deref_mut();
        if let Err(error) = receive_read(&mut receiver, &mut read, limits, inflater, &mut verdict.events) {
            verdict.error = Some(error);
            check_poison(&mut receiver, error, limits);
        }
        check_memory(&receiver, fed - idle_at, limits);
        if receiver.is_idle() {
            idle_at = fed;
        }
    }
    verdict.idle = receiver.is_idle();
    verdict
}

fn receive_read(
    receiver: &mut Receiver,
    read: &mut [u8],
    limits: &Limits,
    mut inflater: Option<&mut Inflater>,
    events: &mut Vec<Event>,
) -> Result<(), ProtocolError> {
    let mut at = 0;
    loop {
        let before = at;
        let behind = read.to_vec();
        let step = match inflater.as_deref_mut() {
            Some(inflater) => receiver.next_compressed(read, &mut at, limits, inflater),
            None => receiver.next(read, &mut at, limits),
        };
        assert!(before <= at && at <= read.len(), "the cursor left the input");
        assert_eq!(read[..before], behind[..before], "bytes consumed before were touched");
        assert_eq!(read[at..], behind[at..], "bytes not consumed were touched");
        let step = step.inspect_err(|_| assert_eq!(at, read.len(), "an error must consume all"))?;
        let event = match step {
            Step::Fragment => {
                assert!(at > before && !receiver.is_idle(), "a fragment that was not kept");
                continue;
            }
            Step::NeedMore => {
                assert_eq!(at, read.len(), "NeedMore with input left");
                return Ok(());
            }
            Step::Message { kind, payload } => {
                let bytes = copy(&payload, read, before..at, 0);
                assert!(kind == MessageKind::Binary || std::str::from_utf8(&bytes).is_ok());
                assert!(bytes.len() <= limits.message_bytes_max);
                Event::Message(kind, bytes)
            }
            Step::Ping { payload } => Event::Ping(copy_control(&payload, read, before..at, 0)),
            Step::Pong { payload } => Event::Pong(copy_control(&payload, read, before..at, 0)),
            Step::Close { code, reason } => {
                let code_len = if code.is_some() { 2 } else { 0 };
                let reason = copy_control(&reason, read, before..at, code_len);
                assert!(std::str::from_utf8(&reason).is_ok());
                Event::Close(code, reason)
            }
        };
        events.push(event);
    }
}

/// The payload's bytes, after checking that a frame in the buffer lies in what was just consumed, with room
/// for a server's header in front.
fn copy(payload: &Payload, read: &[u8], consumed: Range<usize>, prefix_len: usize) -> Vec<u8> {
    if let Payload::InBuffer(range) = payload {
        assert!(range.start >= consumed.start + prefix_len + header_len(range.len()) + 4);
        assert_eq!(range.end, consumed.end);
    }
    let bytes = payload.bytes(read);
    assert_eq!((bytes.len(), bytes.is_empty()), (payload.len(), payload.is_empty()));
    bytes.to_vec()
}

fn copy_control(payload: &Payload, read: &[u8], consumed: Range<usize>, prefix_len: usize) -> Vec<u8> {
    assert!(payload.len() + prefix_len <= crate::CONTROL_PAYLOAD_LEN_MAX);
    copy(payload, read, consumed, prefix_len)
}

fn check_poison(receiver: &mut Receiver, error: ProtocolError, limits: &Limits) {
    let mut more = client_frame(0x81, [0; 4], b"more");
    let mut at = 0;
    assert_eq!(receiver.next(&mut more, &mut at, limits), Err(error), "an error must stay");
    assert_eq!(at, more.len());
}

/// What is held follows the bytes received since nothing was held, whatever a peer announced.
fn check_memory(receiver: &Receiver, received: usize, limits: &Limits) {
    let held = receiver.partial_bytes();
    assert_eq!(receiver.is_idle(), held == 0);
    assert!(held <= 2 * received + 384, "{held} bytes held after {received} received");
    assert!(held <= limits.compressed_bytes_max() + 512, "{held} bytes held, over the limit");
}

/// Any bytes as a connection's input: the first byte chooses how it is cut.
///
/// # Panics
///
/// When a promise is broken.
pub fn frames(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else { return };
    let limits = Limits { frame_bytes_max: 700, message_bytes_max: 1000 };
    let whole = receive(stream, &[], &limits);
    assert_eq!(receive(stream, &[1], &limits), whole, "byte by byte");
    let size = usize::from(size);
    assert_eq!(receive(stream, &[size], &limits), whole, "in reads of {size}");
    assert_eq!(receive(stream, &[size, usize::MAX / 2], &limits), whole, "cut at {size}");
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

/// Any bytes as a request head.
///
/// # Panics
///
/// When a promise is broken.
pub fn head(data: &[u8]) {
    let limits = HeadLimits { head_bytes_max: 1024, headers_max: 16 };
    let whole = parse_head(data, &limits).map(outline);
    let first = (0..=data.len())
        .map(|len| parse_head(&data[..len], &limits).map(outline))
        .find(|outcome| *outcome != Ok(None))
        .unwrap_or(Ok(None));
    assert_eq!(first, whole, "the verdict depends on the cuts");
    match parse_head(data, &limits) {
        Ok(HeadStatus::NeedMore) => assert!(data.len() < limits.head_bytes_max),
        Ok(HeadStatus::Complete { request, head_len }) => {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut parsed = httparse::Request::new(&mut headers);
            assert_eq!(parsed.parse(data), Ok(httparse::Status::Complete(head_len)));
            let parsed = parsed.headers.iter().map(|header| (header.name, header.value));
            assert!(request.headers().eq(parsed), "the header lines read again are not the same");
            let mut response = Vec::new();
            write_accept(&mut response, &request.accept_key(), request.subprotocols().next(), None);
            check_response(&response, 101);
            if let Some(agreement) = negotiate(request.extensions()) {
                response.clear();
                write_accept(&mut response, &request.accept_key(), None, Some(agreement.answer()));
                check_response(&response, 101);
            }
            for extension in request.extensions() {
                assert!(!extension.name().is_empty());
                assert!(extension.parameters().all(|(name, _)| !name.is_empty()));
            }
        }
        Err(error) => {
            let mut response = Vec::new();
            write_refusal(&mut response, error.status(), &error.to_string());
            check_response(&response, error.status());
        }
    }
}

fn outline(status: HeadStatus<'_>) -> Option<usize> {
    match status {
        HeadStatus::NeedMore => None,
        HeadStatus::Complete { head_len, .. } => Some(head_len),
    }
}

fn check_response(response: &[u8], status: u16) {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Response::new(&mut headers);
    let parsed_head = parsed.parse(response);
    let Ok(httparse::Status::Complete(head_len)) = parsed_head else { panic!("response {parsed_head:?}") };
    assert_eq!(parsed.code, Some(status));
    let length = parsed.headers.iter().find(|header| header.name == "Content-Length");
    let length = length.map_or(0, |header| {
        std::str::from_utf8(header.value).ok().and_then(|value| value.parse().ok()).unwrap_or(usize::MAX)
    });
    assert_eq!(response.len() - head_len, length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; y=\"z\"\r\n\r\n";

    /// A compressed payload, perhaps cut in half, perhaps with a byte changed.
    fn deflated(text: &str, cut: bool, change: Option<(prop::sample::Index, u8)>) -> Vec<u8> {
        let mut bytes = deflated_payload(text.as_bytes());
        bytes.truncate(if cut { bytes.len() / 2 } else { bytes.len() });
        if let Some((at, byte)) = change {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    }

    const FIRST_BYTES: [u8; 8] = [0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89];
    const SNIPPETS: [&str; 11] = ["\r\n", "\n", " ", ",", "\"", ";", "=", "\r\n ", ":", "\\", "HTTP/1.0"];

    proptest! {
        #[test]
        fn any_bytes_keep_the_promises_of_the_receiver(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            frames(&data);
        }

        #[test]
        fn bytes_that_look_like_frames_keep_the_promises_of_the_receiver(
            size in any::<u8>(),
            pieces in proptest::collection::vec(
                (
                    prop_oneof![8 => prop::sample::select(&FIRST_BYTES[..]), 1 => any::<u8>()],
                    any::<[u8; 4]>(),
                    prop_oneof![".{0,60}".prop_map(String::into_bytes),
                        proptest::collection::vec(any::<u8>(), 0..300)],
                    prop::option::weighted(0.05, any::<u8>()),
                ),
                0..8,
            ),
        ) {
            let mut data = vec![size];
            for (first, key, payload, stray) in pieces {
                data.extend(client_frame(first, key, &payload));
                data.extend(stray);
            }
            frames(&data);
        }

        #[test]
        fn bytes_that_look_like_compressed_frames_keep_the_promises_of_the_receiver(
            size in any::<u8>(),
            pieces in proptest::collection::vec(
                (
                    prop_oneof![4 => prop::sample::select(&[0x41, 0x42, 0xC1, 0xC2][..]),
                        4 => prop::sample::select(&FIRST_BYTES[..]), 1 => any::<u8>()],
                    any::<[u8; 4]>(),
                    prop_oneof![
                        // Compressed and cut, compressed and damaged, and anything.
                        3 => (".{0,80}", any::<bool>()).prop_map(|(text, cut)| deflated(&text, cut, None)),
                        2 => (".{0,80}", any::<prop::sample::Index>(), any::<u8>())
                            .prop_map(|(text, at, byte)| deflated(&text, false, Some((at, byte)))),
                        1 => proptest::collection::vec(any::<u8>(), 0..300),
                        1 => Just(vec![]),
                        1 => (0..20_000_usize).prop_map(|len| deflated(&"x".repeat(len), false, None)),
                    ],
                    prop::option::weighted(0.05, any::<u8>()),
                ),
                0..8,
            ),
        ) {
            let mut data = vec![size];
            for (first, key, payload, stray) in pieces {
                data.extend(client_frame(first, key, &payload));
                data.extend(stray);
            }
            compressed_frames(&data);
        }

        #[test]
        fn whatever_is_compressed_comes_back(
            data in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..400),
                proptest::collection::vec(prop::sample::select(&b"abc"[..]), 0..3000),
                "[a-z ]{0,20}".prop_map(|text| text.repeat(100).into_bytes()),
            ],
        ) {
            deflate(&data);
        }

        #[test]
        fn any_bytes_keep_the_promises_of_the_head(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            head(&data);
        }

        #[test]
        fn a_damaged_head_keeps_the_promises(
            at in 0..HEAD.len(),
            len in 0..4_usize,
            put in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..4),
                prop::sample::select(&SNIPPETS[..]).prop_map(|text| text.as_bytes().to_vec()),
            ],
            behind in proptest::collection::vec(any::<u8>(), 0..10),
        ) {
            let mut data = HEAD.as_bytes().to_vec();
            data.splice(at..(at + len).min(HEAD.len()), put);
            data.extend(behind);
            head(&data);
        }
    }

    #[test]
    fn the_undamaged_head_is_accepted() {
        head(HEAD.as_bytes());
        assert!(matches!(
            parse_head(HEAD.as_bytes(), &HeadLimits::default()),
            Ok(HeadStatus::Complete { head_len, .. }) if head_len == HEAD.len()
        ));
    }
}
