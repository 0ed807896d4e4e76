//! What a hub and its users may do in a second, and how much they may have.

use holdfast::settings::DriverChoice;

use super::house::{House, JSON, Json, Token, chat, of_user, upgrade};
use super::service::{Answer, Gate, Service};
use crate::on_every_rung;
use crate::rig::wait_until;

on_every_rung!(
    a_user_has_as_many_connections_as_it_may_on_all_shards_together,
    whom_a_service_names_is_counted_and_turned_away,
    a_user_and_a_hub_connect_as_often_as_they_may,
    a_user_that_publishes_too_much_waits_and_loses_nothing,
    a_hub_that_publishes_too_much_waits_and_loses_nothing,
    events_past_the_rate_wait_and_are_all_heard,
    names_that_are_too_long_and_groups_too_many_are_counted,
);

#[track_caller]
fn shows(house: &House, limit: &str, value: u64) {
    let series = format!("holdfast_hub_limited_total{{hub=\"chat\",limit=\"{limit}\"}}");
    wait_until(&series, || house.process.metric(&series) == value);
}

fn refused(house: &House, token: &str) -> (u16, bool) {
    let response = house.refusal(&format!("/client/hubs/chat?access_token={token}"), JSON);
    (response.status, response.header("Retry-After").is_some())
}

fn a_user_has_as_many_connections_as_it_may_on_all_shards_together(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "", &chat(&service, "user-connections-max = 4"));
    let mut ann: Vec<_> = (0..4).map(|_| house.json(&of_user("ann"))).collect();
    assert_eq!(refused(&house, &of_user("ann")), (429, true));
    assert_eq!(service.heard_of("sys.connect").len(), 4, "the service is not asked about one more");
    let bob = house.json(&of_user("bob"));
    // Who is nobody is not counted.
    let _nobody: Vec<_> = (0..6).map(|_| house.json(&Token::default().sign())).collect();
    shows(&house, "user_connections", 1);
    drop(ann.pop());
    house.wait_until_held(10);
    ann.push(house.json(&of_user("ann")));
    assert_eq!(refused(&house, &of_user("ann")), (429, true));
    // One closed by REST gives its place back like any other.
    assert_eq!(house.ask("POST", "hubs/chat/users/ann/:closeConnections", "").status, 204);
    drop(ann);
    house.wait_until_held(7);
    let _ann: Vec<_> = (0..4).map(|_| house.json(&of_user("ann"))).collect();
    assert_eq!(refused(&house, &of_user("ann")), (429, true));
    shows(&house, "user_connections", 3);
    drop(bob);
}

fn whom_a_service_names_is_counted_and_turned_away(rung: DriverChoice) {
    let gate = Gate::default();
    let held = gate.clone();
    let service = Service::start(move |heard| {
        if heard.event() == "sys.connect" && heard.header("ce-userId") == "late" {
            held.wait();
        }
        match (heard.event(), heard.header("ce-userId")) {
            ("sys.connect", "no") => Answer::status(401, "no"),
            ("sys.connect", "long") => Answer::json(&format!("{{\"userId\":\"{}\"}}", "x".repeat(1025))),
            ("sys.connect", _) => Answer::json("{\"userId\":\"ann\"}"),
            _ => Answer::ok(),
        }
    });
    let house = House::new(rung, "", &chat(&service, "user-connections-max = 2"));
    let first = house.json(&of_user("one"));
    // Those who are refused or leave give back what they had.
    for _ in 0..3 {
        assert_eq!(refused(&house, &of_user("no")), (401, false));
        assert_eq!(refused(&house, &of_user("long")).0, 500);
    }
    let mut late = house.peer();
    late.send(&upgrade("chat", &of_user("late"), JSON));
    wait_until("it is asked about", || service.heard_of("sys.connect").len() == 8);
    let second = house.json(&of_user("two"));
    assert_eq!(refused(&house, &of_user("three")), (429, true));
    // A service that has said yes hears that it has gone.
    let told = service.wait_for("sys.disconnected", 1);
    assert_eq!(told[0].header("ce-userId"), "ann");
    gate.open();
    assert_eq!(late.read_response().status, 429);
    service.wait_for("sys.disconnected", 2);
    drop((first, second));
    house.wait_until_held(0);
    let _again = [house.json(&of_user("one")), house.json(&of_user("two"))];
    shows(&house, "user_connections", 2);
}

fn a_user_and_a_hub_connect_as_often_as_they_may(rung: DriverChoice) {
    let service = Service::quiet();
    // A bucket that holds what it gives in a second: that many come at once, and a second is not waited for.
    let user = House::new(rung, "", &chat(&service, "user-connects-per-second-max = 1"));
    let (let_in, refusals) = connect_at_once(&user, 429);
    shows(&user, "user_connect_rate", refusals);
    assert!(let_in > 0);
    user.json(&of_user("bob"));
    let hub = House::new(rung, "", &chat(&service, "connects-per-second-max = 1"));
    let (let_in, refusals) = connect_at_once(&hub, 503);
    assert!(let_in > 0);
    // Who shows no good token takes nothing from those who do.
    for _ in 0..20 {
        assert_eq!(hub.refusal("/client/hubs/chat?access_token=x", JSON).status, 401);
    }
    shows(&hub, "connect_rate", refusals);
}

/// Several come at once until one of them comes too early, however slow the machine is: how many were let in, and how
/// many were refused.
fn connect_at_once(house: &House, status: u16) -> (u64, u64) {
    let (mut let_in, mut refusals) = (0, 0);
    while refusals == 0 {
        let mut peers: Vec<_> = (0..4).map(|_| house.peer()).collect();
        peers.iter_mut().for_each(|peer| peer.send(&upgrade("chat", &of_user("ann"), JSON)));
        for peer in &mut peers {
            match peer.read_response().status {
                101 => let_in += 1,
                said => {
                    assert_eq!(said, status);
                    refusals += 1;
                }
            }
        }
    }
    (let_in, refusals)
}

const ROLES: [&str; 2] = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];

fn publisher(house: &House, user: &str) -> Json {
    house.json(&Token { user: Some(user), roles: &ROLES, ..Token::default() }.sign())
}

fn said(n: usize) -> String {
    format!(r#"{{"type":"sendToGroup","group":"g","dataType":"text","data":"{n}","ackId":{n}}}"#)
}

/// One says so many things at once: all are acknowledged, and heard in order.
fn publish_all(house: &House, who: &mut Json, count: usize) {
    let mut listener = house.json(&Token { groups: &["g"], ..Token::default() }.sign());
    (1..=count).for_each(|n| who.say(&said(n)));
    for n in 1..=count {
        assert_eq!(listener.hear()["data"], n.to_string());
        let ack = who.hear();
        assert!(ack["ackId"] == n && ack["success"] == true, "{ack}");
    }
    // It may go on as before.
    who.say(r#"{"type":"ping"}"#);
    assert_eq!(who.hear()["type"], "pong");
}

fn a_user_that_publishes_too_much_waits_and_loses_nothing(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "", &chat(&service, "user-publishes-per-second-max = 20"));
    let mut ann = publisher(&house, "ann");
    publish_all(&house, &mut ann, 60);
    let series = "holdfast_hub_limited_total{hub=\"chat\",limit=\"user_publish_rate\"}";
    wait_until(series, || house.process.metric(series) > 0);
    let waits = house.process.metric(series);
    assert!(waits <= 60, "each that waits is counted once, not as often as it is tried: {waits}");
    // Somebody else may go on, and so may REST, and a client without a subprotocol waits like any other.
    publish_all(&house, &mut publisher(&house, "bob"), 5);
    let token = Token { user: Some("cid"), roles: &ROLES, ..Token::default() }.sign();
    let target = format!("/client/hubs/chat?access_token={token}&webpubsub_mode=sendToGroup&group=g");
    let mut cid = house.peer();
    cid.send(&crate::rig::peer::request_with(&target, ""));
    cid.expect_accepted();
    let mut listener = house.json(&Token { groups: &["g"], ..Token::default() }.sign());
    (0..50).for_each(|n| cid.send_text(&n.to_string()));
    (0..50).for_each(|n| assert_eq!(listener.hear()["data"], n.to_string()));
    assert!(house.process.metric(series) > waits);
}

fn a_hub_that_publishes_too_much_waits_and_loses_nothing(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::new(rung, "", &chat(&service, "publishes-per-second-max = 20"));
    let mut all: Vec<_> = (0..4).map(|n| publisher(&house, &n.to_string())).collect();
    let mut listener = house.json(&Token { groups: &["g"], ..Token::default() }.sign());
    for who in &mut all {
        (1..=15).for_each(|n| who.say(&said(n)));
    }
    (0..60).for_each(|_| assert_eq!(listener.hear()["type"], "message"));
    for who in &mut all {
        (1..=15).for_each(|n| assert_eq!(who.hear()["ackId"], n));
    }
    let series = "holdfast_hub_limited_total{hub=\"chat\",limit=\"publish_rate\"}";
    wait_until(series, || (1..=60).contains(&house.process.metric(series)));
    // One that leaves while it waits leaves nothing behind.
    let mut gone = publisher(&house, "gone");
    (1..=40).for_each(|n| gone.say(&said(n)));
    drop(gone);
    house.wait_until_held(5);
    publish_all(&house, &mut all[0], 0);
}

fn events_past_the_rate_wait_and_are_all_heard(rung: DriverChoice) {
    let service = Service::quiet();
    let more = "events-per-second-max = 20\nslow-service = \"close\"";
    let house = House::new(rung, "", &chat(&service, more));
    let mut ann = house.client(&of_user("ann"));
    let mut bob = house.client(&of_user("bob"));
    for n in 0..30 {
        ann.send_text(&format!("ann {n}"));
        bob.send_text(&format!("bob {n}"));
    }
    let heard = service.wait_for("user.message", 60);
    for name in ["ann", "bob"] {
        let of: Vec<_> = heard.iter().map(|it| it.text()).filter(|text| text.starts_with(name)).collect();
        assert_eq!(of, (0..30).map(|n| format!("{name} {n}")).collect::<Vec<_>>());
    }
    let series = "holdfast_hub_limited_total{hub=\"chat\",limit=\"event_rate\"}";
    wait_until(series, || (1..=60).contains(&house.process.metric(series)));
    assert_eq!(house.process.metric("holdfast_connections"), 2, "nobody is closed for it");
}

fn names_that_are_too_long_and_groups_too_many_are_counted(rung: DriverChoice) {
    let service = Service::quiet();
    let first = "groups-per-connection-max = 2\ngroups-max = 3\nshards = 1";
    let house = House::new(rung, first, &chat(&service, ""));
    let long = "x".repeat(1025);
    assert_eq!(refused(&house, &Token { user: Some(&long), ..Token::default() }.sign()).0, 400);
    shows(&house, "user_name", 1);
    let groups = ["a", "b", "c"];
    let mut peer = house.peer();
    peer.send(&upgrade("chat", &Token { groups: &groups, ..Token::default() }.sign(), ""));
    peer.expect_accepted();
    peer.expect_close(1013);
    shows(&house, "groups_per_connection", 1);
    let mut ann = house.json(&Token { groups: &["a", "b"], roles: &ROLES, ..Token::default() }.sign());
    let join = |group: &str, ack: u32| format!(r#"{{"type":"joinGroup","group":"{group}","ackId":{ack}}}"#);
    assert_eq!(ann.request(&join("c", 1)), Some("BadRequest".to_owned()));
    shows(&house, "groups_per_connection", 2);
    let mut bob = house.json(&Token { groups: &["c"], roles: &ROLES, ..Token::default() }.sign());
    assert_eq!(bob.request(&join("d", 1)), Some("BadRequest".to_owned()));
    shows(&house, "groups", 1);
    assert_eq!(bob.request(&join("a", 2)), None);
    let path = format!("hubs/chat/groups/d/connections/{}", bob.id);
    assert_eq!(house.ask("PUT", &path, "").status, 429);
    shows(&house, "groups_per_connection", 3);
}
