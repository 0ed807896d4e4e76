//! What the admin server shows of the inside of hubs, and to whom.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use holdfast::settings::DriverChoice;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::house::{House, Json, Token, chat, hub, of_user};
use super::service::{Answer, Gate, Service};
use crate::on_every_rung;
use crate::rig::wait_until;

on_every_rung!(
    nobody_looks_inside_without_the_token,
    hubs_users_and_groups_are_shown_with_what_they_have,
    long_lists_come_in_pages_and_each_name_is_on_one,
    a_connection_is_shown_with_all_that_is_known_of_it,
    odd_names_and_questions_are_answered_and_change_nothing,
);

const TOKEN: &str = "an-admin-token-0123456789abcdefghij";

/// With the admin token in its file.
fn house(rung: DriverChoice, first: &str, hubs: &str) -> House {
    House::start(rung, &format!("{first}\nadmin-token-file = \"@/token\""), hubs, |folder, command| {
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        command
    })
}

/// Status and body of what the admin server answers.
#[track_caller]
fn ask(admin: SocketAddr, method: &str, path: &str, lines: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(admin).expect("the admin server is there");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer:?}"));
    (head[9..12].parse().expect("a status"), body.to_owned())
}

/// A head that is too long is answered 431. Where not all of it was sent by then, the answer may be lost to a reset.
#[track_caller]
fn refuse_long(admin: SocketAddr) {
    let mut stream = TcpStream::connect(admin).expect("the admin server is there");
    let _ = write!(stream, "GET /hubs/chat/users/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(9000));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[track_caller]
fn look(house: &House, path: &str) -> (u16, String) {
    ask(house.process.admin, "GET", path, &format!("Authorization: Bearer {TOKEN}\r\n"))
}

#[track_caller]
fn see(house: &House, path: &str) -> Value {
    let (status, body) = look(house, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

const PATHS: [&str; 6] = [
    "/hubs",
    "/hubs/chat/users",
    "/hubs/chat/groups",
    "/hubs/chat/users/ann",
    "/hubs/chat/groups/g",
    "/connections/0123456789abcdef0123456789abcdef",
];

fn nobody_looks_inside_without_the_token(rung: DriverChoice) {
    let service = Service::quiet();
    let with = house(rung, "", &chat(&service, ""));
    let ann = with.json(&Token { user: Some("ann"), groups: &["g"], ..Token::default() }.sign());
    let without = House::of(rung, &service);
    let good = format!("Authorization: Bearer {TOKEN}\r\n");
    for path in PATHS {
        for (lines, status) in [
            ("", 401),
            ("Authorization: Bearer an-admin-token-0123456789abcdefghiJ\r\n", 401),
            ("Authorization: Basic an-admin-token-0123456789abcdefghij\r\n", 401),
            (&good, if path.starts_with("/conn") { 404 } else { 200 }),
        ] {
            let (said, body) = ask(with.process.admin, "GET", path, lines);
            assert_eq!(said, status, "{path} {lines}: {body}");
            assert!(status == 200 || !body.contains("ann"), "{path}: {body}");
        }
        let (said, body) = ask(without.process.admin, "GET", path, &good);
        assert_eq!(said, 403, "{path}: {body}");
        assert!(body.contains("admin-token-file"), "{body}");
        assert_eq!(ask(with.process.admin, "POST", path, &good).0, 405, "{path}");
        assert_eq!(ask(with.process.admin, "HEAD", path, "").0, 401, "{path}");
    }
    for path in ["//hubs", "/hubs/", "/./hubs", "/Hubs", "/%68ubs", "/hubs/../hubs", "/healthz/../hubs"] {
        let (said, body) = ask(with.process.admin, "GET", path, "");
        assert!(matches!(said, 400 | 401 | 404), "{path}: {said} {body}");
    }
    drop(ann);
}

fn hubs_users_and_groups_are_shown_with_what_they_have(rung: DriverChoice) {
    let gate = Gate::default();
    let service = Service::holding("user.message", &gate);
    let hubs = chat(&service, "events-under-way-max = 1") + &hub("Feed", &service, "");
    let house = house(rung, "", &hubs);
    let mut ann: Vec<_> = (0..3)
        .map(|_| house.json(&Token { user: Some("ann"), groups: &["g", "h"], ..Token::default() }.sign()))
        .collect();
    let bob = house.json(&Token { user: Some("bob"), groups: &["g"], ..Token::default() }.sign());
    let mut simple = [house.client(&of_user("cid")), house.client(&of_user("cid"))];
    simple.iter_mut().for_each(|it| it.send_text("hello"));
    let row = |name: &str| {
        let all = see(&house, "/hubs");
        all["hubs"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone()
    };
    wait_until("it is counted", || {
        let row = row("chat");
        row["connections"] == 6 && row["events_waiting"] == 1 && row["events_under_way"] == 1
    });
    assert_eq!(row("chat")["memberships"], 7);
    let nothing = json!({"name": "Feed", "connections": 0, "users": 0, "groups": 0, "memberships": 0,
        "connects_waiting": 0, "events_waiting": 0, "events_under_way": 0});
    assert_eq!(row("Feed"), nothing);
    let names = |path: &str, key: &str| -> BTreeMap<String, u64> {
        let rows = see(&house, path)[key].as_array().unwrap().clone();
        let row =
            |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["connections"].as_u64().unwrap());
        rows.iter().map(row).collect()
    };
    let of = |rows: &[(&str, u64)]| {
        rows.iter().map(|(name, len)| ((*name).to_owned(), *len)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(names("/hubs/chat/users", "users"), of(&[("ann", 3), ("bob", 1), ("cid", 2)]));
    assert_eq!(names("/hubs/CHAT/groups", "groups"), of(&[("g", 4), ("h", 3)]));
    assert_eq!(see(&house, "/hubs/feed/users"), json!({"users": []}));
    let page = see(&house, "/hubs/chat/groups/g");
    assert_eq!((&page["total"], &page["next"]), (&json!(4), &Value::Null));
    let mut shown: Vec<_> = page["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (id_of(it), it["user"].as_str().unwrap()))
        .collect();
    let mut there: Vec<_> =
        ann.iter().map(|it| (it.id.clone(), "ann")).chain([(bob.id.clone(), "bob")]).collect();
    shown.sort();
    there.sort();
    assert_eq!(shown, there);
    let page = see(&house, "/hubs/chat/users/bob");
    assert_eq!(page, json!({"total": 1, "connections": [{"id": bob.id}]}));
    drop(ann.pop());
    wait_until("one has left", || names("/hubs/chat/users", "users")["ann"] == 2);
    gate.open();
}

fn id_of(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

fn long_lists_come_in_pages_and_each_name_is_on_one(rung: DriverChoice) {
    let service = Service::quiet();
    let house = house(rung, "groups-per-connection-max = 1000", &chat(&service, ""));
    let names: Vec<String> = (0..250).map(|n| format!("group {n}/ü")).collect();
    let groups: Vec<&str> = names.iter().map(String::as_str).collect();
    // On both shards, most likely: each name is shown once all the same.
    let clients: Vec<_> = (0..6)
        .map(|_| house.json(&Token { user: Some("ann"), groups: &groups, ..Token::default() }.sign()))
        .collect();
    let pages = |path: &str, key: &str| {
        let (mut path, mut rows, mut pages) = (path.to_owned(), Vec::new(), 0);
        loop {
            let page = see(&house, &path);
            let some = page[key].as_array().unwrap().clone();
            assert!(some.len() <= 100, "{path}");
            rows.extend(some);
            pages += 1;
            assert!(pages < 20, "{path}");
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut path),
                None => return rows,
            }
        }
    };
    let rows = pages("/hubs/chat/groups", "groups");
    assert_eq!(rows.len(), names.len());
    let found: BTreeMap<_, _> =
        rows.iter().map(|row| (row["name"].as_str().unwrap(), &row["connections"])).collect();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), {
        let mut all = groups.clone();
        all.sort_unstable();
        all
    });
    assert!(found.values().all(|connections| **connections == 6), "{found:?}");
    assert_eq!(see(&house, "/hubs/chat/groups?limit=7")["groups"].as_array().unwrap().len(), 7);
    let path = format!("/hubs/chat/groups/{}?limit=2", encoded(&names[3]));
    let mut ids: Vec<_> = pages(&path, "connections").iter().map(id_of).collect();
    let mut all: Vec<_> = clients.iter().map(|it| it.id.clone()).collect();
    ids.sort();
    all.sort();
    assert_eq!(ids, all);
    let shown = see(&house, &format!("/connections/{}?limit=3", all[0]));
    assert_eq!(shown["groups"]["total"], 250);
    assert_eq!(shown["groups"]["names"].as_array().unwrap().len(), 3);
}

fn a_connection_is_shown_with_all_that_is_known_of_it(rung: DriverChoice) {
    let gate = Gate::default();
    let held = gate.clone();
    let service = Service::start(move |heard| match heard.event() {
        "sys.connect" => Answer::Say(
            200,
            "ce-connectionState: c3RhdGU=\r\nContent-Type: application/json\r\n".to_owned(),
            b"{}".to_vec(),
        ),
        "user.wait" => {
            held.wait();
            Answer::ok()
        }
        _ => Answer::ok(),
    });
    let first = "access-log = \"@/access\"\naddress-connections-max = 100\ndeflate = true";
    let house = house(rung, first, &chat(&service, ""));
    let roles = ["webpubsub.joinLeaveGroup.g", "webpubsub.sendToGroups.p.*"];
    let token = Token { user: Some("ann"), groups: &["g", "h"], roles: &roles, ..Token::default() };
    let mut ann = house.json(&token.sign());
    let path = format!("/connections/{}", ann.id);
    wait_until("its service has heard that it is connected", || {
        see(&house, &path)["is_asked_about"] == false
    });
    let shown = see(&house, &path);
    let none = json!({"total": 0, "names": []});
    let expected = json!({
        "hub": "chat", "user": "ann", "subprotocol": "json.webpubsub.azure.v1",
        "groups": {"total": 2, "names": ["h", "g"]},
        "may": {
            "joinLeaveGroup": {"all": false, "groups": {"total": 1, "names": ["g"]}, "patterns": [], "denied": none},
            "sendToGroup": {"all": false, "groups": none, "patterns": ["p.*"], "denied": none},
        },
        "state": "c3RhdGU=", "state_bytes": 8, "held_bytes": 0, "is_asked_about": false,
        "is_closing": false, "is_paused": false, "is_compressed": false, "outbox_bytes": 0, "address": "127.0.0.1",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(shown[key], *value, "{key} of {shown}");
    }
    assert_eq!(shown["id"], ann.id);
    assert!(shown["shard"].as_u64().unwrap() < 2 && shown["silent_s"].is_u64());
    assert!(shown["passed"]["open_s"].is_u64() && shown["passed"]["messages_out"] == 1, "{shown}");
    // What changes is shown as it is now.
    let rights = format!("hubs/chat/permissions/sendToGroup/connections/{}", ann.id);
    assert_eq!(house.ask("DELETE", &format!("{rights}?targetName=p.1"), "").status, 204);
    ann.say(r#"{"type":"event","event":"wait","dataType":"text","data":"x"}"#);
    ann.say(r#"{"type":"event","event":"next","dataType":"text","data":"x"}"#);
    wait_until("its next event waits", || see(&house, &path)["held_bytes"].as_u64() > Some(0));
    let shown = see(&house, &path);
    assert_eq!(
        (&shown["is_asked_about"], &shown["may"]["sendToGroup"]["denied"]["names"]),
        (&json!(true), &json!(["p.1"]))
    );
    gate.open();
    let publisher = {
        let mut peer = house.peer();
        let token = Token { roles: &["webpubsub.sendToGroup"], user: Some("pub"), ..Token::default() }.sign();
        let target = format!("/client/hubs/chat?access_token={token}&webpubsub_mode=sendToGroup&group=news");
        peer.send(&crate::rig::peer::request_with(&target, ""));
        peer.expect_accepted();
        peer
    };
    let id = id_of(&see(&house, "/hubs/chat/users/pub")["connections"][0]);
    let shown = see(&house, &format!("/connections/{id}"));
    assert_eq!((&shown["publishes_to"], &shown["subprotocol"]), (&json!("news"), &Value::Null));
    assert_eq!(shown["may"]["sendToGroup"]["all"], true);
    drop(publisher);
    let Json { peer, id } = ann;
    drop(peer);
    wait_until("it is gone", || look(&house, &format!("/connections/{id}")).0 == 404);
}

fn odd_names_and_questions_are_answered_and_change_nothing(rung: DriverChoice) {
    let service = Service::quiet();
    let house = house(rung, "", &chat(&service, ""));
    let odd = ["a/b", "..", "%2F", "\u{7f}\n\"\\", "ü?#&=+ ", "\u{1F980}", "null", "x".repeat(1024).leak()];
    let odd: Vec<&str> = odd.to_vec();
    let ann = house.json(&Token { user: Some("a/b \"%00"), groups: &odd, ..Token::default() }.sign());
    for name in &odd {
        let path = format!("/hubs/chat/groups/{}", encoded(name));
        assert_eq!(see(&house, &path)["connections"][0]["id"], ann.id, "{name:?}");
    }
    let user = format!("/hubs/chat/users/{}", encoded("a/b \"%00"));
    assert_eq!(see(&house, &user)["total"], 1);
    let mut shown: Vec<_> = see(&house, "/hubs/chat/groups")["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    let mut all = odd.clone();
    shown.sort();
    all.sort_unstable();
    assert_eq!(shown, all);
    for (path, status) in [
        ("/hubs/none/users", 404),
        ("/hubs/chat/users/nobody", 404),
        ("/hubs/chat/users/", 404),
        ("/hubs/chat/users/%ff%fe", 400),
        ("/hubs/chat/users/a%2Fb", 404),
        ("/hubs/chat/users/a/b", 404),
        ("/hubs/chat/permissions", 404),
        ("/hubs/%00/users", 404),
        ("/hubs/chat/users?limit=0", 400),
        ("/hubs/chat/users?limit=1001", 400),
        ("/hubs/chat/users?from=x", 400),
        ("/hubs/chat/users?filter=x", 400),
        ("/hubs/chat/groups/..?limit=99999999999999999999", 400),
        ("/connections/nobody", 404),
        ("/connections/00000000000000000000000000000000", 404),
        ("/connections/+0000000000000000000000000000000", 404),
        ("/connections/%C3%BC", 404),
        ("/connections/", 404),
    ] {
        let (said, body) = look(&house, path);
        assert_eq!(said, status, "{path}: {body}");
    }
    for from in ["1-4294967295", "65535", "65535-4294967295", "2", "2-0"] {
        assert_eq!(see(&house, &format!("/hubs/chat/groups?from={from}"))["groups"], json!([]), "{from}");
        assert_eq!(look(&house, &format!("/hubs/chat/groups/..?from={from}")).0, 200, "{from}");
    }
    refuse_long(house.process.admin);
    assert_eq!(see(&house, &user)["total"], 1, "it is still there");
}
