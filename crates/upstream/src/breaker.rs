//! The circuit breaker: an address that fails again and again is left alone for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::jitter;

/// How an address is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Requests go there.
    Closed,
    /// Nothing goes there until some time has passed.
    Open,
    /// The time is over: one request may try, and what comes of it decides.
    HalfOpen,
}

/// What a verdict has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Requests go there again.
    Closed,
    /// Nothing goes there for this long.
    Opened(Duration),
}

/// The breaker of one address.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures_max: u32,
    open_min: Duration,
    open_max: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Failures since the last success.
    failures: u32,
    /// How often it has opened since it was last closed.
    openings: u32,
    /// Set while it is not closed.
    until: Option<Instant>,
    /// Whether one has been let through, of which nothing is known yet.
    is_probed: bool,
}

impl Inner {
    fn state(&self, now: Instant) -> State {
        match self.until {
            None => State::Closed,
            Some(until) if now < until => State::Open,
            Some(_) => State::HalfOpen,
        }
    }
}

impl Breaker {
    pub(crate) fn new(failures_max: u32, open_min: Duration, open_max: Duration) -> Self {
        Self { failures_max: failures_max.max(1), open_min, open_max, inner: Mutex::default() }
    }

    pub(crate) fn state(&self, now: Instant) -> State {
        self.lock().state(now)
    }

    /// Lets a request through, unless it is open or one is being tried.
    pub(crate) fn admit(&self, now: Instant) -> Option<Pass<'_>> {
        let mut inner = self.lock();
        let is_probe = match inner.state(now) {
            State::Closed => false,
            State::HalfOpen if !inner.is_probed => true,
            State::Open | State::HalfOpen => return None,
        };
        inner.is_probed |= is_probe;
        Some(Pass { breaker: self, is_probe })
    }

    /// When one may be let through again; `None` where it may be now, or as soon as another has its answer.
    pub(crate) fn opens_at(&self, now: Instant) -> Option<Instant> {
        self.lock().until.filter(|until| now < *until)
    }

    fn succeeded(&self) -> Option<Change> {
        let mut inner = self.lock();
        let was_open = inner.until.is_some();
        *inner = Inner::default();
        was_open.then_some(Change::Closed)
    }

    fn failed(&self, is_probe: bool, now: Instant) -> Option<Change> {
        let mut inner = self.lock();
        inner.failures = inner.failures.saturating_add(1);
        // Those let through before it opened say nothing new.
        let opens = if inner.until.is_some() { is_probe } else { inner.failures >= self.failures_max };
        if !opens {
            return None;
        }
        let factor = 1 << inner.openings.min(16);
        let pause = jitter::shortened(self.open_min.saturating_mul(factor).min(self.open_max));
        inner.openings = inner.openings.saturating_add(1);
        inner.until = Some(now + pause);
        Some(Change::Opened(pause))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was let through. Dropped without a verdict, it says nothing, and another may be tried.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Pass<'_> {
    /// The address is well.
    pub(crate) fn succeeded(self) -> Option<Change> {
        self.breaker.succeeded()
    }

    /// The address is not.
    pub(crate) fn failed(self, now: Instant) -> Option<Change> {
        self.breaker.failed(self.is_probe, now)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.lock().is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(3, SECOND, 4 * SECOND)
    }

    /// Opens it, and gives the time at which it is half open.
    fn opened(breaker: &Breaker, now: Instant) -> Instant {
        let changes: Vec<_> = (0..3).map(|_| breaker.admit(now).unwrap().failed(now)).collect();
        assert!(matches!(changes[..], [None, None, Some(Change::Opened(_))]), "{changes:?}");
        breaker.opens_at(now).unwrap()
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let (breaker, now) = (breaker(), Instant::now());
        for _ in 0..5 {
            assert_eq!(breaker.admit(now).unwrap().failed(now), None);
            assert_eq!(breaker.admit(now).unwrap().failed(now), None);
            assert_eq!(breaker.admit(now).unwrap().succeeded(), None);
        }
        opened(&breaker, now);
        assert_eq!(breaker.state(now), State::Open);
        assert!(breaker.admit(now).is_none());
    }

    #[test]
    fn half_open_lets_one_through_and_its_success_closes_it() {
        let (breaker, now) = (breaker(), Instant::now());
        let then = opened(&breaker, now);
        assert_eq!(breaker.state(then), State::HalfOpen);
        let pass = breaker.admit(then).unwrap();
        assert!(breaker.admit(then).is_none());
        assert_eq!(pass.succeeded(), Some(Change::Closed));
        assert_eq!(breaker.state(then), State::Closed);
        assert!(breaker.admit(then).is_some());
    }

    #[test]
    fn each_failed_try_opens_it_for_longer_up_to_a_bound() {
        let (breaker, mut now) = (breaker(), Instant::now());
        now = opened(&breaker, now);
        for longest in [2, 4, 4, 4] {
            let change = breaker.admit(now).unwrap().failed(now);
            let Some(Change::Opened(pause)) = change else { panic!("{change:?}") };
            assert!((longest * SECOND / 4 * 3..=longest * SECOND).contains(&pause), "{pause:?}");
            now += pause;
        }
        assert_eq!(breaker.admit(now).unwrap().succeeded(), Some(Change::Closed));
        assert!(opened(&breaker, now) <= now + SECOND, "closed, it has forgotten how often it opened");
    }

    #[test]
    fn one_that_is_dropped_without_a_verdict_makes_room_for_another() {
        let (breaker, now) = (breaker(), Instant::now());
        let then = opened(&breaker, now);
        drop(breaker.admit(then).unwrap());
        assert!(breaker.admit(then).is_some());
    }

    #[test]
    fn failures_of_those_let_through_before_it_opened_do_not_keep_it_open_for_longer() {
        let (breaker, now) = (breaker(), Instant::now());
        let late = breaker.admit(now).unwrap();
        let then = opened(&breaker, now);
        assert_eq!(late.failed(then), None);
        assert_eq!(breaker.state(then), State::HalfOpen);
    }
}
