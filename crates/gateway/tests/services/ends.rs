//! What becomes of events at the end: of a connection, of a service, of the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use holdfast::settings::DriverChoice;
use rustix::process::Signal;
use serde_json::Value;

use super::house::{House, chat, of_user};
use super::service::{Answer, Gate, Service};
use crate::on_every_rung;
use crate::rig::frame::{PING, TEXT, masked};
use crate::rig::wait_until;

on_every_rung!(
    a_drain_sends_what_waits_before_the_end,
    what_cannot_be_sent_in_time_is_counted_logged_and_written_down,
    one_who_left_is_told_of_again_until_a_service_takes_it,
    too_many_who_left_are_written_down,
    who_is_closed_for_what_it_sent_hears_why,
    a_service_that_hears_of_the_last_client_may_still_ask,
);

/// Lines of a file of dead letters.
fn letters(house: &House) -> Vec<Value> {
    let text = std::fs::read_to_string(house.path("letters")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn a_drain_sends_what_waits_before_the_end(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("user.message", &gate);
    let house = House::new(rung, "drain-spread = 0\nclose-timeout = \"1s\"\n", &chat(&service, ""));
    let mut client = house.client(&of_user("ann"));
    client.send_text("one");
    service.wait_for("user.message", 1);
    client.send_text("two");
    client.send(&masked(PING, b""));
    client.expect_pong(b"");
    house.process.signal(Signal::TERM);
    client.expect_close(1001);
    client.send_close(1001, "");
    // Nobody is connected any more, and the gateway is there until its service has heard all of it.
    wait_until("the client is gone", || house.process.metric("holdfast_connections") == 0);
    assert_eq!(service.heard_of("sys.disconnected").len(), 0);
    gate.open();
    let (code, said) = house.process.wait();
    assert_eq!(code, Some(0), "{said}");
    let events: Vec<_> = service.heard().iter().map(|it| it.event().to_owned()).collect();
    assert_eq!(events[2..], ["user.message", "user.message", "sys.disconnected"]);
}

fn what_cannot_be_sent_in_time_is_counted_logged_and_written_down(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("user.message", &gate);
    let first = "drain-spread = 0\ndrain-timeout = \"1s\"\n";
    let house = House::new(rung, first, &chat(&service, "dead-letters = \"@/letters\""));
    let mut busy = house.client(&of_user("busy"));
    busy.send_text("one");
    service.wait_for("user.message", 1);
    // One that does not answer the goodbye is cut.
    let idle = house.client(&of_user("idle"));
    service.wait_for("sys.connected", 2);
    let path = house.path("letters");
    house.process.signal(Signal::TERM);
    let House { process, folder: _folder } = house;
    let (code, said) = process.wait();
    assert_eq!(code, Some(3), "{said}");
    // The message that was under way, and two who have left.
    let line = said.lines().find(|line| line.contains("events were not sent")).expect("a line");
    assert!(line.contains("chat") && line.contains("events=3"), "{line}");
    let text = std::fs::read_to_string(path).unwrap();
    let mut users: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["user"].as_str().unwrap().to_owned())
        .collect();
    users.sort_unstable();
    assert_eq!(users, ["busy", "idle"]);
    drop((busy, idle));
    gate.open();
}

fn one_who_left_is_told_of_again_until_a_service_takes_it(rung: DriverChoice) {
    let is_well = Arc::new(AtomicBool::new(false));
    let service = Service::start({
        let is_well = Arc::clone(&is_well);
        move |heard| match heard.event() {
            "sys.disconnected" if !is_well.load(SeqCst) => Answer::status(500, "not now"),
            _ => Answer::ok(),
        }
    });
    // One try and no time for another: it is repeated all the same.
    let house =
        House::new(rung, "", &chat(&service, "upstream-timeout = \"300ms\"\ndead-letters = \"@/letters\""));
    house.client(&of_user("ann")).close();
    service.wait_for("sys.disconnected", 1);
    is_well.store(true, SeqCst);
    let heard = service.wait_for("sys.disconnected", 2);
    let ids: Vec<_> = heard.iter().map(|it| it.header("ce-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "it is the same event");
    assert_eq!(letters(&house).len(), 0);
    // One that says that it will never take it is not asked again.
    let service = Service::start(|heard| match heard.event() {
        "sys.disconnected" => Answer::status(403, "never"),
        _ => Answer::ok(),
    });
    let house = House::new(rung, "", &chat(&service, "dead-letters = \"@/letters\""));
    house.client(&of_user("bob")).close();
    wait_until("it is written down", || letters(&house).len() == 1);
    assert_eq!(letters(&house)[0]["user"], "bob");
    assert_eq!(letters(&house)[0]["id"], service.heard_of("sys.disconnected")[0].header("ce-id"));
}

fn too_many_who_left_are_written_down(rung: DriverChoice) {
    const CLIENTS: usize = 8;
    let gate = Gate::default();
    let service = Service::holding("sys.disconnected", &gate);
    let more = "events-under-way-max = 1\nevents-waiting-max = 1\ndead-letters = \"@/letters\"";
    let house = House::new(rung, "", &chat(&service, more));
    let clients: Vec<_> = (0..CLIENTS).map(|index| house.client(&of_user(&index.to_string()))).collect();
    service.wait_for("sys.connected", CLIENTS);
    for client in clients {
        client.reset();
    }
    // One is under way, one waits.
    wait_until("the others are written down", || letters(&house).len() == CLIENTS - 2);
    let full = "holdfast_hub_events_total{hub=\"chat\",event=\"disconnected\",outcome=\"full\"}";
    assert_eq!(house.process.metric(full), CLIENTS as u64 - 2);
    gate.open();
    service.wait_for("sys.disconnected", 2);
    let ok = "holdfast_hub_events_total{hub=\"chat\",event=\"disconnected\",outcome=\"ok\"}";
    wait_until("they are counted", || house.process.metric(ok) == 2);
}

fn who_is_closed_for_what_it_sent_hears_why(rung: DriverChoice) {
    let service = Service::quiet();
    let rates = "messages-per-second-max = 20\nrate-burst = \"1s\"\nrate-policy = \"close\"\n";
    let limits = &format!("message-bytes-max = 1000\n{rates}");
    let house = House::new(rung, limits, &chat(&service, ""));
    let ping = br#"{"type":"ping"}"#;
    let cases: [(Vec<u8>, u16); 4] = [
        (masked(TEXT, b"\xff"), 1007),
        (masked(TEXT, &[b' '; 1001]), 1009),
        (masked(TEXT, ping).repeat(30), 1008),
        // Its frames cannot be told apart: there is nothing more to talk about.
        (masked(3, b""), 1002),
    ];
    for (said, code) in cases {
        let mut client = house.json(&of_user("ann"));
        client.peer.send(&said);
        if code != 1002 {
            let last = std::iter::repeat_with(|| client.hear()).find(|it| it["type"] != "pong").unwrap();
            assert_eq!(last["event"], "disconnected", "{code}: {last}");
            assert!(last["message"].as_str().is_some_and(|why| !why.is_empty()), "{code}: {last}");
        }
        client.peer.expect_close(code);
    }
}

fn a_service_that_hears_of_the_last_client_may_still_ask(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("sys.disconnected", &gate);
    let house = House::new(rung, "drain-spread = 0\nclose-timeout = \"1s\"\n", &chat(&service, ""));
    let mut client = house.client(&of_user("ann"));
    house.process.signal(Signal::TERM);
    client.expect_close(1001);
    client.send_close(1001, "");
    service.wait_for("sys.disconnected", 1);
    wait_until("the client is gone", || house.process.metric("holdfast_connections") == 0);
    // For longer than newcomers are turned away who came before.
    let turns = house.process.metric("holdfast_turns_total");
    wait_until("the shards have turned", || house.process.metric("holdfast_turns_total") > turns + 40);
    assert_eq!(house.ask("HEAD", "hubs/chat/users/ann", "").status, 404);
    gate.open();
    let (code, said) = house.process.wait();
    assert_eq!(code, Some(0), "{said}");
}
