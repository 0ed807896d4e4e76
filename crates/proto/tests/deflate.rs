//! permessage-deflate: compressed messages, fed over every cut, and what is compressed for peers.

use flate2::{Decompress, FlushDecompress, Status};
use holdfast_proto::fuzz::{Event, client_frame, deflated_payload, receive, receive_compressed};
use holdfast_proto::{
    Deflater, Inflater, Limits, MessageKind, Opcode, ProtocolError, WindowBits, header_len,
};
use proptest::prelude::*;

const LIMITS: Limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
/// FIN, RSV1, text.
const TEXT: u8 = 0xC1;
/// FIN, RSV1, binary.
const BINARY: u8 = 0xC2;

fn text(text: &str) -> Event {
    Event::Message(MessageKind::Text, text.as_bytes().to_vec())
}

fn binary(bytes: &[u8]) -> Event {
    Event::Message(MessageKind::Binary, bytes.to_vec())
}

/// The events of `stream`, after checking that no cut changes them or the verdict.
fn receive_over_every_cut(stream: &[u8]) -> (Vec<Event>, Option<ProtocolError>) {
    let inflater = &mut Inflater::new();
    let whole = receive_compressed(stream, &[], &LIMITS, inflater);
    for cut in 1..stream.len() {
        let verdict = receive_compressed(stream, &[cut, stream.len()], &LIMITS, inflater);
        assert_eq!(verdict, whole, "cut at {cut}");
    }
    assert_eq!(receive_compressed(stream, &[1], &LIMITS, inflater), whole, "byte by byte");
    (whole.events, whole.error)
}

/// What one compressed message, in one frame, comes to.
fn receive_one(first: u8, compressed: &[u8]) -> Result<Event, ProtocolError> {
    let stream = [client_frame(first, KEY, compressed), client_frame(0x82, KEY, b"behind")].concat();
    let (mut events, error) = receive_over_every_cut(&stream);
    match error {
        Some(error) => {
            assert_eq!(events, []);
            Err(error)
        }
        None => {
            assert_eq!(events.pop(), Some(binary(b"behind")));
            assert_eq!(events.len(), 1);
            Ok(events.remove(0))
        }
    }
}

/// The payload of a frame that a [`Deflater`] made.
fn payload_of(frame: &[u8]) -> &[u8] {
    let header_len = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    &frame[header_len..]
}

/// As RFC 7692 7.2.2 has it, and then an end.
fn with_tail(compressed: &[u8]) -> Vec<u8> {
    [compressed, &[0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF]].concat()
}

#[test]
fn the_examples_of_the_standard_say_hello() {
    let examples: [(&str, &[u8]); 5] = [
        ("7.2.3.1: one block", b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        ("7.2.3.3: a block with no compression", b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
        ("7.2.3.4: a block with BFINAL", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
        ("7.2.3.4, without the last byte", b"\xf3\x48\xcd\xc9\xc9\x07\x00"),
        ("7.2.3.5: two blocks", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
    ];
    for (example, compressed) in examples {
        assert_eq!(receive_one(TEXT, compressed), Ok(text("Hello")), "{example}");
    }
    // 7.2.3.1, in fragments.
    let stream =
        [client_frame(0x41, KEY, b"\xf2\x48\xcd"), client_frame(0x80, KEY, b"\xc9\xc9\x07\x00")].concat();
    assert_eq!(receive_over_every_cut(&stream), (vec![text("Hello")], None));
    // 7.2.3.6: an empty message.
    assert_eq!(receive_one(TEXT, b"\x00"), Ok(text("")));
}

#[test]
fn nothing_of_one_message_can_be_had_in_the_next() {
    // 7.2.3.2: the second "Hello" points back into the first, which only context takeover would allow. Were it taken,
    // one peer could read what another one wrote.
    let stream = [
        client_frame(TEXT, KEY, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        client_frame(TEXT, KEY, b"\xf2\x00\x11\x00\x00"),
    ]
    .concat();
    assert_eq!(receive_over_every_cut(&stream), (vec![text("Hello")], Some(ProtocolError::NotDeflate)));
    // Nor behind a block with BFINAL.
    let error = receive_one(TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00");
    assert_eq!(error, Err(ProtocolError::NotDeflate));
}

#[test]
fn any_number_of_streams_with_bfinal_is_one_message() {
    let hello = b"\xf3\x48\xcd\xc9\xc9\x07\x00";
    let many = [&hello.repeat(100)[..], b"\x00"].concat();
    assert_eq!(receive_one(BINARY, &many), Ok(binary(&b"Hello".repeat(100))));
    // The end of the last block is the tail itself: an empty block with BFINAL, without its last four bytes.
    let flushed = [&hello[..], b"\x01"].concat();
    assert_eq!(receive_one(BINARY, &flushed), Ok(binary(b"Hello")));
}

#[test]
fn a_message_that_is_cut_or_goes_on_is_refused() {
    let whole = deflated_payload("a message of some length, of some length, not too short".as_bytes());
    assert!(receive_one(TEXT, &whole).is_ok());
    for len in 0..whole.len() {
        assert_eq!(receive_one(TEXT, &whole[..len]), Err(ProtocolError::NotDeflate), "{len} bytes");
    }
    for more in [&b"\x00\x00\xff\xff"[..], b"\x00\x01", b"\x06", b"\xff"] {
        let error = receive_one(BINARY, &[&whole, more].concat());
        assert_eq!(error, Err(ProtocolError::NotDeflate), "{more:X?} behind it");
    }
}

#[test]
fn bytes_that_are_no_deflate_data_are_refused_with_1007() {
    // A block of the reserved type, a length without its complement, a code that is none, a distance too far.
    for bad in [
        &b"\x07"[..],
        b"\x00\x05\x00\x00\x00Hello\x00",
        b"\xed\xff\xff\xff\xff",
        b"\x4b\x04\x62\x00",
        b"\xff",
    ] {
        assert_eq!(receive_one(BINARY, bad), Err(ProtocolError::NotDeflate), "{bad:X?}");
    }
    assert_eq!(ProtocolError::NotDeflate.close_code(), 1007);
}

#[test]
fn rsv1_is_for_the_first_frame_of_a_message_and_needs_the_agreement() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let reserved = Some(ProtocolError::ReservedBits);
    assert_eq!(receive(&client_frame(TEXT, KEY, hello), &[], &LIMITS).error, reserved);
    for first in [0xC8, 0xC9, 0xCA] {
        assert_eq!(receive_over_every_cut(&client_frame(first, KEY, b"")).1, reserved, "{first:#X}");
    }
    for start in [0x01, 0x41] {
        for first in [0x40, 0xC0] {
            let stream = [client_frame(start, KEY, b""), client_frame(first, KEY, hello)].concat();
            assert_eq!(receive_over_every_cut(&stream).1, reserved, "{first:#X} after {start:#X}");
        }
    }
    for first in [0xA1, 0x91, 0xE1, 0xD1] {
        assert_eq!(receive_over_every_cut(&client_frame(first, KEY, hello)).1, reserved, "{first:#X}");
    }
}

#[test]
fn the_reason_for_a_reserved_bit_is_true_whether_an_extension_was_negotiated_or_not() {
    let reason = ProtocolError::ReservedBits.reason();
    assert!(!reason.contains("no extension") && reason.contains("reserved bit"), "{reason}");
}

#[test]
fn compressed_and_plain_messages_and_control_frames_go_together() {
    let long = "long ".repeat(1000);
    let compressed = deflated_payload(long.as_bytes());
    let (head, tail) = compressed.split_at(7);
    let stream = [
        client_frame(0x81, KEY, b"plain"),
        client_frame(0x41, KEY, head),
        client_frame(0x89, KEY, b"ping"),
        client_frame(0x00, KEY, b""),
        client_frame(0x8A, KEY, b""),
        client_frame(0x80, KEY, tail),
        client_frame(0x82, KEY, b"plain"),
        client_frame(TEXT, KEY, &compressed),
        client_frame(0x88, KEY, b""),
    ]
    .concat();
    let events = vec![
        text("plain"),
        Event::Ping(b"ping".to_vec()),
        Event::Pong(vec![]),
        text(&long),
        binary(b"plain"),
        text(&long),
        Event::Close(None, vec![]),
    ];
    assert_eq!(receive_over_every_cut(&stream), (events, None));
}

#[test]
fn text_must_come_out_as_utf8() {
    for bad in [&b"\xFF"[..], b"\xC0\xAF", b"cut \xE2\x82"] {
        assert_eq!(receive_one(TEXT, &deflated_payload(bad)), Err(ProtocolError::TextNotUtf8));
        assert_eq!(receive_one(BINARY, &deflated_payload(bad)), Ok(binary(bad)));
    }
    // Code points across the pieces in which output is made, which are 16 KiB.
    for shift in 0..4 {
        let valid = format!("{}{}", "x".repeat(shift), "😀".repeat(20_000));
        let stream = client_frame(TEXT, KEY, &deflated_payload(valid.as_bytes()));
        let verdict = receive_compressed(&stream, &[], &LIMITS, &mut Inflater::new());
        assert!(verdict.events == [text(&valid)], "{shift}");
    }
}

#[test]
fn the_limit_is_on_what_a_message_becomes() {
    let limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: 100_000 };
    let inflater = &mut Inflater::new();
    let mut receive = |len: usize| {
        let stream = client_frame(BINARY, KEY, &deflated_payload(&vec![0; len]));
        let verdict = receive_compressed(&stream, &[], &limits, inflater);
        assert!(verdict.error.is_some() || verdict.events == [binary(&vec![0; len])]);
        verdict.error
    };
    for len in [0, 1, 16_383, 16_384, 16_385, 32_768, 65_536, 99_999, 100_000] {
        assert_eq!(receive(len), None, "{len} bytes");
    }
    for len in [100_001, 114_688, 114_689, 10_000_000] {
        assert_eq!(receive(len), Some(ProtocolError::MessageTooLong), "{len} bytes");
    }
}

#[test]
fn what_cannot_be_compressed_may_be_a_little_longer_than_the_limit() {
    let limits = Limits { frame_bytes_max: 50_000, message_bytes_max: 50_000 };
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(50_000)
    .collect();
    // As a sender with the smallest memLevel has it: a copied block for each 127 bytes.
    let blocks = noise.chunks(127).flat_map(|chunk| {
        let len = u16::try_from(chunk.len()).unwrap();
        [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), chunk].concat()
    });
    let mut compressed: Vec<u8> = blocks.collect();
    compressed.push(0);
    assert!(compressed.len() > limits.message_bytes_max);
    let inflater = &mut Inflater::new();
    let stream = client_frame(BINARY, KEY, &compressed);
    for sizes in [&[][..], &[1000]] {
        let verdict = receive_compressed(&stream, sizes, &limits, inflater);
        assert!(verdict.events == [binary(&noise)], "{:?}", verdict.error);
    }
    let pieces: Vec<&[u8]> = compressed.chunks(5000).collect();
    let last = pieces.len() - 1;
    let fragments = pieces.iter().enumerate().flat_map(|(index, piece)| {
        let first = if index == 0 { 0x42 } else { 0 } | if index == last { 0x80 } else { 0 };
        client_frame(first, KEY, piece)
    });
    let verdict = receive_compressed(&fragments.collect::<Vec<_>>(), &[777], &limits, inflater);
    assert!(verdict.events == [binary(&noise)], "{:?}", verdict.error);
}

#[test]
fn compressed_bytes_are_bounded_on_the_wire_too() {
    // Empty blocks without compression: five bytes each that become nothing.
    let limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: 1000 };
    let most = limits.compressed_bytes_max();
    assert_eq!(most, 1000 + 62 + 64);
    let inflater = &mut Inflater::new();
    let empties = b"\x00\x00\x00\xff\xff".repeat(most / 5);
    let within = [&empties[..most / 5 * 5], b"\x00"].concat();
    let verdict = receive_compressed(&client_frame(BINARY, KEY, &within), &[], &limits, inflater);
    assert_eq!((verdict.events, verdict.error), (vec![binary(b"")], None));
    let over = vec![0; most + 1];
    let verdict = receive_compressed(&client_frame(BINARY, KEY, &over), &[], &limits, inflater);
    assert_eq!(verdict.error, Some(ProtocolError::MessageTooLong));
    let one_by_one =
        [client_frame(0x42, KEY, b""), client_frame(0x00, KEY, b"\x00").repeat(most + 1)].concat();
    let verdict = receive_compressed(&one_by_one, &[], &limits, inflater);
    assert_eq!(verdict.error, Some(ProtocolError::MessageTooLong));
}

#[test]
fn what_does_not_become_shorter_is_not_compressed() {
    let mut deflater = Deflater::new(6);
    for payload in [&b""[..], b"a", b"ab", b"Hello", b"\x00\xFF\x80\x7F\x01\x9C\x3A"] {
        assert_eq!(deflater.frame(WindowBits::default(), Opcode::Binary, &[payload]), None, "{payload:X?}");
    }
    let frame = deflater.frame(WindowBits::default(), Opcode::Text, &[b"aaaaaaaaaaaa"]).unwrap();
    assert_eq!((frame[0], usize::from(frame[1])), (0xC1, frame.len() - 2));
    assert!(frame.len() < 12);
}

#[test]
fn a_message_is_compressed_the_same_whatever_came_before() {
    let parts: [&[u8]; 3] = [b"one part ", b"", b"and another part and another part"];
    for level in [2, 6, 9] {
        for window in WindowBits::all() {
            let first = Deflater::new(level).frame(window, Opcode::Text, &parts).unwrap();
            let mut used = Deflater::new(level);
            for before in [&b"another part "[..], &[7; 300_000], b""] {
                used.frame(window, Opcode::Binary, &[before]);
                assert_eq!(used.frame(window, Opcode::Text, &parts), Some(first.clone()));
            }
            assert_eq!(used.frame(window, Opcode::Text, &[&parts.concat()]), Some(first));
        }
    }
}

#[test]
fn a_compressor_never_points_further_back_than_its_window() {
    // The same 5000 bytes again and again: a large window finds them, a small one must not.
    let mut state = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(state >> 28) as usize]
    })
    .take(5000)
    .collect();
    let message = noise.repeat(20);
    for level in [2, 6, 9] {
        let mut deflater = Deflater::new(level);
        let lens: Vec<usize> = WindowBits::all()
            .map(|window| {
                let frame = deflater.frame(window, Opcode::Binary, &[&message]).unwrap();
                assert!(inflate_in_small_pieces(window.get(), payload_of(&frame)) == message, "{window:?}");
                frame.len()
            })
            .collect();
        assert!(lens[0] > lens[6] * 5, "level {level}: {lens:?}");
    }
}

#[test]
fn noise_and_repetition_in_any_mixture_come_back_at_every_level_and_window() {
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("it fits")
    };
    let inflater = &mut Inflater::new();
    let mut compressed = 0;
    for level in 0..=10 {
        let mut deflater = Deflater::new(level);
        for window in WindowBits::all() {
            let len = random(100_000);
            let mut message = Vec::new();
            while message.len() < len {
                match random(4) {
                    // Noise, text, runs, and what was there before.
                    0 => {
                        message.extend((0..random(3000)).map(|_| u8::try_from(random(256)).expect("a byte")));
                    }
                    1 => message.extend((0..random(3000)).map(|_| b"0123456789abcdef"[random(16)])),
                    2 => message.extend(std::iter::repeat_n(b'x', random(600))),
                    _ => {
                        let start = random(message.len() + 1);
                        let end = message.len().min(start + random(4000));
                        message.extend_from_within(start..end);
                    }
                }
            }
            let Some(frame) = deflater.frame(window, Opcode::Binary, &[&message]) else { continue };
            compressed += 1;
            let stream = client_frame(BINARY, KEY, payload_of(&frame));
            let verdict = receive_compressed(&stream, &[], &LIMITS, inflater);
            assert!(verdict.events == [binary(&message)], "level {level}, {window:?}, {len} bytes");
        }
    }
    assert!(compressed > 70, "{compressed} of 77");
}

/// With a decompressor that remembers 2^`bits` bytes, and little room for output, so that it has to remember.
fn inflate_in_small_pieces(bits: u8, compressed: &[u8]) -> Vec<u8> {
    let input = with_tail(compressed);
    let mut stream = Decompress::new_with_window_bits(false, bits);
    let mut message = Vec::new();
    let mut piece = [0; 64];
    loop {
        let (taken, made) = (stream.total_in(), stream.total_out());
        let rest = &input[usize::try_from(taken).expect("it is valid")..];
        let status = stream.decompress(rest, &mut piece, FlushDecompress::None).expect("it is valid");
        message.extend_from_slice(&piece[..usize::try_from(stream.total_out() - made).expect("it is valid")]);
        if status == Status::StreamEnd {
            return message;
        }
        assert!(stream.total_in() > taken || stream.total_out() > made, "it does not end");
    }
}

/// Messages worth compressing, and others.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600),
        "[a-f ]{1,40}".prop_map(|text| text.repeat(60).into_bytes()),
        (any::<u8>(), 0..70_000_usize).prop_map(|(byte, len)| vec![byte; len]),
        proptest::collection::vec(prop::sample::select(&b"{}:,0123"[..]), 0..20_000),
    ]
}

proptest! {
    #[test]
    fn messages_survive_every_fragmentation_and_every_reading(
        message in message(),
        pieces in proptest::collection::vec(0..5000_usize, 0..6),
        sizes in proptest::collection::vec(1..3000_usize, 0..6),
        window in 9..=15_u8,
        level in 1..=9_u32,
    ) {
        let window = WindowBits::new(window).unwrap();
        let frame = Deflater::new(level).frame(window, Opcode::Binary, &[&message]);
        let compressed = match &frame {
            Some(frame) => {
                prop_assert_eq!(frame.len(), header_len(payload_of(frame).len()) + payload_of(frame).len());
                payload_of(frame).to_vec()
            }
            None => deflated_payload(&message),
        };
        let mut stream = Vec::new();
        let mut rest = &compressed[..];
        for (index, len) in pieces.iter().enumerate() {
            let (piece, behind) = rest.split_at(rest.len().min(*len));
            stream.extend(client_frame(if index == 0 { 0x42 } else { 0 }, KEY, piece));
            rest = behind;
        }
        stream.extend(client_frame(if pieces.is_empty() { BINARY } else { 0x80 }, KEY, rest));
        let verdict = receive_compressed(&stream, &sizes, &LIMITS, &mut Inflater::new());
        prop_assert_eq!(verdict.error, None);
        prop_assert!(verdict.idle && verdict.events == [binary(&message)]);
    }

    #[test]
    fn another_implementation_understands_what_is_compressed_and_is_understood(
        message in message(),
        level in 0..=10_u8,
    ) {
        let mut deflater = Deflater::new(u32::from(level));
        for window in WindowBits::all() {
            if let Some(frame) = deflater.frame(window, Opcode::Binary, &[&message]) {
                let stream = with_tail(payload_of(&frame));
                prop_assert!(miniz_oxide::inflate::decompress_to_vec(&stream).unwrap() == message);
            }
        }
        // Its blocks end with BFINAL.
        let compressed = miniz_oxide::deflate::compress_to_vec(&message, level);
        let stream = client_frame(BINARY, KEY, &[&compressed[..], b"\x00"].concat());
        let verdict = receive_compressed(&stream, &[], &LIMITS, &mut Inflater::new());
        prop_assert_eq!(verdict.error, None);
        prop_assert!(verdict.events == [binary(&message)]);
    }
}
