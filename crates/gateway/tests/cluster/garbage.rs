//! What others say that is not what it must be: it is counted, and nobody hears it.

use holdfast_cluster::bus::Bus;
use holdfast_cluster::envelope::{DataKind, Envelope, Excluded, Operation, Publication, Sender, Target};
use holdfast_cluster::subject::{ClusterName, Subjects};
use holdfast_cluster::{NodeId, QuestionId};

use crate::nodes::{Carrier, heard_until, nodes};
use crate::rig::wait_until;

#[test]
fn what_is_no_message_of_a_node_is_counted_and_does_nothing() {
    let carrier = Carrier::simulated();
    let nodes = nodes(&carrier, 1, "");
    let Carrier::Simulated(net) = &carrier else { unreachable!() };
    let mut client = nodes[0].client(Some("ann"));
    let subjects = Subjects::of(&ClusterName::parse("test").unwrap());
    let mut stranger = net.join(vec!["hf1.test.n.00000000000f.r".to_owned()]);
    wait_until("the stranger is there", || stranger.state().session().is_some());

    let long = "u".repeat(1025);
    let room = Target::Group("room");
    let publish = |to, filter, sender, kind, payload: &'static [u8]| {
        let excluded = Excluded::default();
        Operation::Publish(Publication { to, excluded, filter, sender, kind, payload })
    };
    let (service, text, json) = (Sender::Service, DataKind::Text, DataKind::Json);
    let bad = [
        publish(room, None, service, json, b"{"),
        publish(room, None, service, json, b"1 2"),
        publish(room, None, service, json, b"\xff"),
        publish(room, None, service, text, b"\xff"),
        publish(room, Some("userId eq"), service, text, b"a"),
        publish(room, None, Sender::Client(Some(&long)), text, b"a"),
        publish(Target::User("ann"), Some(") or true"), service, text, b"a"),
    ];
    let asked = [
        Operation::Join { who: Target::User("ann"), group: " " },
        Operation::Join { who: Target::User("ann"), group: &long },
        Operation::Leave { who: Target::User("ann"), group: Some(&long) },
        Operation::List { group: "room", size: 10, place: Some("elsewhere") },
    ];
    let mut numbers = std::collections::HashMap::new();
    let mut say = |operation: Operation<'_>, question: Option<QuestionId>| {
        let slot = operation.target().and_then(|target| target.slot()).expect("to a hub");
        let is_list = matches!(operation, Operation::List { .. });
        let own = NodeId::parse(&nodes[0].status().node).unwrap();
        let subject = if is_list { subjects.node(own) } else { subjects.hub("chat", slot) };
        let number = numbers.entry(subject.clone()).or_insert(0);
        *number += 1;
        let (node, number) = (NodeId::new(15), *number);
        let mut message = Vec::new();
        let envelope = Envelope { node, epoch: 0, number, question, hub: "chat", operation };
        envelope.write(&mut message).expect("it is not too long");
        stranger.try_publish(&subject, message.into()).expect("it is taken");
    };
    let count = bad.len() + asked.len();
    bad.into_iter().for_each(|operation| say(operation, None));
    asked.into_iter().for_each(|operation| say(operation, QuestionId::new(7)));
    wait_until("all are counted", || nodes[0].status().counts.garbage == count as u64);
    // A good one among them is heard.
    say(publish(room, Some("userId eq 'ann'"), Sender::Client(None), text, b"the end"), None);
    assert_eq!(heard_until(&mut client, "the end"), Vec::<String>::new());
    let counts = nodes[0].status().counts;
    assert_eq!((counts.missed, counts.late, counts.received), (0, 0, count as u64 + 1));
    assert_eq!(nodes[0].status_of("HEAD", "hubs/chat/groups/room"), 200);
}
