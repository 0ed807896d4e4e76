//! REST calls that ask: each has the same answer on every node.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::house::Json;
use crate::messages::crowd;
use crate::nodes::{Carrier, Node, nodes, query};

#[test]
fn each_call_has_the_answer_of_one_node_on_every_node() {
    let nodes = nodes(&Carrier::simulated(), 3, "groups-per-connection-max = 20\n");
    what_is_answered(&nodes);
}

#[test]
fn what_a_service_is_told_is_done_is_done_everywhere() {
    let nodes = nodes(&Carrier::simulated(), 2, "");
    join_then_send(&nodes, 100);
}

#[test]
fn members_are_listed_once_whoever_is_asked() {
    let nodes = nodes(&Carrier::simulated(), 3, "");
    pages(&nodes);
}

/// All calls that ask, on each node.
pub fn what_is_answered(nodes: &[Node]) {
    let mut clients = crowd(nodes);
    for node in nodes {
        let status = |method: &str, path: &str| node.status_of(method, &format!("hubs/chat/{path}"));
        for (at, [own, _]) in clients.iter().enumerate() {
            let (user, connection) = (format!("users/u{at}"), format!("connections/{}", own.id));
            assert_eq!((status("HEAD", &user), status("HEAD", &connection)), (200, 200));
            assert_eq!(status("HEAD", "groups/mine"), 404);
            assert_eq!(status("PUT", &format!("groups/mine/{connection}")), 200);
            assert_eq!(status("HEAD", "groups/mine"), 200);
            assert_eq!(status("DELETE", &format!("groups/mine/{connection}")), 204);
            assert_eq!(status("HEAD", "groups/mine"), 404);
            assert_eq!(status("PUT", &format!("{user}/groups/mine")), 200);
            assert_eq!(status("HEAD", "groups/mine"), 200);
            assert_eq!(status("DELETE", &format!("{user}/groups/mine")), 204);
            assert_eq!(status("HEAD", "groups/mine"), 404);
            permissions(&status, &own.id);
        }
        nobody(&status);
        everybodys_groups(node, nodes.len());
        // What is one too many somewhere is that for whoever asks.
        for user in ["all".to_owned(), format!("u{}", nodes.len() - 1)] {
            let put = |at: usize| status("PUT", &format!("users/{user}/groups/more{at}"));
            let answers: BTreeSet<_> = (0..25).map(put).collect();
            assert_eq!(answers.into_iter().collect::<Vec<_>>(), [200, 429], "{user}");
            assert_eq!(status("DELETE", &format!("users/{user}/groups")), 204);
        }
        for client in clients.iter().flatten() {
            assert_eq!(status("PUT", &format!("groups/room/connections/{}", client.id)), 200);
        }
    }
    closes(nodes, &mut clients);
}

fn permissions(status: &dyn Fn(&str, &str) -> u16, id: &str) {
    let permission = format!("permissions/sendToGroup/connections/{id}?targetName=secret");
    let forbidden = format!("permissions/sendToGroup/connections/{}?targetName=secret", "0".repeat(32));
    assert_eq!(status("HEAD", &permission), 200, "its token says so");
    assert_eq!(status("DELETE", &permission), 204);
    assert_eq!(status("HEAD", &permission), 404);
    assert_eq!(status("PUT", &permission), 200);
    assert_eq!(status("HEAD", &permission), 200);
    assert_eq!(
        [status("HEAD", &forbidden), status("PUT", &forbidden), status("DELETE", &forbidden)],
        [404, 404, 204]
    );
}

fn nobody(status: &dyn Fn(&str, &str) -> u16) {
    for name in ["0".repeat(32), "nobody".to_owned(), "é".to_owned()] {
        let connection = format!("connections/{}", query(&name));
        assert_eq!(status("HEAD", &connection), 404);
        assert_eq!(status("PUT", &format!("groups/mine/{connection}")), 404);
        assert_eq!(status("DELETE", &format!("groups/mine/{connection}")), 204);
        assert_eq!(status("DELETE", &connection), 204);
    }
    let long = "u".repeat(1025);
    for user in ["nobody", &long] {
        assert_eq!(status("HEAD", &format!("users/{user}")), 404);
        assert_eq!(status("PUT", &format!("users/{user}/groups/mine")), 404);
        assert_eq!(status("DELETE", &format!("users/{user}/groups/mine")), 204);
        assert_eq!(status("DELETE", &format!("users/{user}/groups")), 204);
    }
}

/// By a filter, for all of a hub.
fn everybodys_groups(node: &Node, count: usize) {
    let change = |call: &str, body: &str| node.ask("POST", &format!("hubs/chat/{call}"), body).status;
    let body = r#"{"groups":["left","right"],"filter":"startswith(userId,'u')"}"#;
    assert_eq!(change(":addToGroups", body), 200);
    let list = listed(node, "left", 200);
    assert_eq!(list.len(), count, "one of each node: {list:?}");
    assert_eq!(change(":removeFromGroups", r#"{"groups":["left","right"]}"#), 200);
    assert_eq!(node.status_of("HEAD", "hubs/chat/groups/left"), 404);
}

fn closes(nodes: &[Node], clients: &mut Vec<[Json; 2]>) {
    let others = nodes.last().unwrap();
    let one = format!("hubs/chat/connections/{}?reason=enough", clients[0][0].id);
    assert_eq!(others.status_of("DELETE", &one), 204);
    let heard = clients[0][0].hear();
    assert_eq!((&heard["event"], &heard["message"]), (&"disconnected".into(), &"enough".into()));
    assert_eq!(clients[0][0].peer.read_close(), Some((1000, "enough".to_owned())));
    let spared = clients[0][1].id.clone();
    let all = format!("hubs/chat/groups/room/:closeConnections?excluded={spared}");
    assert_eq!(others.ask("POST", &all, "").status, 204);
    for [own, of_all] in clients.iter_mut().skip(1) {
        for client in [own, of_all] {
            assert_eq!(client.hear()["event"], "disconnected");
            client.peer.expect_close(1000);
        }
    }
    others.send(":send", "who is left");
    assert_eq!(clients[0][1].hear()["data"], "who is left");
}

/// Members of a group, page by page.
#[track_caller]
pub fn listed(node: &Node, group: &str, page_size: usize) -> Vec<String> {
    let mut path = format!("hubs/chat/groups/{group}/connections?maxpagesize={page_size}");
    let mut listed = Vec::new();
    loop {
        let answer = node.ask("GET", &path, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: Value = serde_json::from_str(&answer.body).unwrap();
        let value = page["value"].as_array().unwrap();
        assert!(value.len() <= page_size, "{page}");
        listed.extend(value.iter().map(|it| it["connectionId"].as_str().unwrap().to_owned()));
        assert!(listed.len() < 1000, "it ends");
        let Some(next) = page["nextLink"].as_str() else { return listed };
        let next = next.strip_prefix("http://test/api/").unwrap_or_else(|| panic!("{next}"));
        let (next, query) = next.split_once('?').unwrap();
        let query: Vec<_> = query.split('&').filter(|it| !it.starts_with("api-version")).collect();
        path = format!("{next}?{}", query.join("&"));
    }
}

/// Lists of a group with members on all nodes.
pub fn pages(nodes: &[Node]) {
    let clients: Vec<Json> =
        nodes.iter().flat_map(|node| (0..5).map(|at| node.client((at > 0).then_some("ann")))).collect();
    let mut ids: Vec<_> = clients.iter().map(|client| client.id.clone()).collect();
    ids.sort_unstable();
    for node in nodes {
        for size in [1, 2, 5, 200] {
            let mut found = listed(node, "room", size);
            found.sort_unstable();
            assert_eq!(found, ids, "pages of {size}");
        }
        assert_eq!(listed(node, "none", 5), Vec::<String>::new());
        let top = node.ask("GET", "hubs/chat/groups/room/connections?top=7&maxpagesize=4", "");
        let page: Value = serde_json::from_str(&top.body).unwrap();
        assert!(page["nextLink"].as_str().unwrap().contains("top=3"), "{page}");
        for token in ["0", "1-2", "x.0", "00000000000g.0", "000000000000.x"] {
            let path = format!("hubs/chat/groups/room/connections?continuationToken={token}");
            assert_eq!(node.ask("GET", &path, "").status, 400, "{token}");
        }
    }
}

/// Whoever is put into a group on one node hears what is sent to it by another right afterwards.
pub fn join_then_send(nodes: &[Node], times: usize) {
    let (first, last) = (&nodes[0], nodes.last().unwrap());
    let mut client = first.client(Some("ann"));
    let (mut asks, mut sends) = (last.rest(), first.rest());
    let mut elsewhere = last.client(Some("ann"));
    for at in 0..times {
        let group = format!("hubs/chat/groups/g{at}");
        let joined = asks.ask("PUT", &format!("hubs/chat/users/ann/groups/g{at}"), "");
        assert_eq!(joined.status, 200);
        assert_eq!(sends.ask("POST", &format!("{group}/:send"), &at.to_string()).status, 202);
        assert_eq!(client.hear()["data"], at.to_string());
        assert_eq!(elsewhere.hear()["data"], at.to_string());
        assert_eq!(asks.ask("DELETE", &format!("hubs/chat/users/ann/groups/g{at}"), "").status, 204);
    }
}
