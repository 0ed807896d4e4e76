//! What may be relied on, and what may happen.

use super::*;

const MS: Duration = Duration::from_millis(1);

struct World {
    net: Net,
    ends: Vec<SimulatedBus>,
    now: Instant,
}

impl World {
    fn new(seed: u64, chances: Chances, count: usize) -> Self {
        let now = Instant::now();
        let net = Net::new(seed, chances, now);
        let ends = (0..count).map(|at| net.join(vec!["all.*".into(), format!("to.{at}")])).collect();
        let mut world = Self { net, ends, now };
        world.pass(1000);
        world
    }

    fn pass(&mut self, ms: u32) {
        for _ in 0..ms / 10 {
            self.now += 10 * MS;
            self.net.advance(self.now);
        }
    }

    fn say(&mut self, from: usize, subject: &str, number: u8) -> Result<(), Refused> {
        self.ends[from].try_publish(subject, Bytes::copy_from_slice(&[number]))
    }

    fn heard(&mut self, at: usize) -> Vec<u8> {
        std::iter::from_fn(|| self.ends[at].next()).map(|incoming| incoming.message[0]).collect()
    }
}

#[test]
fn while_nothing_breaks_all_comes_once_and_in_order_and_not_to_its_publisher() {
    for seed in 0..20 {
        let mut world = World::new(seed, Chances { delay_ms: 50, ..Chances::default() }, 3);
        (0..100).for_each(|number| world.say(0, "all.x", number).unwrap());
        world.pass(100);
        for at in 1..3 {
            assert_eq!(world.heard(at), (0..100).collect::<Vec<_>>());
        }
        world.say(0, "to.2", 7).unwrap();
        world.pass(100);
        assert_eq!([world.heard(0), world.heard(1), world.heard(2)], [vec![], vec![], vec![7]]);
        assert!(world.net.unheard().is_empty());
    }
}

#[test]
fn the_same_seed_does_the_same() {
    let run = |seed| {
        let chances = Chances { loses: 100, doubles: 100, full: 50, delay_ms: 80, message_len_max: 0 };
        let mut world = World::new(seed, chances, 3);
        let mut all = Vec::new();
        for number in 0..200 {
            let taken = world.say(usize::from(number % 3), "all.x", number).is_ok();
            world.pass(20);
            all.push((taken, world.heard(0), world.heard(1), world.heard(2)));
        }
        all
    };
    let (one, other) = (run(1), run(2));
    assert!(one == run(1) && one != other);
    let heard: usize = one.iter().map(|(_, a, b, c)| a.len() + b.len() + c.len()).sum();
    assert!((200..600).contains(&heard), "{heard}");
}

#[test]
fn what_a_server_holds_that_stands_still_comes_late_and_to_its_publisher_too() {
    let found = (0..20).any(|seed| {
        let mut world = World::new(seed, Chances::default(), 2);
        world.ends[0].stand(Duration::from_secs(12));
        world.say(0, "all.x", 1).unwrap();
        world.pass(5000);
        assert_eq!(world.ends[0].state().session(), Some(1));
        world.pass(2000);
        assert_eq!((world.ends[0].state(), world.say(0, "all.x", 2)), (BusState::Away, Err(Refused::Away)));
        world.pass(2000);
        assert_eq!(world.ends[0].state().session(), Some(2));
        world.say(0, "all.x", 3).unwrap();
        world.pass(5000);
        let heard = [world.heard(0), world.heard(1)];
        heard == [vec![1], vec![3, 1]]
    });
    assert!(found);
}

#[test]
fn others_learn_later_of_new_subscriptions_and_what_comes_behind_them_shows_it() {
    let mut world = World::new(3, Chances { delay_ms: 500, ..Chances::default() }, 2);
    world.ends[0].cut(20 * MS);
    world.pass(30);
    assert_eq!(world.ends[0].state().session(), Some(2));
    world.say(1, "all.x", 1).unwrap();
    assert_eq!(world.net.unheard(), [(1, 0)]);
    world.say(0, "to.1", 2).unwrap();
    while world.heard(1).is_empty() {
        world.pass(10);
    }
    world.say(1, "all.x", 3).unwrap();
    world.pass(500);
    assert_eq!((world.heard(0), world.net.unheard()), (vec![3], vec![]));
}

#[test]
fn those_who_are_split_do_not_hear_each_other_until_they_are_joined() {
    let mut world = World::new(3, Chances::default(), 3);
    world.net.split(&world.ends[0], &world.ends[1]);
    world.say(0, "all.x", 1).unwrap();
    world.net.mend();
    world.pass(10);
    world.say(0, "all.x", 2).unwrap();
    world.pass(10);
    assert_eq!([world.heard(1), world.heard(2)], [vec![2], vec![1, 2]]);
}
