//! Who may connect, and who may ask: tokens, keys, hubs.

use holdfast::settings::DriverChoice;

use super::house::{
    House, JSON, KEY, Rest, SECOND_KEY, Token, chat, hub, member, now_s, rest, rest_as, rest_token,
};
use super::service::Service;
use crate::on_every_rung;
use crate::rig::process::command;

on_every_rung!(
    who_has_no_good_token_does_not_connect,
    either_key_is_good_and_a_header_carries_a_token_too,
    a_hub_may_let_in_whoever_comes,
    who_has_no_good_token_may_not_ask,
    what_is_asked_wrongly_is_named,
);

const OTHER_KEY: &str = "no-key-of-this-gateway-0123456789abc";
/// `{"alg":"none","typ":"JWT"}`, and the same in capitals.
const NONE: [&str; 2] = ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJOT05FIiwidHlwIjoiSldUIn0"];

fn two_hubs(rung: DriverChoice, service: &Service) -> House {
    let lobby = format!("anonymous = true\naccess-key = \"{KEY}\"");
    let hubs = [chat(service, ""), hub("lobby", service, &lobby)].concat();
    House::new(rung, "", &hubs)
}

fn who_has_no_good_token_does_not_connect(rung: DriverChoice) {
    let service = Service::quiet();
    let house = two_hubs(rung, &service);
    let good = member();
    let [_, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let of = |audience| Token { audience, ..Token::default() }.sign();
    let bad = [
        ("signed with another key", Token { key: OTHER_KEY, ..Token::default() }.sign()),
        ("expired", Token { expires_s: now_s() - 3600, ..Token::default() }.sign()),
        ("for another hub", of("http://test/client/hubs/lobby")),
        ("for another host", of("http://other/client/hubs/chat")),
        ("for more than the hub", of("http://test/client/hubs/chat/more")),
        ("for less than the hub", of("http://test/client/hubs/")),
        ("for REST", rest_token(KEY, "/api/hubs/chat/:send")),
        ("for REST at the client's path", rest_token(KEY, "/api/client/hubs/chat")),
        ("without an algorithm", format!("{}.{claims}.", NONE[0])),
        ("without an algorithm, signed", format!("{}.{claims}.{signature}", NONE[1])),
        ("without a signature", format!("{}.", good.rsplit_once('.').unwrap().0)),
        ("cut", good[..good.len() - 1].to_owned()),
        ("nothing", String::new()),
        ("three dots", "...".to_owned()),
    ];
    for (what, token) in &bad {
        let response = house.refusal(&format!("/client/hubs/chat?access_token={token}"), JSON);
        assert_eq!(response.status, 401, "{what}: {response:?}");
        assert!(token.len() < 4 || !response.body.contains(token.as_str()), "{what}: {response:?}");
        let header = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(house.refusal("/client/hubs/chat", &header).status, 401, "{what}, in a header");
    }
    assert_eq!(house.refusal("/client/hubs/chat", JSON).status, 401, "no token at all");
    for path in ["/", "/client/hub", "/client/hubs/chat/more", "/clients/hubs/chat", "/chat"] {
        assert_eq!(house.refusal(&format!("{path}?access_token={good}"), "").status, 404, "{path}");
    }
    assert_eq!(house.refusal(&format!("/client/?access_token={good}"), "").status, 400, "no hub");
    assert_eq!(house.refusal(&format!("/client/hubs/none?access_token={good}"), "").status, 404);
    let group = Token { groups: &[" "], ..Token::default() }.sign();
    assert_eq!(house.refusal(&format!("/client/hubs/chat?access_token={group}"), "").status, 400);
    assert_eq!(service.events(), [""; 0], "no service was asked about any of them");
    house.client(&good);
}

fn either_key_is_good_and_a_header_carries_a_token_too(rung: DriverChoice) {
    let service = Service::quiet();
    let house = two_hubs(rung, &service);
    for key in [KEY, SECOND_KEY] {
        let token = Token { key, ..Token::default() }.sign();
        house.client(&token);
        house.json(&token);
        let lines = format!("Authorization: Bearer {token}\r\n");
        let mut peer = house.peer();
        peer.send(&crate::rig::peer::request_with("/client/?hub=CHAT", &lines));
        peer.expect_accepted();
        let mut asks = house.rest();
        asks.send(&rest_as(key, "POST", "hubs/Chat/:send", "", "hello"));
        assert_eq!(asks.read("POST").status, 202);
    }
}

fn a_hub_may_let_in_whoever_comes(rung: DriverChoice) {
    let service = Service::quiet();
    let house = two_hubs(rung, &service);
    let mut peer = house.peer();
    peer.open("/client/hubs/lobby");
    // Who shows a token has to show a good one.
    assert_eq!(house.refusal("/client/hubs/lobby?access_token=x", "").status, 401);
    let mut asks = house.rest();
    asks.send(b"POST /api/hubs/lobby/:send HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(asks.read("POST").status, 401, "services need a token all the same");
    let (code, said) = {
        let path = house.path("unset");
        std::fs::write(&path, "[hub.chat]\n").unwrap();
        let output = command(&["--config", path.to_str().unwrap()]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("access-key-file") && said.contains("anonymous"), "{said}");
}

fn who_has_no_good_token_may_not_ask(rung: DriverChoice) {
    let service = Service::quiet();
    let house = two_hubs(rung, &service);
    let mut listener = house.json(&member());
    let request = |token: &str| {
        format!(
            "POST /api/hubs/chat/:send?api-version=2024-12-01 HTTP/1.1\r\nHost: test\r\n{}\
             Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
            if token.is_empty() { String::new() } else { format!("Authorization: {token}\r\n") }
        )
    };
    let target = "/api/hubs/chat/:send?api-version=2024-12-01";
    let good = rest_token(KEY, target);
    let claims = good.split('.').nth(1).unwrap();
    for (what, value) in [
        ("nothing", String::new()),
        ("another key", format!("Bearer {}", rest_token(OTHER_KEY, target))),
        ("another path", format!("Bearer {}", rest_token(KEY, "/api/hubs/lobby/:send"))),
        ("a client's", format!("Bearer {}", member())),
        ("no algorithm", format!("Bearer {}.{claims}.", NONE[0])),
        ("another scheme", format!("Basic {good}")),
        ("no scheme", good.clone()),
    ] {
        let mut asks = house.rest();
        asks.send(request(&value).as_bytes());
        let response = asks.read("POST");
        assert_eq!(response.status, 401, "{what}: {response:?}");
        assert!(!response.body.contains(claims), "{what}: {response:?}");
        let error: serde_json::Value = serde_json::from_str(&response.body).expect("an error in JSON");
        assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
    }
    for token in [good.clone(), rest_token(KEY, "/api/hubs/chat/:send"), rest_token(SECOND_KEY, target)] {
        let mut asks = house.rest();
        asks.send(request(&format!("bearer {token}")).as_bytes());
        assert_eq!(asks.read("POST").status, 202);
        assert_eq!(listener.hear()["data"], "hello");
    }
}

fn what_is_asked_wrongly_is_named(rung: DriverChoice) {
    let service = Service::quiet();
    let house = two_hubs(rung, &service);
    let mut asks: Rest = house.rest();
    for (method, path, body, status) in [
        ("GET", "hubs/chat/:send", "", 405),
        ("POST", "hubs/chat/:shout", "x", 404),
        ("POST", "hubs/chat/:send?filter=userId%20is%20'a'", "x", 400),
        ("POST", "hubs/chat/:send", "{", 400),
        ("PUT", "hubs/chat/groups/g/connections/nobody", "", 404),
        ("PUT", "hubs/chat/users/nobody/groups/g", "", 404),
        ("HEAD", "hubs/chat/connections/nobody", "", 404),
        ("DELETE", "hubs/chat/connections/nobody", "", 204),
        ("POST", "hubs/chat/connections/nobody/:send", "x", 202),
        ("GET", "hubs/chat/groups/g/connections?maxpagesize=0", "", 400),
        ("GET", "hubs/chat/groups/g/connections?continuationToken=x", "", 400),
    ] {
        asks.send(&rest(method, path, "", body));
        let response = asks.read(method);
        assert_eq!(response.status, status, "{method} {path}: {response:?}");
        if response.header("Connection") == Some("close") {
            asks = house.rest();
        }
    }
}
