//! Connect events: a service says who may come in, as what, or does not say anything.

use holdfast::settings::DriverChoice;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::house::{House, JSON, Json, Token, chat, hub, member, of_user, upgrade};
use super::service::{Answer, Gate, Service};
use crate::on_every_rung;
use crate::rig::peer::request_with;
use crate::rig::{Peer, wait_until};

on_every_rung!(
    a_service_hears_who_wants_to_connect,
    a_service_refuses_with_a_status_and_a_text_of_its_own,
    a_service_says_who_a_client_is,
    a_service_that_answers_nonsense_lets_nobody_in,
    a_service_that_does_not_answer_keeps_nobody_waiting_for_long,
    a_hub_whose_service_stands_still_harms_no_other,
    one_that_was_let_in_and_has_left_is_told_of,
);

fn target(token: &str) -> String {
    format!("/client/hubs/chat?access_token={token}")
}

fn a_service_hears_who_wants_to_connect(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut peer = house.peer();
    let token = Token { user: Some("änn"), roles: &["webpubsub.joinLeaveGroup"], ..Token::default() }.sign();
    let lines = "Sec-WebSocket-Protocol: chat.two, chat.one\r\nX-Mine: a\r\nX-Mine: b\r\n\
                 traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nce-userId: root\r\n";
    peer.send(&request_with(&format!("{}&room=1&room=2", target(&token)), lines));
    peer.expect_accepted();
    let heard = &service.wait_for("sys.connect", 1)[0];
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    assert_eq!(body["claims"]["sub"], json!(["änn"]), "{body}");
    assert_eq!(body["query"]["room"], json!(["1", "2"]), "{body}");
    assert_eq!(body["subprotocols"], json!(["chat.two", "chat.one"]), "{body}");
    assert_eq!(heard.header("ce-userId"), "%C3%A4nn");
    assert_eq!(heard.header("ce-hub"), "chat");
    assert_eq!(heard.header("ce-awpsversion"), "1.0");
    assert_eq!(heard.header("ce-eventName"), "connect");
    assert_eq!(heard.header("x-mine"), "", "no header of the client's is one of ours");
    let trace = heard.header("traceparent");
    assert!(trace.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{trace}");
    let connected = &service.wait_for("sys.connected", 1)[0];
    assert_eq!(connected.header("ce-connectionId"), heard.header("ce-connectionId"));
    assert_ne!(connected.header("ce-id"), heard.header("ce-id"));
}

fn a_service_refuses_with_a_status_and_a_text_of_its_own(rung: DriverChoice) {
    let service = Service::start(|heard| match heard.header("ce-userId") {
        "401" => Answer::status(401, "who are you?"),
        "404" => Answer::status(404, ""),
        "429" => Answer::status(429, &"later ".repeat(1000)),
        _ => Answer::ok(),
    });
    let house = House::of(rung, &service);
    for (user, status, text) in [("401", 401, "who are you?"), ("404", 404, ""), ("429", 429, "later later ")]
    {
        let response = house.refusal(&target(&of_user(user)), JSON);
        assert_eq!(response.status, status);
        assert!(response.body.starts_with(text) && response.body.len() < 2000, "{response:?}");
    }
    // Who was refused was never there.
    house.client(&of_user("ann")).close();
    service.wait_for("sys.disconnected", 1);
    assert_eq!(service.events()[3..], ["sys.connect", "sys.connected", "sys.disconnected"]);
}

fn a_service_says_who_a_client_is(rung: DriverChoice) {
    let service = Service::start(|heard| match heard.event() {
        "sys.connect" if heard.header("ce-userId") == "simple" => Answer::Say(
            200,
            "ce-connectionState: from-connect\r\nContent-Type: application/json\r\n".to_owned(),
            br#"{"userId":"renamed","subprotocol":"chat.two"}"#.to_vec(),
        ),
        "sys.connect" => {
            Answer::json(r#"{"userId":"bob","groups":["g"],"roles":["webpubsub.sendToGroup.g"]}"#)
        }
        "user.message" => Answer::Say(200, "ce-connectionState: from-message\r\n".to_owned(), Vec::new()),
        _ => Answer::ok(),
    });
    let house = House::of(rung, &service);
    let mut simple = house.peer();
    let lines = "Sec-WebSocket-Protocol: chat.one, chat.two\r\n";
    simple.send(&request_with(&target(&of_user("simple")), lines));
    assert_eq!(simple.expect_accepted().header("Sec-WebSocket-Protocol"), Some("chat.two"));
    simple.send_text("one");
    simple.send_text("two");
    let messages = service.wait_for("user.message", 2);
    for (message, state) in messages.iter().zip(["from-connect", "from-message"]) {
        assert_eq!(message.header("ce-connectionState"), state);
        assert_eq!((message.header("ce-userId"), message.header("ce-subprotocol")), ("renamed", "chat.two"));
    }
    simple.close();
    let last = &service.wait_for("sys.disconnected", 1)[0];
    assert_eq!((last.header("ce-userId"), last.header("ce-connectionState")), ("renamed", "from-message"));

    // Groups and roles of the answer take the place of those of the token.
    let token = Token { groups: &["h"], roles: &["webpubsub.joinLeaveGroup"], ..Token::default() }.sign();
    let mut client = house.json(&token);
    assert_eq!(house.ask("HEAD", "hubs/chat/groups/h", "").status, 404);
    assert_eq!(house.ask("HEAD", "hubs/chat/users/bob", "").status, 200);
    let join = r#"{"type":"joinGroup","group":"h","ackId":1}"#;
    assert_eq!(client.request(join), Some("Forbidden".to_owned()));
    client.say(r#"{"type":"sendToGroup","group":"g","dataType":"text","data":"hello","ackId":2}"#);
    let both = [client.hear(), client.hear()];
    let message = both.iter().find(|it| it["type"] == "message").unwrap_or_else(|| panic!("{both:?}"));
    assert_eq!((&message["data"], &message["fromUserId"]), (&json!("hello"), &json!("bob")));
}

fn a_service_that_answers_nonsense_lets_nobody_in(rung: DriverChoice) {
    let service = Service::start(|heard| match heard.header("ce-userId") {
        "500" => Answer::status(500, "a secret of the service"),
        "302" => Answer::Say(302, "Location: http://127.0.0.1:1/\r\n".to_owned(), Vec::new()),
        "cut" => Answer::Cut,
        "text" => Answer::text("come in"),
        "groups" => Answer::json(r#"{"groups":"g"}"#),
        "subprotocol" => Answer::json(r#"{"subprotocol":"nobody.offered"}"#),
        _ => Answer::json(&format!(r#"{{"userId":"{}"}}"#, "x".repeat(2 << 20))),
    });
    let house = House::of(rung, &service);
    for user in ["500", "302", "cut", "text", "groups", "subprotocol", "long"] {
        let response = house.refusal(&target(&of_user(user)), "Sec-WebSocket-Protocol: chat.one\r\n");
        assert!(matches!(response.status, 500 | 502 | 503), "{user}: {response:?}");
        assert!(!response.body.contains("secret"), "{response:?}");
    }
    assert_eq!(service.heard_of("sys.connect").len(), 7, "each was asked about once: {:?}", service.events());
}

fn a_service_that_does_not_answer_keeps_nobody_waiting_for_long(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::start({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Answer::ok()
        }
    });
    let house = House::new(rung, "", &chat(&service, "upstream-timeout = \"300ms\""));
    let response = house.refusal(&target(&member()), JSON);
    assert!(matches!(response.status, 500 | 503 | 504), "{response:?}");
    gate.open();
    // One that nobody listens for.
    let address = service.stop();
    let response = house.refusal(&target(&member()), JSON);
    assert!(matches!(response.status, 500 | 503 | 504), "{response:?}");
    let service = Service::at(address, |_| Answer::ok());
    wait_until("it is back", || {
        let mut peer = house.peer();
        peer.send(&upgrade("chat", &member(), ""));
        peer.read_status() == 101
    });
    drop(service);
}

fn a_hub_whose_service_stands_still_harms_no_other(rung: DriverChoice) {
    const WAITING: usize = 1000;
    let gate = Gate::default();
    let stuck = Service::start({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Answer::ok()
        }
    });
    let well = Service::start(|heard| match heard.event() {
        "user.message" => Answer::text("yes?"),
        _ => Answer::ok(),
    });
    let limits = format!("connects-waiting-max = {WAITING}\nupstream-timeout = \"1h\"");
    let hubs = [hub("stuck", &stuck, &limits), chat(&well, "")].concat();
    // Fewer slots for opening handshakes than there will be who wait.
    let house = House::new(rung, "connections-max = 2000\nhandshakes-max = 16", &hubs);
    let audience = "http://test/client/hubs/stuck";
    let token = Token { audience, ..Token::default() }.sign();
    let mut waiting: Vec<Peer> = (0..WAITING).map(|_| house.peer()).collect();
    for peer in &mut waiting {
        peer.send(&upgrade("stuck", &token, ""));
    }
    wait_until("all wait", || house.process.metric("holdfast_handshakes_open") == WAITING as u64);
    let mut late = house.peer();
    late.send(&upgrade("stuck", &token, ""));
    let response = late.expect_refused(503);
    assert!(response.header("Retry-After").is_some(), "{response:?}");
    // Others do not notice.
    for _ in 0..20 {
        let mut client = house.client(&member());
        client.send_text("hello?");
        client.expect_text("yes?");
        assert_eq!(house.ask("POST", "hubs/chat/:send", "to all").status, 202);
        client.expect_text("to all");
        client.close();
    }
    // One who leaves makes room.
    drop(waiting.pop());
    gate.open();
    for peer in &mut waiting {
        peer.expect_accepted();
    }
    let token = member();
    Json::over(house.peer(), &token);
}

fn one_that_was_let_in_and_has_left_is_told_of(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::start({
        let gate = gate.clone();
        move |heard| {
            if heard.event() == "sys.connect" {
                gate.wait();
            }
            if heard.header("ce-userId") == "refused" { Answer::status(403, "no") } else { Answer::ok() }
        }
    });
    let House { process, folder: _folder } = House::of(rung, &service);
    let mut peers = Vec::new();
    for (count, user) in [(1, "ann"), (2, "refused")] {
        let mut peer = Peer::connect(process.websocket);
        peer.send(&upgrade("chat", &of_user(user), ""));
        service.wait_for("sys.connect", count);
        peers.push(peer);
    }
    // A drain turns them away while their service is asked.
    process.signal(Signal::TERM);
    for peer in &mut peers {
        assert_eq!(peer.read_response().status, 503);
    }
    drop(peers);
    gate.open();
    let (code, said) = process.wait();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(service.events(), ["sys.connect", "sys.connect", "sys.disconnected"]);
    let asked = service.heard_of("sys.connect");
    let ann = asked.iter().find(|it| it.header("ce-userId") == "ann").unwrap();
    let told = &service.heard_of("sys.disconnected")[0];
    assert_eq!(told.header("ce-userId"), "ann");
    assert_eq!(told.header("ce-connectionId"), ann.header("ce-connectionId"));
}
