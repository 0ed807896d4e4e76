//! What operators see of hubs.

use holdfast::settings::DriverChoice;
use serde_json::Value;

use super::house::{House, Token, hub, member, of_user};
use super::service::{Answer, Gate, Service};
use crate::on_every_rung;
use crate::rig::wait_until;

on_every_rung!(
    each_hub_shows_who_is_there_and_what_became_of_events,
    rest_is_shown_by_route_and_status,
    what_waits_is_shown,
    the_access_log_names_hub_and_user,
);

fn each_hub_shows_who_is_there_and_what_became_of_events(rung: DriverChoice) {
    let service = Service::start(|heard| match heard.text() {
        "bad" => Answer::status(500, ""),
        _ if heard.header("ce-userId") == "mallory" => Answer::status(401, "no"),
        _ => Answer::ok(),
    });
    let hubs = hub("chat", &service, "") + &hub("Feed", &service, "");
    let house = House::new(rung, "", &hubs);
    let shows = |name: &str, value: u64| wait_until(name, || house.process.metric(name) == value);
    let mut ann = house.json(&Token { user: Some("ann"), groups: &["g", "h"], ..Token::default() }.sign());
    let twice = house.json(&Token { user: Some("ann"), groups: &["g"], ..Token::default() }.sign());
    shows("holdfast_hub_connections{hub=\"chat\"}", 2);
    shows("holdfast_hub_connections{hub=\"Feed\"}", 0);
    shows("holdfast_hub_group_members{hub=\"chat\"}", 3);
    assert!((2..=3).contains(&house.process.metric("holdfast_hub_groups{hub=\"chat\"}")), "by shard");
    assert!((1..=2).contains(&house.process.metric("holdfast_hub_users{hub=\"chat\"}")), "by shard");
    assert_eq!(house.ask("POST", "hubs/chat/groups/g/:send", "hello").status, 202);
    assert_eq!(house.ask("POST", "hubs/chat/users/ann/:send", "hello").status, 202);
    assert_eq!(house.ask("POST", &format!("hubs/chat/connections/{}/:send", ann.id), "hello").status, 202);
    shows("holdfast_hub_deliveries_total{hub=\"chat\"}", 5);
    let event = |data: &str| {
        format!(r#"{{"type":"event","event":"e","dataType":"text","data":"{data}","ackId":{}}}"#, data.len())
    };
    for _ in 0..3 {
        ann.hear();
    }
    assert_eq!(ann.request(&event("good")), None);
    assert_eq!(ann.request(&event("bad")), Some("InternalServerError".to_owned()));
    let target = format!("/client/hubs/chat?access_token={}", of_user("mallory"));
    assert_eq!(house.refusal(&target, "").status, 401);
    let outcome = |event: &str, outcome: &str, value| {
        let labels = format!("{{hub=\"chat\",event=\"{event}\",outcome=\"{outcome}\"}}");
        shows(&format!("holdfast_hub_events_total{labels}"), value);
    };
    outcome("user", "ok", 1);
    outcome("user", "failed", 1);
    outcome("connect", "ok", 2);
    outcome("connect", "refused", 1);
    outcome("connected", "ok", 2);
    drop((ann, twice));
    outcome("disconnected", "ok", 2);
    shows("holdfast_hub_connections{hub=\"chat\"}", 0);
    shows("holdfast_hub_users{hub=\"chat\"}", 0);
    shows("holdfast_hub_groups{hub=\"chat\"}", 0);
    shows("holdfast_hub_event_duration_seconds_count{hub=\"chat\"}", 9);
    shows("holdfast_hub_upstreams{hub=\"chat\",state=\"closed\"}", 1);
    shows("holdfast_hub_events_open{hub=\"chat\",state=\"waiting\"}", 0);
    shows("holdfast_hub_events_open{hub=\"chat\",state=\"under_way\"}", 0);
    shows("holdfast_memory_bytes{part=\"events\"}", 0);
}

fn rest_is_shown_by_route_and_status(rung: DriverChoice) {
    let house = House::of(rung, &Service::quiet());
    assert_eq!(house.ask("POST", "hubs/chat/:send", "hello").status, 202);
    assert_eq!(house.ask("HEAD", "hubs/chat/users/nobody", "").status, 404);
    let mut peer = house.peer();
    peer.send(b"POST /api/hubs/chat/:send HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(peer.read_response().status, 401);
    let mut peer = house.peer();
    peer.send(b"POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(peer.read_response().status, 404);
    for (hub, route, status, value) in
        [("chat", "send", 202, 1), ("chat", "exists", 404, 1), ("", "send", 401, 1), ("", "", 404, 1)]
    {
        let series =
            format!("holdfast_rest_requests_total{{hub=\"{hub}\",route=\"{route}\",status=\"{status}\"}}");
        wait_until(&series, || house.process.find_metric(&series) == Some(value));
    }
}

fn what_waits_is_shown(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::start({
        let gate = gate.clone();
        move |heard| {
            if heard.event() == "user.message" || heard.header("ce-userId") == "late" {
                gate.wait();
            }
            Answer::ok()
        }
    });
    let hub = hub("chat", &service, "events-under-way-max = 2");
    let house = House::new(rung, "", &hub);
    let mut clients: Vec<_> = (0..5).map(|_| house.client(&member())).collect();
    for client in &mut clients {
        client.send_text("hello");
    }
    let mut late = house.peer();
    late.send(&super::house::upgrade("chat", &of_user("late"), ""));
    for (state, value) in [("under_way", 2), ("waiting", 3), ("connect", 1)] {
        let series = format!("holdfast_hub_events_open{{hub=\"chat\",state=\"{state}\"}}");
        wait_until(&series, || house.process.metric(&series) == value);
    }
    let bytes = "holdfast_memory_bytes{part=\"events\"}";
    wait_until(bytes, || house.process.metric(bytes) > 5 * 256);
    gate.open();
    late.expect_accepted();
    service.wait_for("user.message", 5);
}

fn the_access_log_names_hub_and_user(rung: DriverChoice) {
    let service = Service::quiet();
    for setting in ["plain", "hash", "off"] {
        let first = format!("access-log = \"@/access\"\naccess-log-users = \"{setting}\"\n");
        let house = House::new(rung, &first, &hub("chat", &service, ""));
        let lines = || -> Vec<Value> {
            let text = std::fs::read_to_string(house.path("access")).unwrap_or_default();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let ids: Vec<_> = ["ann", "ann", "bob"].map(|user| house.json(&of_user(user)).id).into();
        wait_until("all is logged", || lines().len() == 6);
        let opened = |id: &str| {
            let line = lines().into_iter().find(|line| line["id"] == *id && line["event"] == "open");
            line.unwrap_or_else(|| panic!("{id} in {:?}", lines()))
        };
        let users: Vec<_> = ids.iter().map(|id| opened(id)["user"].as_str().map(str::to_owned)).collect();
        assert!(ids.iter().all(|id| opened(id)["hub"] == "chat"));
        assert_eq!(users[0], users[1]);
        match setting {
            "off" => assert_eq!(users, [None, None, None]),
            "hash" => {
                assert!(users.iter().flatten().all(|it| it.len() == 16 && it != "ann"), "{users:?}");
                assert_ne!(users[0], users[2]);
            }
            _ => assert_eq!(users[0].as_deref(), Some("ann")),
        }
    }
}
