//! The receiver, fed over every cut.

use holdfast_proto::fuzz::{Event, client_frame, receive};
use holdfast_proto::{Limits, MessageKind, Payload, ProtocolError, Receiver, Step};
use proptest::prelude::*;

const LIMITS: Limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

fn text(text: &str) -> Event {
    Event::Message(MessageKind::Text, text.as_bytes().to_vec())
}

fn binary(bytes: &[u8]) -> Event {
    Event::Message(MessageKind::Binary, bytes.to_vec())
}

/// The events of `stream`, after checking that no cut changes them or the verdict.
fn receive_over_every_cut(stream: &[u8]) -> (Vec<Event>, Option<ProtocolError>) {
    let whole = receive(stream, &[], &LIMITS);
    for cut in 1..stream.len() {
        assert_eq!(receive(stream, &[cut, stream.len()], &LIMITS), whole, "cut at {cut}");
    }
    assert_eq!(receive(stream, &[1], &LIMITS), whole, "byte by byte");
    (whole.events, whole.error)
}

fn error_over_every_cut(stream: &[u8]) -> Option<ProtocolError> {
    receive_over_every_cut(stream).1
}

/// How many bytes of `stream` it takes, one at a time, to fail.
fn fails_after(stream: &[u8]) -> Option<usize> {
    (1..=stream.len()).find(|len| receive(&stream[..*len], &[1], &LIMITS).error.is_some())
}

#[test]
fn a_masked_text_says_hello() {
    // RFC 6455 5.7: "A single-frame masked text message".
    let stream = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
    assert_eq!(receive_over_every_cut(&stream), (vec![text("Hello")], None));
}

#[test]
fn messages_of_every_length_form_survive_every_cut() {
    for len in [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 300] {
        let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
        let stream = [client_frame(0x82, KEY, &payload), client_frame(0x81, KEY, b"behind")].concat();
        assert_eq!(receive_over_every_cut(&stream), (vec![binary(&payload), text("behind")], None));
    }
}

#[test]
fn long_messages_survive_reads_of_every_size() {
    // Where back ends that keep part of a frame between reads have lost messages: 2 KiB to 1 MiB.
    for len in [2048, 4096, 65_535, 65_536, 1 << 20] {
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        let stream = [client_frame(0x82, KEY, &payload), client_frame(0x82, KEY, b"end")].concat();
        for size in [1000, 1447, 1448, 2047, 2048, 4096, 16_384, 65_536, 65_550, stream.len() - 1] {
            let verdict = receive(&stream, &[size], &LIMITS);
            assert_eq!(verdict.error, None);
            assert!(verdict.events == [binary(&payload), binary(b"end")], "{len} bytes in reads of {size}");
            assert!(verdict.idle);
        }
    }
}

#[test]
fn fragments_become_one_message_with_control_frames_between_them() {
    // RFC 6455 5.4: "Control frames [...] MAY be injected in the middle of a fragmented message."
    let stream = [
        client_frame(0x01, KEY, b"Hel"),
        client_frame(0x89, KEY, b"ping"),
        client_frame(0x00, KEY, b""),
        client_frame(0x8A, KEY, b""),
        client_frame(0x80, KEY, b"lo"),
        client_frame(0x82, KEY, b"next"),
    ]
    .concat();
    let events = vec![Event::Ping(b"ping".to_vec()), Event::Pong(vec![]), text("Hello"), binary(b"next")];
    assert_eq!(receive_over_every_cut(&stream), (events, None));
}

#[test]
fn empty_messages_are_messages_fragmented_or_not() {
    let stream = [
        client_frame(0x81, KEY, b""),
        client_frame(0x02, KEY, b""),
        client_frame(0x00, KEY, b""),
        client_frame(0x80, KEY, b""),
    ]
    .concat();
    assert_eq!(receive_over_every_cut(&stream), (vec![text(""), binary(b"")], None));
}

#[test]
fn a_code_point_may_be_cut_by_frames_and_reads_at_every_place() {
    let whole = "aé€😀z";
    for cut in 0..=whole.len() {
        let (head, tail) = whole.as_bytes().split_at(cut);
        let stream = [client_frame(0x01, KEY, head), client_frame(0x80, KEY, tail)].concat();
        assert_eq!(receive_over_every_cut(&stream), (vec![text(whole)], None));
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_over_every_cut() {
    for bad in [&b"\xFF"[..], b"\xC0\xAF", b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"cut \xE2\x82"] {
        assert_eq!(error_over_every_cut(&client_frame(0x81, KEY, bad)), Some(ProtocolError::TextNotUtf8));
        for cut in 0..=bad.len() {
            let (head, tail) = bad.split_at(cut);
            let stream = [client_frame(0x01, KEY, head), client_frame(0x80, KEY, tail)].concat();
            assert_eq!(error_over_every_cut(&stream), Some(ProtocolError::TextNotUtf8));
        }
    }
}

#[test]
fn text_that_cannot_become_utf8_is_refused_at_its_first_impossible_byte() {
    // RFC 6455 8.1. 21 bytes that are valid, then F4 90, which no continuation makes valid, then more: in one
    // frame, and in a fragment that is not the last.
    let payload = b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80edited";
    let impossible = payload.iter().position(|byte| *byte == 0x90).unwrap();
    for first in [0x81, 0x01] {
        assert_eq!(fails_after(&client_frame(first, KEY, payload)), Some(6 + impossible + 1));
    }
    let fragments =
        [client_frame(0x01, KEY, &payload[..12]), client_frame(0x80, KEY, &payload[12..])].concat();
    assert_eq!(fails_after(&fragments), Some(6 + 12 + 6 + 1));
}

#[test]
fn binary_and_control_payloads_need_not_be_utf8() {
    let stream = [client_frame(0x82, KEY, b"\xFF"), client_frame(0x89, KEY, b"\xFF\xFE")].concat();
    assert_eq!(receive_over_every_cut(&stream), (vec![binary(b"\xFF"), Event::Ping(vec![0xFF, 0xFE])], None));
}

#[test]
fn close_frames_carry_a_code_and_a_reason_or_nothing() {
    assert_eq!(
        receive_over_every_cut(&client_frame(0x88, KEY, b"")),
        (vec![Event::Close(None, vec![])], None)
    );
    let with_reason = [&1000_u16.to_be_bytes()[..], "tschüß".as_bytes()].concat();
    let expected = vec![Event::Close(Some(1000), "tschüß".as_bytes().to_vec())];
    assert_eq!(receive_over_every_cut(&client_frame(0x88, KEY, &with_reason)), (expected, None));
    let longest = [&4999_u16.to_be_bytes()[..], &[b'x'; 123]].concat();
    let expected = vec![Event::Close(Some(4999), vec![b'x'; 123])];
    assert_eq!(receive_over_every_cut(&client_frame(0x88, KEY, &longest)), (expected, None));
}

#[test]
fn each_of_the_65536_close_codes_is_taken_or_refused() {
    // RFC 6455 7.4.1, 7.4.2, and the IANA registry for 1012 to 1014.
    for code in 0..=u16::MAX {
        let stream = client_frame(0x88, KEY, &code.to_be_bytes());
        let verdict = receive(&stream, &[], &LIMITS);
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => {
                assert_eq!(
                    (&*verdict.events, verdict.error),
                    (&[Event::Close(Some(code), vec![])][..], None)
                );
            }
            _ => assert_eq!(
                (verdict.events, verdict.error),
                (vec![], Some(ProtocolError::CloseCode)),
                "{code}"
            ),
        }
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535] {
        let stream = client_frame(0x88, KEY, &u16::to_be_bytes(code));
        assert_eq!(error_over_every_cut(&stream), Some(ProtocolError::CloseCode), "{code}");
    }
}

#[test]
fn a_close_reason_must_be_utf8() {
    for reason in [&b"\xFF"[..], b"\xE2\x82"] {
        let payload = [&1000_u16.to_be_bytes()[..], reason].concat();
        let error = error_over_every_cut(&client_frame(0x88, KEY, &payload));
        assert_eq!(error, Some(ProtocolError::CloseReasonNotUtf8));
    }
}

#[test]
fn what_follows_a_close_frame_is_ignored_valid_or_not() {
    // RFC 6455 1.4: "a peer discards any further data received."
    let stream = [
        client_frame(0x01, KEY, b"unfinished"),
        client_frame(0x88, KEY, b""),
        client_frame(0x81, KEY, b"data"),
        client_frame(0x88, KEY, b""),
        vec![0xFF; 20],
    ]
    .concat();
    assert_eq!(receive_over_every_cut(&stream), (vec![Event::Close(None, vec![])], None));
}

#[test]
fn messages_before_an_error_are_handed_out() {
    let stream = [client_frame(0x81, KEY, b"good"), vec![0x83]].concat();
    assert_eq!(receive_over_every_cut(&stream), (vec![text("good")], Some(ProtocolError::ReservedOpcode)));
}

#[test]
fn wrong_headers_are_refused_over_every_cut() {
    use ProtocolError::{ContinuationWithoutStart, ControlFragmented, ReservedBits, StartInsideMessage};
    let table: [(Vec<u8>, ProtocolError); 9] = [
        (client_frame(0xC1, KEY, b"x"), ReservedBits),
        (client_frame(0x83, KEY, b"x"), ProtocolError::ReservedOpcode),
        (client_frame(0x09, KEY, b"x"), ControlFragmented),
        (client_frame(0x80, KEY, b"x"), ContinuationWithoutStart),
        ([client_frame(0x01, KEY, b"x"), client_frame(0x81, KEY, b"y")].concat(), StartInsideMessage),
        ([client_frame(0x02, KEY, b""), client_frame(0x02, KEY, b"")].concat(), StartInsideMessage),
        (
            [client_frame(0x02, KEY, b""), client_frame(0x80, KEY, b""), client_frame(0x80, KEY, b"")]
                .concat(),
            ContinuationWithoutStart,
        ),
        (b"\x81\x05Hello".to_vec(), ProtocolError::Unmasked),
        (client_frame(0x89, KEY, &[0; 126]), ProtocolError::ControlTooLong),
    ];
    for (stream, error) in table {
        assert_eq!(error_over_every_cut(&stream), Some(error), "{stream:X?}");
    }
}

#[test]
fn limits_hold_for_frames_and_for_messages_of_many_fragments() {
    let limits = Limits { frame_bytes_max: 100, message_bytes_max: 150 };
    let error = |stream: &[u8]| {
        let whole = receive(stream, &[], &limits);
        for cut in 1..stream.len() {
            assert_eq!(receive(stream, &[cut, stream.len()], &limits), whole);
        }
        whole.error
    };
    assert_eq!(error(&client_frame(0x82, KEY, &[0; 100])), None);
    assert_eq!(error(&client_frame(0x82, KEY, &[0; 101])), Some(ProtocolError::FrameTooLong));
    let half = client_frame(0x02, KEY, &[0; 75]);
    let fits = [half.clone(), client_frame(0x80, KEY, &[0; 75])].concat();
    assert_eq!(error(&fits), None);
    let over = [half, client_frame(0x80, KEY, &[0; 76])].concat();
    assert_eq!(error(&over), Some(ProtocolError::MessageTooLong));
    let one_by_one = [client_frame(0x02, KEY, b""), client_frame(0x00, KEY, b"x").repeat(151)].concat();
    assert_eq!(error(&one_by_one), Some(ProtocolError::MessageTooLong));
}

#[test]
fn a_million_fragments_of_one_byte_are_one_message() {
    let limits = Limits { frame_bytes_max: 1 << 20, message_bytes_max: 1_000_000 };
    let mut fragment = client_frame(0x00, [0; 4], b"x").repeat(1000);
    let mut receiver = Receiver::new();
    let mut first = client_frame(0x01, [0; 4], b"");
    assert_eq!(receiver.next(&mut first, &mut 0, &limits), Ok(Step::Fragment));
    for _ in 0..1000 {
        let mut at = 0;
        for _ in 0..1000 {
            // Each is a step of its own, so that frames can be counted.
            assert_eq!(receiver.next(&mut fragment, &mut at, &limits), Ok(Step::Fragment));
        }
        assert_eq!(receiver.next(&mut fragment, &mut at, &limits), Ok(Step::NeedMore));
    }
    assert!(receiver.partial_bytes() <= 1_000_000 + 512);
    let mut last = client_frame(0x80, [0; 4], b"");
    let step = receiver.next(&mut last, &mut 0, &limits);
    let Ok(Step::Message { kind: MessageKind::Text, payload }) = step else { panic!("{step:?}") };
    assert_eq!(payload.bytes(&[]), [b'x'; 1_000_000]);
    assert!(receiver.is_idle());
}

#[test]
fn an_announced_length_costs_nothing() {
    let limits = Limits { frame_bytes_max: 1 << 40, message_bytes_max: 1 << 40 };
    let mut receiver = Receiver::new();
    // 2^39 bytes announced, ten sent.
    let mut input = *b"\x82\xFF\0\0\0\x80\0\0\0\0\0\0\0\0ten bytes.";
    assert_eq!(receiver.next(&mut input, &mut 0, &limits), Ok(Step::NeedMore));
    assert!(receiver.partial_bytes() < 400, "{}", receiver.partial_bytes());
}

#[test]
fn a_whole_frame_stays_where_it_is_and_a_cut_one_is_assembled() {
    let mut input = client_frame(0x82, KEY, b"in place");
    let step = Receiver::new().next(&mut input, &mut 0, &LIMITS).unwrap();
    assert_eq!(step, Step::Message { kind: MessageKind::Binary, payload: Payload::InBuffer(6..14) });
    assert_eq!(&input[6..14], b"in place");

    // Where its header was cut off, there would be no room for a server's header: it is assembled too.
    for cut in 1..input.len() {
        let mut receiver = Receiver::new();
        let stream = client_frame(0x82, KEY, b"in place");
        let (mut head, mut tail) = (stream[..cut].to_vec(), stream[cut..].to_vec());
        assert_eq!(receiver.next(&mut head, &mut 0, &LIMITS), Ok(Step::NeedMore));
        let step = receiver.next(&mut tail, &mut 0, &LIMITS).unwrap();
        let Step::Message { payload: Payload::Assembled(assembled), .. } = step else { panic!("{step:?}") };
        assert_eq!(&assembled[..], b"in place");
        assert!(receiver.is_idle());
    }
}

/// A client's stream of valid frames and what must come out of it.
fn valid_stream() -> impl Strategy<Value = (Vec<u8>, Vec<Event>)> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..400);
    let control = || proptest::collection::vec(any::<u8>(), 0..=125);
    let item = prop_oneof![
        3 => (".{0,120}", proptest::collection::vec(0..200_usize, 0..4), control())
            .prop_map(|(text, cuts, ping)| (MessageKind::Text, text.into_bytes(), cuts, ping)),
        3 => (bytes(), proptest::collection::vec(0..400_usize, 0..4), control())
            .prop_map(|(bytes, cuts, ping)| (MessageKind::Binary, bytes, cuts, ping)),
    ];
    (proptest::collection::vec(item, 0..6), any::<[u8; 4]>()).prop_map(|(items, key)| {
        let (mut stream, mut events) = (Vec::new(), Vec::new());
        for (kind, payload, mut cuts, ping) in items {
            cuts.iter_mut().for_each(|cut| *cut = (*cut).min(payload.len()));
            cuts.sort_unstable();
            let mut opcode = kind.opcode() as u8;
            let mut start = 0;
            for cut in cuts {
                stream.extend(client_frame(opcode, key, &payload[start..cut]));
                stream.extend(client_frame(0x89, key, &ping));
                events.push(Event::Ping(ping.clone()));
                (opcode, start) = (0, cut);
            }
            stream.extend(client_frame(0x80 | opcode, key, &payload[start..]));
            events.push(Event::Message(kind, payload));
        }
        (stream, events)
    })
}

proptest! {
    #[test]
    fn valid_streams_come_out_as_they_were_meant_over_any_reads(
        (stream, events) in valid_stream(),
        sizes in proptest::collection::vec(1..300_usize, 0..40),
    ) {
        let verdict = receive(&stream, &sizes, &LIMITS);
        prop_assert_eq!(verdict.error, None);
        prop_assert_eq!(verdict.events, events);
        prop_assert!(verdict.idle);
    }

    #[test]
    fn valid_streams_come_out_as_they_were_meant_over_every_cut((stream, events) in valid_stream()) {
        for cut in 1..=stream.len() {
            let verdict = receive(&stream, &[cut, stream.len()], &LIMITS);
            prop_assert_eq!(&verdict.events, &events);
        }
    }
}

#[test]
fn what_is_not_whole_has_the_time_at_which_it_was_first_asked_for() {
    let mut receiver = Receiver::new();
    let feed = |receiver: &mut Receiver, bytes: &[u8]| {
        let (mut input, mut at) = (bytes.to_vec(), 0);
        while receiver.next(&mut input, &mut at, &LIMITS).unwrap() != Step::NeedMore {}
    };
    assert_eq!(receiver.unfinished_since(1), None);
    let frame = client_frame(0x82, KEY, b"a message");
    feed(&mut receiver, &frame[..9]);
    assert_eq!((receiver.unfinished_since(2), receiver.unfinished_since(3)), (Some(2), Some(2)));
    feed(&mut receiver, &frame[9..10]);
    assert_eq!(receiver.unfinished_since(4), Some(2));
    receiver.restart_unfinished(5);
    assert_eq!(receiver.unfinished_since(6), Some(5));
    feed(&mut receiver, &frame[10..]);
    assert_eq!(receiver.unfinished_since(7), None, "it is whole");
    receiver.restart_unfinished(8);
    assert_eq!(receiver.unfinished_since(8), None, "nothing is held");

    // Neither fragments nor what comes between them begin it anew; its end does.
    feed(&mut receiver, &client_frame(0x02, KEY, b"a"));
    assert_eq!(receiver.unfinished_since(10), Some(10));
    feed(&mut receiver, &[client_frame(0x89, KEY, b"?"), client_frame(0x00, KEY, b"b")].concat());
    assert_eq!(receiver.unfinished_since(11), Some(10));
    feed(&mut receiver, &[client_frame(0x80, KEY, b"c"), frame[..9].to_vec()].concat());
    assert_eq!(receiver.unfinished_since(12), Some(12), "another message");
}
