//! What two readers of one connection could take differently.

use super::*;

/// Behind each of them comes a request that must not be answered.
#[tokio::test]
async fn what_could_hide_a_request_is_refused_and_ends_the_connection() {
    let lines = |lines: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    let cases = [
        ("both lengths", lines("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        ("both, the other way", lines("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n"),
        ("two lengths", lines("Content-Length: 5\r\nContent-Length: 6\r\n") + "hello"),
        ("one length twice", lines("Content-Length: 5\r\nContent-Length: 5\r\n") + "hello"),
        ("a list of lengths", lines("Content-Length: 5, 5\r\n") + "hello"),
        ("a length with a sign", lines("Content-Length: +5\r\n") + "hello"),
        ("a negative length", lines("Content-Length: -5\r\n") + "hello"),
        ("a length in hex", lines("Content-Length: 0x5\r\n") + "hello"),
        ("no length", lines("Content-Length:\r\n") + "hello"),
        ("a length with a space", lines("Content-Length: 1 0\r\n") + "hello"),
        ("an unknown coding", lines("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n"),
        ("identity", lines("Transfer-Encoding: identity\r\n")),
        ("chunks twice", lines("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n"),
        ("chunks on two lines", lines("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        ("chunks that end differently", lines("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n"),
        ("nearly chunked", lines("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n"),
        ("chunked in quotes", lines("Transfer-Encoding: \"chunked\"\r\n") + "0\r\n\r\n"),
        ("chunked with a parameter", lines("Transfer-Encoding: chunked;a=b\r\n") + "0\r\n\r\n"),
        ("chunked behind a control character", lines("Transfer-Encoding: \x0bchunked\r\n")),
        ("no coding", lines("Transfer-Encoding:\r\n")),
        (
            "chunks in HTTP/1.0",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n"
                .to_owned(),
        ),
        ("a space before the colon", lines("Content-Length : 5\r\n") + "hello"),
        ("a tab before the colon", lines("Transfer-Encoding\t: chunked\r\n") + "0\r\n\r\n"),
        ("a folded line", lines("X: a\r\n b\r\n")),
        ("a folded first line", "POST / HTTP/1.1\r\n Host: h\r\n\r\n".to_owned()),
        ("a folded coding", lines("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n"),
        ("a bare LF behind a header", lines("X: a\n")),
        ("a bare LF behind the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n".to_owned()),
        ("a bare LF for the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\n".to_owned()),
        ("a bare LF before it", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        ("a bare CR in a header", lines("X: a\rContent-Length: 5\r\n") + "hello"),
        ("a zero byte", lines("X: a\0b\r\n")),
        ("a line without a name", lines(": 5\r\n")),
        ("a line without a colon", lines("Content-Length\r\n")),
        ("no Host", "GET / HTTP/1.1\r\n\r\n".to_owned()),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n".to_owned()),
        ("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n".to_owned()),
        ("a bad Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned()),
        ("a space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        ("two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        ("a request without a version", "GET /\r\nHost: h\r\n\r\n".to_owned()),
        ("no chunk", lines("Transfer-Encoding: chunked\r\n") + "hello\r\n"),
        ("a chunk too long for its size", lines("Transfer-Encoding: chunked\r\n") + "1\r\nab\r\n0\r\n\r\n"),
        ("a bare LF behind a size", lines("Transfer-Encoding: chunked\r\n") + "1\na\r\n0\r\n\r\n"),
        ("a bare LF behind a chunk", lines("Transfer-Encoding: chunked\r\n") + "1\r\na\n0\r\n\r\n"),
        ("a bare LF in an extension", lines("Transfer-Encoding: chunked\r\n") + "1;a\nb\r\na\r\n0\r\n\r\n"),
    ];
    for (what, bytes) in cases {
        let answers = answers(&[bytes.as_bytes(), GET].concat()).await;
        assert!(answers.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{what}: {answers}");
        assert!(answers.contains("\r\nConnection: close\r\n"), "{what}: {answers}");
        assert_eq!(answers.matches("\r\nContent-Length: ").count(), 1, "{what}: {answers}");
    }
}

#[tokio::test]
async fn other_versions_hear_which_one_to_use() {
    for bytes in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.2\r\nHost: h\r\n\r\n"] {
        let answers = answers(bytes.as_bytes()).await;
        assert!(answers.starts_with("HTTP/1.1 505 "), "{answers}");
    }
}

#[tokio::test]
async fn lengths_that_no_number_holds_are_too_long() {
    for digits in ["18446744073709551616", "99999999999999999999999999999999"] {
        let bytes = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {digits}\r\n\r\n");
        let answers = answers(bytes.as_bytes()).await;
        assert!(answers.starts_with("HTTP/1.1 413 "), "{answers}");
    }
    let chunks = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n";
    let answers = answers(chunks).await;
    assert!(answers.starts_with("HTTP/1.1 413 "), "{answers}");
}
