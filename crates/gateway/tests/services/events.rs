//! Events: in order, one at a time for each connection, and each of them once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use holdfast::settings::DriverChoice;
use serde_json::json;

use super::house::{House, chat, member, of_user};
use super::service::{Answer, Gate, Service};
use crate::on_every_rung;
use crate::rig::frame::{PING, masked};
use crate::rig::wait_until;

on_every_rung!(
    the_first_message_waits_until_connected_is_answered,
    one_event_of_a_connection_is_under_way_at_a_time,
    pings_are_answered_while_a_service_is_asked,
    who_says_a_lot_meanwhile_is_not_read_from_and_nothing_is_lost,
    answers_come_as_what_they_are,
    an_answer_that_no_outbox_takes_closes_nobody,
    a_service_that_fails_is_no_end_for_json_clients_and_one_for_others,
    a_state_is_never_that_of_whoever_comes_next,
    one_who_drops_is_gone_once_and_after_what_was_under_way,
    a_service_that_was_away_hears_of_those_who_left,
    as_many_events_as_may_wait,
    what_all_may_hold_has_a_bound_whoever_waits,
    ids_of_events_do_not_come_again_after_a_restart,
);

fn the_first_message_waits_until_connected_is_answered(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("sys.connected", &gate);
    let house = House::of(rung, &service);
    let mut client = house.client(&member());
    let mut other = house.json(&member());
    client.send_text("at once");
    other.say(r#"{"type":"event","event":"hello","dataType":"text","data":"at once","ackId":1}"#);
    other.say(r#"{"type":"ping"}"#);
    assert_eq!(other.hear()["type"], "pong");
    service.wait_for("sys.connected", 2);
    // The service goes on hearing of others.
    assert_eq!(service.heard_of("user.message").len() + service.heard_of("user.hello").len(), 0);
    gate.open();
    service.wait_for("user.message", 1);
    service.wait_for("user.hello", 1);
    assert_eq!(other.hear()["success"], true);
    client.close();
    service.wait_for("sys.disconnected", 1);
    let of_client: Vec<_> = {
        let heard = service.heard();
        let id = service.heard_of("user.message")[0].header("ce-connectionId").to_owned();
        let own = heard.iter().filter(|it| it.header("ce-connectionId") == id);
        own.map(|it| it.event().to_owned()).collect()
    };
    assert_eq!(of_client, ["sys.connect", "sys.connected", "user.message", "sys.disconnected"]);
}

fn one_event_of_a_connection_is_under_way_at_a_time(rung: DriverChoice) {
    const MESSAGES: usize = 40;
    let (under_way, is_doubled) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let service = Service::start({
        let (under_way, is_doubled) = (Arc::clone(&under_way), Arc::clone(&is_doubled));
        move |heard| {
            if heard.event() != "user.message" {
                return Answer::ok();
            }
            if under_way.fetch_add(1, SeqCst) > 0 {
                is_doubled.store(true, SeqCst);
            }
            std::thread::yield_now();
            under_way.fetch_sub(1, SeqCst);
            Answer::text(heard.text())
        }
    });
    let house = House::of(rung, &service);
    let mut client = house.client(&member());
    let all: Vec<u8> = (0..MESSAGES).flat_map(|index| masked(1, index.to_string().as_bytes())).collect();
    client.send(&all);
    for index in 0..MESSAGES {
        client.expect_text(&index.to_string());
    }
    assert!(!is_doubled.load(SeqCst));
    let heard = service.heard_of("user.message");
    let texts: Vec<_> = heard.iter().map(|heard| heard.text().parse::<usize>().unwrap()).collect();
    assert_eq!(texts, (0..MESSAGES).collect::<Vec<_>>());
    let mut ids: Vec<_> = heard.iter().map(|heard| heard.header("ce-id").to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), MESSAGES, "no two events have the same id");
}

fn pings_are_answered_while_a_service_is_asked(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("user.message", &gate);
    let house = House::of(rung, &service);
    let mut client = house.client(&member());
    client.send_text("hello");
    service.wait_for("user.message", 1);
    client.send_text("and more");
    client.send(&masked(PING, b"there?"));
    client.expect_pong(b"there?");
    let mut json = house.json(&member());
    json.say(r#"{"type":"event","event":"message","dataType":"text","data":"x","ackId":7}"#);
    service.wait_for("user.message", 2);
    json.say(r#"{"type":"joinGroup","group":"g","ackId":8}"#);
    json.say(r#"{"type":"ping"}"#);
    json.peer.send(&masked(PING, b"there?"));
    assert_eq!(json.hear()["type"], "pong");
    json.peer.expect_pong(b"there?");
    // A close frame is heard, too.
    client.send_close(1000, "");
    client.expect_close(1000);
    gate.open();
    assert_eq!(json.hear()["ackId"], 7);
    assert_eq!(json.hear()["ackId"], 8);
}

fn who_says_a_lot_meanwhile_is_not_read_from_and_nothing_is_lost(rung: DriverChoice) {
    const BYTES: usize = 5000;
    const MESSAGES: usize = 4000;
    let gate = Gate::default();
    let service = Service::start({
        let gate = gate.clone();
        move |heard| {
            if heard.event() == "user.message" {
                gate.wait();
                return Answer::text(&heard.text()[..8]);
            }
            Answer::ok()
        }
    });
    let house = House::of(rung, &service);
    let mut client = house.client(&member());
    client.send_text("00000000 first");
    service.wait_for("user.message", 1);
    let message = |index: usize| masked(1, format!("{index:08}{}", "x".repeat(BYTES)).as_bytes());
    let all: Vec<u8> = (1..MESSAGES).flat_map(message).collect();
    let len = all.len() as u64;
    let before = house.process.metric("holdfast_received_bytes_total");
    let sender = client.send_beside(all);
    let read = || house.process.metric("holdfast_received_bytes_total") - before;
    // Each message that is held counts with what it takes besides, so that it may be a message less than 64 KiB.
    wait_until("some 64 KiB were read", || read() > (64 << 10) - BYTES as u64);
    let mut last = 0;
    wait_until("no more is read", || {
        let now = read();
        std::mem::replace(&mut last, now) == now
    });
    assert!(last < 1 << 20 && last < len, "{last} of {len} bytes were read");
    gate.open();
    for index in 0..MESSAGES {
        client.expect_text(&format!("{index:08}"));
    }
    sender.join().unwrap();
    client.close();
}

fn answers_come_as_what_they_are(rung: DriverChoice) {
    let service = Service::start(|heard| match heard.text() {
        "text" => Answer::Say(200, "Content-Type: text/plain\r\n".to_owned(), b"hello".to_vec()),
        "json" => Answer::json(r#"{"a":1}"#),
        "binary" => Answer::Say(200, "Content-Type: application/octet-stream\r\n".to_owned(), vec![1, 2]),
        "none" => Answer::Say(200, String::new(), vec![3]),
        _ => Answer::ok(),
    });
    let house = House::of(rung, &service);
    let mut client = house.client(&member());
    for text in ["text", "json", "binary", "none", "nothing", "text"] {
        client.send_text(text);
    }
    client.expect_text("hello");
    client.expect_text(r#"{"a":1}"#);
    client.expect_binary(&[1, 2]);
    client.expect_binary(&[3]);
    client.expect_text("hello");
    let mut client = house.json(&member());
    for (text, kind, data) in [
        ("text", "text", json!("hello")),
        ("json", "json", json!({"a": 1})),
        ("binary", "binary", json!("AQI=")),
    ] {
        client.say(&format!(r#"{{"type":"event","event":"e","dataType":"text","data":"{text}"}}"#));
        let heard = client.hear();
        assert_eq!(
            (&heard["from"], &heard["dataType"], &heard["data"]),
            (&json!("server"), &json!(kind), &data)
        );
    }
    let heard = service.heard_of("user.e");
    assert_eq!(heard[0].header("ce-subprotocol"), "json.webpubsub.azure.v1");
    assert_eq!(heard[0].header("content-type").split(';').next(), Some("text/plain"));
}

fn a_service_that_fails_is_no_end_for_json_clients_and_one_for_others(rung: DriverChoice) {
    let service = Service::start(|heard| match heard.event() {
        "user.message" => Answer::status(500, "a secret of the service"),
        _ => Answer::ok(),
    });
    let house = House::of(rung, &service);
    let mut client = house.json(&member());
    for ack in 1..3 {
        let event =
            format!(r#"{{"type":"event","event":"message","dataType":"text","data":"x","ackId":{ack}}}"#);
        assert_eq!(client.request(&event), Some("InternalServerError".to_owned()));
    }
    // The second was not heard twice: a message that a service may have heard is not sent again.
    assert_eq!(service.heard_of("user.message").len(), 2);
    let mut simple = house.client(&member());
    simple.send_text("x");
    simple.expect_close(1011);
}

fn a_state_is_never_that_of_whoever_comes_next(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::start({
        let gate = gate.clone();
        move |heard| {
            if heard.text() == "mine" {
                gate.wait();
                return Answer::Say(200, "ce-connectionState: of-ann\r\n".to_owned(), b"for ann".to_vec());
            }
            Answer::ok()
        }
    });
    // Nobody wants to hear who has left; what they have said before goes on all the same.
    let more = "system-events = [\"connect\"]";
    let house = House::new(rung, "shards = 1", &format!("{}{more}\n", chat(&service, "")));
    let mut ann = house.json(&of_user("ann"));
    ann.say(r#"{"type":"event","event":"e","dataType":"text","data":"mine","ackId":1}"#);
    service.wait_for("user.e", 1);
    ann.say(r#"{"type":"event","event":"late","dataType":"text","data":"later"}"#);
    ann.say(r#"{"type":"ping"}"#);
    assert_eq!(ann.hear()["type"], "pong");
    ann.peer.reset();
    house.wait_until_held(0);
    // One in the same place.
    let mut bob = house.json(&of_user("bob"));
    gate.open();
    assert_eq!(house.ask("POST", "hubs/chat/:send", "to bob").status, 202);
    wait_until("the answer for ann has come and gone", || {
        bob.say(r#"{"type":"event","event":"f","dataType":"text","data":"x"}"#);
        service.heard_of("user.f").len() > 20
    });
    for heard in service.heard_of("user.f") {
        assert_eq!((heard.header("ce-userId"), heard.header("ce-connectionState")), ("bob", ""));
    }
    let late = service.wait_for("user.late", 1);
    assert_eq!((late[0].header("ce-userId"), late[0].header("ce-connectionState")), ("ann", "of-ann"));
    assert_eq!(bob.hear()["data"], "to bob");
    bob.say(r#"{"type":"event","event":"g","dataType":"text","data":"x","ackId":1}"#);
    assert_eq!(bob.hear(), json!({"type": "ack", "ackId": 1, "success": true}), "ann's ack id is not bob's");
}

fn one_who_drops_is_gone_once_and_after_what_was_under_way(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("user.message", &gate);
    let house = House::of(rung, &service);
    let mut dropped = house.client(&of_user("dropped"));
    dropped.send_text("first");
    service.wait_for("user.message", 1);
    dropped.send_text("second");
    // It is read, and then the connection is gone.
    dropped.send(&masked(PING, b""));
    dropped.expect_pong(b"");
    dropped.reset();
    house.wait_until_held(0);
    house.client(&of_user("closed")).close();
    service.wait_for("sys.disconnected", 1);
    assert_eq!(service.heard_of("sys.disconnected")[0].header("ce-userId"), "closed");
    gate.open();
    let gone = service.wait_for("sys.disconnected", 2);
    assert_eq!(gone[1].header("ce-userId"), "dropped");
    assert!(gone[1].text().contains("reason"), "{gone:?}");
    house.client(&of_user("last")).close();
    service.wait_for("sys.disconnected", 3);
    assert_eq!(service.heard_of("sys.disconnected").len(), 3, "each once");
    let heard = service.heard();
    let of_dropped =
        heard.iter().filter(|it| it.header("ce-userId") == "dropped").map(|it| it.event().to_owned());
    let in_order = ["sys.connect", "sys.connected", "user.message", "user.message", "sys.disconnected"];
    assert_eq!(of_dropped.collect::<Vec<_>>(), in_order);
}

fn a_service_that_was_away_hears_of_those_who_left(rung: DriverChoice) {
    const CLIENTS: usize = 10;
    let service = Service::quiet();
    let house = House::new(rung, "", &chat(&service, "upstream-timeout = \"1h\""));
    let clients: Vec<_> = (0..CLIENTS).map(|index| house.client(&of_user(&index.to_string()))).collect();
    service.wait_for("sys.connected", CLIENTS);
    let address = service.stop();
    for client in clients {
        client.reset();
    }
    house.wait_until_held(0);
    // It is back, but has trouble: what it does not take comes again, and is the same.
    let failures = AtomicU32::new(0);
    let service = Service::at(address, move |_| match failures.fetch_add(1, SeqCst) {
        0 => Answer::status(503, "not yet"),
        _ => Answer::ok(),
    });
    let users = || {
        let heard = service.heard_of("sys.disconnected");
        let mut users: Vec<_> = heard.iter().map(|it| it.header("ce-userId").to_owned()).collect();
        users.sort_unstable();
        users.dedup();
        users.len()
    };
    wait_until("all have been heard", || users() == CLIENTS && service.heard().len() > CLIENTS);
    let heard = service.heard();
    for event in &heard {
        assert_eq!(event.event(), "sys.disconnected");
        let same = heard.iter().filter(|it| it.header("ce-connectionId") == event.header("ce-connectionId"));
        for other in same {
            assert_eq!(other.header("ce-id"), event.header("ce-id"), "a repeat is the same event");
            assert_eq!((other.header("ce-userId"), other.text()), (event.header("ce-userId"), event.text()));
        }
    }
}

fn as_many_events_as_may_wait(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("user.message", &gate);
    let more = "events-under-way-max = 1\nevents-waiting-max = 1\nupstream-timeout = \"1h\"";
    let handler = "system-events = []\n";
    let house = House::new(rung, "", &format!("{}{handler}", chat(&service, more)));
    let mut clients: Vec<_> = (0..4).map(|_| house.client(&member())).collect();
    for client in &mut clients {
        client.send_text("hello");
    }
    service.wait_for("user.message", 1);
    gate.open();
    service.wait_for("user.message", 4);
    for client in &mut clients {
        client.close();
    }

    let gate = Gate::default();
    let service = Service::holding("user.message", &gate);
    let more = format!("{more}\nslow-service = \"close\"");
    let house = House::new(rung, "", &format!("{}{handler}", chat(&service, &more)));
    let mut first = house.client(&member());
    first.send_text("hello");
    service.wait_for("user.message", 1);
    let mut others: Vec<_> = (0..2).map(|_| house.client(&member())).collect();
    for other in &mut others {
        other.send_text("hello");
    }
    let closed = || house.process.metric("holdfast_connections");
    wait_until("one is being closed", || others.iter().any(|other| other.has_something()) || closed() < 3);
    let late = others.iter_mut().find(|other| other.has_something()).expect("one");
    // Nothing that it says from now on is heard, nor what was refused.
    late.send_text("hello?");
    late.expect_close(1013);
    let full =
        || house.process.metric("holdfast_hub_events_total{hub=\"chat\",event=\"user\",outcome=\"full\"}");
    assert_eq!(full(), 1);
    late.send_close(1013, "");
    gate.open();
    service.wait_for("user.message", 2);
    house.wait_until_held(2);
    assert_eq!((service.heard_of("user.message").len(), full()), (2, 1));
}

fn what_all_may_hold_has_a_bound_whoever_waits(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("user.message", &gate);
    let first = "shards = 1\nmessage-bytes-max = \"32KiB\"\nevent-bytes-max = \"256KiB\"\n";
    let house = House::new(
        rung,
        first,
        &format!("{}system-events = []\n", chat(&service, "events-under-way-max = 1")),
    );
    let mut clients: Vec<_> = (0..30).map(|_| house.client(&member())).collect();
    for client in &mut clients {
        client.send_text(&"x".repeat(20_000));
    }
    let held = || house.process.metric("holdfast_memory_bytes{part=\"events\"}");
    let full =
        || house.process.metric("holdfast_hub_events_total{hub=\"chat\",event=\"user\",outcome=\"full\"}");
    // Six have places, six wait, and all others are to come again.
    wait_until("all others are refused", || full() == 18);
    assert!(held() <= 256 << 10, "{}", held());
    gate.open();
    service.wait_for("user.message", 12);
    wait_until("nothing is held", || held() == 0);
    assert_eq!((service.heard_of("user.message").len(), full()), (12, 18));
}

fn ids_of_events_do_not_come_again_after_a_restart(rung: DriverChoice) {
    let service = Service::quiet();
    for count in 1..3 {
        let house = House::of(rung, &service);
        house.client(&member()).close();
        service.wait_for("sys.disconnected", count);
    }
    let mut ids: Vec<_> = service.heard().iter().map(|heard| heard.header("ce-id").to_owned()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (6, 6));
}

fn an_answer_that_no_outbox_takes_closes_nobody(rung: DriverChoice) {
    // In JSON each of these bytes takes six.
    let service = Service::start(|heard| match heard.event() {
        "user.long" => Answer::text(&"\u{1}".repeat(400_000)),
        "user.short" => Answer::text(&"\u{1}".repeat(300_000)),
        _ => Answer::ok(),
    });
    let house = House::of(rung, &service);
    let mut client = house.json(&member());
    let event = |name: &str, ack: u32| {
        format!(r#"{{"type":"event","event":"{name}","dataType":"text","data":"x","ackId":{ack}}}"#)
    };
    assert_eq!(client.request(&event("long", 1)), Some("InternalServerError".to_owned()));
    client.say(&event("short", 2));
    assert_eq!(client.hear()["data"].as_str().unwrap().len(), 300_000);
    assert_eq!(client.hear()["success"], true);
}
