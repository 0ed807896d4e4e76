//! How far it is, and how long it still takes.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Until this share is done, the time left is as planned: the first runs say little.
const TRUSTED: f64 = 0.02;

/// A bar over the planned time, on a terminal; elsewhere lines.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
}

impl Progress {
    /// For a run that takes about `planned`.
    pub(crate) fn new(planned: Duration) -> Self {
        let bar = ProgressBar::new(milliseconds(planned));
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} % {prefix}\n{msg}") {
            bar.set_style(style);
        }
        Self { bar, start: Instant::now() }
    }

    /// What runs now.
    pub(crate) fn at(&self, what: &str) {
        self.bar.set_prefix(format!("{} left", short(self.left())));
        self.bar.set_message(what.to_owned());
        self.bar.tick();
    }

    /// A planned part is done.
    pub(crate) fn advance(&self, planned: Duration) {
        self.bar.inc(milliseconds(planned));
    }

    /// There is more to do than was planned.
    pub(crate) fn lengthen(&self, further: Duration) {
        self.bar.inc_length(milliseconds(further));
    }

    /// There is less to do than was planned.
    pub(crate) fn shorten(&self, by: Duration) {
        let length = self.bar.length().unwrap_or(0);
        self.bar.set_length(length.saturating_sub(milliseconds(by)));
    }

    /// A line that stays.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// All done.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn left(&self) -> Duration {
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
        left(self.start.elapsed(), Duration::from_millis(done), Duration::from_millis(all))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The rest of the plan, at the pace so far.
fn left(elapsed: Duration, done: Duration, all: Duration) -> Duration {
    let rest = all.saturating_sub(done);
    let share = done.as_secs_f64() / all.as_secs_f64().max(1e-9);
    if share < TRUSTED { rest } else { rest.mul_f64(elapsed.as_secs_f64() / done.as_secs_f64()) }
}

/// A time that people plan with: `48 min`, `40 s`.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_pace() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(1), seconds(1), seconds(100)), seconds(99));
        assert_eq!(left(seconds(50), seconds(25), seconds(100)), seconds(150));
        assert_eq!(left(seconds(50), seconds(100), seconds(100)), seconds(0));
    }

    #[test]
    fn times_are_short() {
        assert_eq!(short(Duration::from_secs(119)), "119 s");
        assert_eq!(short(Duration::from_secs(3590)), "60 min");
    }
}
