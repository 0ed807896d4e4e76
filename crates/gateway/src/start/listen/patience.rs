//! How long an address that is taken is waited for.
//!
//! Rings are torn down some time after their process is gone (4 to 82 ms were seen, 2026-11-26), and hold their
//! listeners until then. So whoever starts again right after a hard end would be refused by what is left of itself.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for an address in all.
const WHOLE: Duration = Duration::from_secs(3);
/// After how long it is said that the start waits.
const SAID_AFTER: Duration = Duration::from_millis(500);
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// Each try asks whoever holds a Unix socket by connecting to it.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// What is left of the time to wait for addresses that are taken, of all that one start listens on.
#[derive(Debug)]
pub(crate) struct Patience {
    began: Option<Instant>,
    whole: Duration,
    said: bool,
}

impl Default for Patience {
    /// Some seconds, from the first try on.
    fn default() -> Self {
        Self { began: None, whole: WHOLE, said: false }
    }
}

impl Patience {
    /// Refuses at once.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { whole: Duration::ZERO, ..Self::default() }
    }

    /// Tries until it does not fail because `at` is taken, or the time is over.
    pub(crate) fn retry<T, E>(
        &mut self,
        at: &dyn fmt::Display,
        mut attempt: impl FnMut() -> Result<T, E>,
        is_taken: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let mut pause = PAUSE_MIN;
        loop {
            let outcome = attempt();
            let waited = self.began.get_or_insert_with(Instant::now).elapsed();
            match &outcome {
                Err(error) if is_taken(error) && waited < self.whole => {}
                _ => return outcome,
            }
            if waited > SAID_AFTER && !self.said {
                self.said = true;
                tracing::info!("{at} is taken: waiting for up to {:?} for it to become free", self.whole);
            }
            thread::sleep(pause);
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_free_is_taken_and_other_failures_are_not_waited_for() {
        let mut left = 5;
        let mut attempt = || {
            left -= 1;
            if left > 0 { Err("taken") } else { Ok("free") }
        };
        let is_taken = |error: &&str| *error == "taken";
        assert_eq!(Patience::default().retry(&"here", &mut attempt, is_taken), Ok("free"));
        let mut tries = 0;
        let mut attempt = || {
            tries += 1;
            Err::<(), _>("no such place")
        };
        assert!(Patience::default().retry(&"here", &mut attempt, is_taken).is_err());
        assert_eq!(tries, 1);
    }

    #[test]
    fn patience_ends_and_all_addresses_share_it() {
        let mut patience = Patience { whole: Duration::from_millis(50), ..Patience::default() };
        let mut tries = 0;
        let mut retry = |patience: &mut Patience| {
            let attempt = || {
                tries += 1;
                Err::<(), _>(())
            };
            patience.retry(&"here", attempt, |()| true).expect_err("it is taken for ever");
            std::mem::take(&mut tries)
        };
        assert!(retry(&mut patience) > 1);
        assert_eq!(retry(&mut patience), 1, "no time is left for the next");
        assert_eq!(retry(&mut Patience::none()), 1);
    }
}
