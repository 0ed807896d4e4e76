//! Bodies of fuzz targets, and what tests need to drive a receiver.
//!
//! [`head`], [`frames`], [`compressed_frames`], [`deflate`], [`messages`], [`proxy`], [`forwarded`] and
//! [`differential`] take any bytes and panic when a promise of this crate is broken: verdicts do not depend on cuts,
//! memory follows what has arrived, what is handed out is where it is said to be, what is compressed comes back, what
//! was sent rightly comes out as it was meant, nobody passes for another, and another implementation says the same. The
//! shells around them are in `fuzz/`.

mod compressed;
mod forwarded;
mod head;
mod messages;
pub mod oracle;
mod proxy;

pub use compressed::{compressed_frames, deflate, deflated_payload};
pub use forwarded::forwarded;
pub use head::head;
pub use messages::messages;
pub use oracle::differential;
pub use proxy::proxy;

use std::ops::Range;

use crate::{Inflater, Limits, MessageKind, Payload, ProtocolError, Receiver, Step, header_len, unmask};

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
    let (mut read, mut known) = (Vec::new(), Vec::new());
    while fed < stream.len() {
        size = sizes.next().unwrap_or(size).max(1);
        let end = stream.len().min(fed + size);
        read.clear();
        read.extend_from_slice(&stream[fed..end]);
        known.clone_from(&read);
        fed = end;
        let inflater = inflater.as_deref_mut();
        let events = &mut verdict.events;
        if let Err(error) = receive_read(&mut receiver, &mut read, &mut known, limits, inflater, events) {
            match verdict.error.replace(error) {
                None => check_poison(&mut receiver, error, limits),
                Some(first) => assert_eq!(error, first, "an error must stay"),
            }
        }
        check_memory(&receiver, fed - idle_at, limits);
        if receiver.is_idle() {
            idle_at = fed;
        }
    }
    verdict.idle = receiver.is_idle();
    verdict
}

/// One read. `known` is the same, and is used to see what is touched.
fn receive_read(
    receiver: &mut Receiver,
    read: &mut [u8],
    known: &mut [u8],
    limits: &Limits,
    mut inflater: Option<&mut Inflater>,
    events: &mut Vec<Event>,
) -> Result<(), ProtocolError> {
    let mut at = 0;
    loop {
        let before = at;
        let step = match inflater.as_deref_mut() {
            Some(inflater) => receiver.next_compressed(read, &mut at, limits, inflater),
            None => receiver.next(read, &mut at, limits),
        };
        assert!(before <= at && at <= read.len(), "the cursor left the input");
        assert_eq!(read[..before], known[..before], "bytes consumed before were touched");
        assert_eq!(read[at..], known[at..], "bytes not consumed were touched");
        known[before..at].copy_from_slice(&read[before..at]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeadLimits, HeadStatus, parse_head};
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
