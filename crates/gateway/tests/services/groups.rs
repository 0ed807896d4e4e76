//! Groups: who hears what, on whichever shard they are.

use holdfast::settings::DriverChoice;
use serde_json::json;

use super::house::{House, Json, Token, chat, member, of_user};
use super::service::Service;
use crate::on_every_rung;

on_every_rung!(
    members_hear_each_other_on_whichever_shard_they_are,
    a_member_that_rest_has_put_in_hears_what_rest_says_next,
    nothing_comes_after_leaving,
    a_request_is_carried_out_once,
    who_may_not_is_told_so,
    what_fits_no_outbox_is_refused_and_closes_nobody,
    a_group_is_listed_page_by_page,
    rest_closes_whom_it_means,
);

fn members(house: &House, count: usize) -> Vec<Json> {
    let mut members: Vec<_> = (0..count).map(|_| house.json(&member())).collect();
    for member in &mut members {
        member.join("room");
    }
    members
}

fn send(text: &str, more: &str) -> String {
    format!(r#"{{"type":"sendToGroup","group":"room","dataType":"text","data":"{text}"{more}}}"#)
}

fn members_hear_each_other_on_whichever_shard_they_are(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    // So many that every shard has some.
    let mut members = members(&house, 16);
    let mut outside = house.json(&member());
    members[0].say(&send("to all", r#","noEcho":true,"ackId":2"#));
    assert_eq!(members[0].hear(), json!({"type": "ack", "ackId": 2, "success": true}));
    for member in &mut members[1..] {
        let heard = member.hear();
        assert_eq!(
            (&heard["from"], &heard["group"], &heard["data"]),
            (&json!("group"), &json!("room"), &json!("to all"))
        );
    }
    members[3].say(&send("me too", ""));
    for member in &mut members {
        assert_eq!(member.hear()["data"], "me too");
    }
    let excluded = format!("hubs/chat/groups/room/:send?excluded={}", members[5].id);
    assert_eq!(house.ask("POST", &excluded, "from a service").status, 202);
    for (index, member) in members.iter_mut().enumerate().filter(|(index, _)| *index != 5) {
        assert_eq!(member.hear()["data"], "from a service", "{index}");
    }
    assert_eq!(house.ask("POST", "hubs/chat/:send", "the end").status, 202);
    assert_eq!(members[5].hear()["data"], "the end");
    assert_eq!(outside.hear()["data"], "the end");
}

fn a_member_that_rest_has_put_in_hears_what_rest_says_next(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut clients: Vec<_> = (0..8).map(|_| house.json(&of_user("ann"))).collect();
    let mut asks = house.rest();
    for (index, client) in clients.iter_mut().enumerate() {
        let group = format!("hubs/chat/groups/g{index}");
        assert_eq!(asks.ask("PUT", &format!("{group}/connections/{}", client.id), "").status, 200);
        assert_eq!(asks.ask("POST", &format!("{group}/:send"), "hello").status, 202);
        assert_eq!(client.hear()["data"], "hello");
        assert_eq!(asks.ask("DELETE", &format!("{group}/connections/{}", client.id), "").status, 204);
        assert_eq!(asks.ask("POST", &format!("{group}/:send"), "never heard").status, 202);
        assert_eq!(asks.ask("HEAD", &group, "").status, 404);
    }
    assert_eq!(asks.ask("PUT", "hubs/chat/users/ann/groups/all%20of%2Fus", "").status, 200);
    assert_eq!(asks.ask("POST", "hubs/chat/groups/all%20of%2Fus/:send", r#"{"a":1}"#).status, 202);
    for client in &mut clients {
        let heard = client.hear();
        assert_eq!((&heard["group"], &heard["data"]), (&json!("all of/us"), &json!({"a": 1})));
    }
}

fn nothing_comes_after_leaving(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut members = members(&house, 6);
    let leave = r#"{"type":"leaveGroup","group":"room","ackId":2}"#;
    assert_eq!(members[0].request(leave), None);
    assert_eq!(house.ask("POST", "hubs/chat/groups/room/:send", "to the others").status, 202);
    for member in &mut members[1..] {
        assert_eq!(member.hear()["data"], "to the others");
    }
    assert_eq!(house.ask("POST", "hubs/chat/:send", "to all").status, 202);
    assert_eq!(members[0].hear()["data"], "to all");
}

fn a_request_is_carried_out_once(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut members = members(&house, 2);
    let mut sender = members.pop().unwrap();
    let again = send("once", r#","noEcho":true,"ackId":9"#);
    assert_eq!(sender.request(&again), None);
    assert_eq!(sender.request(&again), Some("Duplicate".to_owned()));
    let event = r#"{"type":"event","event":"e","dataType":"text","data":"x","ackId":10}"#;
    assert_eq!(sender.request(event), None);
    assert_eq!(sender.request(event), Some("Duplicate".to_owned()));
    assert_eq!(service.heard_of("user.e").len(), 1);
    let largest = u64::MAX;
    assert_eq!(sender.request(&send("last", &format!(r#","noEcho":true,"ackId":{largest}"#))), None);
    assert_eq!(members[0].hear()["data"], "once");
    assert_eq!(members[0].hear()["data"], "last");
}

fn who_may_not_is_told_so(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let token = Token { roles: &["webpubsub.joinLeaveGroup.room"], ..Token::default() }.sign();
    let mut client = house.json(&token);
    client.join("room");
    let forbidden = Some("Forbidden".to_owned());
    assert_eq!(client.request(&send("x", r#","ackId":2"#)), forbidden);
    assert_eq!(client.request(r#"{"type":"joinGroup","group":"other","ackId":3}"#), forbidden);
    let permission = format!("hubs/chat/permissions/sendToGroup/connections/{}?targetName=room", client.id);
    assert_eq!(house.ask("HEAD", &permission, "").status, 404);
    assert_eq!(house.ask("PUT", &permission, "").status, 200);
    assert_eq!(house.ask("HEAD", &permission, "").status, 200);
    client.say(&send("now", r#","noEcho":true,"ackId":2"#));
    assert_eq!(client.hear()["success"], true, "what was refused may be asked for again");
    assert_eq!(house.ask("DELETE", &permission, "").status, 204);
    assert_eq!(client.request(&send("x", r#","ackId":4"#)), forbidden);
    client.say(
        r#"{"type":"invoke","invocationId":"i","target":"event","event":"e","dataType":"text","data":"x"}"#,
    );
    let answer = client.hear();
    assert_eq!((&answer["type"], &answer["success"]), (&json!("invokeResponse"), &json!(false)));
    client.say("no message");
    assert_eq!(client.hear()["event"], "disconnected");
    client.peer.expect_close(1007);
}

fn what_fits_no_outbox_is_refused_and_closes_nobody(rung: DriverChoice) {
    let service = Service::quiet();
    let limits = "message-bytes-max = \"64KiB\"\noutbox-bytes-max = \"256KiB\"";
    let house = House::new(rung, limits, &chat(&service, ""));
    let mut members = members(&house, 4);
    // Each of these bytes is six in JSON.
    let long = "\\u0001".repeat(60_000);
    let small = "\u{1}".repeat(60_000);
    assert_eq!(house.ask("POST", "hubs/chat/groups/room/:send", &small).status, 413);
    assert_eq!(
        house.ask("POST", &format!("hubs/chat/connections/{}/:send", members[0].id), &small).status,
        413
    );
    assert_eq!(house.ask("POST", "hubs/chat/:send", &"x".repeat(70_000)).status, 413);
    let mut plain = house.client(&member());
    plain.send_text("hello");
    let at_most = house.ask("POST", "hubs/chat/groups/room/:send", &"x".repeat(60_000));
    assert_eq!(at_most.status, 202);
    for member in &mut members {
        assert_eq!(member.hear()["data"].as_str().map(str::len), Some(60_000));
    }
    let mut sender = members.pop().unwrap();
    sender.say(&send(&long[..6000], r#","noEcho":true,"ackId":5"#));
    assert_eq!(sender.hear()["success"], true);
    for member in &mut members {
        assert_eq!(member.hear()["data"].as_str().map(str::len), Some(1000));
    }
    for member in &mut members {
        member.say(r#"{"type":"ping"}"#);
        assert_eq!(member.hear()["type"], "pong");
    }
}

fn a_group_is_listed_page_by_page(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let members = members(&house, 9);
    let mut ids: Vec<_> = members.iter().map(|member| member.id.clone()).collect();
    let mut path = "hubs/chat/groups/room/connections?maxpagesize=2".to_owned();
    let mut listed = Vec::new();
    loop {
        let answer = house.ask("GET", &path, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let value = page["value"].as_array().unwrap();
        assert!(value.len() <= 2, "{page}");
        listed.extend(value.iter().map(|it| it["connectionId"].as_str().unwrap().to_owned()));
        assert!(listed.len() <= ids.len(), "{listed:?}");
        let Some(next) = page["nextLink"].as_str() else { break };
        let next = next.strip_prefix("http://test/api/").unwrap_or_else(|| panic!("{next}"));
        // The version is added to each request here.
        let (next, query) = next.split_once('?').unwrap();
        let query: Vec<_> = query.split('&').filter(|it| !it.starts_with("api-version")).collect();
        path = format!("{next}?{}", query.join("&"));
    }
    ids.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, ids);
}

fn rest_closes_whom_it_means(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut members = members(&house, 4);
    let one = format!("hubs/chat/connections/{}?reason=enough", members[0].id);
    assert_eq!(house.ask("DELETE", &one, "").status, 204);
    let heard = members[0].hear();
    assert_eq!((&heard["event"], &heard["message"]), (&json!("disconnected"), &json!("enough")));
    assert_eq!(members[0].peer.read_close(), Some((1000, "enough".to_owned())));
    let others = format!("hubs/chat/groups/room/:closeConnections?excluded={}", members[1].id);
    assert_eq!(house.ask("POST", &others, "").status, 204);
    for member in &mut members[2..] {
        assert_eq!(member.hear()["event"], "disconnected");
        member.peer.expect_close(1000);
    }
    members[1].say(r#"{"type":"ping"}"#);
    assert_eq!(members[1].hear()["type"], "pong");
}
