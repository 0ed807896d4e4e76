//! Reliable clients: numbers, acknowledgements, and coming back.

use holdfast::settings::DriverChoice;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::house::{House, Token, chat, upgrade};
use super::service::{Gate, Service};
use crate::on_every_rung;
use crate::rig::frame::masked;
use crate::rig::peer::request_with;
use crate::rig::{Peer, wait_until};

on_every_rung!(
    a_client_that_comes_back_misses_nothing,
    one_that_is_away_is_there_for_its_service,
    a_long_message_comes_whole_on_each_socket,
    what_a_client_has_is_heard_while_its_service_is_asked,
    who_acknowledges_nothing_is_closed_and_does_not_come_back,
    a_shard_has_room_for_so_much_and_who_has_most_goes_first,
    what_many_are_sent_takes_room_once,
    what_cannot_be_recovered_is_answered_101_and_1008,
    its_place_is_kept_while_the_gateway_is_full,
    whoever_is_sent_to_another_shard_counts_once,
    it_has_one_place_of_its_address_with_a_socket_and_without,
    the_newest_socket_is_the_clients,
    time_is_over_once,
    a_last_word_is_the_last,
    what_ends_for_good_is_not_forgotten_for_a_goodbye,
    a_drain_waits_for_nobody_who_is_away,
);

const RELIABLE: &str = "Sec-WebSocket-Protocol: json.reliable.webpubsub.azure.v1\r\n";

/// A reliable client.
struct Client {
    peer: Peer,
    id: String,
    token: String,
}

impl Client {
    /// In the group `room`.
    fn new(house: &House) -> Self {
        let token = Token { user: Some("ann"), groups: &["room"], ..Token::default() }.sign();
        Self::over(house.peer(), &upgrade("chat", &token, RELIABLE))
    }

    fn over(mut peer: Peer, request: &[u8]) -> Self {
        peer.send(request);
        let response = peer.expect_accepted();
        let subprotocol = response.header("Sec-WebSocket-Protocol");
        assert_eq!(subprotocol, Some("json.reliable.webpubsub.azure.v1"));
        let mut client = Self { peer, id: String::new(), token: String::new() };
        let connected = client.hear();
        assert_eq!((&connected["event"], &connected["userId"]), (&json!("connected"), &json!("ann")));
        client.id = connected["connectionId"].as_str().expect("an id").to_owned();
        client.token = connected["reconnectionToken"].as_str().expect("a token").to_owned();
        client
    }

    fn hear(&mut self) -> Value {
        let frame = self.peer.read_frame();
        assert!(frame.fin && frame.opcode == 1, "text: {frame:?}");
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// Hears messages with these numbers and texts.
    #[track_caller]
    fn expect(&mut self, messages: &[(u64, &str)]) {
        for (number, text) in messages {
            let heard = self.hear();
            assert_eq!((&heard["sequenceId"], &heard["data"]), (&json!(number), &json!(text)), "{heard}");
        }
    }

    fn acknowledge(&mut self, number: u64) {
        self.peer.send_text(&format!(r#"{{"type":"sequenceAck","sequenceId":{number}}}"#));
    }

    /// What has been said before has been heard.
    fn settle(&mut self) {
        self.peer.send_text(r#"{"type":"ping"}"#);
        assert_eq!(self.hear(), json!({"type": "pong"}));
    }

    /// Loses its socket, and has another.
    fn come_back(self, house: &House) -> Self {
        let request = self.recovery();
        let id = self.id.clone();
        self.peer.reset();
        wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
        let client = Self::over(house.peer(), &request);
        assert_eq!(client.id, id);
        client
    }

    fn recovery(&self) -> Vec<u8> {
        recovery(&self.id, &self.token)
    }
}

fn recovery(id: &str, token: &str) -> Vec<u8> {
    // Clients keep their first token, whatever it is worth by now.
    let query = format!("access_token=expired&awps_connection_id={id}&awps_reconnection_token={token}");
    request_with(&format!("/client/hubs/chat?{query}"), RELIABLE)
}

fn send(house: &House, text: &str) {
    assert_eq!(house.ask("POST", "hubs/chat/groups/room/:send", text).status, 202);
}

fn refuse(house: &House, request: &[u8]) {
    let mut peer = house.peer();
    peer.send(request);
    peer.expect_accepted();
    peer.expect_close(1008);
    peer.send_close(1008, "");
    peer.expect_end();
}

fn a_client_that_comes_back_misses_nothing(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut client = Client::new(&house);
    let mut plain = house.json(&Token { groups: &["room"], ..Token::default() }.sign());
    let texts: Vec<String> = (1..30).map(|number| number.to_string()).collect();
    let numbered: Vec<(u64, &str)> = (1..).zip(texts.iter().map(String::as_str)).collect();
    texts[..5].iter().for_each(|text| send(&house, text));
    client.expect(&numbered[..5]);
    client.acknowledge(3);
    // What was never given is not believed.
    client.acknowledge(1000);
    client.settle();
    // Whichever shard takes the socket, it gets to its own.
    let mut at = 5;
    for _ in 0..4 {
        let request = client.recovery();
        client.peer.reset();
        wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
        texts[at..at + 5].iter().for_each(|text| send(&house, text));
        client = Client::over(house.peer(), &request);
        send(&house, &texts[at + 5]);
        let first = if at == 5 { 3 } else { at - 1 };
        client.expect(&numbered[first..at + 6]);
        client.acknowledge(numbered[at + 4].0);
        client.settle();
        at += 6;
    }
    for text in &texts[..at] {
        let heard = plain.hear();
        assert_eq!((&heard["data"], heard.get("sequenceId")), (&json!(text), None));
    }
    client.acknowledge(numbered[at - 1].0);
    client.settle();
    wait_until("nothing is kept", || house.process.metric("holdfast_unacknowledged_messages") == 0);
    assert_eq!(house.process.find_metric("holdfast_recoveries_total{outcome=\"recovered\"}"), Some(4));
    let events = service.events();
    assert_eq!(events.iter().filter(|event| *event == "sys.connected").count(), 2, "{events:?}");
    assert!(!events.iter().any(|event| event == "sys.disconnected"), "{events:?}");
    client.peer.send_close(1000, "");
    client.peer.expect_close(1000);
    service.wait_for("sys.disconnected", 1);
    refuse(&house, &client.recovery());
}

fn one_that_is_away_is_there_for_its_service(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let client = Client::new(&house);
    let (id, request) = (client.id.clone(), client.recovery());
    client.peer.end();
    drop(client);
    wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
    assert_eq!(house.process.metric("holdfast_connections"), 1);
    let mut asks = house.rest();
    for path in [format!("connections/{id}"), "users/ann".to_owned(), "groups/room".to_owned()] {
        assert_eq!(asks.ask("HEAD", &format!("hubs/chat/{path}"), "").status, 200, "{path}");
    }
    assert_eq!(asks.ask("PUT", &format!("hubs/chat/groups/new/connections/{id}"), "").status, 200);
    assert_eq!(asks.ask("POST", "hubs/chat/groups/new/:send", "to the group").status, 202);
    assert_eq!(asks.ask("POST", &format!("hubs/chat/connections/{id}/:send"), "to it").status, 202);
    assert_eq!(asks.ask("POST", "hubs/chat/users/ann/:send", "to the user").status, 202);
    let mut client = Client::over(house.peer(), &request);
    client.expect(&[(1, "to the group"), (2, "to it"), (3, "to the user")]);
    // Closed over REST while it is away, it is gone at once, and its service hears so once.
    let request = client.recovery();
    client.peer.reset();
    wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
    assert_eq!(asks.ask("DELETE", &format!("hubs/chat/connections/{id}?reason=enough"), "").status, 204);
    wait_until("it is gone", || house.process.metric("holdfast_connections") == 0);
    assert_eq!(asks.ask("HEAD", &format!("hubs/chat/connections/{id}"), "").status, 404);
    refuse(&house, &request);
    let said = service.wait_for("sys.disconnected", 1);
    assert_eq!(said[0].text(), r#"{"reason":"application (none)"}"#);
}

fn a_long_message_comes_whole_on_each_socket(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut client = Client::new(&house);
    // In one piece, in several, around what a buffer takes, and with a header of each length.
    let texts: Vec<String> = [1, 70, 125, 3980, 4096, 70_000, 700_000].map(|len| "x".repeat(len)).into();
    let numbered: Vec<(u64, &str)> = (1..).zip(texts.iter().map(String::as_str)).collect();
    texts.iter().for_each(|text| send(&house, text));
    client.expect(&numbered);
    client = client.come_back(&house);
    client.expect(&numbered);
    // Of one that reads nothing, the rest waits, and comes again.
    let mut slow = client.come_back(&house);
    slow.expect(&numbered[..2]);
    let mut client = slow.come_back(&house);
    client.expect(&numbered);
}

fn what_a_client_has_is_heard_while_its_service_is_asked(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("user.wait", &gate);
    let house = House::of(rung, &service);
    let mut client = Client::new(&house);
    client.peer.send_text(r#"{"type":"event","event":"wait","dataType":"text","data":"","ackId":1}"#);
    client.peer.send_text(r#"{"type":"joinGroup","group":"later","ackId":2}"#);
    service.wait_for("user.wait", 1);
    (1..4).for_each(|number| send(&house, &number.to_string()));
    client.expect(&[(1, "1"), (2, "2"), (3, "3")]);
    wait_until("they are kept", || house.process.metric("holdfast_unacknowledged_messages") == 3);
    client.acknowledge(3);
    wait_until("they are not any more", || house.process.metric("holdfast_unacknowledged_messages") == 0);
    // It drops and comes back meanwhile: its event is under way all the same, and the next thing waits.
    client = client.come_back(&house);
    send(&house, "4");
    client.expect(&[(4, "4")]);
    gate.open();
    let acks: Vec<Value> = (0..2).map(|_| client.hear()).collect();
    assert_eq!((&acks[0]["ackId"], &acks[1]["ackId"]), (&json!(1), &json!(2)), "{acks:?}");
}

fn who_acknowledges_nothing_is_closed_and_does_not_come_back(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut client = Client::new(&house);
    let mut asks = house.rest();
    for number in 1..=1000 {
        assert_eq!(asks.ask("POST", "hubs/chat/groups/room/:send", "x").status, 202);
        client.expect(&[(number, "x")]);
    }
    // And one that is away.
    let away = Client::new(&house);
    let lost = away.recovery();
    drop(away);
    wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
    assert_eq!(asks.ask("POST", "hubs/chat/groups/room/:send", "one too many").status, 202);
    client.peer.expect_close(1008);
    client.peer.send_close(1008, "");
    client.peer.expect_end();
    refuse(&house, &client.recovery());
    assert_eq!(house.process.find_metric("holdfast_limited_total{limit=\"unacknowledged\"}"), Some(1));
    for _ in 0..999 {
        assert_eq!(asks.ask("POST", "hubs/chat/groups/room/:send", "x").status, 202);
    }
    assert_eq!(house.process.metric("holdfast_connections_away"), 1);
    assert_eq!(asks.ask("POST", "hubs/chat/groups/room/:send", "one too many").status, 202);
    wait_until("it is gone, too", || house.process.metric("holdfast_connections") == 0);
    refuse(&house, &lost);
    let said = service.wait_for("sys.disconnected", 2);
    let reasons: Vec<&str> = said.iter().map(|heard| heard.text()).collect();
    let expected = [r#"{"reason":"unacknowledged (1008)"}"#, r#"{"reason":"unacknowledged (none)"}"#];
    assert_eq!(reasons, expected);
}

fn a_shard_has_room_for_so_much_and_who_has_most_goes_first(rung: DriverChoice) {
    let service = Service::quiet();
    let first = "shards = 1\nshard-unacknowledged-bytes-max = \"1MiB\"\n";
    let house = House::new(rung, first, &chat(&service, ""));
    let (mut small, mut large) = (Client::new(&house), Client::new(&house));
    let mut asks = house.rest();
    let mut send_to = |client: &mut Client, len: usize| {
        let path = format!("hubs/chat/connections/{}/:send", client.id);
        assert_eq!(asks.ask("POST", &path, &"y".repeat(len)).status, 202);
    };
    send_to(&mut small, 100 << 10);
    (0..9).for_each(|_| send_to(&mut large, 100 << 10));
    for number in 1..10 {
        assert_eq!(large.hear()["sequenceId"], json!(number));
    }
    // It is the small one that gets more, and the large one that goes.
    send_to(&mut small, 100 << 10);
    large.peer.expect_close(1008);
    assert_eq!([small.hear(), small.hear()].map(|heard| heard["sequenceId"].clone()), [json!(1), json!(2)]);
    small.acknowledge(2);
    small.settle();
    let limit = "holdfast_limited_total{limit=\"shard_unacknowledged_bytes\"}";
    assert_eq!(house.process.find_metric(limit), Some(1));
    wait_until("nothing is kept", || house.process.metric("holdfast_unacknowledged_messages") == 0);
}

fn what_cannot_be_recovered_is_answered_101_and_1008(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let (one, other) = (Client::new(&house), Client::new(&house));
    let plain = house.json(&Token::default().sign());
    for (id, token) in [
        (one.id.as_str(), "nonsense"),
        (one.id.as_str(), other.token.as_str()),
        (plain.id.as_str(), one.token.as_str()),
        ("0123456789abcdef0123456789abcdef", one.token.as_str()),
        ("nobody", one.token.as_str()),
    ] {
        refuse(&house, &recovery(id, token));
    }
    // Not by a client that speaks otherwise.
    let query = format!("awps_connection_id={}&awps_reconnection_token={}", one.id, one.token);
    refuse(&house, &request_with(&format!("/client/hubs/chat?{query}"), ""));
    let refused = "holdfast_recoveries_total{outcome=\"refused\"}";
    assert_eq!(house.process.find_metric(refused), Some(6));
    // In no hub that is not its, and in none that there is not.
    assert_eq!(house.refusal(&format!("/client/hubs/other?{query}"), RELIABLE).status, 404);
    assert_eq!(house.process.metric("holdfast_connections"), 3);
    drop((one, other, plain));
}

fn its_place_is_kept_while_the_gateway_is_full(rung: DriverChoice) {
    let service = Service::quiet();
    let first = "connections-max = 2\nshards = 1\n";
    let house = House::new(rung, first, &chat(&service, ""));
    let mut client = Client::new(&house);
    let other = house.json(&Token::default().sign());
    for _ in 0..3 {
        let request = client.recovery();
        client.peer.reset();
        wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
        send(&house, "kept");
        let token = Token::default().sign();
        assert_eq!(house.refusal(&format!("/client/hubs/chat?access_token={token}"), RELIABLE).status, 503);
        refuse(&house, &recovery(&other.id, "nonsense"));
        client = Client::over(house.peer(), &request);
        let heard = client.hear();
        client.acknowledge(heard["sequenceId"].as_u64().expect("a number"));
        client.settle();
    }
    // Its head may come in pieces, and be longer than most.
    let query = format!("awps_connection_id={}&awps_reconnection_token={}", client.id, client.token);
    let lines = format!("{RELIABLE}Cookie: {}\r\n", "c".repeat(6000));
    let request = request_with(&format!("/client/hubs/chat?{query}"), &lines);
    client.peer.reset();
    wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
    let mut peer = house.peer();
    peer.send(&request[..100]);
    peer.send(&request[100..5000]);
    let mut client = Client::over(peer, &request[5000..]);
    client.settle();
    assert_eq!(house.process.metric("holdfast_connections"), 2);
}

fn what_many_are_sent_takes_room_once(rung: DriverChoice) {
    let service = Service::quiet();
    let first = "shards = 1\nmessage-bytes-max = \"64KiB\"\nshard-unacknowledged-bytes-max = \"128KiB\"\n";
    let house = House::new(rung, first, &chat(&service, ""));
    let mut clients: Vec<Client> = (0..20).map(|_| Client::new(&house)).collect();
    let text = "x".repeat(30_000);
    for number in 1..4 {
        send(&house, &text);
        clients.iter_mut().for_each(|client| client.expect(&[(number, &text)]));
    }
    let kept = || house.process.metric("holdfast_memory_bytes{part=\"unacknowledged\"}");
    wait_until("it is shown", || kept() > 90_000);
    assert!(kept() < 128 << 10, "{}", kept());
    clients.iter_mut().for_each(|client| client.acknowledge(3));
    clients.iter_mut().for_each(Client::settle);
    wait_until("nothing is kept", || kept() == 0);
}

fn it_has_one_place_of_its_address_with_a_socket_and_without(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "shards = 2\naddress-connections-max = 1\n", &chat(&service, ""));
    let newcomer = format!("/client/hubs/chat?access_token={}", Token::default().sign());
    let mut client = Client::new(&house);
    for _ in 0..4 {
        // The gateway has not noticed that its last socket is no use any more.
        let mut old = client.peer;
        client = Client::over(house.peer(), &recovery(&client.id, &client.token));
        old.expect_over();
        assert_eq!(house.refusal(&newcomer, "").status, 429);
        refuse_at_its_limit(&house, &client.id);
        client = client.come_back(&house);
        client.settle();
    }
    let request = client.recovery();
    client.peer.reset();
    wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
    assert_eq!(house.refusal(&newcomer, "").status, 429, "its place is its own");
    let mut client = Client::over(house.peer(), &request);
    client.peer.send_close(1000, "");
    client.peer.expect_close(1000);
    wait_until("it has gone", || house.process.metric("holdfast_connections") == 0);
    let mut other = house.peer();
    other.send(&request_with(&newcomer, ""));
    other.expect_accepted();
}

/// One whose token is none gets no place either.
fn refuse_at_its_limit(house: &House, id: &str) {
    refuse(house, &recovery(id, "nonsense"));
}

fn whoever_is_sent_to_another_shard_counts_once(rung: DriverChoice) {
    const CLIENTS: usize = 8;
    let service = Service::quiet();
    let first = format!("shards = 4\nhandshakes-per-second-max = {}\nrate-burst = \"1s\"\n", 2 * CLIENTS);
    let house = House::new(rung, &first, &chat(&service, ""));
    let clients: Vec<Client> = (0..CLIENTS).map(|_| Client::new(&house)).collect();
    let requests: Vec<Vec<u8>> = clients.iter().map(Client::recovery).collect();
    clients.into_iter().for_each(|client| client.peer.reset());
    wait_until("all are away", || house.process.metric("holdfast_connections_away") == CLIENTS as u64);
    // Where its socket arrives is by chance: most arrive elsewhere.
    let clients: Vec<Client> = requests.iter().map(|request| Client::over(house.peer(), request)).collect();
    assert_eq!(
        house.process.metric("holdfast_recoveries_total{outcome=\"recovered\"}"),
        clients.len() as u64
    );
}

fn the_newest_socket_is_the_clients(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut old = Client::new(&house);
    for number in 1..6 {
        send(&house, "x");
        let mut new = Client::over(house.peer(), &old.recovery());
        old.peer.expect_over();
        let all: Vec<(u64, &str)> = (1..=number).map(|number| (number, "x")).collect();
        new.expect(&all);
        new.settle();
        old = new;
    }
    assert_eq!(house.process.metric("holdfast_connections"), 1);
    assert_eq!(service.heard_of("sys.disconnected").len(), 0);
}

fn time_is_over_once(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "recovery-timeout = \"1s\"\n", &chat(&service, ""));
    let client = Client::new(&house);
    let request = client.recovery();
    client.peer.reset();
    let said = service.wait_for("sys.disconnected", 1);
    assert_eq!(said[0].text(), r#"{"reason":"reset (none)"}"#);
    house.wait_until_held(0);
    wait_until("nobody is away", || house.process.metric("holdfast_connections_away") == 0);
    refuse(&house, &request);
    assert_eq!(service.heard_of("sys.disconnected").len(), 1);
}

fn what_ends_for_good_is_not_forgotten_for_a_goodbye(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut client = Client::new(&house);
    // Its service has heard that it is there, and nothing that it says waits for that.
    service.wait_for("sys.connected", 1);
    client.settle();
    let both = [masked(1, b"no JSON"), masked(8, &1001_u16.to_be_bytes())].concat();
    client.peer.send(&both);
    client.peer.expect_over();
    refuse(&house, &client.recovery());
    wait_until("it has gone", || house.process.metric("holdfast_connections") == 0);
}

fn a_last_word_is_the_last(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut count = 0;
    let mut is_gone = |client: &Client| {
        count += 1;
        service.wait_for("sys.disconnected", count);
        house.wait_until_held(0);
        refuse(&house, &client.recovery());
    };
    let mut client = Client::new(&house);
    client.peer.close();
    is_gone(&client);
    // RFC 6455 5.5.1: a close frame need not have a code.
    let mut client = Client::new(&house);
    client.peer.send(&masked(8, b""));
    client.peer.read_close();
    is_gone(&client);
    let mut client = Client::new(&house);
    client.peer.send_text("no message at all");
    assert_eq!(client.hear()["event"], "disconnected");
    client.peer.expect_close(1007);
    client.peer.send_close(1007, "");
    is_gone(&client);
    // A page that is left may be to come back.
    let mut client = Client::new(&house);
    client.peer.send_close(1001, "");
    client.peer.expect_close(1001);
    wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
    let mut client = Client::over(house.peer(), &client.recovery());
    client.settle();
}

fn a_drain_waits_for_nobody_who_is_away(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "drain-spread = 0\nclose-timeout = \"1s\"\n", &chat(&service, ""));
    let (away, mut here) = (Client::new(&house), Client::new(&house));
    away.peer.reset();
    wait_until("it is away", || house.process.metric("holdfast_connections_away") == 1);
    house.process.signal(Signal::TERM);
    assert_eq!(here.hear()["event"], "disconnected");
    here.peer.expect_close(1001);
    here.peer.send_close(1001, "");
    let (code, said) = house.process.wait();
    assert_eq!(code, Some(0), "{said}");
    let told: Vec<_> = service.heard_of("sys.disconnected").iter().map(|it| it.text().to_owned()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|text| text.starts_with(r#"{"reason":"drain"#)), "{told:?}");
}
