//! The drain: answer 503 to whoever comes, say goodbye to everyone, not all at once, and end or stay.
//!
//! The listeners stay open until no shard has anything left: closing one resets what is queued at it.

use std::time::{Duration, Instant};

use holdfast_ring::{Driver, Event};

use super::{Owner, Policy, Shard};
use crate::application::Application;
use crate::counters::CloseReason;
use crate::handle::DrainPlan;

/// How far a drain is.
#[derive(Debug)]
pub(crate) struct Drain {
    plan: DrainPlan,
    begun: Instant,
    order: Order,
    /// The next step of `order`.
    step: u32,
    /// Second of the shard's clock in which the last connection was gone.
    empty_since: Option<u32>,
    /// The other shards were told that this one is empty.
    told: bool,
}

/// Time between two looks at who is next, while nobody is overdue: a million goodbyes in ten seconds are no reason to
/// wake up a hundred thousand times a second.
const GRAIN: Duration = Duration::from_millis(10);

/// By how much later than its deadline one that is turned away may have gone: whole seconds, and beats of the sweep.
const SWEEPS: Duration = Duration::from_secs(4);

impl Drain {
    fn new(plan: DrainPlan, begun: Instant, order: Order) -> Self {
        Self { plan, begun, order, step: 0, empty_since: None, told: false }
    }

    /// The moment of the next goodbye; none when all have been said.
    fn next_due(&self) -> Option<Instant> {
        let share = (self.step < self.order.steps()).then(|| self.order.share(self.step))?;
        Some(self.begun + self.plan.spread.mul_f64(share))
    }

    /// How long until there is something to do, if there ever is.
    fn until_next(&self, now: Instant) -> Option<Duration> {
        let wait = self.next_due()?.saturating_duration_since(now);
        Some(if wait.is_zero() { wait } else { wait.max(GRAIN) })
    }
}

impl<D: Driver, A: Application> Shard<D, A> {
    /// A drain begins, or the one that is under way goes on as `plan` says.
    pub(super) fn begin_drain(&mut self, plan: DrainPlan) {
        if self.drain.as_ref().is_some_and(|drain| drain.plan.ends && !plan.ends) {
            return;
        }
        // Goodbyes that were said are not said again: who has heard one is not open any more.
        let seed = self.core.counters.opened.get() ^ (u64::from(self.core.shard) << 48);
        let order = Order::new(self.sweep.keys(), seed);
        self.drain = Some(Drain::new(plan, self.core.clock.now(), order));
        self.core.handle.mailbox(self.core.shard).shut();
        self.turn_away_handshakes();
    }

    /// The drain is taken back, unless it is for the end: those who have heard their goodbye leave, the others stay.
    pub(super) fn resume(&mut self) {
        if self.drain.as_ref().is_some_and(|drain| !drain.plan.ends) {
            self.drain = None;
            self.core.handle.mailbox(self.core.shard).open(self.core.policy.connections_max);
        }
    }

    /// Says the goodbyes that are due.
    pub(super) fn go_on_draining(&mut self) {
        let now = self.core.clock.now();
        let mut said = 0;
        // Empty records cost next to nothing to pass, so a turn may pass many of them.
        for _ in 0..16 * Policy::CLOSES_PER_TURN {
            let Some(drain) = &mut self.drain else { return };
            if said == Policy::CLOSES_PER_TURN || drain.next_due().is_none_or(|due| due > now) {
                break;
            }
            let key = drain.order.key(drain.step);
            drain.step += 1;
            if let Some(key) = key.filter(|key| self.core.connections.contains(*key as usize)) {
                said += usize::from(self.say_goodbye(key));
            }
        }
        self.tell_when_empty();
    }

    /// Whether there was anyone to say it to.
    fn say_goodbye(&mut self, key: u32) -> bool {
        let open = self.connection(key).state.may_send();
        if open {
            self.core.counters.goodbyes.add(1);
            self.core.begin_close(key, CloseReason::Drain, self.core.policy.drain_code, "");
        }
        open
    }

    /// How long until the drain has something to do, if ever.
    pub(super) fn until_goodbye(&self) -> Option<Duration> {
        self.drain.as_ref()?.until_next(self.core.clock.now())
    }

    /// Who has nothing left waits for the others, with open listeners.
    fn tell_when_empty(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        if !self.core.connections.is_empty() {
            drain.empty_since = None;
        } else if drain.empty_since.is_none() {
            drain.empty_since = Some(self.core.clock.second());
        }
        let empty = self.has_nothing_left();
        let Some(drain) = &mut self.drain else { return };
        if empty && drain.plan.ends && !drain.told {
            drain.told = true;
            self.core.handle.drained(self.core.shard);
        }
    }

    /// No connections, and nobody who is being turned away; of those there may be ever more, so that they are waited
    /// for only as long as one of them may take.
    fn has_nothing_left(&self) -> bool {
        let Some(drain) = self.drain.as_ref().filter(|_| self.core.connections.is_empty()) else {
            return false;
        };
        let longest = Policy::REFUSAL_TIME + self.core.policy.close_timeout + SWEEPS;
        let is_over = |since| self.core.clock.second() > since + whole_seconds(longest);
        self.core.handshakes.is_empty() || drain.empty_since.is_some_and(is_over)
    }

    /// No shard has anything left. What is queued at the listeners is still accepted, and answered, before they close.
    pub(super) fn stop_listening(&mut self) {
        if !std::mem::replace(&mut self.unlistened, true) {
            for listener in self.listeners.clone() {
                self.driver.unlisten(listener);
            }
        }
    }

    /// Whether the drain is over, and the shard with it.
    pub(super) fn is_drained(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.plan.ends)
            && self.listeners.is_empty()
            && self.has_nothing_left()
    }

    /// The end was ordered: those who are queued at the listeners, or in their opening handshake, still hear why, as
    /// far as that goes at once.
    pub(super) fn turn_away_the_queued(&mut self) -> rustix::io::Result<()> {
        /// A queue that fills as fast as it is emptied is left.
        const TURNS_MAX: usize = 64;
        const TURN: Duration = Duration::from_millis(10);
        self.stop_listening();
        self.refuse_handshakes();
        let mut events = Vec::new();
        for _ in 0..TURNS_MAX {
            if self.listeners.is_empty() && !self.is_refusing() {
                break;
            }
            self.driver.turn(TURN, &mut events)?;
            for event in events.drain(..) {
                self.on_last_event(event);
            }
        }
        Ok(())
    }

    /// Connections are cut, so that theirs mean nothing any more.
    fn on_last_event(&mut self, event: Event) {
        match event {
            Event::Accepted { descriptor, .. } => {
                self.core.counters.accepted.add(1);
                self.turn_away_at_once(&descriptor);
            }
            Event::Unlistened { .. } => self.on_event(event),
            Event::Sent { token, .. } | Event::Failed { token, .. } | Event::Closed { token } => {
                if matches!(self.owner(token), Owner::Handshake(_)) {
                    self.on_event(event);
                }
            }
            _ => {}
        }
    }
}

/// An order in which keys are visited, each once, and when: evenly over a time, each at a moment of its own. Neighbours
/// in the slab, who came together, are far apart in it, and no key has a better place than another.
#[derive(Debug)]
struct Order {
    /// Keys are below this.
    keys: u32,
    /// Steps are as many as the next power of two: the others have no key.
    mask: u32,
    multiplier: u32,
    seed: u64,
}

impl Order {
    fn new(keys: usize, seed: u64) -> Self {
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
    fn key(&self, step: u32) -> Option<u32> {
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

fn whole_seconds(period: Duration) -> u32 {
    u32::try_from(period.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
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
