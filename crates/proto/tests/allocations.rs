//! What costs no heap, counted.

use flate2::{Compress, Compression, FlushCompress};
use holdfast_proto::deflate::{DEFLATER_BYTES, INFLATER_BYTES};
use holdfast_proto::fuzz::{client_frame, deflated_payload};
use holdfast_proto::{
    Deflater, HeadLimits, HeadStatus, Inflater, Limits, Opcode, ProtocolError, Receiver, Step, WindowBits,
    encode_close, parse_head, write_header,
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
        let Ok(HeadStatus::Upgrade { request, .. }) = status else { panic!("{status:?}") };
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

#[test]
fn compressors_and_decompressors_are_made_when_needed_and_take_what_is_said() {
    let mut inflater = Inflater::new();
    let stream = client_frame(0xC2, KEY, &deflated_payload(b"hello, hello, hello"));
    let made = allocation_counter::measure(|| drop(inflate(&mut inflater, &stream)));
    let bytes = u64::try_from(made.bytes_current).unwrap();
    let said = INFLATER_BYTES as u64;
    assert!((said * 9 / 10..=said).contains(&bytes), "{bytes} of {said}");
    assert_eq!(inflater.held_bytes(), INFLATER_BYTES);

    let mut deflater = Deflater::new(1);
    let mut said = 0;
    let room = 10 + 300 + 300 / 8 + 1024;
    for window in WindowBits::all() {
        let made = allocation_counter::measure(|| {
            assert!(deflater.frame(window, Opcode::Text, &[&[b'x'; 300]]).is_some());
        });
        said += DEFLATER_BYTES[window.index()] as i64;
        // The output's room comes with the first.
        let output = if window.get() == WindowBits::MIN { room } else { 0 };
        let bytes = made.bytes_current - output;
        let most = DEFLATER_BYTES[window.index()] as i64;
        assert!((most * 9 / 10..=most).contains(&bytes), "{bytes} of {most} for {window:?}");
        assert_eq!(deflater.held_bytes() as i64, said + room);
        // Made once.
        let again = allocation_counter::measure(|| {
            drop(deflater.frame(window, Opcode::Text, &[&[b'y'; 300]]));
        });
        assert_eq!((again.bytes_current, again.count_current), (0, 0));
    }
    let large = allocation_counter::measure(|| {
        drop(deflater.frame(WindowBits::default(), Opcode::Text, &[&[b'x'; 1 << 20]]));
    });
    assert!(large.bytes_current <= 0, "{} bytes stay after a large message", large.bytes_current);
}

#[test]
fn a_bomb_takes_no_more_memory_than_the_limit_allows_an_honest_message() {
    // As dense as it gets: a byte for a thousand.
    let bomb = client_frame(0xC2, KEY, &zeros_compressed(200 << 20));
    assert!(bomb.len() < LIMITS.compressed_bytes_max());
    let mut inflater = Inflater::new();
    drop(inflate(&mut inflater, &client_frame(0xC2, KEY, &deflated_payload(b"hello, hello, hello"))));
    let count = allocation_counter::measure(|| {
        assert_eq!(inflate(&mut inflater, &bomb), Err(ProtocolError::MessageTooLong));
    });
    // The input's own copy aside: at most the limit, and what is left behind while the memory grows to it.
    let most = LIMITS.message_bytes_max as u64 * 3 / 2 + 1024;
    let beside = count.bytes_max - bomb.len() as u64;
    assert!(beside <= most, "{beside} bytes");
    assert!(count.bytes_current <= 256, "{} bytes stay", count.bytes_current);
}

#[test]
fn a_bomb_in_pieces_takes_memory_for_what_has_arrived() {
    let bomb = client_frame(0xC2, KEY, &zeros_compressed(100 << 20));
    let mut receiver = Receiver::new();
    let mut inflater = Inflater::new();
    let mut arrived = 0;
    let mut outcome = Ok(Step::NeedMore);
    for piece in bomb.chunks(4096) {
        assert_eq!(outcome, Ok(Step::NeedMore));
        assert_eq!(inflater.held_bytes(), 0, "nothing is inflated before all is there");
        arrived += piece.len();
        outcome = receiver.next_compressed(&mut piece.to_vec(), &mut 0, &LIMITS, &mut inflater);
        assert!(receiver.partial_bytes() <= 2 * arrived + 384);
    }
    assert_eq!(outcome, Err(ProtocolError::MessageTooLong));
}

/// The first step of a connection whose input this is.
fn inflate(inflater: &mut Inflater, stream: &[u8]) -> Result<Step, ProtocolError> {
    Receiver::new().next_compressed(&mut stream.to_vec(), &mut 0, &LIMITS, inflater)
}

/// A compressed message of so many zeros, which never was in memory.
fn zeros_compressed(len: usize) -> Vec<u8> {
    let mut stream = Compress::new_with_window_bits(Compression::best(), false, 15);
    let mut compressed = Vec::with_capacity(len / 1000 + 1000);
    let zeros = vec![0; 1 << 20];
    for _ in 0..len >> 20 {
        stream.compress_vec(&zeros, &mut compressed, FlushCompress::None).expect("it compresses");
    }
    stream.compress_vec(&[], &mut compressed, FlushCompress::Sync).expect("it compresses");
    assert!(compressed.ends_with(&[0, 0, 0xFF, 0xFF]));
    compressed.truncate(compressed.len() - 4);
    compressed
}
