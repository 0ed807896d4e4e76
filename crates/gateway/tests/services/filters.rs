//! Filters: which of many a service means.

use std::collections::BTreeMap;

use holdfast::settings::DriverChoice;
use serde_json::json;

use super::house::{House, Json, Token};
use super::service::Service;
use crate::on_every_rung;

on_every_rung!(
    a_message_goes_to_those_that_its_filter_means,
    groups_change_for_those_that_a_filter_means,
    a_filter_sees_groups_as_they_were_when_the_message_came,
    what_is_no_filter_is_refused_and_nothing_is_sent,
);

/// Clients of users u0, u1, ... one of whom has no user, on every shard.
fn crowd(house: &House) -> BTreeMap<usize, Json> {
    let client = |index: usize| {
        let user = format!("u{index}");
        let user = (index > 0).then_some(user.as_str());
        (index, house.json(&Token { user, groups: &["room"], ..Token::default() }.sign()))
    };
    (0..12).map(client).collect()
}

/// The text as it stands in a query.
fn query(filter: &str) -> String {
    filter.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Everybody hears a last message, and those who are meant one before it.
#[track_caller]
fn expect(house: &House, clients: &mut BTreeMap<usize, Json>, filter: &str, meant: &[usize]) {
    assert_eq!(house.ask("POST", "hubs/chat/:send", "the end").status, 202);
    for (index, client) in clients {
        let heard = client.hear();
        let expected = if meant.contains(index) { "chosen" } else { "the end" };
        assert_eq!(heard["data"], expected, "{filter}: {index}");
        if expected == "chosen" {
            assert_eq!(client.hear()["data"], "the end", "{filter}: {index}");
        }
    }
}

fn a_message_goes_to_those_that_its_filter_means(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut clients = crowd(&house);
    let own = format!("connectionId eq '{}'", clients[&7].id);
    let cases: [(&str, &str, &[usize]); 8] = [
        (":send", "userId eq 'u3'", &[3]),
        (":send", "userId eq null", &[0]),
        (":send", "userId in ('u1','u11') or startswith(userId,'u2')", &[1, 2, 11]),
        (":send", "not (userId gt 'u1')", &[0, 1]),
        ("groups/room/:send", &own, &[7]),
        ("groups/none/:send", "true", &[]),
        ("users/u5/:send", "'room' in groups and length(groups) eq 1", &[5]),
        ("users/u5/:send", "length(groups) gt 1", &[]),
    ];
    for (path, filter, meant) in cases {
        let path = format!("hubs/chat/{path}?filter={}", query(filter));
        assert_eq!(house.ask("POST", &path, "chosen").status, 202, "{filter}");
        expect(&house, &mut clients, filter, meant);
    }
}

fn groups_change_for_those_that_a_filter_means(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut clients = crowd(&house);
    let change = |path: &str, groups: &[&str], filter: &str| {
        let body = json!({"groups": groups, "filter": filter}).to_string();
        house.ask("POST", &format!("hubs/chat/{path}"), &body).status
    };
    assert_eq!(change(":addToGroups", &["few", "room"], "userId in ('u1','u2','u3')"), 200);
    assert_eq!(house.ask("POST", "hubs/chat/groups/few/:send", "chosen").status, 202);
    expect(&house, &mut clients, "added", &[1, 2, 3]);
    // Both groups go, though after the first of them the filter would mean nobody.
    assert_eq!(change(":removeFromGroups", &["few", "room"], "'few' in groups and userId ne 'u2'"), 200);
    assert_eq!(house.ask("POST", "hubs/chat/groups/few/:send", "chosen").status, 202);
    expect(&house, &mut clients, "removed", &[2]);
    let others: Vec<_> = (0..12).filter(|index| ![1, 3].contains(index)).collect();
    assert_eq!(house.ask("POST", "hubs/chat/groups/room/:send", "chosen").status, 202);
    expect(&house, &mut clients, "removed from both", &others);
    assert_eq!(change(":addToGroups", &["few"], "userId eq"), 400);
}

fn a_filter_sees_groups_as_they_were_when_the_message_came(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut clients = crowd(&house);
    let mut asks = house.rest();
    let path = format!("hubs/chat/:send?filter={}", query("'late' in groups"));
    for index in [4, 8] {
        let path = format!("hubs/chat/groups/late/connections/{}", clients[&index].id);
        assert_eq!(asks.ask("PUT", &path, "").status, 200);
    }
    assert_eq!(asks.ask("POST", &path, "chosen").status, 202);
    for (index, method, status) in [(4, "DELETE", 204), (5, "PUT", 200)] {
        let path = format!("hubs/chat/groups/late/connections/{}", clients[&index].id);
        assert_eq!(asks.ask(method, &path, "").status, status);
    }
    expect(&house, &mut clients, "late", &[4, 8]);
}

fn what_is_no_filter_is_refused_and_nothing_is_sent(rung: DriverChoice) {
    let service = Service::quiet();
    let house = House::of(rung, &service);
    let mut clients = crowd(&house);
    let long = format!("userId eq '{}'", "x".repeat(9000));
    let deep = format!("{}true{}", "(".repeat(40), ")".repeat(40));
    for filter in ["userId", "userId eq", "userId eq 1", "nobody eq 'a'", "not userId eq 'a'", &long, &deep] {
        let path = format!("hubs/chat/:send?filter={}", query(filter));
        let response = house.ask("POST", &path, "never heard");
        assert_eq!(response.status, 400, "{filter}");
        let body: serde_json::Value = serde_json::from_str(&response.body).expect("JSON");
        assert_eq!(body["code"], "Error.BadRequest", "{filter}: {body}");
    }
    expect(&house, &mut clients, "none", &[]);
}
