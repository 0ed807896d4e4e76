//! Waits of slightly different lengths, so that those who failed together do not come back together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// `wait`, by chance up to a quarter shorter.
pub(crate) fn shortened(wait: Duration) -> Duration {
    // The keys of each RandomState differ, which is chance enough.
    let chance = u32::from(RandomState::new().hash_one(()).to_le_bytes()[0]);
    wait / 4 * 3 + wait / 4 * chance / 255
}

/// `wait`, by chance up to a quarter shorter or longer.
pub(crate) fn around(wait: Duration) -> Duration {
    let longest = wait + wait / 4;
    longest.saturating_sub((wait - shortened(wait)) * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_near_the_one_that_was_asked_for_and_differ() {
        let second = Duration::from_secs(1);
        let waits: Vec<_> = (0..200).map(|_| (shortened(second), around(second))).collect();
        for (shorter, near) in &waits {
            assert!((second / 4 * 3..=second).contains(shorter), "{shorter:?}");
            assert!((second / 4 * 3..=second / 4 * 5).contains(near), "{near:?}");
        }
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
