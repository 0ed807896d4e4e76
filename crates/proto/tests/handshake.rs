//! Opening handshakes: what is accepted, what is refused, and with which status.

use holdfast_proto::fuzz::head;
use holdfast_proto::handshake::HEADERS_MAX;
use holdfast_proto::{
    HandshakeError, HeadLimits, HeadStatus, Request, parse_head, write_accept, write_refusal,
};

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 8192, headers_max: 64 };

/// The example of RFC 6455 1.3, line by line.
const LINES: [&str; 8] = [
    "GET /chat HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Origin: http://example.com",
    "Sec-WebSocket-Protocol: chat, superchat",
    "Sec-WebSocket-Version: 13",
];

fn request_of(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).chain(["\r\n".to_owned()]).collect()
}

/// The example with the line that begins like `line` replaced by it, or `line` added.
fn example_with(line: &str) -> String {
    let name = |line: &str| line.split([':', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    let mut lines = LINES.to_vec();
    match lines.iter().position(|other| name(other) == name(line)) {
        Some(at) => lines[at] = line,
        None => lines.push(line),
    }
    request_of(&lines)
}

fn example_plus(line: &str) -> String {
    request_of(&[&LINES[..], &[line]].concat())
}

fn example_without(name: &str) -> String {
    let lines: Vec<_> = LINES.into_iter().filter(|line| !line.starts_with(name)).collect();
    request_of(&lines)
}

/// The request of a head that must be accepted whole, after checking that every cut gives the same verdict.
fn accepted(input: &str) -> Request<'_> {
    for len in 0..input.len() {
        let part = parse_head(&input.as_bytes()[..len], &LIMITS);
        assert!(matches!(part, Ok(HeadStatus::NeedMore)), "{len} bytes of {input:?}: {part:?}");
    }
    match parse_head(input.as_bytes(), &LIMITS) {
        Ok(HeadStatus::Upgrade { request, head_len }) => {
            assert_eq!(head_len, input.len());
            request
        }
        other => panic!("{input:?}: {other:?}"),
    }
}

/// The error of a head that must be refused, after checking that every cut gives the same verdict.
fn refused(input: &[u8]) -> HandshakeError {
    let whole = flaw(input).expect("it is whole");
    for len in 0..input.len() {
        if let Some(error) = flaw(&input[..len]) {
            assert_eq!(error, whole, "{len} bytes");
        }
    }
    whole
}

/// What keeps a head from being an opening handshake; nothing if there is more to come.
fn flaw(input: &[u8]) -> Option<HandshakeError> {
    match parse_head(input, &LIMITS) {
        Ok(HeadStatus::NeedMore) => None,
        Ok(HeadStatus::Plain { why, .. }) => Some(why),
        Ok(upgrade) => panic!("{} bytes accepted: {upgrade:?}", input.len()),
        Err(error) => Some(error),
    }
}

#[test]
fn the_example_of_the_standard_is_accepted_over_every_cut() {
    let input = request_of(&LINES);
    let request = accepted(&input);
    assert_eq!((request.target(), request.path(), request.query()), ("/chat", "/chat", None));
    assert_eq!((request.host(), request.origin()), ("server.example.com", Some("http://example.com")));
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    assert_eq!(request.header("SEC-websocket-VERSION"), Some(&b"13"[..]));
    assert_eq!(request.header("Cookie"), None);
    assert_eq!(request.headers().count(), 7);
    assert_eq!(request.key(), b"dGhlIHNhbXBsZSBub25jZQ==");
    // RFC 6455 1.3: "This value would then be echoed in the |Sec-WebSocket-Accept| header field."
    assert_eq!(request.accept_key().as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn frames_behind_the_head_are_left_to_the_receiver() {
    let head = request_of(&LINES);
    let input = [head.as_bytes(), &[0x81, 0x80, 1, 2, 3, 4]].concat();
    let status = parse_head(&input, &LIMITS);
    assert!(matches!(status, Ok(HeadStatus::Upgrade { head_len, .. }) if head_len == head.len()));
}

#[test]
fn variants_that_the_standards_allow_are_accepted() {
    for line in [
        "Upgrade: WebSocket",
        "Upgrade: h2c, websocket",
        "Connection: keep-alive, Upgrade",
        "connection:upgrade",
        "Connection:\t Upgrade \t",
        "Content-Length: 0",
        "Sec-WebSocket-Protocol: a,, b ,",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; x=\"10\", b",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAZ==",
        "GET http://example.com/chat?x=1 HTTP/1.1",
        "X-Latin-1: caf\u{e9}",
    ] {
        accepted(&example_with(line));
    }
    // RFC 9112 2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least
    // one empty line (CRLF) received prior to the request-line."
    accepted(&format!("\r\n{}", request_of(&LINES)));
    accepted(&example_without("Origin"));
    accepted(&example_plus("Connection: keep-alive"));
}

#[test]
fn lists_go_on_over_several_header_lines() {
    // RFC 6455 11.3.4 and 11.3.2.
    let input = request_of(
        &[
            &LINES[..],
            &[
                "sec-websocket-protocol: third",
                "Sec-WebSocket-Extensions: a; p=1; q",
                "Sec-WebSocket-Extensions: b",
            ],
        ]
        .concat(),
    );
    let request = accepted(&input);
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat", "superchat", "third"]);
    let extensions: Vec<_> = request
        .extensions()
        .map(|extension| (extension.name(), extension.parameters().collect::<Vec<_>>()))
        .collect();
    assert_eq!(extensions, [("a", vec![("p", Some("1")), ("q", None)]), ("b", vec![])]);
}

#[test]
fn a_quoted_parameter_is_a_token_once_its_backslashes_are_taken_away() {
    // RFC 6455 9.1: "the value after quoted-string unescaping MUST conform to the 'token' ABNF".
    let input = example_with(r#"Sec-WebSocket-Extensions: a; p="1\5"; q="x""#);
    let parameters: Vec<_> =
        accepted(&input).extensions().flat_map(|extension| extension.parameters()).collect();
    assert_eq!(parameters, [("p", Some(r"1\5")), ("q", Some("x"))]);
    for bad in [r#"a; p="\,""#, r#"a; p="x\""#, r#"a; p="\""#, r#"a; p="""#, r#"a; p="x"y"#] {
        let input = example_with(&format!("Sec-WebSocket-Extensions: {bad}"));
        assert_eq!(refused(input.as_bytes()), HandshakeError::BadExtensions, "{bad}");
    }
}

#[test]
fn the_host_of_an_absolute_target_wins() {
    let input = example_with("GET https://other.example:444?q HTTP/1.1");
    let request = accepted(&input);
    assert_eq!((request.host(), request.path(), request.query()), ("other.example:444", "/", Some("q")));
    assert_eq!(request.target(), "https://other.example:444?q");
}

#[test]
fn each_wrong_request_gets_its_own_answer() {
    use HandshakeError as E;
    let table: Vec<(String, E, u16)> = vec![
        (example_with("GET /chat HTTP/1.0"), E::VersionNotSupported, 505),
        (example_with("GET /chat HTTP/1.2"), E::VersionNotSupported, 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), E::VersionNotSupported, 505),
        (request_of(&LINES).replacen("GET", "POST", 1), E::MethodNotGet, 405),
        (request_of(&LINES).replacen("GET", "get", 1), E::MethodNotGet, 405),
        ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n".into(), E::MethodNotGet, 405),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".into(), E::NotAnUpgrade, 426),
        ("GET /healthz HTTP/1.1\r\n\r\n".into(), E::NotAnUpgrade, 426),
        (example_with("Upgrade: h2c"), E::NotAnUpgrade, 426),
        (example_with("Sec-WebSocket-Version: 8"), E::WrongVersion, 426),
        (example_with("Sec-WebSocket-Version: 13, 8"), E::WrongVersion, 426),
        (example_with("GET chat HTTP/1.1"), E::BadTarget, 400),
        (example_with("GET * HTTP/1.1"), E::BadTarget, 400),
        (example_with("GET /chat#top HTTP/1.1"), E::BadTarget, 400),
        (example_with("GET ftp://h/chat HTTP/1.1"), E::BadTarget, 400),
        (example_without("Connection"), E::ConnectionNotUpgrade, 400),
        (example_with("Connection: close"), E::ConnectionNotUpgrade, 400),
        (example_without("Host"), E::MissingHeader("Host"), 400),
        (example_without("Sec-WebSocket-Key"), E::MissingHeader("Sec-WebSocket-Key"), 400),
        (example_without("Sec-WebSocket-Version"), E::MissingHeader("Sec-WebSocket-Version"), 400),
        (example_plus("Host: other"), E::DuplicateHeader("Host"), 400),
        (example_plus("Origin: http://other"), E::DuplicateHeader("Origin"), 400),
        (example_plus("sec-websocket-key: x"), E::DuplicateHeader("Sec-WebSocket-Key"), 400),
        (example_plus("Sec-WebSocket-Version: 13"), E::DuplicateHeader("Sec-WebSocket-Version"), 400),
        (example_plus("Content-Length: 0\r\nContent-Length: 0"), E::DuplicateHeader("Content-Length"), 400),
        (example_with("Host: "), E::BadHost, 400),
        (example_with("Host: a/b"), E::BadHost, 400),
        (example_with("Origin: a b"), E::BadOrigin, 400),
        (example_with("Sec-WebSocket-Key: "), E::BadKey, 400),
        (example_with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="), E::BadKey, 400),
        (example_with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ==="), E::BadKey, 400),
        (example_with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA"), E::BadKey, 400),
        (example_with("Sec-WebSocket-Key: dGhl-HNhbXBsZSBub25jZQ=="), E::BadKey, 400),
        (example_with("Sec-WebSocket-Protocol: a b"), E::BadSubprotocols, 400),
        (example_with("Sec-WebSocket-Protocol: a/b"), E::BadSubprotocols, 400),
        (example_with("Sec-WebSocket-Extensions: a;"), E::BadExtensions, 400),
        (example_with("Sec-WebSocket-Extensions: a; b="), E::BadExtensions, 400),
        (example_with("Sec-WebSocket-Extensions: a; b=\"c d\""), E::BadExtensions, 400),
        (example_with("Sec-WebSocket-Extensions: a; b=\"c"), E::BadExtensions, 400),
        (example_with("Content-Length: 5"), E::HasBody, 400),
        (example_with("Transfer-Encoding: chunked"), E::HasBody, 400),
        (example_plus("X-Folded: a\r\n b"), E::BadHeader, 400),
        (example_plus("No colon"), E::BadHeader, 400),
        (example_plus("Space : x"), E::BadHeader, 400),
        (example_plus("X: a\0b"), E::BadHeader, 400),
        (example_with("GET  /chat HTTP/1.1"), E::BadRequestLine, 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".into(), E::BadRequestLine, 400),
        (request_of(&LINES).replace("\r\n", "\n"), E::BadLineEnding, 400),
        (request_of(&LINES).replacen("\r\n", "\n", 1), E::BadLineEnding, 400),
    ];
    for (input, error, status) in table {
        assert_eq!(refused(input.as_bytes()), error, "{input:?}");
        assert_eq!(error.status(), status, "{error:?}");
    }
}

#[test]
fn a_space_in_the_target_is_no_other_version_of_http() {
    for rest in [
        "Example HTTP/1.1",
        "HTTP/1.1 HTTP/1.1",
        "HTTP/2 HTTP/1.1",
        "HTTP/2.0b HTTP/1.1",
        "HTTP/x HTTP/1.1",
        "H HTTP/1.0",
        "HTTP/1.1 ",
        "HTTP/1.12",
        "http/1.1",
        "",
    ] {
        let error = refused(example_with(&format!("GET /?user=Ann {rest}")).as_bytes());
        assert_eq!((error, error.status()), (HandshakeError::BadRequestLineEnd, 400), "{rest}");
        assert!(error.to_string().contains("%20"));
    }
    for version in ["HTTP/1.0", "HTTP/2", "HTTP/3.0", "HTTP/0.9", "HTTP/11"] {
        let error = refused(example_with(&format!("GET /?user=Ann {version}")).as_bytes());
        assert_eq!((error, error.status()), (HandshakeError::VersionNotSupported, 505), "{version}");
    }
}

#[test]
fn what_a_client_did_not_encode_is_taken_unless_it_separates_or_controls() {
    let taken: Vec<char> =
        ('!'..='~').filter(|c| *c != '#').chain(['\u{a0}', 'ë', '漢', '\u{1f980}']).collect();
    for character in &taken {
        for target in [format!("/a{character}b"), format!("/chat?name=Zo{character}")] {
            let input = example_with(&format!("GET {target} HTTP/1.1"));
            assert_eq!(accepted(&input).target(), target);
        }
    }
    // Below a space and above `~`, and C1, which a terminal obeys too.
    for byte in (0..=0x1F).chain(0x7F..=0x9F).map(|code| char::from(code).to_string()) {
        let input = example_with(&format!("GET /?name={byte} HTTP/1.1"));
        let expected = match byte.as_str() {
            "\r" => HandshakeError::BadRequestLine,
            "\n" => HandshakeError::BadRequestLine,
            _ => HandshakeError::UnencodedTarget,
        };
        assert_eq!(refused(input.as_bytes()), expected, "{byte:?}");
    }
    for bytes in [&b"\xEB"[..], b"\xC3", b"\xC0\xAF", b"\xED\xA0\x80", b"\xFF"] {
        let input = [b"GET /?name=Zo", bytes, b" HTTP/1.1\r\n"].concat();
        let error = refused(&input);
        assert_eq!((error, error.status()), (HandshakeError::UnencodedTarget, 400), "{bytes:X?}");
        assert!(error.to_string().contains("UTF-8"));
    }
}

#[test]
fn what_is_wrong_before_the_target_is_not_said_of_the_target() {
    for line in ["G(T /\u{1} HTTP/1.1", "GET\t/\u{1} HTTP/1.1", "GET  HTTP/1.1", " GET / HTTP/1.1", "GET /"] {
        let input = request_of(&LINES).replacen(LINES[0], line, 1);
        assert_eq!(refused(input.as_bytes()), HandshakeError::BadRequestLine, "{line:?}");
    }
    assert_eq!(refused(b"\rGET /a b HTTP/1.1\r\n"), HandshakeError::BadLineEnding);
    assert_eq!(refused(b"\n\r\nGET /a b HTTP/1.1\r\n"), HandshakeError::BadRequestLineEnd);
    assert_eq!(refused(b"GET / HTTP/1.1\r\rHost: h\r\n"), HandshakeError::BadLineEnding);
}

#[test]
fn a_tls_client_hello_is_refused_at_its_first_byte() {
    assert!(matches!(parse_head(&[0x16], &LIMITS), Err(HandshakeError::BadRequestLine)));
}

#[test]
fn the_head_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
    let padding = LIMITS.head_bytes_max - example_plus("X: ").len();
    let longest = example_plus(&format!("X: {}", "x".repeat(padding)));
    assert_eq!(longest.len(), LIMITS.head_bytes_max);
    let with_frames = [longest.as_bytes(), &[0x81; 100]].concat();
    assert!(matches!(parse_head(&with_frames, &LIMITS), Ok(HeadStatus::Upgrade { head_len: 8192, .. })));
    let longer = example_plus(&format!("X: {}", "x".repeat(padding + 1)));
    assert!(matches!(parse_head(&longer.as_bytes()[..8191], &LIMITS), Ok(HeadStatus::NeedMore)));
    for len in [8192, longer.len()] {
        let outcome = parse_head(&longer.as_bytes()[..len], &LIMITS);
        assert_eq!(outcome.map(|_| ()), Err(HandshakeError::HeadTooLong));
    }
    assert_eq!(HandshakeError::HeadTooLong.status(), 431);
}

#[test]
fn there_may_be_as_many_headers_as_the_limit_and_not_one_more() {
    let request = |count: usize| example_plus(&vec!["X: y"; count - 7].join("\r\n"));
    for headers_max in [64, 100, HEADERS_MAX] {
        let limits = HeadLimits { headers_max, ..LIMITS };
        let (fits, over) = (request(headers_max), request(headers_max + 1));
        assert!(matches!(parse_head(fits.as_bytes(), &limits), Ok(HeadStatus::Upgrade { .. })));
        let outcome = parse_head(over.as_bytes(), &limits).map(|_| ());
        assert_eq!(outcome, Err(HandshakeError::TooManyHeaders));
    }
    let over = request(HEADERS_MAX + 1);
    let outcome = parse_head(over.as_bytes(), &HeadLimits { headers_max: 1000, ..LIMITS });
    assert_eq!(outcome.map(|_| ()), Err(HandshakeError::TooManyHeaders));
    assert_eq!(HandshakeError::TooManyHeaders.status(), 431);
}

#[test]
fn accepted_and_damaged_heads_keep_the_promises_of_the_fuzz_target() {
    let example = example_plus("Sec-WebSocket-Extensions: a; b=\"c\", d");
    head(example.as_bytes());
    for at in 0..example.len() {
        for byte in [b'\0', b' ', b'\r', b'\n', b':', b',', b'"', b'\x7F', b'\xFF', b'/', b'2'] {
            let mut damaged = example.clone().into_bytes();
            damaged[at] = byte;
            head(&damaged);
        }
    }
}

#[test]
fn the_response_that_accepts_is_the_example_of_the_standard() {
    let input = request_of(&LINES);
    let mut out = b"before".to_vec();
    write_accept(&mut out, &accepted(&input).accept_key(), Some("chat"), None);
    // RFC 6455 1.3.
    let expected = "beforeHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn the_response_that_accepts_names_the_extensions() {
    let input = request_of(&LINES);
    let mut out = Vec::new();
    write_accept(
        &mut out,
        &accepted(&input).accept_key(),
        None,
        Some("permessage-deflate; server_max_window_bits=10"),
    );
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.ends_with("\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n")
    );
    assert!(!out.contains("Sec-WebSocket-Protocol"));
}

#[test]
fn a_refusal_is_a_whole_response_with_what_its_status_demands() {
    let answer = |status, retry_after| {
        let mut out = Vec::new();
        write_refusal(&mut out, status, "Try später.", retry_after);
        String::from_utf8(out).unwrap()
    };
    let refusal = |status| answer(status, None);
    assert!(answer(503, Some(7)).contains("\r\nRetry-After: 7\r\n"));
    assert_eq!(
        refusal(503),
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: 13\r\n\r\nTry später.\n"
    );
    assert!(refusal(400).starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"));
    assert!(refusal(431).starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    assert!(refusal(401).contains("\r\nWWW-Authenticate: Bearer\r\n"));
    assert!(refusal(405).contains("\r\nAllow: GET\r\n"));
    let upgrade = refusal(426);
    for line in ["Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13"] {
        assert!(upgrade.contains(&format!("\r\n{line}\r\n")), "{line} is missing in {upgrade}");
    }
    assert!(refusal(418).starts_with("HTTP/1.1 418 Refused\r\n"));
    assert!(refusal(599).starts_with("HTTP/1.1 599 Server Error\r\n"));
}
