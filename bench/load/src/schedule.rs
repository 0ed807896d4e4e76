//! When the next message is due: at once when a reply has come, or by the clock.

use std::time::Duration;

/// The moments at which messages are due. They do not move when sending falls behind: a message that had to wait for
/// its turn was due all the same, and its latency begins there. So a server that stalls cannot slow down those who
/// ask.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// Time between two messages; `None`: each as soon as it may be sent.
    interval: Option<Duration>,
    /// When the next message is due.
    due: Duration,
    paused: Duration,
}

impl Schedule {
    /// Begins paused, at time 0. `rate`: messages per second.
    pub(crate) fn new(rate: Option<f64>) -> Self {
        let interval = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self { interval, due: Duration::ZERO, paused: Duration::ZERO }
    }

    /// Whether messages are due by the clock.
    pub(crate) fn is_open_loop(&self) -> bool {
        self.interval.is_some()
    }

    /// Goes on after [`Self::pause`]: what was due then is due now, with the same delay.
    pub(crate) fn resume(&mut self, now: Duration) {
        self.due += now.saturating_sub(self.paused);
    }

    /// Nobody can send for a while, and nobody is to be blamed for it.
    pub(crate) fn pause(&mut self, now: Duration) {
        self.paused = now;
    }

    /// When the next message was due, if it may be sent now.
    pub(crate) fn due(&self, now: Duration) -> Option<Duration> {
        match self.interval {
            None => Some(now),
            Some(_) => (self.due <= now).then_some(self.due),
        }
    }

    /// It has been sent.
    pub(crate) fn advance(&mut self) {
        self.due += self.interval.unwrap_or_default();
    }

    /// Until the next message is due, zero if it is now; `None` when only a reply lets another be sent.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        self.interval.map(|_| self.due.saturating_sub(now))
    }

    /// Messages that were due by now and have not been sent.
    pub(crate) fn overdue(&self, now: Duration) -> u64 {
        let Some(interval) = self.interval else { return 0 };
        let behind =
            now.checked_sub(self.due).map(|behind| behind.as_nanos() / interval.as_nanos().max(1) + 1);
        u64::try_from(behind.unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// 1,000 messages a second, begun at 50 ms.
    fn schedule() -> Schedule {
        let mut schedule = Schedule::new(Some(1000.0));
        schedule.resume(ms(50));
        schedule
    }

    #[test]
    fn a_message_is_due_at_every_interval_and_not_before() {
        let mut schedule = schedule();
        for number in 50..100 {
            assert_eq!(schedule.due(ms(number)), Some(ms(number)));
            schedule.advance();
            assert_eq!(schedule.due(ms(number)), None);
            assert_eq!(schedule.wait(ms(number)), Some(ms(1)));
        }
    }

    #[test]
    fn what_came_due_since_one_looked_is_not_waited_for() {
        let schedule = schedule();
        assert_eq!(schedule.due(ms(49)), None);
        assert_eq!([50, 51].map(|now| schedule.wait(ms(now))), [Some(ms(0)); 2]);
    }

    #[test]
    fn after_a_stall_every_message_that_was_missed_is_still_due_at_its_own_time() {
        let mut schedule = schedule();
        assert_eq!(schedule.overdue(ms(1049)), 1000);
        for number in 50..1050 {
            assert_eq!(schedule.due(ms(1049)), Some(ms(number)));
            schedule.advance();
        }
        assert_eq!((schedule.due(ms(1049)), schedule.overdue(ms(1049))), (None, 0));
    }

    #[test]
    fn a_pause_makes_nothing_late_and_forgives_nothing() {
        let mut schedule = schedule();
        schedule.pause(ms(60));
        schedule.resume(ms(5060));
        assert_eq!(schedule.due(ms(5060)), Some(ms(5050)));
    }

    #[test]
    fn without_a_rate_a_message_is_due_whenever_it_may_be_sent() {
        let mut schedule = Schedule::new(None);
        schedule.resume(ms(50));
        schedule.advance();
        assert_eq!(schedule.due(ms(70)), Some(ms(70)));
        assert_eq!((schedule.wait(ms(70)), schedule.overdue(ms(70))), (None, 0));
    }
}
