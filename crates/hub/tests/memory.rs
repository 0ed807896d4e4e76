//! What a connection costs, counted. Lists grow by doubling, and what they have too much nobody touches: here they are
//! full, as far as it can be, so that it does not count.

use holdfast_hub::{Audience, Bounds, Form, Hub, Members, Newcomer, Next, Publication, Receiver};

const COUNT: u32 = 1 << 16;

#[derive(Debug)]
struct Note;

impl Publication for Note {}

/// Bytes for each connection when almost all have entered (a place is left for a group) and something was published to
/// all.
fn bytes(newcomer: impl Fn(u32, &mut dyn FnMut(Newcomer<'_>))) -> f64 {
    let mut members = None;
    let count = allocation_counter::measure(|| {
        let bounds = Bounds { connections: COUNT, groups_per_connection: 10, groups: 100 };
        let mut shard = Members::new(bounds);
        for key in 0..COUNT - 1 {
            newcomer(key, &mut |newcomer| shard.enter(key, newcomer).expect("room"));
        }
        shard.publish(Audience::Everyone, Vec::new(), Note);
        shard.advance(u32::MAX, &mut |_: Receiver<'_>, _: &Note| Next::GoOn);
        members = Some(shard);
    });
    drop(members);
    f64::from(i32::try_from(count.bytes_current).expect("megabytes")) / f64::from(COUNT)
}

#[test]
fn a_simple_anonymous_client_costs_8_bytes() {
    let each = bytes(|_, enter| enter(Newcomer { hub: Hub(3), form: Form(2), ..Newcomer::default() }));
    assert!(each < 8.1, "{each}");
}

#[test]
fn a_user_of_its_own_and_a_shared_group_cost_at_most_95_bytes() {
    let each = bytes(|key, enter| {
        let user = format!("user-{key:08}");
        enter(Newcomer { user: Some(&user), groups: &["room"], ..Newcomer::default() });
    });
    println!("{each} bytes");
    assert!(each <= 95.0, "{each}");
}

/// Without the 4 bytes that count what has been delivered.
#[test]
fn a_shared_user_and_three_groups_cost_at_most_80_bytes() {
    let each = bytes(|_, enter| {
        enter(Newcomer { user: Some("ann"), groups: &["a", "b", "c"], ..Newcomer::default() });
    }) - 4.0;
    println!("{each} bytes");
    assert!(each <= 80.0, "{each}");
}

#[test]
fn a_gateway_that_never_publishes_has_no_table_of_what_was_delivered() {
    let bounds = Bounds { connections: COUNT, groups_per_connection: 10, groups: 100 };
    let count = allocation_counter::measure(|| {
        let mut shard = Members::<Note>::new(bounds);
        (0..COUNT).for_each(|key| shard.arrive(key));
        shard.advance(1000, &mut |_: Receiver<'_>, _: &Note| Next::GoOn);
    });
    assert_eq!((count.count_total, count.bytes_total), (1, u64::from(COUNT) * 4));
}

#[test]
fn delivering_costs_no_allocation() {
    let bounds = Bounds { connections: COUNT, groups_per_connection: 10, groups: 100 };
    let mut shard = Members::new(bounds);
    for key in 0..COUNT {
        shard.enter(key, Newcomer { groups: &["a"], ..Newcomer::default() }).expect("room");
    }
    (0..5).for_each(|_| shard.publish(Audience::Group(Hub(0), "a"), Vec::new(), Note));
    let (mut heard, mut deliver) = (0, |_: Receiver<'_>, _: &Note| Next::GoOn);
    let count = allocation_counter::measure(|| {
        (0..100).for_each(|key| shard.catch_up(key, &mut deliver));
        while shard.advance(1000, &mut deliver).is_left {
            heard += 1;
        }
    });
    assert!(heard > 0 && count.count_total == 0, "{count:?}");
}
