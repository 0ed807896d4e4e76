//! Lives of reliable clients: they drop and come back, on whatever shard, while others send to them. Whoever is there
//! at the end has heard all that it was sent, in order, each with one number; whoever is not has ended once, and
//! nothing is left of it.
//!
//! ```text
//! HOLDFAST_SEED=17 cargo test -p holdfast --lib simulation::lives
//! HOLDFAST_SEEDS=10000 cargo test -p holdfast --lib simulation::lives
//! ```

mod client;
mod keeper;
mod seeds;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use holdfast_cluster::subject::Named;
use holdfast_ring::simulated::{Faults, Network, Random, Simulated};
use holdfast_ring::{Config, Driver, Event};

use super::choices::listener;
use crate::counters::{Count, Counters};
use crate::handle::DrainPlan;
use crate::publish::Numbering;
use crate::quota::Quota;
use crate::settings::Settings;
use crate::shard::connection::{State, key_of};
use crate::shard::{Core, Policy, Shard, names};
use crate::{Audience, Forms, Handle, Prepared};
use client::Client;
use keeper::{Book, Keeper, ROOM, names_of};

/// Where the number of a message is.
static NUMBERING: Numbering = Numbering { at: 1, before: "#", after: " " };
/// Rounds in which anything may happen.
const ROUNDS: usize = 400;
/// Rounds after which all must be as it should be.
const PATIENCE: usize = 20_000;

/// A shard, and what it counts.
struct Member {
    shard: Shard<Simulated, Keeper>,
    counters: Arc<Counters>,
    events: Vec<Event>,
    is_over: bool,
}

/// A simulation.
struct World {
    network: Network,
    random: Random,
    handle: Handle,
    book: Rc<RefCell<Book>>,
    members: Vec<Member>,
    clients: Vec<Client>,
    sent: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let network = Network::new(false);
        let seconds = |seconds: u64| Duration::from_secs(seconds);
        let settings = Settings {
            ping_interval: random.pick(&[None, Some(5)]).map(seconds),
            pings_unanswered_max: Some(2),
            idle_timeout: random.pick(&[None, Some(60)]).map(seconds),
            send_timeout: seconds(random.pick(&[5, 30])),
            close_timeout: seconds(5),
            recovery_timeout: seconds(random.pick(&[10, 30, 600])),
            deflate: random.per_mille(300),
            ..Settings::default()
        };
        let shards = random.between(1, 3);
        let handle = Handle::new(shards);
        let book: Rc<RefCell<Book>> = Rc::default();
        let quota = Arc::new(Quota::new(&settings, std::time::Instant::now()));
        let (buffer_bytes, buffer_count) = (random.pick(&[256, 1000, 4096]), random.pick(&[1, 2, 16]));
        // So few that clients find no place but their own.
        let connections_max = random.pick(&[2, 3, 40]);
        let most = random.pick(&[4 << 10, 100 << 10, usize::MAX]);
        let members = (0..shards).map(|index| {
            let mut policy = Policy::new(&settings, connections_max, 40);
            policy.shard_unacknowledged_bytes_max = most;
            let config = Config {
                handshake_slots: policy.handshake_slots(),
                connection_slots: policy.connections_max,
                normal_descriptors_max: u32::MAX,
                buffer_bytes,
                buffer_count,
                long_buffer_bytes: buffer_bytes * 2,
                long_buffer_count: 1,
                submission_entries: 0,
                completion_entries: 0,
            };
            let faults = if seed.is_multiple_of(4) { Faults::NONE } else { Faults::choose(&mut random) };
            let driver = Simulated::new(&network, &config, faults, seed.wrapping_add(index as u64)).unwrap();
            let counters = Arc::new(Counters::default());
            let index = u16::try_from(index).unwrap();
            handle.mailbox(index).open(policy.connections_max);
            let core = Core::new(index, handle.clone(), Arc::clone(&counters), policy, Arc::clone(&quota));
            let application = Keeper { book: Rc::clone(&book), network: network.clone() };
            let shard = Shard::new(driver, application, vec![listener()], core).unwrap();
            Member { shard, counters, events: Vec::new(), is_over: false }
        });
        let members = members.collect();
        let clients = (0..random.between(1, 6)).map(Client::new).collect();
        Self { network, random, handle, book, members, clients, sent: 0 }
    }

    fn run(&mut self) {
        for _ in 0..ROUNDS {
            self.send_something();
            self.round(true);
        }
        self.settle();
        self.drain();
    }

    /// Everybody does something, and time passes.
    fn round(&mut self, is_wild: bool) {
        let shards = self.members.len();
        for client in &mut self.clients {
            client.step(&self.network, &mut self.random, &self.book, shards, is_wild);
        }
        for member in self.members.iter_mut().filter(|member| !member.is_over) {
            member.shard.turn(&mut member.events).expect("this driver does not break");
            check(&member.shard);
            if member.shard.is_over() {
                member.is_over = true;
                assert_eq!(member.shard.leave(), 0, "a drain cuts nobody");
            }
        }
        self.check_names();
        let millis = match is_wild {
            true => self.random.pick(&[0, 0, 0, 1, 1, 20, 300, 1000, 6000]),
            false => self.random.pick(&[0, 1, 20, 300]),
        };
        self.network.advance(Duration::from_millis(millis));
    }

    /// Everybody who has not ended is where it has been since it came, away or not; and nobody else is.
    fn check_names(&self) {
        let (book, mut there) = (self.book.borrow(), BTreeSet::new());
        for (place, session) in book.sessions.iter().enumerate().filter(|(_, it)| it.closed == 0) {
            let (user, group) = names_of(place);
            let groups = ["room", &group].map(|name| (Named::Group, name));
            let others = [(Named::Hub, ""), (Named::User, user.as_str())];
            for (named, name) in groups.into_iter().chain(others) {
                let shards = book.names.shards(ROOM.0.into(), named, name);
                assert!(
                    shards.contains(&session.id.shard),
                    "{place} is in {named:?} {name}, which is in {shards:?}"
                );
                there.insert((session.id.shard, format!("{named:?} {name}")));
            }
        }
        assert_eq!(book.names.len(), there.len(), "nobody is where nobody is");
        names::check(&book.names, self.members.iter().map(|member| &member.shard.core));
    }

    /// To all, to the group, or to somebody alone, whoever is where.
    fn send_something(&mut self) {
        let room = self.random.pick(&[300, 300, 900]);
        if !self.random.per_mille(room) {
            return;
        }
        self.sent += 1;
        let len = self.random.pick(&[3, 10, 100, 118, 500, 5000]);
        let text = format!("{:len$}", format!("m{}", self.sent));
        let message = Prepared::numbered(&[text.as_bytes()], &NUMBERING);
        let mut book = self.book.borrow_mut();
        let one = self.random.below(self.clients.len());
        let to = match self.random.below(4) {
            0 => {
                let Some(session) = self.clients[one].session() else { return };
                let id = book.sessions[session].id;
                if self.handle.send_prepared(id, &message).is_ok() {
                    book.owe(Some(session), self.sent);
                }
                return;
            }
            1 => Audience::Hub(ROOM),
            _ => Audience::Group(ROOM, "room".into()),
        };
        if self.handle.publish(&to, &[], &Forms::from(&message)).is_ok() {
            book.owe(None, self.sent);
        }
    }

    /// Nothing is sent any more, and nobody drops: who is there hears all of it, and says so.
    fn settle(&mut self) {
        for _ in 0..PATIENCE {
            self.round(false);
            let book = self.book.borrow();
            if self.clients.iter().all(|client| client.is_settled(&book)) {
                return self.clients.iter().for_each(|client| client.judge(&book));
            }
        }
        let clients: Vec<String> = self
            .clients
            .iter()
            .filter(|it| !it.is_settled(&self.book.borrow()))
            .map(Client::describe)
            .collect();
        panic!("they wait for ever: {clients:#?}");
    }

    fn drain(&mut self) {
        self.handle.drain_by(DrainPlan { spread: Duration::ZERO, ends: true });
        for _ in 0..PATIENCE {
            self.round(false);
            if self.members.iter().all(|member| member.is_over) {
                break;
            }
        }
        for (index, member) in (0..).zip(&self.members) {
            assert!(member.is_over, "the drain goes on for ever");
            assert_eq!(self.handle.mailbox(index).taken(), 0, "shard {index} has lost places");
            assert_eq!(member.shard.core.reliable.bytes(), 0, "nothing is kept for nobody");
            assert_eq!((member.shard.core.reliable.len(), member.shard.core.reliable.away), (0, 0));
            assert_eq!(member.counters.opened.get(), member.counters.closed_total());
        }
        for session in &self.book.borrow().sessions {
            assert_eq!(session.closed, 1, "{session:?} ends once");
        }
    }

    /// What it has led to.
    fn reached(&self) -> Vec<(&'static str, u64)> {
        let sum = |count: fn(&Counters) -> &Count| -> u64 {
            self.members.iter().map(|member| count(&member.counters).get()).sum()
        };
        let limited = |limit: crate::counters::Limit| -> u64 {
            self.members.iter().map(|member| member.counters.limited[limit as usize].get()).sum()
        };
        let book = self.book.borrow();
        vec![
            ("opened", sum(|it| &it.opened)),
            ("recovered", sum(|it| &it.recovered)),
            ("recovered while full", self.clients.iter().map(|it| it.recovered_while_full).sum()),
            ("handed across", book.handed_across),
            ("refused", self.clients.iter().map(|it| it.refused).sum()),
            ("heard", self.clients.iter().map(|it| it.heard).sum()),
            ("heard again", self.clients.iter().map(|it| it.heard_again).sum()),
            ("shard full", limited(crate::counters::Limit::ShardUnacknowledgedBytes)),
            ("ended away", book.sessions.iter().filter(|it| it.given_up.is_some()).count() as u64),
        ]
    }
}

/// What is always true between two turns.
fn check(shard: &Shard<Simulated, Keeper>) {
    let (core, mut away, mut reliable, mut reserved) = (&shard.core, 0, 0, 0);
    for (key, connection) in &core.connections {
        let key = key_of(key);
        let is_away = connection.state() == State::Away;
        (away, reserved) = (away + usize::from(is_away), reserved + usize::from(is_away));
        reliable += usize::from(connection.is_reliable());
        let token = shard.token(key);
        assert_eq!(shard.driver.owns(token), !is_away, "who is away has no socket");
        assert!(
            !is_away || connection.outbox_bytes() == 0 && connection.sending == 0,
            "nothing waits for it"
        );
    }
    assert_eq!(core.reliable.away, away, "who is away is counted");
    assert_eq!(core.reliable.len(), reliable, "a queue for each");
    core.reliable.check();
    assert!(core.reliable.bytes() <= core.policy.shard_unacknowledged_bytes_max, "the total is bounded");
    assert_eq!(core.counters.held(), core.len() as u64, "opened = closed + held");
    assert!(shard.claimed >= shard.load(), "a place for each");
    let recovering = core.handshakes.iter().filter(|(_, it)| it.is_recovering()).count();
    assert_eq!(shard.recovering as usize, recovering, "who waits for a connection is counted");
    let records = core.len() - away + core.handshakes.len();
    assert_eq!(shard.driver.slots_owned(), records, "a slot for each that has a socket");
    let (stats, sends) = (shard.driver.stats(), shard.driver.buffers_in_sends());
    assert_eq!(stats.buffers_lent + stats.long_buffers_lent, sends, "between turns only sends hold buffers");
}
