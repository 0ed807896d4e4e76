//! Messages: who hears what, on whichever node, and in which order.

use serde_json::json;

use crate::house::Json;
use crate::nodes::{Carrier, Node, client_of, heard_until, nodes, query};

#[test]
fn everybody_who_is_meant_hears_it_once_on_whichever_node() {
    let nodes = nodes(&Carrier::simulated(), 3, "");
    who_hears_what(&nodes);
}

#[test]
fn clients_hear_each_other_on_whichever_node() {
    let nodes = nodes(&Carrier::simulated(), 3, "");
    what_clients_say(&nodes);
}

#[test]
fn what_one_node_publishes_comes_in_its_order_everywhere() {
    let nodes = nodes(&Carrier::simulated(), 3, "");
    order(&nodes);
}

/// A client of each node, of its own user and of one that all have: `u0` and `all`.
pub fn crowd(nodes: &[Node]) -> Vec<[Json; 2]> {
    let of = |(at, node): (usize, &Node)| [node.client(Some(&format!("u{at}"))), node.client(Some("all"))];
    nodes.iter().enumerate().map(of).collect()
}

/// By REST, from each node.
pub fn who_hears_what(nodes: &[Node]) {
    let mut clients = crowd(nodes);
    let mut strangers: Vec<_> = nodes.iter().map(|node| client_of(node, "other", "all")).collect();
    let last = nodes.len() - 1;
    for (at, node) in nodes.iter().enumerate() {
        let (id, group) = (&clients[last][0].id, "groups/room/:send");
        node.send(":send", "to the hub");
        node.send(group, "to the group");
        node.send("users/all/:send", "to a user");
        node.send(&format!("users/u{last}/:send"), "to one user");
        node.send("groups/none/:send", "to nobody");
        node.send(&format!("{group}?excluded={id}"), "but one");
        node.send(&format!(":send?filter={}", query("startswith(userId,'u')")), "to own ones");
        node.send(&format!("{group}?filter={}", query("length(groups) gt 1")), "to nobody either");
        node.send(":send", "the end");
        for (index, [own, of_all]) in clients.iter_mut().enumerate() {
            let mut expected = vec!["to the hub", "to the group"];
            expected.extend((index == last).then_some("to one user"));
            expected.extend((index != last).then_some("but one"));
            expected.push("to own ones");
            assert_eq!(heard_until(own, "the end"), expected, "{at} to {index}");
            let expected = ["to the hub", "to the group", "to a user", "but one"];
            assert_eq!(heard_until(of_all, "the end"), expected, "{at} to {index}");
        }
        for [own, _] in &mut clients {
            node.send(&format!("connections/{}/:send", own.id), "to one");
            assert_eq!(own.hear()["data"], "to one");
        }
        node.send("connections/00000000000000000000000000000000/:send", "to nobody");
        node.send("connections/nobody/:send", "to nobody");
    }
    assert_eq!(nodes[0].ask("POST", "hubs/Other/:send", "elsewhere").status, 202);
    for stranger in &mut strangers {
        assert_eq!(stranger.hear()["data"], "elsewhere", "nothing of another hub before it");
    }
    kinds(nodes, &mut clients);
}

/// What content is goes along.
fn kinds(nodes: &[Node], clients: &mut [[Json; 2]]) {
    let node = &nodes[0];
    node.send("groups/room/:send", r#"{"a": [1, "é"]}"#);
    node.send("groups/room/:send", "ü\n\"");
    for [own, of_all] in clients {
        for client in [own, of_all] {
            let message = client.hear();
            assert_eq!((&message["dataType"], &message["data"]), (&json!("json"), &json!({"a": [1, "é"]})));
            assert_eq!((&message["group"], &message["fromUserId"]), (&json!("room"), &json!(null)));
            let message = client.hear();
            assert_eq!((&message["dataType"], &message["data"]), (&json!("text"), &json!("ü\n\"")));
        }
    }
}

/// By clients, of each node.
pub fn what_clients_say(nodes: &[Node]) {
    let mut clients = crowd(nodes);
    for at in 0..nodes.len() {
        let say = |text: &str, more: &str| {
            format!(r#"{{"type":"sendToGroup","group":"room","dataType":"text","data":"{text}"{more}}}"#)
        };
        let speaker = &mut clients[at][0];
        assert_eq!(speaker.request(&say("no echo", r#","noEcho":true,"ackId":7"#)), None);
        speaker.say(&say("to all", ""));
        speaker.say(r#"{"type":"sendToGroup","group":"room","dataType":"binary","data":"/wA="}"#);
        for (index, pair) in clients.iter_mut().enumerate() {
            for (which, client) in pair.iter_mut().enumerate() {
                if (index, which) != (at, 0) {
                    assert_eq!(client.hear()["data"], "no echo");
                }
                let message = client.hear();
                assert_eq!(
                    (&message["data"], &message["fromUserId"]),
                    (&json!("to all"), &json!(format!("u{at}")))
                );
                let message = client.hear();
                assert_eq!((&message["dataType"], &message["data"]), (&json!("binary"), &json!("/wA=")));
            }
        }
    }
}

/// Numbered messages of each node, at the same time.
pub fn order(nodes: &[Node]) {
    const COUNT: usize = 300;
    let mut clients = crowd(nodes);
    std::thread::scope(|scope| {
        for (at, node) in nodes.iter().enumerate() {
            let mut rest = node.rest();
            scope.spawn(move || {
                for number in 0..COUNT {
                    let answer = rest.ask("POST", "hubs/chat/groups/room/:send", &format!("{at} {number}"));
                    assert_eq!(answer.status, 202);
                }
            });
        }
    });
    for client in clients.iter_mut().flatten() {
        let mut next = vec![0; nodes.len()];
        for _ in 0..COUNT * nodes.len() {
            let message = client.hear();
            let (at, number) = message["data"].as_str().unwrap().split_once(' ').expect("two numbers");
            let at: usize = at.parse().unwrap();
            assert_eq!(number.parse(), Ok(next[at]), "of node {at}");
            next[at] += 1;
        }
    }
    for node in nodes {
        let counts = node.status().counts;
        let odd = [counts.missed, counts.late, counts.own, counts.garbage, counts.dropped];
        assert_eq!(odd, [0; 5], "{counts:?}");
    }
}
