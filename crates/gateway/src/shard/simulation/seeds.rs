//! Many seeds, one seed, and defects that must be found.

#![allow(clippy::print_stdout, reason = "a seed that fails says how to repeat it")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::World;
use super::tampered::Defect;
use crate::shard::planted::{PLANTED, Planted};

/// Seeds in every run of the tests.
const SEEDS: u64 = 500;

/// Where the seeds of every run must have led: a simulation in which nothing happens finds nothing.
const EVERYWHERE: [&str; 49] = [
    "accept failed",
    "handed over",
    "closed: peer",
    "closed: gone",
    "closed: reset",
    "closed: protocol",
    "closed: too_big",
    "closed: idle",
    "closed: slow",
    "closed: application",
    "closed: drain",
    "handshake: 101",
    "handshake: 400",
    "handshake: 403",
    "handshake: 408",
    "handshake: 503",
    "handshake: gone",
    "handshake: handed",
    "failures injected",
    "driver broken",
    "limited: message_rate",
    "limited: byte_rate",
    "limited: send_time",
    "limited: shard_outbox_bytes",
    "messages dropped",
    "bytes of long buffers",
    "messages inflated",
    "broadcasts handed",
    "broadcasts left",
    "broadcasts refused",
    "drain cut by its deadline",
    "peers judged",
    "requests served",
    "abandoned",
    "opened with a reserved id",
    "errands of applications",
    "told",
    "postponed",
    "paused",
    "in no hub",
    "in no hub: too many groups",
    "groups changed",
    "groups of a user changed",
    "published: everyone",
    "published: hub",
    "published: group",
    "published: user",
    "published: but not to all",
    "publications under way between turns",
];

/// Seeds that fail, for each thread, after which it gives up.
const FAILURES_MAX: usize = 10;

/// What seeds have led to, by name.
type Reached = BTreeMap<String, u64>;

/// Runs one seed. What it led to, or what went wrong.
fn run(seed: u64, defect: Option<Defect>) -> Result<Reached, String> {
    let whole_run = || {
        let mut world = World::new(seed, defect, false);
        world.run();
        world.reached()
    };
    let result = catch_unwind(AssertUnwindSafe(whole_run));
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
    })
}

/// What happened in a seed, line by line.
fn trace(seed: u64) -> String {
    let mut world = World::new(seed, None, true);
    let network = world.network.clone();
    let _ = catch_unwind(AssertUnwindSafe(|| world.run()));
    network.last_lines()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")))
}

#[test]
fn every_seed_keeps_what_is_promised() {
    let seeds = match (number("HOLDFAST_SEED"), number("HOLDFAST_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(SEEDS),
    };
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let reached = Mutex::new(Reached::new());
    let try_one = |seed| match run(seed, None) {
        Err(why) => Some((seed, why)),
        Ok(more) => {
            let mut reached = reached.lock().unwrap();
            more.into_iter().for_each(|(what, count)| *reached.entry(what).or_default() += count);
            None
        }
    };
    let search = || {
        let mine =
            std::iter::from_fn(|| Some(next.fetch_add(1, Relaxed)).filter(|seed| seeds.contains(seed)));
        mine.filter_map(try_one).take(FAILURES_MAX).collect::<Vec<_>>()
    };
    let mut failures: Vec<(u64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    failures.sort();
    if let Some((seed, _)) = failures.first() {
        println!("\n{}", trace(*seed));
        for (seed, why) in &failures {
            println!("HOLDFAST_SEED={seed} cargo test -p holdfast --lib simulation::seeds::every  # {why}");
        }
        panic!("seed {seed} fails: its trace, and the commands that repeat what was found, are above");
    }
    let reached = reached.into_inner().unwrap();
    println!("{reached:#?}");
    if seeds.end - seeds.start >= SEEDS {
        let missed: Vec<_> = EVERYWHERE.iter().filter(|what| !reached.contains_key(**what)).collect();
        assert!(missed.is_empty(), "the seeds never led to {missed:?}");
    }
}

#[test]
fn a_seed_always_leads_to_the_same_run() {
    for seed in [1, 8, 77] {
        assert_eq!(trace(seed), trace(seed));
    }
}

/// Looks for a seed that notices a defect.
fn find(what: &str, defect: Option<Defect>) {
    let found = (0..SEEDS).find_map(|seed| run(seed, defect).err().map(|why| (seed, why)));
    let (seed, why) = found.unwrap_or_else(|| panic!("nobody noticed {what}"));
    println!("{what} is noticed by seed {seed}: {why}");
}

#[test]
fn every_defect_is_found() {
    for defect in Defect::ALL {
        find(&format!("{defect:?}"), Some(defect));
    }
    for defect in Planted::ALL {
        PLANTED.set(Some(defect));
        find(&format!("{defect:?}"), None);
        PLANTED.set(None);
    }
}
