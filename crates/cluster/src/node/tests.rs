//! A node between others, on a bus on which nothing breaks.

use std::time::Duration;

use super::*;
use crate::ConnectionName;
use crate::bus::simulated::{Chances, Net, SimulatedBus};
use crate::envelope::{DataKind, Excluded, Member, Members, Publication, Refusal, Said, Sender, VERSION};
use crate::nodes::GONE;
use crate::questions::{ANSWER_WITHIN, Settled};
use crate::subject::{Named, Slot};

const MS: Duration = Duration::from_millis(1);
const HUB: &str = "chat";

/// Two nodes and their buses. A third end has no node: what a test wants is said there.
struct Pair {
    net: Net,
    now: Instant,
    nodes: [Node; 2],
    buses: [SimulatedBus; 2],
    stranger: SimulatedBus,
    names: Arc<Names>,
}

fn identity(node: u64) -> Identity {
    Identity {
        cluster: ClusterName::parse("prod").unwrap(),
        node: NodeId::new(node),
        start: node + 100,
        release: "0.3.0".into(),
        hubs: vec![if node == 1 { "Chat" } else { HUB }.into(), "a.b".into()],
    }
}

/// What comes of messages at the second node, and at the first.
type Answering<'a> = &'a mut dyn FnMut(usize, &mut Node, &mut SimulatedBus, Heard<'_>);

impl Pair {
    fn new() -> Self {
        Self::with(2)
    }

    /// The second node serves only so many hubs.
    fn with(hubs: usize) -> Self {
        let now = Instant::now();
        let net = Net::new(1, Chances { message_len_max: 2000, ..Chances::default() }, now);
        let names = Arc::new(Names::new());
        let mut second = identity(2);
        second.hubs.truncate(hubs);
        let nodes = [Node::new(identity(1), Arc::default()), Node::new(second, Arc::clone(&names))];
        let buses = [0, 1].map(|at: usize| net.join(nodes[at].subscriptions()));
        let stranger = net.join(vec!["hf1.prod.n.00000000000f.r".into()]);
        let mut pair = Self { net, now, nodes, buses, stranger, names };
        pair.pass(3000 * MS, &mut |_, _, _, _| {});
        assert!(pair.nodes.iter().all(|node| node.is_ready() && node.nodes().ids().len() == 1));
        pair
    }

    fn pass(&mut self, time: Duration, answering: Answering<'_>) {
        let end = self.now + time;
        while self.now < end {
            self.now += 100 * MS;
            self.net.advance(self.now);
            for at in 0..2 {
                let (node, bus) = (&mut self.nodes[at], &mut self.buses[at]);
                while let Some(incoming) = bus.next() {
                    let heard = node.heard(bus, self.now, &incoming.subject, &incoming.message);
                    answering(at, node, bus, heard);
                }
                node.beat(bus, self.now);
            }
        }
    }

    /// What the first node has learnt about its questions.
    fn settled(&mut self) -> Vec<Settled> {
        let events = std::iter::from_fn(|| self.nodes[0].event());
        events.filter_map(|event| if let Event::Settled(it) = event { Some(it) } else { None }).collect()
    }

    fn ask(&mut self, operation: &Operation<'_>, rule: Rule) -> Result<Asked, NotAsked> {
        self.nodes[0].ask(&mut self.buses[0], self.now, 0, operation, rule)
    }

    /// A message of a node that is not there, with some bytes changed.
    fn say(&mut self, subject: &str, number: u64, hub: &str, to: Target<'_>, changes: &[(usize, u8)]) {
        let operation = Operation::Exists { what: to };
        let (node, question) = (NodeId::new(15), QuestionId::new(9));
        let mut message = Vec::new();
        Envelope { node, epoch: 0, number, question, hub, operation }.write(&mut message).unwrap();
        changes.iter().for_each(|(at, to)| message[*at] = *to);
        self.stranger.try_publish(subject, message.into()).unwrap();
        self.pass(100 * MS, &mut |_, _, _, heard| assert_eq!(heard, Heard::Nothing));
    }

    /// What was answered to it.
    fn answers(&mut self) -> Vec<Said> {
        self.pass(100 * MS, &mut |_, _, _, _| {});
        let messages = std::iter::from_fn(|| self.stranger.next());
        let said =
            messages.filter_map(|incoming| match Envelope::read(&incoming.message).unwrap().operation {
                Operation::Answer(answer) => Some(answer.said),
                _ => None,
            });
        said.collect()
    }
}

const ANN: Target<'_> = Target::User("ann");

fn hello(to: Target<'_>, payload: &'static [u8]) -> Operation<'static> {
    let (excluded, sender, kind) = (Excluded::default(), Sender::Service, DataKind::Text);
    let Target::User(_) = to else { panic!("to ann") };
    Operation::Publish(Publication { to: ANN, excluded, filter: None, sender, kind, payload })
}

#[test]
fn a_publication_reaches_the_shards_that_have_members_and_nobody_else() {
    let mut pair = Pair::new();
    let publish = |pair: &mut Pair| {
        pair.nodes[0].publish(&mut pair.buses[0], 0, &hello(ANN, b"hi")).unwrap();
        let mut heard = Vec::new();
        pair.pass(100 * MS, &mut |at, _, _, it| {
            if let Heard::Deliver(delivery) = it {
                heard.push((at, delivery.from, delivery.hub, delivery.to));
            }
        });
        heard
    };
    assert_eq!((publish(&mut pair), pair.nodes[1].counts().for_nobody), (vec![], 1));
    pair.names.enter(0, Named::User, "ann", 5);
    pair.names.enter(1, Named::User, "ann", 6);
    assert_eq!(publish(&mut pair), [(1, NodeId::new(1), 0, Where::Shards(vec![5]))]);
    assert_eq!(pair.nodes[0].counts().published, 2);
}

#[test]
fn a_question_is_answered_by_those_who_are_there_or_not_at_all() {
    let mut pair = Pair::new();
    let exists = Operation::Exists { what: ANN };
    let Ok(Asked::Waiting(nobody)) = pair.ask(&exists, Rule::FirstYes) else { panic!("it waits") };
    pair.pass(200 * MS, &mut |_, _, _, heard| assert_eq!(heard, Heard::Nothing));
    assert_eq!(pair.settled(), [Settled { question: nobody, outcome: Outcome::Nobody }]);
    pair.names.enter(0, Named::User, "ann", 5);
    for (is_answered, outcome) in [(true, Outcome::Some(3)), (false, Outcome::Silent)] {
        let Ok(Asked::Waiting(question)) = pair.ask(&exists, Rule::FirstYes) else { panic!("it waits") };
        pair.pass(ANSWER_WITHIN + 100 * MS, &mut |_, node, bus, heard| {
            if let (Heard::Deliver(delivery), true) = (heard, is_answered) {
                let answer = Answer { said: Said::Count(3), place: None, payload: b"" };
                node.answer(bus, delivery.asker.unwrap(), answer).unwrap();
            }
        });
        assert_eq!(pair.settled(), [Settled { question, outcome }]);
    }
    assert_eq!(pair.nodes[0].counts().unanswered, 1);
}

#[test]
fn a_page_of_a_list_comes_with_its_answer() {
    let mut pair = Pair::new();
    pair.names.enter(0, Named::Group, "g", 5);
    let list = Operation::List { group: "g", size: 2, place: None };
    let asked = pair.nodes[0].ask_node(&mut pair.buses[0], pair.now, NodeId::new(2), 0, &list);
    let Ok(Asked::Waiting(asked)) = asked else { panic!("it waits") };
    let member = Member { connection: ConnectionName::new(2 << 16), user: Some("ann") };
    let mut page = Vec::new();
    pair.pass(200 * MS, &mut |_, node, bus, heard| match heard {
        Heard::Deliver(delivery) => {
            let payload = Members::bytes([member]);
            let answer = Answer { said: Said::Count(1), place: Some("5-1"), payload: &payload };
            node.answer(bus, delivery.asker.unwrap(), answer).unwrap();
        }
        Heard::Page(question, answer) => {
            assert_eq!((question, answer.place), (asked, Some("5-1")));
            page.extend(Members::of(answer.payload).unwrap().iter().map(|it| it.connection));
        }
        Heard::Nothing => {}
    });
    assert_eq!(page, [member.connection]);
    let nobody = pair.nodes[0].ask_node(&mut pair.buses[0], pair.now, NodeId::new(3), 0, &list);
    assert_eq!(nobody, Ok(Asked::Settled(Outcome::Nobody)));
}

#[test]
fn a_connection_is_reached_at_its_node_or_nowhere() {
    let mut pair = Pair::new();
    let name = |node: u128| ConnectionName::new(7 << 64 | node << 16);
    let join = |node| Operation::Join { who: Target::Connection(name(node)), group: "g" };
    assert!(matches!(pair.ask(&join(2), Rule::Sum), Ok(Asked::Waiting(_))));
    let mut reached = Vec::new();
    pair.pass(100 * MS, &mut |at, _, _, heard| {
        if let Heard::Deliver(delivery) = heard {
            reached.push((at, delivery.to));
        }
    });
    assert_eq!(reached, [(1, Where::Connection(name(2)))]);
    assert_eq!(pair.ask(&join(3), Rule::Sum), Ok(Asked::Settled(Outcome::Nobody)));
}

#[test]
fn a_node_that_does_not_serve_a_hub_is_not_asked_about_it() {
    let mut pair = Pair::with(1);
    let node = NodeId::new(2);
    let connection = Target::Connection(ConnectionName::new(u128::from(node.bits()) << 16));
    for what in [ANN, Target::All, connection] {
        let exists = Operation::Exists { what };
        for (hub, is_asked) in [(0, true), (1, false), (7, false)] {
            let asked = pair.nodes[0].ask(&mut pair.buses[0], pair.now, hub, &exists, Rule::FirstYes);
            assert_eq!(matches!(asked, Ok(Asked::Waiting(_))), is_asked, "{what:?} {hub}: {asked:?}");
        }
    }
    let list = Operation::List { group: "g", size: 1, place: None };
    let asked = pair.nodes[0].ask_node(&mut pair.buses[0], pair.now, node, 1, &list);
    assert_eq!(asked, Ok(Asked::Settled(Outcome::Nobody)));
}

#[test]
fn while_the_bus_is_away_nobody_is_said_to_be_nowhere() {
    let mut pair = Pair::new();
    pair.buses[0].cut(60_000 * MS);
    pair.pass(3 * GONE, &mut |_, _, _, _| {});
    assert_eq!(pair.ask(&Operation::Exists { what: ANN }, Rule::FirstYes), Err(NotAsked::Unheard));
    assert_eq!(pair.nodes[1].nodes().ids(), [], "the other one hears its bus");
    let away = pair.nodes[0].counts().away;
    assert_eq!(away, 0, "a heartbeat is no message of anybody's, and nothing was asked");
    assert_eq!(pair.nodes[0].publish(&mut pair.buses[0], 0, &hello(ANN, b"")), Err(Refused::Away));
    assert_eq!(pair.nodes[0].counts().away, away + 1);
    pair.pass(60_000 * MS - 3 * GONE + 1000 * MS, &mut |_, _, _, _| {});
    assert!(
        pair.nodes.iter().all(|node| node.nodes().ids().len() == 1),
        "it has said at once that it is there"
    );
    assert_eq!(pair.ask(&Operation::Exists { what: ANN }, Rule::FirstYes), Err(NotAsked::Unheard));
    pair.pass(3000 * MS, &mut |_, _, _, _| {});
    assert!(pair.ask(&Operation::Exists { what: ANN }, Rule::FirstYes).is_ok());
}

#[test]
fn what_is_for_a_connection_of_no_node_is_counted() {
    let mut pair = Pair::new();
    for (node, counted) in [(1, 0), (77, 1)] {
        let to = Target::Connection(ConnectionName::new(node << 16));
        let close = Operation::Close { of: to, excluded: Excluded::default(), reason: None };
        assert_eq!(pair.nodes[0].publish(&mut pair.buses[0], 0, &close), Ok(()));
        assert_eq!(pair.nodes[0].counts().nowhere, counted, "{node}");
    }
}

#[test]
fn what_is_too_long_is_not_sent_and_takes_no_number() {
    let mut pair = Pair::new();
    let long = hello(ANN, &[b'a'; 3000]);
    assert_eq!(pair.nodes[0].publish(&mut pair.buses[0], 0, &long), Err(Refused::TooLarge));
    pair.nodes[0].publish(&mut pair.buses[0], 0, &hello(ANN, b"")).unwrap();
    pair.pass(100 * MS, &mut |_, _, _, _| {});
    let counts = pair.nodes[1].counts();
    assert_eq!((counts.received, counts.missed, pair.nodes[0].counts().too_large), (1, 0, 1));
}

#[test]
fn what_a_later_release_asks_is_answered_and_has_its_number() {
    let mut pair = Pair::new();
    let subject = pair.nodes[1].subjects.hub(HUB, Slot::of(Named::User, "ann"));
    pair.say(&subject, 1, HUB, ANN, &[(2, 200)]);
    pair.say(&subject, 2, HUB, ANN, &[(1, VERSION + 1)]);
    let unsupported = Said::Refused(Refusal::Unsupported);
    assert_eq!(pair.answers(), [unsupported; 4], "each of both by each of both");
    // Once more, it is late.
    pair.say(&subject, 2, HUB, ANN, &[(2, 200)]);
    assert_eq!(pair.answers(), []);
    let counts = pair.nodes[1].counts();
    assert_eq!((counts.unknown, counts.late, counts.missed, counts.garbage), (3, 1, 0, 0));
}

#[test]
fn what_comes_by_a_way_that_is_not_its_own_is_garbage() {
    let mut pair = Pair::new();
    pair.names.enter(0, Named::User, "ann", 5);
    pair.names.enter(1, Named::User, "ann", 5);
    let subjects = pair.nodes[1].subjects.clone();
    let slot = Slot::of(Named::User, "ann");
    let before = pair.nodes[1].counts();
    let foreign = Target::Connection(ConnectionName::new(3 << 16));
    for (number, subject, hub, to) in [
        (1, subjects.hub("a.b", slot), HUB, ANN),
        (2, subjects.hub(HUB, slot), "a.b", ANN),
        (3, subjects.hub(HUB, slot), "Chat", ANN),
        (4, subjects.hub(HUB, slot), "", ANN),
        (5, subjects.hub(HUB, Slot::All), HUB, ANN),
        (6, subjects.hub(HUB, slot), HUB, Target::Group("ann")),
        (7, subjects.node(NodeId::new(2)), HUB, ANN),
        (8, subjects.node(NodeId::new(2)), HUB, foreign),
        (9, subjects.control(), HUB, ANN),
        (10, subjects.answers(NodeId::new(2)), HUB, ANN),
    ] {
        pair.say(&subject, number, hub, to, &[]);
    }
    let counts = pair.nodes[1].counts();
    assert_eq!((counts.garbage, counts.received), (before.garbage + 10, before.received));
    assert_eq!(pair.answers(), []);
}
