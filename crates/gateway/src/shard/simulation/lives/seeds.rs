//! Seeds, and the defects that they find.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::World;
use crate::shard::planted::{PLANTED, Planted};

/// Seeds in every run of the tests.
const SEEDS: u64 = 300;

/// Runs one seed. What it led to, or what went wrong.
fn run(seed: u64) -> Result<Vec<(&'static str, u64)>, String> {
    let whole = || {
        let mut world = World::new(seed);
        world.run();
        world.reached()
    };
    catch_unwind(AssertUnwindSafe(whole)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_life_keeps_what_is_promised() {
    let seeds = match (number("HOLDFAST_SEED"), number("HOLDFAST_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(SEEDS),
    };
    let is_one = seeds.end - seeds.start == 1;
    let (mut reached, mut failures) = (BTreeMap::<&str, u64>::new(), Vec::new());
    for seed in seeds {
        match run(seed) {
            Ok(more) => more.into_iter().for_each(|(what, count)| *reached.entry(what).or_default() += count),
            Err(why) => failures.push((seed, why)),
        }
        if failures.len() == 5 {
            break;
        }
    }
    println!("{reached:#?}");
    for (seed, why) in &failures {
        println!("HOLDFAST_SEED={seed} cargo test -p holdfast --lib simulation::lives  # {why}");
    }
    assert!(failures.is_empty(), "seeds fail: the commands that repeat them are above");
    let missed: Vec<_> = reached.iter().filter(|(_, count)| **count == 0).collect();
    assert!(is_one || missed.is_empty(), "the seeds never led to {missed:?}");
}

#[test]
fn every_defect_of_reliable_clients_is_found() {
    for defect in Planted::RELIABLE {
        PLANTED.set(Some(defect));
        let found = (0..SEEDS).find_map(|seed| run(seed).err().map(|why| (seed, why)));
        PLANTED.set(None);
        let (seed, why) = found.unwrap_or_else(|| panic!("nobody noticed {defect:?}"));
        println!("{defect:?} is noticed by seed {seed}: {why}");
    }
}
