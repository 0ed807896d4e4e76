//! Whole nodes on a simulated bus, which does whatever a bus may do by the chance of a seed. What is promised is
//! checked whenever something comes.
//!
//! `HOLDFAST_SEEDS` says how many seeds there are, `HOLDFAST_SEED` names one.

mod checks;
mod life;
mod peer;
mod record;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use life::Life;

use crate::nodes::BEAT;
use crate::numbers::REMEMBERED;
use crate::planted::{Defect, PLANTED};

const STEPS: usize = 250;

/// A life with this seed.
fn live(seed: u64) {
    let mut life = Life::new(seed);
    (0..12).for_each(|_| life.pass(Duration::from_millis(300)));
    for _ in 0..STEPS {
        for _ in 0..1 + life.random.below(3) {
            life.act();
        }
        let ms = [20, 100, 300][life.random.below(3)];
        life.pass(Duration::from_millis(ms));
    }
    life.net.calm();
    (0..25).for_each(|_| life.pass(Duration::from_secs(1)));
    life.check_end();
    if seed.is_multiple_of(10) {
        let steps = REMEMBERED.as_secs() / BEAT.as_secs() + 10;
        (0..steps).for_each(|_| life.pass(BEAT));
        life.check_forgotten();
    }
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("HOLDFAST_SEED"), number("HOLDFAST_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(500),
    }
}

#[test]
fn every_seed_keeps_the_promises() {
    for seed in seeds() {
        let lived = catch_unwind(AssertUnwindSafe(|| live(seed)));
        assert!(lived.is_ok(), "seed {seed}");
    }
}

#[test]
fn every_planted_defect_is_found() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for defect in Defect::ALL {
        PLANTED.set(Some(defect));
        let found = (0..200).find(|seed| catch_unwind(AssertUnwindSafe(|| live(*seed))).is_err());
        match found {
            Some(seed) => println!("{defect:?}: seed {seed}"),
            None => missed.push(defect),
        }
    }
    PLANTED.set(None);
    std::panic::set_hook(hook);
    assert!(missed.is_empty(), "{missed:?}");
}
