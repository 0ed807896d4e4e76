//! Whether every shard still turns.

use std::cmp::Reverse;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::Counters;

/// How long a shard may be seen not to turn. An idle shard turns at each beat of its sweep, far more often.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How many turns each shard had made when that number was last seen to change, and when.
///
/// It is looked at only when somebody asks: a shard that stops turning is named by the first question that comes more
/// than [`SILENCE_MAX`] after the last one that saw it turn.
#[derive(Debug)]
pub struct Health {
    seen: Mutex<Vec<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    turns: u64,
    at: Instant,
}

/// A shard that does not turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Its index.
    pub shard: usize,
    /// For how long, at least.
    pub silent: Duration,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} has not turned for {} s", self.shard, self.silent.as_secs())
    }
}

impl Health {
    /// Begins to watch these shards.
    pub fn new(shards: &[Arc<Counters>], now: Instant) -> Self {
        let seen = shards.iter().map(|shard| Seen { turns: shard.turns.get(), at: now });
        Self { seen: Mutex::new(seen.collect()) }
    }

    /// Looks at every shard: those that have been silent for longer than [`SILENCE_MAX`], the longest first.
    pub fn stuck(&self, shards: &[Arc<Counters>], now: Instant) -> Vec<Stuck> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (seen, shard) in seen.iter_mut().zip(shards) {
            let turns = shard.turns.get();
            if turns != seen.turns {
                *seen = Seen { turns, at: now };
            }
        }
        let silences = seen.iter().map(|seen| now.saturating_duration_since(seen.at)).enumerate();
        let all = silences.map(|(shard, silent)| Stuck { shard, silent });
        let mut stuck: Vec<Stuck> = all.filter(|shard| shard.silent > SILENCE_MAX).collect();
        stuck.sort_by_key(|shard| Reverse(shard.silent));
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn names(stuck: &[Stuck]) -> Vec<String> {
        stuck.iter().map(Stuck::to_string).collect()
    }

    fn two_shards() -> [Arc<Counters>; 2] {
        [Arc::default(), Arc::default()]
    }

    #[test]
    fn a_shard_that_does_not_turn_is_named_after_the_time_allowed() {
        let (shards, start) = (two_shards(), Instant::now());
        let health = Health::new(&shards, start);
        for second in 1..=10 {
            shards[0].turns.add(1);
            assert_eq!(health.stuck(&shards, start + second * SECOND), []);
        }
        shards[0].turns.add(1);
        assert_eq!(names(&health.stuck(&shards, start + 11 * SECOND)), ["shard 1 has not turned for 11 s"]);
        shards[1].turns.add(1);
        assert_eq!(health.stuck(&shards, start + 12 * SECOND), []);
    }

    #[test]
    fn the_one_that_has_stood_longest_is_named_first() {
        let (shards, start) = (two_shards(), Instant::now());
        let health = Health::new(&shards, start);
        shards[0].turns.add(1);
        assert_eq!(health.stuck(&shards, start + SECOND), []);
        let expected = ["shard 1 has not turned for 12 s", "shard 0 has not turned for 11 s"];
        assert_eq!(names(&health.stuck(&shards, start + 12 * SECOND)), expected);
    }

    #[test]
    fn a_shard_that_turned_while_nobody_looked_is_healthy() {
        let (shards, start) = (two_shards(), Instant::now());
        let health = Health::new(&shards, start);
        shards.iter().for_each(|shard| shard.turns.add(1));
        assert_eq!(health.stuck(&shards, start + 3600 * SECOND), []);
    }
}
