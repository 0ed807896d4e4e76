//! What costs no heap, counted.

use holdfast_proto::fuzz::client_frame;
use holdfast_proto::{
    HeadLimits, HeadStatus, Limits, Opcode, Receiver, Step, encode_close, parse_head, write_header,
};

const LIMITS: Limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };
const KEY: [u8; 4] = [9, 8, 7, 6];

const HEAD: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: a, b\r\n\r\n";

#[test]
fn whole_frames_are_received_and_answered_without_an_allocation() {
    let mut input = [
        client_frame(0x81, KEY, "héllo".as_bytes()),
        client_frame(0x82, KEY, &[7; 100_000]),
        client_frame(0x89, KEY, b"ping"),
        client_frame(0x8A, KEY, b""),
    ]
    .concat();
    let mut receiver = Receiver::new();
    let mut at = 0;
    let mut steps = 0;
    let count = allocation_counter::measure(|| {
        loop {
            let payload = match receiver.next(&mut input, &mut at, &LIMITS) {
                Ok(Step::NeedMore) => break,
                Ok(Step::Message { payload, .. } | Step::Ping { payload } | Step::Pong { payload }) => {
                    payload
                }
                other => panic!("{other:?}"),
            };
            let mut header = [0; 10];
            write_header(Opcode::Binary, payload.len(), &mut header);
            steps += 1;
        }
    });
    assert_eq!((steps, at), (4, input.len()));
    assert_eq!(count.count_total, 0);
}

#[test]
fn a_cut_frame_allocates_and_everything_is_freed_with_it() {
    let stream = client_frame(0x82, KEY, &[7; 10_000]);
    let (mut head, mut tail) = (stream[..3000].to_vec(), stream[3000..].to_vec());
    let mut receiver = Receiver::new();
    let first = allocation_counter::measure(|| {
        assert_eq!(receiver.next(&mut head, &mut 0, &LIMITS), Ok(Step::NeedMore));
    });
    // The record and the payload, which is at most double of what has arrived.
    assert_eq!(first.count_current, 2);
    assert!((3000..6500).contains(&first.bytes_current), "{}", first.bytes_current);
    assert_eq!(usize::try_from(first.bytes_current), Ok(receiver.partial_bytes()));
    let second = allocation_counter::measure(|| {
        let step = receiver.next(&mut tail, &mut 0, &LIMITS);
        assert!(matches!(step, Ok(Step::Message { .. })));
    });
    assert_eq!((receiver.partial_bytes(), first.count_current + second.count_current), (0, 0));
    assert_eq!(first.bytes_current + second.bytes_current, 0);
}

#[test]
fn an_opening_handshake_is_read_without_an_allocation() {
    let count = allocation_counter::measure(|| {
        let status = parse_head(HEAD, &HeadLimits::default());
        let Ok(HeadStatus::Complete { request, .. }) = status else { panic!("{status:?}") };
        assert_eq!(request.accept_key().as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(request.subprotocols().count(), 2);
        assert_eq!(request.header("host"), Some(&b"example.com"[..]));
    });
    assert_eq!(count.count_total, 0);
}

#[test]
fn a_close_frame_is_made_without_an_allocation() {
    let count =
        allocation_counter::measure(|| assert_eq!(encode_close(Some(1001), "bye").as_bytes().len(), 7));
    assert_eq!(count.count_total, 0);
}
