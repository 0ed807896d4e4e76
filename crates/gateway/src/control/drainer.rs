//! Drains of the process: by signal, for the end, or by the admin server, which can take them back.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::readiness::{Phase, Readiness};
use crate::counters::Counters;
use crate::handle::{DrainPlan, Handle};
use crate::settings::Settings;
use crate::start::{Gateway, Outcome};

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
    /// The drain under way, for whoever reports it.
    under_way: watch::Sender<Option<DrainPlan>>,
    /// There is no time left.
    over: watch::Sender<bool>,
    /// Held while the shards are told, so that they hear all of it in one order.
    telling: Mutex<()>,
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
        Self {
            handle,
            counters,
            readiness,
            spread: settings.drain_spread,
            timeout: settings.drain_timeout,
            broken: AtomicUsize::new(0),
            under_way: watch::Sender::new(None),
            over: watch::Sender::new(false),
            telling: Mutex::new(()),
        }
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
    pub fn drain_and_exit(&self, spread: Duration) {
        self.begin(DrainPlan { spread, ends: true });
    }

    /// Drains and stays. One that is under way goes on.
    pub fn drain_and_stay(&self) {
        if self.readiness.phase() < Phase::Draining {
            self.begin(DrainPlan { spread: self.spread(), ends: false });
        }
    }

    fn begin(&self, plan: DrainPlan) {
        let _telling = self.telling();
        self.readiness.set(if plan.ends { Phase::Ending } else { Phase::Draining });
        self.handle.drain_by(plan);
        self.under_way.send_replace(Some(plan));
    }

    fn telling(&self) -> MutexGuard<'_, ()> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back a drain that is not for the end. Those who have heard their goodbye leave all the same.
    ///
    /// # Errors
    /// When there is none.
    pub fn resume(&self) -> Result<(), NotDraining> {
        let telling = self.telling();
        if !self.readiness.resume() {
            return Err(NotDraining(self.readiness.phase()));
        }
        self.handle.resume();
        self.under_way.send_replace(None);
        drop(telling);
        tracing::info!(connections = self.held(), "the drain was taken back: new connections are welcome");
        Ok(())
    }

    /// Waits for the end of the gateway. When a shard breaks, new connections are not welcome any more, and those of
    /// the other shards are drained, for no longer than any drain may take: whoever supervises the process then starts
    /// a whole one, and nobody is left with a part of one.
    pub fn supervise(&self, gateway: &mut Gateway) -> Outcome {
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
        self.over.send_replace(true);
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

    /// Waits until a drain for the end has left nobody.
    pub(super) async fn until_empty(&self) {
        const PAUSE: Duration = Duration::from_millis(50);
        let mut under_way = self.under_way.subscribe();
        let ends = |plan: &Option<DrainPlan>| plan.is_some_and(|plan| plan.ends);
        // Its sender is this drainer's own.
        drop(under_way.wait_for(ends).await);
        while self.held() > 0 {
            sleep(PAUSE).await;
        }
    }

    /// Waits until there is no time left.
    pub(super) async fn until_over(&self) {
        let mut over = self.over.subscribe();
        // Its sender is this drainer's own.
        drop(over.wait_for(|it| *it).await);
    }

    /// Logs how far drains are, now and then while one is under way, for as long as the process lives.
    pub(super) async fn report(&self) {
        let mut under_way = self.under_way.subscribe();
        loop {
            let plan = *under_way.borrow_and_update();
            let all = self.held();
            let pause = plan.map(|plan| {
                tracing::info!(connections = all, spread = ?plan.spread, "draining");
                (plan.spread / 20).clamp(Duration::from_secs(1), Duration::from_secs(60))
            });
            let mut is_over = pause.is_none();
            // Until another takes its place, or it is taken back.
            while timeout(pause.filter(|_| !is_over).unwrap_or(Duration::MAX), under_way.changed())
                .await
                .is_err()
            {
                let left = self.held();
                tracing::info!(connections = left, of = all, "draining");
                is_over = left == 0;
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
