//! What breaks: nodes that die, a bus that is away.

use std::time::Duration;

use serde_json::json;

use crate::house::{Json, Token, upgrade};
use crate::nodes::{Carrier, Node, heard_until, nodes, wait_until_joined};
use crate::rig::peer::request_with;
use crate::rig::wait_until;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn nobody_is_said_to_be_gone_before_it_is_known() {
    let carrier = Carrier::simulated();
    let mut nodes = nodes(&carrier, 3, "");
    let last = nodes.pop().unwrap();
    let (mut ann, bob) = (nodes[1].client(Some("ann")), last.client(Some("bob")));
    let connection = format!("hubs/chat/connections/{}", bob.id);
    assert_eq!(nodes[0].status_of("HEAD", &connection), 200);
    last.kill();
    // At once, before it is taken for gone.
    std::thread::scope(|scope| {
        for (method, path, status) in [
            ("HEAD", &*connection, 503),
            ("HEAD", "hubs/chat/users/bob", 503),
            ("HEAD", "hubs/chat/users/nobody", 503),
            // The first yes is enough.
            ("HEAD", "hubs/chat/users/ann", 200),
            ("PUT", "hubs/chat/users/ann/groups/g", 503),
            ("GET", "hubs/chat/groups/room/connections", 503),
        ] {
            let mut rest = nodes[0].rest();
            scope.spawn(move || {
                let answer = rest.ask(method, path, "");
                assert_eq!(answer.status, status, "{method} {path}");
            });
        }
    });
    nodes[0].send(":send", "the others go on");
    assert_eq!(ann.hear()["data"], "the others go on");
    wait_until_joined(&nodes);
    for path in [&connection, "hubs/chat/users/bob", "hubs/chat/users/nobody"] {
        assert_eq!(nodes[0].status_of("HEAD", path), 404, "{path}");
    }
    assert_eq!(nodes[0].status().counts.left.silent, 1);
    // Another one takes its place.
    nodes.push(Node::start(&carrier, ""));
    wait_until_joined(&nodes);
    let mut bob = nodes[2].client(Some("bob"));
    assert_eq!(nodes[0].status_of("HEAD", "hubs/chat/users/bob"), 200);
    nodes[1].send("users/bob/:send", "welcome");
    assert_eq!(bob.hear()["data"], "welcome");
}

#[test]
fn one_that_has_said_goodbye_is_not_waited_for() {
    let mut nodes = nodes(&Carrier::simulated(), 2, "");
    nodes.pop().unwrap().leave();
    wait_until_joined(&nodes);
    assert_eq!(nodes[0].status_of("HEAD", "hubs/chat/users/nobody"), 404);
    assert_eq!(nodes[0].status().counts.left.goodbye, 1);
}

#[test]
fn a_node_alone_serves_its_own_while_the_bus_is_away() {
    let nodes = nodes(&Carrier::simulated(), 2, "");
    let (mut here, mut there) = (nodes[0].client(Some("ann")), nodes[1].client(Some("bob")));
    let other = format!("hubs/chat/connections/{}", there.id);
    cut(&nodes[0]);
    nodes[0].send(":send", "to its own");
    assert_eq!(here.hear()["data"], "to its own");
    let say = r#"{"type":"sendToGroup","group":"room","dataType":"text","data":"from one","ackId":1}"#;
    here.say(say);
    assert_eq!(
        [here.hear()["data"].clone(), here.hear()["success"].clone()],
        [json!("from one"), json!(true)]
    );
    let own = format!("hubs/chat/connections/{}", here.id);
    for (method, path, status) in [
        ("HEAD", "hubs/chat/users/ann", 200),
        ("HEAD", &own, 200),
        ("PUT", &own.replace("chat/", "chat/groups/g/"), 200),
        ("HEAD", "hubs/chat/users/bob", 503),
        ("HEAD", &other, 503),
        ("PUT", "hubs/chat/users/ann/groups/g", 503),
        ("DELETE", "hubs/chat/users/ann/groups", 503),
        ("GET", "hubs/chat/groups/room/connections", 503),
        ("PUT", &other.replace("chat/", "chat/permissions/sendToGroup/"), 503),
    ] {
        assert_eq!(nodes[0].status_of(method, path), status, "{method} {path}");
    }
    assert!(nodes[0].status().ready && nodes[0].status().counts.unsent.away >= 2);
    come_back(&nodes);
    nodes[0].send("groups/room/:send", "the end");
    assert_eq!(heard_until(&mut there, "the end"), Vec::<String>::new(), "nothing is kept for later");
    assert_eq!(nodes[0].status_of("HEAD", "hubs/chat/users/nobody"), 404);
}

#[test]
fn what_is_refused_is_delivered_to_nobody() {
    let nodes = nodes(&Carrier::simulated(), 2, "cluster-away = \"refuse\"\ncluster-ready = \"bus\"\n");
    let (mut here, mut there) = (nodes[0].client(Some("ann")), nodes[1].client(Some("bob")));
    let mut simple = publisher(&nodes[0]);
    cut(&nodes[0]);
    assert!(!nodes[0].status().ready, "as settings want it");
    let elsewhere = format!("hubs/chat/connections/{}/:send", there.id);
    for path in ["hubs/chat/:send", "hubs/chat/groups/room/:send", "hubs/chat/users/ann/:send", &elsewhere] {
        let answer = nodes[0].ask("POST", path, "nobody hears it");
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")), "{path}");
    }
    assert_eq!(nodes[0].ask("POST", "hubs/chat/groups/room/:closeConnections", "").status, 503);
    let own = format!("hubs/chat/connections/{}/:send", here.id);
    assert_eq!(nodes[0].ask("POST", &own, "to one of this node").status, 202);
    assert_eq!(here.hear()["data"], "to one of this node");
    let say = r#"{"type":"sendToGroup","group":"room","dataType":"text","data":"again","ackId":1}"#;
    assert_eq!(here.request(say), Some("InternalServerError".to_owned()));
    simple.send_text("nobody hears it");
    simple.expect_close(1013);
    come_back(&nodes);
    // With the same ack id: it was not carried out.
    here.say(say);
    assert_eq!([here.hear()["data"].clone(), here.hear()["success"].clone()], [json!("again"), json!(true)]);
    assert_eq!(there.hear()["data"], "again");
    assert!(nodes[0].status().ready);
}

#[test]
fn a_node_that_has_not_heard_the_others_yet_says_of_nobody_that_it_is_not_there() {
    let carrier = Carrier::simulated();
    let node = Node::start(&carrier, "");
    let mut ann = node.client(Some("ann"));
    assert!(!node.status().ready);
    assert_eq!(node.status_of("HEAD", "hubs/chat/users/ann"), 200);
    assert_eq!(node.status_of("HEAD", "hubs/chat/users/bob"), 503);
    node.send(":send", "its own");
    assert_eq!(ann.hear()["data"], "its own");
    wait_until("it is ready", || node.status().ready);
    assert_eq!(node.status_of("HEAD", "hubs/chat/users/bob"), 404);
}

#[test]
fn a_client_is_not_recovered_by_another_node() {
    const RELIABLE: &str = "Sec-WebSocket-Protocol: json.reliable.webpubsub.azure.v1\r\n";
    let nodes = nodes(&Carrier::simulated(), 2, "");
    let mut peer = nodes[0].peer();
    let token = Token { user: Some("ann"), groups: &["room"], ..Token::default() }.sign();
    peer.send(&upgrade("chat", &token, RELIABLE));
    peer.expect_accepted();
    let mut client = Json { peer, id: String::new() };
    let connected = client.hear();
    let text = |name: &str| connected[name].as_str().expect("a text").to_owned();
    let query = format!(
        "awps_connection_id={}&awps_reconnection_token={}",
        text("connectionId"),
        text("reconnectionToken")
    );
    nodes[1].send("users/ann/:send", "from the other");
    assert_eq!(client.hear()["sequenceId"], 1);
    client.peer.reset();
    let request = request_with(&format!("/client/hubs/chat?{query}"), RELIABLE);
    let mut peer = nodes[1].peer();
    peer.send(&request);
    peer.expect_accepted();
    peer.expect_close(1008);
    // What comes while it is away is kept where it is.
    nodes[1].send("users/ann/:send", "meanwhile");
    let mut peer = nodes[0].peer();
    peer.send(&request);
    peer.expect_accepted();
    let mut client = Json { peer, id: String::new() };
    assert_eq!(client.hear()["event"], "connected");
    let heard: Vec<_> = (0..2).map(|_| client.hear()["data"].clone()).collect();
    assert_eq!(heard, ["from the other", "meanwhile"]);
}

/// The bus is away for one node.
fn cut(node: &Node) {
    node.bus.as_ref().unwrap().cut(Duration::from_secs(3600));
    wait_until("it notices", || !node.status().bus.connected);
}

/// It is there again, and all are heard.
fn come_back(nodes: &[Node]) {
    nodes[0].bus.as_ref().unwrap().come_back();
    wait_until("it notices", || nodes[0].status().bus.connected);
    // The others are not gone for it, nor it for them any more.
    wait_until("all are there", || {
        std::thread::sleep(SECOND / 100);
        nodes.iter().all(|node| node.status().nodes.len() == nodes.len())
    });
}

/// A client without a subprotocol of ours whose messages go to the group.
fn publisher(node: &Node) -> crate::rig::Peer {
    let token = Token { roles: &["webpubsub.sendToGroup"], ..Token::default() }.sign();
    let mut peer = node.peer();
    let target = format!("/client/hubs/chat?access_token={token}&webpubsub_mode=sendToGroup&group=room");
    peer.send(&request_with(&target, ""));
    peer.expect_accepted();
    peer
}
