//! One port: REST and WebSockets at the same listener and on the same connections, and what REST takes of neither.

use holdfast::settings::DriverChoice;
use holdfast_webpubsub::token::{AccessKey, sign_rest};
use rustix::process::Signal;

use super::house::{House, JSON, Json, KEY, Rest, chat, member, now_s, of_user, rest, upgrade};
use super::service::Service;
use crate::on_every_rung;
use crate::rig::{Peer, wait_until};

on_every_rung!(
    a_connection_carries_requests_and_then_a_websocket,
    a_request_and_an_upgrade_behind_it_come_at_once,
    the_head_of_a_request_may_be_four_times_as_long_as_that_of_an_upgrade,
    whatever_two_readers_could_read_differently_is_refused,
    requests_are_served_while_the_gateway_is_full,
    requests_are_served_in_a_drain_until_the_last_client_has_gone,
    requests_count_toward_no_rate_of_handshakes,
    requests_count_for_no_address,
    connections_that_rest_make_room_for_those_who_ask,
    what_no_handler_sees_is_answered_in_json_too,
    a_reason_is_heard_whole_before_the_close_frame,
    a_target_may_be_longer_than_the_head_of_an_upgrade,
);

const HEALTH: &[u8] = b"HEAD /api/health HTTP/1.1\r\nHost: test\r\n\r\n";

fn a_connection_carries_requests_and_then_a_websocket(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut listener = house.json(&member());
    let mut asks = house.rest();
    for count in 0..3 {
        asks.send(HEALTH);
        assert_eq!(asks.read("HEAD").status, 200);
        assert_eq!(asks.ask("POST", "hubs/chat/:send", &format!("hello {count}")).status, 202);
        assert_eq!(listener.hear()["data"], format!("hello {count}"));
    }
    let mut client = Json::over(asks.peer, &member());
    client.say(r#"{"type":"ping"}"#);
    assert_eq!(client.hear()["type"], "pong");
}

fn a_request_and_an_upgrade_behind_it_come_at_once(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut peer = house.peer();
    let send = rest("POST", "hubs/chat/:send", "", "to nobody");
    peer.send(&[&send, HEALTH, &upgrade("chat", &of_user("ann"), JSON)].concat());
    assert_eq!((peer.read_status(), peer.read_status()), (202, 200));
    peer.expect_accepted();
    let frame = peer.read_frame();
    assert!(String::from_utf8_lossy(&frame.payload).contains("\"userId\":\"ann\""), "{frame:?}");
}

fn the_head_of_a_request_may_be_four_times_as_long_as_that_of_an_upgrade(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let line = |len: usize| format!("X-Long: {}\r\n", "x".repeat(len));
    for len in [9 << 10, 17 << 10, 60 << 10] {
        // On a connection of its own, and on one that has asked before.
        let mut asks = house.rest();
        for _ in 0..2 {
            asks.send(&rest("POST", "hubs/chat/:send", &line(len), "hello"));
            assert_eq!(asks.read("POST").status, 202, "{len}");
            asks.send(&rest("GET", "hubs/chat/groups/g/connections", &line(len), ""));
            assert_eq!(asks.read("GET").status, 200, "{len}");
        }
    }
    // In pieces, the first of which ends in the middle of the request line.
    let mut asks = house.rest();
    let whole = rest("GET", "hubs/chat/groups/g/connections", &line(60 << 10), "");
    for piece in [&whole[..3], &whole[3..30], &whole[30..20_000], &whole[20_000..]] {
        asks.send(piece);
    }
    assert_eq!(asks.read("GET").status, 200);
    let mut asks = house.rest();
    asks.send(&rest("POST", "hubs/chat/:send", &line(64 << 10), "hello"));
    assert_eq!(asks.read("POST").status, 431);

    let mut client = house.peer();
    client.send(&upgrade("chat", &member(), &line(14 << 10)));
    client.expect_accepted();
    let mut client = house.peer();
    client.send(&upgrade("chat", &member(), &line(17 << 10)));
    assert_eq!(client.read_status(), 431);
}

fn whatever_two_readers_could_read_differently_is_refused(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut listener = house.json(&member());
    let smuggled = String::from_utf8(rest("POST", "hubs/chat/:send", "", "smuggled")).unwrap();
    let doubtful = [
        ("two lengths", "Content-Length: 5\r\nContent-Length: 50\r\n", "hello"),
        ("the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        ("a list of lengths", "Content-Length: 5, 5\r\n", "hello"),
        ("a length with a sign", "Content-Length: +5\r\n", "hello"),
        ("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        ("a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("chunks in disguise", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        ("a space before the colon", "Content-Length : 5\r\n", "hello"),
        ("a folded line", "X: a\r\n Content-Length: 5\r\n", "hello"),
        ("a bare line feed", "X: a\nContent-Length: 5\r\n", "hello"),
        ("another Host", "Host: other\r\nContent-Length: 5\r\n", "hello"),
        ("a chunk with a sign", "Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk that does not end", "Transfer-Encoding: chunked\r\n", "5\r\nhelloxx0\r\n\r\n"),
    ];
    for (what, lines, body) in doubtful {
        for is_first in [true, false] {
            let mut asks = house.rest();
            if !is_first {
                asks.send(HEALTH);
                assert_eq!(asks.read("HEAD").status, 200);
            }
            let head = String::from_utf8(rest("POST", "hubs/chat/:send", "", "")).unwrap();
            let head = head.replace("Content-Length: 0\r\n\r\n", &format!("{lines}\r\n"));
            asks.send(format!("{head}{body}{smuggled}").as_bytes());
            assert_eq!(asks.read("POST").status, 400, "{what}");
            asks.peer.expect_over();
        }
    }
    assert_eq!(house.ask("POST", "hubs/chat/:send", "the end").status, 202);
    assert_eq!(listener.hear()["data"], "the end", "nothing was smuggled");
}

fn requests_are_served_while_the_gateway_is_full(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "connections-max = 1\nshards = 1", &chat(&service, ""));
    let mut kept = house.rest();
    assert_eq!(kept.ask("GET", "hubs/chat/groups/g/connections", "").status, 200);
    let mut only = house.json(&member());
    for _ in 0..3 {
        // Asked at once, and after a while in which it was only connected.
        assert_eq!(house.ask("POST", "hubs/chat/:send", "hello").status, 202);
        assert_eq!(only.hear()["data"], "hello");
        let mut late = house.peer();
        late.send(&upgrade("chat", &member(), ""));
        late.expect_refused(503);
        let mut slow = house.rest();
        let request = rest("POST", "hubs/chat/:send", "", "slowly");
        slow.send(&request[..1]);
        slow.send(&request[1..]);
        assert_eq!(slow.read("POST").status, 202);
        assert_eq!(only.hear()["data"], "slowly");
        assert_eq!(kept.ask("POST", "hubs/chat/:send", "kept").status, 202);
        assert_eq!(only.hear()["data"], "kept");
    }
    kept.send(&upgrade("chat", &member(), ""));
    assert_eq!(kept.read("GET").status, 503, "an upgrade on such a connection takes a place");
}

fn requests_are_served_in_a_drain_until_the_last_client_has_gone(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut last = house.client(&member());
    let mut kept = house.rest();
    assert_eq!(kept.ask("POST", "hubs/chat/:send", "before").status, 202);
    last.expect_text("before");
    house.process.signal(Signal::TERM);
    last.expect_close(1001);
    let mut late = house.peer();
    late.send(&upgrade("chat", &member(), ""));
    late.expect_refused(503);
    drop(late);
    for _ in 0..3 {
        assert_eq!(house.ask("POST", "hubs/chat/:send", "in it").status, 202);
        assert_eq!(kept.ask("HEAD", "hubs/chat/groups/g", "").status, 404);
    }
    last.send_close(1001, "");
    last.expect_end();
    // It rests, and nobody waits for it.
    let (code, said) = house.process.wait();
    assert_eq!(code, Some(0), "{said}");
    kept.peer.expect_end();
}

fn requests_count_toward_no_rate_of_handshakes(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "handshakes-per-second-max = 1", &chat(&service, ""));
    for _ in 0..5 {
        assert_eq!(house.ask("POST", "hubs/chat/:send", "hello").status, 202);
    }
    let _client = house.client(&member());
    // More than one a second, whatever way they come.
    let mut open: Vec<Peer> = Vec::new();
    wait_until("one is refused", || {
        let mut asks = house.rest();
        asks.send(&[HEALTH, &upgrade("chat", &member(), "")].concat());
        assert_eq!(asks.read("HEAD").status, 200);
        let is_refused = asks.peer.read_status() == 503;
        open.push(asks.peer);
        is_refused
    });
    wait_until("one is refused", || {
        let mut peer = house.peer();
        peer.send(&upgrade("chat", &member(), ""));
        let is_refused = peer.read_status() == 503;
        open.push(peer);
        is_refused
    });
}

fn requests_count_for_no_address(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "address-connections-max = 1", &chat(&service, ""));
    let mut kept: Vec<Rest> = (0..4).map(|_| house.rest()).collect();
    for asks in &mut kept {
        assert_eq!(asks.ask("POST", "hubs/chat/:send", "hello").status, 202);
    }
    let mut client = house.client(&member());
    assert_eq!(house.ask("POST", "hubs/chat/:send", "hello").status, 202);
    client.expect_text("hello");
    let mut late = house.peer();
    late.send(&upgrade("chat", &member(), ""));
    late.expect_refused(429);
    let mut asks = kept.pop().unwrap();
    asks.send(&upgrade("chat", &member(), ""));
    assert_eq!(asks.read("GET").status, 429, "an upgrade on such a connection counts");
    client.close();
    house.wait_until_held(0);
    let mut asks = kept.pop().unwrap();
    asks.send(&upgrade("chat", &member(), ""));
    asks.peer.expect_accepted();
}

fn connections_that_rest_make_room_for_those_who_ask(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut kept = Vec::new();
    for count in 0..300 {
        let mut asks = house.rest();
        asks.send(HEALTH);
        assert_eq!(asks.read("HEAD").status, 200, "{count}");
        kept.push(asks);
    }
    // The newest is still there.
    let asks = kept.last_mut().unwrap();
    asks.send(HEALTH);
    assert_eq!(asks.read("HEAD").status, 200);
}

fn what_no_handler_sees_is_answered_in_json_too(rung: DriverChoice) {
    let house = House::of(rung, &Service::quiet());
    let ask = |request: &str| {
        let mut peer = house.peer();
        peer.send(request.as_bytes());
        let response = peer.read_response();
        super::house::read_body(&mut peer, response)
    };
    let token =
        sign_rest(&AccessKey::new(KEY).unwrap(), "http://test/api/hubs/chat/:send", now_s(), now_s() + 60);
    let long = ask(&format!(
        "POST /api/hubs/chat/:send HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Type: \
         text/plain\r\nContent-Length: 1048577\r\n\r\n"
    ));
    assert_eq!((long.status, long.header("x-ms-error-code")), (413, Some("Error.PayloadTooLarge")));
    assert!(long.body.contains("\"message\":\"Send a body of at most 1048576 bytes.\""), "{long:?}");
    let plain = ask("GET /client/hubs/chat HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!((plain.status, plain.header("x-ms-error-code")), (400, Some("Error.BadRequest")));
}

fn a_reason_is_heard_whole_before_the_close_frame(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let reason = "x".repeat(200);
    let mut client = house.json(&member());
    let path = format!("hubs/chat/connections/{}?reason={reason}", client.id);
    assert_eq!(house.ask("DELETE", &path, "").status, 204);
    assert_eq!(client.hear()["message"], reason);
    assert_eq!(client.peer.read_close(), Some((1000, "x".repeat(123))));
}

fn a_target_may_be_longer_than_the_head_of_an_upgrade(rung: DriverChoice) {
    let house = House::of(rung, &Service::quiet());
    let excluded = "&excluded=0123456789abcdef0123456789abcdef".repeat(600);
    assert_eq!(house.ask("POST", &format!("hubs/chat/:send?a=b{excluded}"), "hello").status, 202);
    let mut peer = house.peer();
    peer.send(format!("GET /client/hubs/chat?a={}", "x".repeat(20_000)).as_bytes());
    assert_eq!(peer.read_response().status, 431);
}
