//! How publications go out: which waits for which, and who is told when.

use std::cell::Cell;
use std::rc::Rc;

use holdfast_hub::{Audience, Bounds, Hub, Members, Newcomer, Next, Publication, Receiver};

const HUB: Hub = Hub(0);

/// What is known of a publication outside.
#[derive(Debug, Default)]
struct Fate {
    is_taken: Cell<bool>,
    is_dropped: Cell<bool>,
}

#[derive(Debug)]
struct Note(u32, Rc<Fate>);

impl Publication for Note {
    fn taken(&self) {
        assert!(!self.1.is_taken.replace(true));
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.1.is_dropped.set(true);
    }
}

/// A shard with so many keys, all members of `all`, of whom the first `few` are in `few`.
fn shard(count: u32, few: u32) -> Members<Note> {
    let mut members = Members::new(Bounds { connections: count, groups_per_connection: 9, groups: 9 });
    for key in 0..count {
        let groups: &[&str] = if key < few { &["all", "few"] } else { &["all"] };
        members.enter(key, Newcomer { hub: HUB, groups, ..Newcomer::default() }).expect("room");
    }
    members
}

fn publish(members: &mut Members<Note>, audience: Audience<'_>, id: u32) -> Rc<Fate> {
    let fate = Rc::new(Fate::default());
    members.publish(audience, Vec::new(), Note(id, Rc::clone(&fate)));
    fate
}

const ALL: Audience<'_> = Audience::Group(HUB, "all");
const FEW: Audience<'_> = Audience::Group(HUB, "few");

#[test]
fn a_small_audience_does_not_wait_behind_large_ones() {
    let mut members = shard(10_000, 10);
    let large = publish(&mut members, ALL, 0);
    let larger = publish(&mut members, Audience::Everyone, 1);
    let mut count = 0;
    let mut deliver = |_: Receiver<'_>, _: &Note| {
        count += 1;
        Next::GoOn
    };
    assert!(members.advance(2000, &mut deliver).is_left);
    assert!(large.is_taken.get() && larger.is_taken.get() && !large.is_dropped.get());
    let small = publish(&mut members, FEW, 2);
    assert!(!small.is_taken.get());
    let progress = members.advance(30, &mut deliver);
    assert!(small.is_taken.get() && small.is_dropped.get() && !large.is_dropped.get());
    assert!(progress.delivered <= 60, "{progress:?}");
    assert_eq!(members.publications(), 2);
    while members.advance(1000, &mut deliver).is_left {}
    assert!(large.is_dropped.get() && larger.is_dropped.get() && count == 20_010);
}

#[test]
fn small_audiences_without_end_do_not_stop_a_large_one() {
    let mut members = shard(5000, 200);
    let large = publish(&mut members, ALL, 0);
    let (mut turns, mut deliver) = (0, |_: Receiver<'_>, _: &Note| Next::GoOn);
    while !large.is_dropped.get() {
        for id in 1..10 {
            publish(&mut members, FEW, id);
        }
        members.advance(256, &mut deliver);
        turns += 1;
    }
    // Half of what is done is the large one's.
    assert!((20..=45).contains(&turns), "{turns}");
}

#[test]
fn large_ones_take_turns() {
    let mut members = shard(4000, 0);
    let fates = [0, 1].map(|id| publish(&mut members, ALL, id));
    let mut counts = [0u32; 2];
    let mut deliver = |_: Receiver<'_>, note: &Note| {
        counts[note.0 as usize] += 1;
        Next::GoOn
    };
    members.advance(4000, &mut deliver);
    assert!(fates.iter().all(|fate| fate.is_taken.get() && !fate.is_dropped.get()));
    assert!(counts[0].abs_diff(counts[1]) <= 512, "{counts:?}");
}

#[test]
fn who_is_sent_to_alone_hears_first_what_was_published_before() {
    let mut members = shard(1000, 0);
    let fates = [0, 1].map(|id| publish(&mut members, ALL, id));
    let mut heard = Vec::new();
    let mut deliver = |Receiver { key, .. }: Receiver<'_>, note: &Note| {
        heard.push((key, note.0));
        Next::GoOn
    };
    members.catch_up(7, &mut deliver);
    members.catch_up(7, &mut deliver);
    while members.advance(100, &mut deliver).is_left {}
    assert_eq!(heard[..2], [(7, 0), (7, 1)]);
    assert_eq!((heard.len(), heard.iter().filter(|(key, _)| *key == 7).count()), (2000, 2));
    assert!(fates.iter().all(|fate| fate.is_dropped.get()));
}

#[test]
fn a_pause_stops_at_once_and_nothing_is_lost() {
    let mut members = shard(50, 5);
    publish(&mut members, FEW, 0);
    publish(&mut members, ALL, 1);
    let mut heard = 0;
    let mut steps = 0;
    loop {
        let progress = members.advance(u32::MAX, &mut |_, _| {
            heard += 1;
            Next::Pause
        });
        steps += 1;
        assert!(progress.delivered <= 1);
        if !progress.is_left {
            break;
        }
    }
    assert_eq!(heard, 55);
    assert!(steps <= 60, "{steps}");
}

#[test]
fn a_hub_of_few_among_many_keys_costs_a_sixteenth_for_each_other() {
    let mut members = Members::new(Bounds { connections: 16_000, groups_per_connection: 1, groups: 1 });
    members.arrive(15_999);
    members.enter(3, Newcomer { hub: HUB, ..Newcomer::default() }).expect("room");
    publish(&mut members, Audience::Hub(HUB), 0);
    let mut deliver = |Receiver { key, .. }: Receiver<'_>, _: &Note| {
        assert_eq!(key, 3);
        Next::GoOn
    };
    let first = members.advance(500, &mut deliver);
    assert!(first.is_left && (7990..=8010).contains(&first.passed), "{first:?}");
    let second = members.advance(510, &mut deliver);
    assert!(!second.is_left && second.delivered == 1, "{second:?}");
}

#[test]
fn what_is_for_nobody_is_taken_and_dropped_at_once() {
    let mut members = shard(10, 0);
    for audience in [FEW, Audience::User(HUB, "ann"), Audience::Hub(Hub(9)), Audience::One(10)] {
        let fate = publish(&mut members, audience, 0);
        assert!(fate.is_taken.get() && fate.is_dropped.get() && members.publications() == 0);
    }
}

#[test]
fn nobody_at_a_key_ends_nothing() {
    let mut members = shard(600, 0);
    (0..300).for_each(|key| {
        members.leave(key);
    });
    publish(&mut members, Audience::Everyone, 0);
    let progress =
        members.advance(u32::MAX, &mut |one, _| if one.key < 300 { Next::Nobody } else { Next::GoOn });
    assert_eq!((progress.delivered, progress.is_left), (300, false));
    assert!((300..=302).contains(&progress.passed), "{progress:?}");
}
