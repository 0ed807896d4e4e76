//! Requests and their answers, byte by byte.

use super::*;

#[tokio::test]
async fn requests_are_answered_in_order_however_they_are_cut() {
    let bytes = [POST, CHUNKS, b"\r\n", GET, POST].concat();
    let expected = [
        answer("POST /ask?a=b 192.0.2.1 hello"),
        answer("PUT /c 192.0.2.1 hello"),
        answer("GET /get 192.0.2.1 "),
        answer("POST /ask?a=b 192.0.2.1 hello"),
    ]
    .concat();
    let rig = Rig::default();
    for cut in 0..=bytes.len() {
        let (first, rest) = bytes.split_at(cut);
        let mut handed = rig.connect_with(first, 1 << 20);
        handed.send(rest).await;
        assert_eq!(handed.end().await, (expected.clone(), Ended::Closed, Vec::new()), "handed over at {cut}");
        let mut cut_up = rig.connect();
        cut_up.send(first).await;
        cut_up.send(rest).await;
        assert_eq!(cut_up.end().await.0, expected, "cut at {cut}");
    }
    let mut bytewise = rig.connect();
    for byte in &bytes {
        bytewise.send(&[*byte]).await;
    }
    assert_eq!(bytewise.end().await.0, expected);
    assert_eq!(rig.budget.taken(), 0);
}

#[tokio::test]
async fn an_upgrade_comes_back_with_all_of_its_bytes() {
    let bytes = [POST, CHUNKS, UPGRADE].concat();
    let expected = [answer("POST /ask?a=b 192.0.2.1 hello"), answer("PUT /c 192.0.2.1 hello")].concat();
    let rig = Rig::default();
    for cut in 0..=bytes.len() {
        let mut client = rig.connect_with(&bytes[..cut], 1 << 20);
        client.send(&bytes[cut..]).await;
        let (answers, ended, unread) = client.end().await;
        let Ended::Upgrade { bytes } = ended else { panic!("{cut}: {ended:?}") };
        assert_eq!((answers, [bytes, unread].concat()), (expected.clone(), UPGRADE.to_vec()), "{cut}");
    }
}

#[tokio::test]
async fn a_flawed_upgrade_goes_back_too_and_what_is_none_is_served() {
    for head in [
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let mut client = Rig::default().connect();
        client.send(head.as_bytes()).await;
        assert_eq!(client.end().await.1, Ended::Upgrade { bytes: head.as_bytes().to_vec() });
    }
    let post = b"POST / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\n!";
    assert_eq!(answers(post).await, answer("POST / 192.0.2.1 !"));
}

#[tokio::test]
async fn the_answer_to_head_has_no_body_and_the_connection_goes_on() {
    let bytes = [b"HEAD /get HTTP/1.1\r\nHost: h\r\n\r\n", GET].concat();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n";
    assert_eq!(answers(&bytes).await, format!("{head}{}", answer("GET /get 192.0.2.1 ")));
    let refused = answers(b"HEAD /secret HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(
        refused.starts_with("HTTP/1.1 401 Unauthorized\r\n") && refused.ends_with("\r\n\r\n"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_connection_ends_where_client_or_handler_wants_it_to() {
    let get = |rest: &str| [format!("GET /get HTTP/1.1\r\nHost: h\r\n{rest}\r\n").as_bytes(), GET].concat();
    for connection in ["Connection: close\r\n", "Connection: a\r\nconnection: keep-alive , CLOSE\r\n"] {
        assert_eq!(answers(&get(connection)).await, last_answer("GET /get 192.0.2.1 "));
    }
    assert_eq!(answers(&get("Connection: closed\r\n")).await, answer("GET /get 192.0.2.1 ").repeat(2));
    let bytes = [b"GET /close HTTP/1.1\r\nHost: h\r\n\r\n", GET].concat();
    assert_eq!(answers(&bytes).await, last_answer("GET /close 192.0.2.1 "));
}

#[tokio::test]
async fn http_1_0_is_served_and_goes_on_where_that_is_asked_for() {
    assert_eq!(
        answers(b"GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n").await,
        last_answer("GET /a 192.0.2.1 ")
    );
    let asked = b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n";
    let told = answer("GET /a 192.0.2.1 ").replace("Content", "Connection: keep-alive\r\nContent");
    assert_eq!(answers(asked).await, told + &last_answer("GET /b 192.0.2.1 "));
}

#[tokio::test]
async fn a_client_that_waits_is_asked_for_a_body_that_is_wanted() {
    let head = |more: &str, len: usize| {
        format!(
            "POST /secret HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: {len}\r\n{more}\r\n"
        )
    };
    let mut client = Rig::default().connect();
    client.send(head("Authorization: Bearer t\r\n", 2).as_bytes()).await;
    client.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send(b"hi").await;
    client.expect(&answer("POST /secret 192.0.2.1 hi")).await;
    // One that does not wait.
    let at_once = head("Authorization: Bearer t\r\n", 2) + "hi";
    client.send(at_once.as_bytes()).await;
    client.expect(&answer("POST /secret 192.0.2.1 hi")).await;
    for (head, status) in [(head("", 2), 401), (head("Authorization: Bearer t\r\n", 9 << 20), 413)] {
        let answers = answers(head.as_bytes()).await;
        assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{answers}");
    }
    let other = answers(b"GET / HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n").await;
    assert!(other.starts_with("HTTP/1.1 417 "), "{other}");
}

#[tokio::test]
async fn a_refusal_without_a_body_left_behind_leaves_the_connection() {
    let secret = b"GET /secret HTTP/1.1\r\nHost: h\r\n\r\n";
    let answers = answers(&[secret, GET].concat()).await;
    let no = "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\nWWW-Authenticate: Bearer\r\n\
              Content-Length: 3\r\n\r\nno\n";
    assert_eq!(answers, format!("{no}{}", answer("GET /get 192.0.2.1 ")));
}
