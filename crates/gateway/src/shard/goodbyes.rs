//! The goodbyes of a drain: how far they are, in which order they come, and when each is due.

use std::time::{Duration, Instant};

use crate::handle::DrainPlan;

/// How far a drain is.
#[derive(Debug)]
pub(crate) struct Drain {
    pub(super) plan: DrainPlan,
    begun: Instant,
    pub(super) order: Order,
    /// The next step of `order`.
    pub(super) step: u32,
    /// Second of the shard's clock in which the last connection was gone.
    pub(super) empty_since: Option<u32>,
    /// The other shards were told that this one is empty.
    pub(super) told: bool,
}

/// Time between two looks at who is next, while nobody is overdue: a million goodbyes in ten seconds are no reason to
/// wake up a hundred thousand times a second.
const GRAIN: Duration = Duration::from_millis(10);

impl Drain {
    pub(super) fn new(plan: DrainPlan, begun: Instant, order: Order) -> Self {
        Self { plan, begun, order, step: 0, empty_since: None, told: false }
    }

    /// The moment of the next goodbye; none when all have been said.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let share = (self.step < self.order.steps()).then(|| self.order.share(self.step))?;
        Some(self.begun + self.plan.spread.mul_f64(share))
    }

    /// How long until there is something to do, if there ever is.
    pub(super) fn until_next(&self, now: Instant) -> Option<Duration> {
        let wait = self.next_due()?.saturating_duration_since(now);
        Some(if wait.is_zero() { wait } else { wait.max(GRAIN) })
    }
}

/// An order in which keys are visited, each once, and when: evenly over a time, each at a moment of its own. Neighbours
/// in the slab, who came together, are far apart in it, and no key has a better place than another.
#[derive(Debug)]
pub(super) struct Order {
    /// Keys are below this.
    keys: u32,
    /// Steps are as many as the next power of two: the others have no key.
    mask: u32,
    multiplier: u32,
    seed: u64,
}

impl Order {
    pub(super) fn new(keys: usize, seed: u64) -> Self {
        let keys = u32::try_from(keys).unwrap_or(u32::MAX >> 1);
        let mask = keys.next_power_of_two() - 1;
        // From key to step: the golden ratio's share of all steps (Knuth), odd, so that no two keys share one.
        let stride = high_half(u64::from(mask) * 2_654_435_769) | 1;
        // From step to key: its inverse modulo a power of two, by Newton's method, right bits doubling each time.
        let multiplier =
            (0..5).fold(stride, |it, _| it.wrapping_mul(2_u32.wrapping_sub(stride.wrapping_mul(it))));
        Self { keys, mask, multiplier, seed }
    }

    fn steps(&self) -> u32 {
        if self.keys == 0 { 0 } else { self.mask + 1 }
    }

    /// The key of a step, if it has one.
    pub(super) fn key(&self, step: u32) -> Option<u32> {
        let start = high_half(scatter(self.seed));
        let key = step.wrapping_mul(self.multiplier).wrapping_add(start) & self.mask;
        (key < self.keys).then_some(key)
    }

    /// When a step is, from 0 to 1. Steps are in order, each at some moment of its part.
    fn share(&self, step: u32) -> f64 {
        let jitter = high_half(scatter(self.seed.wrapping_add(u64::from(step))));
        (f64::from(step) + f64::from(jitter) / 4_294_967_296.0) / f64::from(self.steps())
    }
}

/// A number that looks as if it had nothing to do with `value` (the finaliser of MurmurHash3).
fn scatter(value: u64) -> u64 {
    let value = (value ^ (value >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let value = (value ^ (value >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    value ^ (value >> 33)
}

fn high_half(value: u64) -> u32 {
    u32::try_from(value >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_step_whatever_the_seed() {
        for keys in [0, 1, 2, 3, 5, 64, 1000, 4097] {
            for seed in [0, 1, 0xFFFF_0000_0000_1234] {
                let order = Order::new(keys as usize, seed);
                let mut visited: Vec<u32> = (0..order.steps()).filter_map(|step| order.key(step)).collect();
                visited.sort_unstable();
                assert_eq!(visited, (0..keys).collect::<Vec<_>>(), "{keys} keys, seed {seed}");
            }
        }
    }

    #[test]
    fn steps_are_in_order_and_each_within_its_part_of_the_time() {
        let order = Order::new(1000, 7);
        let shares: Vec<f64> = (0..order.steps()).map(|step| order.share(step)).collect();
        for (step, share) in shares.iter().enumerate() {
            let part = share * 1024.0 - step as f64;
            assert!((0.0..1.0).contains(&part), "step {step}: {share}");
        }
        let jitter: f64 = shares.iter().map(|share| (share * 1024.0).fract()).sum::<f64>() / 1024.0;
        assert!((0.4..0.6).contains(&jitter), "{jitter}");
    }

    #[test]
    fn those_who_came_together_are_spread_over_all_of_the_time() {
        for keys in [1000_u32, 1024, 1500] {
            let order = Order::new(keys as usize, 3);
            let mut tenths = [0; 10];
            for step in 0..order.steps() {
                // A hundred neighbours.
                if order.key(step).is_some_and(|key| (300..400).contains(&key)) {
                    tenths[(step * 10 / order.steps()) as usize] += 1;
                }
            }
            assert!(tenths.iter().all(|count| (7..=13).contains(count)), "{keys}: {tenths:?}");
        }
    }

    #[test]
    fn no_place_in_the_slab_is_early_under_every_seed() {
        let mean = |key: u32| {
            let step = |seed: u64| {
                let order = Order::new(512, seed);
                (0..512).find(|step| order.key(*step) == Some(key)).unwrap_or(u32::MAX)
            };
            (0..400).map(|seed| f64::from(step(seed * 0x9E37_79B9))).sum::<f64>() / 400.0
        };
        for key in [0, 1, 255, 511] {
            assert!((200.0..312.0).contains(&mean(key)), "key {key}: {}", mean(key));
        }
    }
}
