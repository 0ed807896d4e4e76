//! How long walks take. Says it and judges nothing: `cargo test --release -p holdfast-hub --test speed -- --ignored
//! --nocapture`.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use holdfast_hub::{Audience, Bounds, Hub, Kind, Members, Newcomer, Next, Publication, Receiver};

const COUNT: u32 = 1_000_000;
const HUB: Hub = Hub(0);

#[derive(Debug)]
struct Note;

impl Publication for Note {}

#[test]
#[ignore = "says how long something takes"]
fn walks_over_a_million() {
    let bounds = Bounds { connections: COUNT, groups_per_connection: 10, groups: 100 };
    let mut simple = Members::new(bounds);
    let mut rich = Members::new(bounds);
    timed("enter, simple", || {
        (0..COUNT).for_each(|key| simple.enter(key, Newcomer::default()).expect("room"));
    });
    timed("enter, with a user and a group", || {
        for at in 0..COUNT {
            let key = scattered(at);
            let user = format!("user-{key}");
            let newcomer = Newcomer { user: Some(&user), groups: &["a"], ..Newcomer::default() };
            rich.enter(key, newcomer).expect("room");
        }
    });
    let group = Audience::Group(HUB, "a");
    walk("everyone, simple", &mut simple, Audience::Everyone, 1);
    walk("a hub, simple", &mut simple, Audience::Hub(HUB), 1);
    walk("a hub, rich", &mut rich, Audience::Hub(HUB), 1);
    walk("a group in no order of keys", &mut rich, group, 1);
    walk("a group in no order of keys", &mut rich, group, 4);
    assert_eq!(rich.keys(HUB, Kind::Group, "a").len(), COUNT as usize);
    timed("leave, with a user and a group", || {
        (0..COUNT).for_each(|key| drop(rich.leave(key)));
    });
}

fn walk(what: &str, members: &mut Members<Note>, audience: Audience<'_>, walks: u32) {
    (0..walks).for_each(|_| members.publish(audience, Vec::new(), Note));
    let mut count = 0;
    let mut deliver = |Receiver { key, .. }: Receiver<'_>, _: &Note| {
        count += u32::from(std::hint::black_box(key) < COUNT);
        Next::GoOn
    };
    timed(&format!("{what}, {walks} times"), || while members.advance(4096, &mut deliver).is_left {});
    assert_eq!(count, walks * COUNT);
}

/// Each key once, in an order that no cache likes.
fn scattered(at: u32) -> u32 {
    u32::try_from(u64::from(at) * 611_953 % u64::from(COUNT)).expect("less than COUNT")
}

fn timed(what: &str, run: impl FnOnce()) {
    let start = on_the_processor();
    run();
    let each = (on_the_processor() - start) as f64 / f64::from(COUNT);
    println!("{what}: {each:.1} ns each");
}

/// Nanoseconds that this thread has run. Time in which others had the processor is none of it (proc(5)).
fn on_the_processor() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("statistics of the scheduler");
    stat.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds")
}
