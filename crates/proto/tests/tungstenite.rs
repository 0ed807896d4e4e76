//! The same streams through this crate and through tungstenite: same messages, same verdict. Where the two
//! rightly differ, [`allowed`] has the sentence of the standard that says so.

use std::io::{self, Cursor, Read, Write};

use holdfast_proto::fuzz::oracle::{End, ours, theirs};
use holdfast_proto::fuzz::{Event, client_frame, differential};
use holdfast_proto::{
    HeadLimits, HeadStatus, MessageKind, Opcode, ProtocolError, encode_close, parse_head, write_accept,
    write_header,
};
use proptest::prelude::*;
use proptest::test_runner::Config;
use tungstenite::protocol::{Message, Role, WebSocket};

/// What was done to a frame on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    None,
    ReservedBit,
    ReservedOpcode,
    Unmasked,
    /// Two or eight bytes of length where fewer do.
    LongLength,
    /// A 64-bit length with its top bit set.
    TopBit,
    CloseCode(u16),
    /// An opcode that does not fit what came before.
    OutOfOrder,
    NotFinalControl,
    LongControl,
    CloseOfOneByte,
    InvalidText,
    TooLong,
    /// The stream ends inside this frame.
    Truncated,
}

/// The bytes of a frame with its length written in `length_bytes` bytes (0, 2 or 8) whatever its value.
fn frame_with_length(first: u8, key: [u8; 4], payload: &[u8], length_bytes: usize) -> Vec<u8> {
    let frame = client_frame(first, key, payload);
    let len = (payload.len() as u64).to_be_bytes();
    let marker = if length_bytes == 2 { 0x80 | 126 } else { 0x80 | 127 };
    let masked = &frame[frame.len() - payload.len() - 4..];
    [&[first, marker][..], &len[8 - length_bytes..], masked].concat()
}

/// The bytes of one damaged frame; `message_open` says whether fragments came before.
fn damaged_frame(damage: Damage, key: [u8; 4], message_open: bool) -> Vec<u8> {
    let data_first = if message_open { 0x80 } else { 0x82 };
    let text_first = if message_open { 0x80 } else { 0x81 };
    match damage {
        Damage::None => Vec::new(),
        Damage::ReservedBit => client_frame(data_first | 0x40, key, b"x"),
        Damage::ReservedOpcode => client_frame(0x83, key, b"x"),
        Damage::Unmasked => vec![data_first, 3, 1, 2, 3],
        Damage::LongLength => frame_with_length(data_first, key, b"short", 2 + 6 * usize::from(key[0] % 2)),
        Damage::TopBit => [&[data_first, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1][..], &key, &[0]].concat(),
        Damage::CloseCode(code) => client_frame(0x88, key, &code.to_be_bytes()),
        Damage::OutOfOrder => client_frame(if message_open { 0x81 } else { 0x80 }, key, b"x"),
        Damage::NotFinalControl => client_frame(0x09, key, b"x"),
        Damage::LongControl => client_frame(0x8A, key, &[b'x'; 126]),
        Damage::CloseOfOneByte => client_frame(0x88, key, &[3]),
        // Inside a binary message this is no damage at all, and both must say so.
        Damage::InvalidText => {
            let bad =
                [&b"text \xFF"[..], b"\xED\xA0\x80 text", b"text cut \xE2\x82"][usize::from(key[2]) % 3];
            client_frame(text_first, key, bad)
        }
        Damage::TooLong => client_frame(data_first, key, &[b'x'; 601]),
        Damage::Truncated => {
            let mut frame = client_frame(text_first, key, b"text that ends early");
            frame.truncate(usize::from(key[1]) % frame.len());
            frame
        }
    }
}

/// A stream: valid frames, then perhaps a damaged one, then perhaps more valid ones.
#[derive(Clone, Debug)]
struct Stream {
    bytes: Vec<u8>,
    damage: Damage,
}

#[derive(Clone, Debug)]
enum Item {
    Whole(MessageKind, Vec<u8>),
    Fragment(MessageKind, Vec<u8>),
    Control(u8, Vec<u8>),
    Close(Option<u16>, String),
}

fn item() -> impl Strategy<Value = Item> {
    let kind = || prop_oneof![Just(MessageKind::Text), Just(MessageKind::Binary)];
    let payload = || prop_oneof![3 => "[a-zé€😀]{0,60}", 1 => "[a-z]{200,260}"].prop_map(String::into_bytes);
    prop_oneof![
        4 => (kind(), payload()).prop_map(|(kind, payload)| Item::Whole(kind, payload)),
        4 => (kind(), payload()).prop_map(|(kind, payload)| Item::Fragment(kind, payload)),
        3 => (prop_oneof![Just(0x89), Just(0x8A)], proptest::collection::vec(any::<u8>(), 0..=125))
            .prop_map(|(first, payload)| Item::Control(first, payload)),
        1 => (prop::option::of(prop_oneof![Just(1000), Just(1001), Just(1011), Just(3000), Just(4999)]), "[a-zé]{0,40}")
            .prop_map(|(code, reason)| Item::Close(code, reason)),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => Just(Damage::None),
        1 => Just(Damage::ReservedBit),
        1 => Just(Damage::ReservedOpcode),
        1 => Just(Damage::Unmasked),
        1 => Just(Damage::LongLength),
        1 => Just(Damage::TopBit),
        2 => prop_oneof![0..1100_u16, 1000..1017_u16, 2900..3100_u16, 4900..5100_u16, any::<u16>()]
            .prop_map(Damage::CloseCode),
        1 => Just(Damage::OutOfOrder),
        1 => Just(Damage::NotFinalControl),
        1 => Just(Damage::LongControl),
        1 => Just(Damage::CloseOfOneByte),
        2 => Just(Damage::InvalidText),
        1 => Just(Damage::TooLong),
        2 => Just(Damage::Truncated),
    ]
}

/// Appends `items` as frames. `open` is whether a fragmented message is open; a whole message then ends it.
fn append(bytes: &mut Vec<u8>, open: &mut bool, items: &[Item], key: [u8; 4]) {
    for item in items {
        match item {
            Item::Whole(kind, payload) => {
                let opcode = if *open { 0 } else { kind.opcode() as u8 };
                bytes.extend(client_frame(0x80 | opcode, key, payload));
                *open = false;
            }
            Item::Fragment(kind, payload) => {
                let opcode = if *open { 0 } else { kind.opcode() as u8 };
                bytes.extend(client_frame(opcode, key, payload));
                *open = true;
            }
            Item::Control(first, payload) => bytes.extend(client_frame(*first, key, payload)),
            Item::Close(code, reason) => {
                let payload = match code {
                    Some(code) => [&code.to_be_bytes()[..], reason.as_bytes()].concat(),
                    None => Vec::new(),
                };
                bytes.extend(client_frame(0x88, key, &payload));
            }
        }
    }
}

fn stream() -> impl Strategy<Value = Stream> {
    let items = || proptest::collection::vec(item(), 0..8);
    (items(), damage(), items(), any::<[u8; 4]>()).prop_map(|(before, damage, after, key)| {
        let mut bytes = Vec::new();
        let mut open = false;
        append(&mut bytes, &mut open, &before, key);
        bytes.extend(damaged_frame(damage, key, open));
        if damage != Damage::Truncated {
            append(&mut bytes, &mut open, &after, key);
        }
        Stream { bytes, damage }
    })
}

/// Why the two may differ on a stream with this damage, in the words of the standard.
fn allowed(damage: Damage, ours: &(Vec<Event>, End), theirs: &(Vec<Event>, End)) -> Option<&'static str> {
    let failed_with_1002 = ours.1 == End::Failed(1002);
    match damage {
        Damage::LongLength if failed_with_1002 && theirs.0.starts_with(&ours.0) => Some(
            "RFC 6455 5.2: Note that in all cases, the minimal number of bytes MUST be used to encode the length, for \
             example, the length of a 124-byte-long string can't be encoded as the sequence 126, 0, 124.",
        ),
        Damage::TopBit if failed_with_1002 && theirs.1 == End::Failed(1009) && theirs.0 == ours.0 => Some(
            "RFC 6455 5.2: If 127, the following 8 bytes interpreted as a 64-bit unsigned integer (the most \
             significant bit MUST be 0) are the payload length. (Tungstenite fails too, with 1009: too long for \
             its limit.)",
        ),
        Damage::CloseCode(1014) if ours.1 == End::Closed && theirs.1 == End::Closed => Some(
            "RFC 6455 7.4.2: Status codes in the range 1000-2999 are reserved for definition by this protocol, its \
             future revisions, and extensions specified in a permanent and readily available public specification. \
             (IANA has registered 1014, Bad Gateway.)",
        ),
        Damage::CloseCode(_)
            if failed_with_1002
                && theirs.1 == End::Closed
                && theirs.0.split_last()
                    == Some((&Event::Close(Some(1002), b"Protocol violation".to_vec()), &ours.0)) =>
        {
            Some(
                "RFC 6455 7.4.1: 1005 is a reserved value and MUST NOT be set as a status code in a Close control \
                 frame by an endpoint. (Likewise the others; tungstenite reports a Close frame with the 1002 it \
                 answers.)",
            )
        }
        Damage::Truncated if ours.1 == End::Failed(1009) && theirs.1 == End::Open && theirs.0 == ours.0 => {
            Some(
                "RFC 6455 10.4: Implementations that have implementation- and/or platform-specific limitations \
                 regarding the frame size or total message size after reassembly from multiple frames MUST protect \
                 themselves against exceeding those limits. (The header has said that this message will; \
                 tungstenite waits for the payload first.)",
            )
        }
        Damage::None
        | Damage::ReservedBit
        | Damage::ReservedOpcode
        | Damage::Unmasked
        | Damage::LongLength
        | Damage::TopBit
        | Damage::CloseCode(_)
        | Damage::OutOfOrder
        | Damage::NotFinalControl
        | Damage::LongControl
        | Damage::CloseOfOneByte
        | Damage::InvalidText
        | Damage::TooLong
        | Damage::Truncated => None,
    }
}

proptest! {
    #![proptest_config(Config::with_cases(4000))]

    #[test]
    fn both_find_the_same_messages_and_give_the_same_verdict(
        stream in stream(),
        sizes in proptest::collection::vec(1..200_usize, 0..20),
    ) {
        let ours = ours(&stream.bytes, &sizes);
        let theirs = theirs(&stream.bytes);
        if ours != theirs {
            prop_assert!(
                allowed(stream.damage, &ours, &theirs).is_some(),
                "{:?}\nours   {:?}\ntheirs {:?}", stream.damage, ours, theirs,
            );
        }
    }

    #[test]
    fn what_either_refuses_of_random_bytes_the_other_does_not_accept(
        bytes in proptest::collection::vec(prop_oneof![2 => any::<u8>(), 1 => 0x80..0x8B_u8, 1 => 0..4_u8], 0..60),
    ) {
        differential(&bytes);
    }
}

#[test]
fn each_rule_for_a_difference_is_needed_and_the_oracle_finds_every_other_damage() {
    let key = [1, 2, 3, 4];
    let table: [(Damage, bool); 14] = [
        (Damage::LongLength, true),
        (Damage::TopBit, true),
        (Damage::CloseCode(1014), true),
        (Damage::CloseCode(1005), true),
        (Damage::CloseCode(5000), true),
        (Damage::ReservedBit, false),
        (Damage::ReservedOpcode, false),
        (Damage::Unmasked, false),
        (Damage::OutOfOrder, false),
        (Damage::NotFinalControl, false),
        (Damage::LongControl, false),
        (Damage::CloseOfOneByte, false),
        (Damage::InvalidText, false),
        (Damage::TooLong, false),
    ];
    for (damage, differ) in table {
        let stream = [client_frame(0x81, key, b"before"), damaged_frame(damage, key, false)].concat();
        let (ours, theirs) = (ours(&stream, &[]), theirs(&stream));
        assert_eq!(ours != theirs, differ, "{damage:?}: ours {ours:?}, theirs {theirs:?}");
        assert_eq!(allowed(damage, &ours, &theirs).is_some(), differ, "{damage:?}");
        assert!(differ || matches!(ours.1, End::Failed(_)), "{damage:?} is no damage: {ours:?}");
    }
}

/// Tungstenite sees the size of a message when its payload is there.
#[test]
fn a_header_that_takes_a_message_past_its_limit_is_refused_before_the_payload_arrives() {
    let key = [1, 2, 3, 4];
    let mut stream = client_frame(0x02, key, &[b'x'; 600]);
    stream.extend(&client_frame(0x80, key, &[b'x'; 401])[..8]);
    let (ours, theirs) = (ours(&stream, &[]), theirs(&stream));
    assert_eq!((&ours, &theirs), (&(vec![], End::Failed(1009)), &(vec![], End::Open)));
    assert!(allowed(Damage::Truncated, &ours, &theirs).is_some());
    assert!(allowed(Damage::None, &ours, &theirs).is_none());
}

#[test]
fn tungstenite_reads_the_frames_this_crate_writes() {
    let mut stream = Vec::new();
    let lens = [0, 1, 125, 126, 127, 65_535, 65_536, 100_000];
    for len in lens {
        let mut header = [0; 10];
        let header_len = write_header(Opcode::Binary, len, &mut header);
        stream.extend_from_slice(&header[..header_len]);
        stream.resize(stream.len() + len, 7);
    }
    stream.extend_from_slice(encode_close(Some(ProtocolError::TextNotUtf8.close_code()), "bye").as_bytes());
    let mut socket = WebSocket::from_raw_socket(
        Pipe { sent: Vec::new(), to_read: Cursor::new(stream) },
        Role::Client,
        None,
    );
    for len in lens {
        assert_eq!(socket.read().unwrap(), Message::Binary(vec![7; len].into()));
    }
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close frame") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1007, "bye"));
}

/// A connection in memory, from the client's side.
#[derive(Default)]
struct Pipe {
    sent: Vec<u8>,
    to_read: Cursor<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.to_read.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn tungstenite_completes_an_opening_handshake_with_this_crate() {
    use tungstenite::client::IntoClientRequest;
    use tungstenite::handshake::HandshakeError;

    let mut request = "ws://example.com/chat".into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "one, two".parse().unwrap());
    let Err(HandshakeError::Interrupted(mut handshake)) = tungstenite::client(request, Pipe::default())
    else {
        panic!("the handshake went on without an answer")
    };
    let pipe = handshake.get_mut().get_mut();
    let status = parse_head(&pipe.sent, &HeadLimits::default());
    let Ok(HeadStatus::Upgrade { request, .. }) = status else { panic!("{status:?}") };
    assert_eq!((request.path(), request.host()), ("/chat", "example.com"));
    let mut answer = Vec::new();
    write_accept(&mut answer, &request.accept_key(), Some("two"), None);
    pipe.to_read = Cursor::new(answer);
    let (_, response) = handshake.handshake().expect("tungstenite accepts the answer");
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "two");
}
