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
mod receive;

pub use compressed::{compressed_frames, deflate, deflated_payload};
pub use forwarded::forwarded;
pub use head::head;
pub use messages::messages;
pub use oracle::differential;
pub use proxy::proxy;
pub use receive::{Event, Verdict, client_frame, receive, receive_compressed};

use crate::Limits;

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
            Ok(HeadStatus::Upgrade { head_len, .. }) if head_len == HEAD.len()
        ));
    }
}
