//! Drains of the process: by signal, for the end, or by the admin server, which can take them back.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::admin::{Phase, Readiness};
use crate::counters::Counters;
use crate::gateway::{Gateway, Outcome};
use crate::handle::{DrainPlan, Handle};
use crate::settings::Settings;

/// Begins drains, takes them back, and says how far they are.
#[derive(Debug)]
pub struct Drainer {
    handle: Handle,
    counters: Arc<[Arc<Counters>]>,
    readiness: Arc<Readiness>,
    /// As the settings say; `None` for as long as there is reason to.
    spread: Option<Duration>,
    timeout: Duration,
    /// Shards that have broken.
    broken: AtomicUsize,
    /// When the drain under way began. Held while the shards are told, so that they hear all of it in one order.
    begun: Mutex<Option<Instant>>,
}

/// There is no drain that could be taken back: none is under way, or it is for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDraining(pub Phase);

impl Drainer {
    /// Drains the shards behind `handle` as the settings say.
    #[must_use]
    pub fn new(
        handle: Handle,
        counters: Arc<[Arc<Counters>]>,
        readiness: Arc<Readiness>,
        settings: &Settings,
    ) -> Self {
        let spread = settings.drain_spread;
        let (timeout, broken, begun) = (settings.drain_timeout, AtomicUsize::new(0), Mutex::default());
        Self { handle, counters, readiness, spread, timeout, broken, begun }
    }

    /// Reaches the shards.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// How long a drain for the end may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Over how long goodbyes are spread: where the settings leave it open, over half of the time there is, and no
    /// longer than a hundred a second take, since so few do not press anybody when they come again.
    #[must_use]
    pub fn spread(&self) -> Duration {
        self.spread.unwrap_or_else(|| auto_spread(self.timeout, self.held()))
    }

    /// Whether new connections are welcome.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Drains for the end: the gateway ends when all connections have.
    pub fn drain_and_exit(self: &Arc<Self>, spread: Duration) {
        self.begin(DrainPlan { spread, ends: true });
    }

    /// Drains and stays. One that is under way goes on.
    pub fn drain_and_stay(self: &Arc<Self>) {
        if self.readiness.phase() < Phase::Draining {
            self.begin(DrainPlan { spread: self.spread(), ends: false });
        }
    }

    fn begin(self: &Arc<Self>, plan: DrainPlan) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        self.readiness.set(if plan.ends { Phase::Ending } else { Phase::Draining });
        self.handle.drain_by(plan);
        let now = Instant::now();
        // A log line now and then; that of the drain before, if any, ends by itself.
        *begun = Some(now);
        let drainer = Arc::clone(self);
        let report = move || drainer.report(now, plan);
        if let Err(error) = thread::Builder::new().name("drain".to_owned()).spawn(report) {
            tracing::warn!(%error, "the drain will not be reported");
        }
    }

    /// Takes back a drain that is not for the end. Those who have heard their goodbye leave all the same.
    ///
    /// # Errors
    /// When there is none.
    pub fn resume(&self) -> Result<(), NotDraining> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.readiness.resume() {
            return Err(NotDraining(self.readiness.phase()));
        }
        *begun = None;
        self.handle.resume();
        drop(begun);
        tracing::info!(connections = self.held(), "the drain was taken back: new connections are welcome");
        Ok(())
    }

    /// Waits for the end of the gateway. When a shard breaks, new connections are not welcome any more, and those of
    /// the other shards are drained, for no longer than any drain may take: whoever supervises the process then starts
    /// a whole one, and nobody is left with a part of one.
    pub fn supervise(self: &Arc<Self>, gateway: &mut Gateway) -> Outcome {
        const HOUR: Duration = Duration::from_secs(3600);
        let mut deadline = Instant::now() + HOUR;
        let mut draining = false;
        loop {
            if let Some(outcome) = gateway.wait(deadline.saturating_duration_since(Instant::now())) {
                return outcome;
            }
            let is_due = Instant::now() >= deadline;
            if is_due {
                deadline += HOUR;
            }
            if draining && is_due {
                tracing::warn!("the time for the drain is over: ending");
                self.end();
            } else if !draining && gateway.broken() > 0 {
                self.broken.store(gateway.broken(), Relaxed);
                draining = true;
                tracing::error!("draining the other shards for at most {:?}, then exit code 1", self.timeout);
                deadline = Instant::now() + self.timeout;
                self.drain_and_exit(self.spread());
            }
        }
    }

    /// Ends at once.
    pub fn end(&self) {
        self.handle.end();
    }

    /// Connections that are left.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.counters.iter().map(|shard| shard.held()).sum()
    }

    /// How it would end now, for whoever cannot wait for the shards to say it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let cut = usize::try_from(self.held()).unwrap_or(usize::MAX);
        Outcome { cut, broken: self.broken.load(Relaxed) }
    }

    /// Logs how far the drain that began at `mine` is, until it is over or another has taken its place.
    fn report(&self, mine: Instant, plan: DrainPlan) {
        let all = self.held();
        let pause = (plan.spread / 20).clamp(Duration::from_secs(1), Duration::from_secs(60));
        tracing::info!(connections = all, spread = ?plan.spread, "draining");
        loop {
            thread::sleep(pause);
            let left = self.held();
            if *self.begun.lock().unwrap_or_else(PoisonError::into_inner) != Some(mine) {
                return;
            }
            tracing::info!(connections = left, of = all, "draining");
            if left == 0 {
                return;
            }
        }
    }
}

/// What `drain-spread auto` is with so many connections.
fn auto_spread(timeout: Duration, connections: u64) -> Duration {
    const EACH_MILLIS: u64 = 10;
    (timeout / 2).min(Duration::from_millis(connections.saturating_mul(EACH_MILLIS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_goodbyes_take_no_longer_than_they_must_and_many_half_of_the_time() {
        let seconds = Duration::from_secs;
        for (connections, spread) in
            [(0, seconds(0)), (1, seconds(1) / 100), (1000, seconds(10)), (1500, seconds(15))]
        {
            assert_eq!(auto_spread(seconds(30), connections), spread);
        }
        assert_eq!(auto_spread(seconds(30), u64::MAX), seconds(15));
    }
}
