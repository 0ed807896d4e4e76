use super::*;
use crate::fuzz::read;

fn said(text: &[u8]) -> Vec<Event> {
    let (events, garbage) = read(text, text.len().max(1));
    assert_eq!(garbage, None, "{:?}", String::from_utf8_lossy(text));
    events
}

fn message(subject: &str, payload: &'static [u8]) -> Received {
    Received {
        subject: subject.to_owned(),
        status: None,
        headers: Vec::new(),
        payload: Bytes::from_static(payload),
    }
}

/// All that a server says, once.
const ALL: &[u8] =
    b"INFO {\"server_id\":\"A\",\"max_payload\":7,\"headers\":true,\"ldm\":true,\"more\":[1]}\r\n\
    PING\r\nPONG\r\n+OK\r\n-ERR 'No \"such\" thing'\r\n-ERR\r\nMSG a.b 1 2\r\nhi\r\nMSG a 1 r 0\r\n\r\n\
    HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nHMSG a 1 r.e 18 20\r\nNATS/1.0\r\nk: v\r\n\r\nhi\r\n\
    HMSG a 1 4 6\r\n\xFF\r\n\nhi\r\nmsg\ta\t 1  1\nx\r\n-ERR x\r\nping\r\n";

#[test]
fn all_that_a_server_says_is_read() {
    let info =
        Info { server_id: "A".to_owned(), max_payload: 7, headers: true, is_lame: true, ..Info::default() };
    let header = ("k".to_owned(), "v".to_owned());
    let expected = [
        Event::Info(Box::new(info)),
        Event::Ping,
        Event::Pong,
        Event::Ok,
        Event::Error("No \"such\" thing".to_owned()),
        Event::Error("no reason".to_owned()),
        Event::Message(message("a.b", b"hi")),
        Event::Message(message("a", b"")),
        Event::Message(Received { status: Some(503), ..message("a", b"") }),
        Event::Message(Received { headers: vec![header], ..message("a", b"hi") }),
        Event::Bare(message("a", b"hi")),
        Event::Message(message("a", b"x")),
        Event::Error("x".to_owned()),
        Event::Ping,
    ];
    assert_eq!(said(ALL), expected);
}

#[test]
fn in_any_pieces_and_cut_anywhere_it_says_the_same() {
    let whole = said(ALL);
    for piece in 1..ALL.len() {
        assert_eq!(read(ALL, piece), read(ALL, ALL.len()), "{piece}");
        let (events, garbage) = read(&ALL[..piece], ALL.len());
        assert!(garbage.is_none() && whole.starts_with(&events), "{piece}");
        assert_eq!(read(&ALL[..piece], 3), (events, garbage), "{piece}");
    }
}

#[test]
fn any_byte_changed_is_read_or_refused_the_same_in_any_pieces() {
    for at in 0..ALL.len() {
        for byte in [0, b' ', b'\r', b'\n', b'0', b'9', b'-', b'{', 0x7F, 0xFF] {
            let mut text = ALL.to_vec();
            text[at] = byte;
            let whole = read(&text, text.len());
            for piece in [1, 2, 7, 64] {
                assert_eq!(read(&text, piece), whole, "{at} {byte}");
            }
        }
    }
}

#[test]
fn garbage_is_a_sentence_and_no_panic() {
    for line in [
        "",
        " ",
        "SSH-2.0-x",
        "HTTP/1.1 400 Bad Request",
        "INFO",
        "INFO {",
        "INFO []",
        "INFO {\"max_payload\":-1}",
        "INFO {\"connect_urls\":[1]}",
        "MSG",
        "MSG a",
        "MSG a 1",
        "MSG a 1 r 2 3",
        "MSG a 1 x",
        "MSG a 1 -1",
        "MSG a 1 +1",
        "MSG a 1 18446744073709551615",
        "MSG a 1 18446744073709551616",
        "MSG a 1 9999999999",
        "MSG a 1 2147483648",
        "HMSG a 1 2",
        "HMSG a 1 3 2",
        "HMSG a 1 r 3 x",
        "HMSG a 1 18446744073709551615 1",
        "HMSG a 1 1 18446744073709551615",
        "HMSG a 1 r 1 2 3",
        "MSGA 1 1",
        "PUB a 0",
    ] {
        let text = format!("PING\r\n{line}\r\nPING\r\n");
        let (events, garbage) = read(text.as_bytes(), 4096);
        assert_eq!(events, [Event::Ping], "{line}");
        let shown = garbage.unwrap().to_string();
        assert!(shown.starts_with("it says ") && shown.len() < 200, "{shown}");
    }
    for text in ["MSG a 1 2\r\nhi!\r\n", "MSG a 1 0\r\nhi", "HMSG a 1 1 2\r\nhiPING\r\n"] {
        let (events, garbage) = read(text.as_bytes(), 1);
        assert!(events.is_empty() && garbage.unwrap().to_string().contains("not as long"), "{text}");
    }
}

#[test]
fn lines_and_messages_are_bounded_before_memory_is_taken() {
    let endless = |start: &str, bytes: usize| [start.as_bytes(), &vec![b'x'; bytes]].concat();
    for (start, max) in [("MSG ", LINE_LEN_MAX), ("-ERR ", LINE_LEN_MAX), ("INFO ", INFO_LEN_MAX)] {
        for piece in [1, 1000, 1 << 20] {
            let short = read(&endless(start, max - start.len()), piece);
            assert_eq!(short, (vec![], None), "{start}");
            let (events, garbage) = read(&endless(start, max), piece);
            assert!(events.is_empty() && garbage.unwrap().to_string().contains("too long"), "{start}");
        }
    }
    let mut parser = Parser::new(10);
    for text in ["MSG a 1 11\r\n", "MSG a 1 2147483647\r\n", "HMSG a 1 4 11\r\n"] {
        parser.next(text.as_bytes()).unwrap();
        assert!(parser.body.is_none() && parser.skip > 0);
        parser.skip = 0;
    }
    parser.next(b"MSG a 1 10\r\n").unwrap();
    parser.next(b"x").unwrap();
    assert!(parser.body.unwrap().part.capacity() <= 16);
}

#[test]
fn a_message_that_is_too_long_is_passed_over() {
    let mut text = b"MSG a 1 5000\r\n".to_vec();
    text.extend(vec![b'x'; 5000]);
    text.extend(b"\r\nMSG b 1 1\r\ny\r\n");
    for piece in [1, 100, 10_000] {
        assert_eq!(read(&text, piece).0, [Event::TooLong, Event::Message(message("b", b"y"))]);
    }
}
