//! What `churn` reports, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use super::arguments::ChurnArguments;
use crate::measure::machine::Setting;
use crate::waits::Waits;

/// What was seen within a stretch of time.
pub(super) struct Window {
    pub(super) elapsed: Duration,
    pub(super) opened: u64,
    /// Visits that ended as they should.
    pub(super) visits: u64,
    pub(super) opening: Waits,
    pub(super) echo: Waits,
    pub(super) server_cpu: Option<Duration>,
    /// Visits that were due by the end and had not begun.
    pub(super) overdue: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct ChurnReport {
    setting: Setting,
    url: String,
    /// Connections at any moment, or at most where there is a rate.
    count: u32,
    /// New connections due per second.
    rate: Option<f64>,
    life_ms: f64,
    size: usize,
    seconds: f64,
    visits: u64,
    visits_per_second: f64,
    opened_per_second: f64,
    /// Microseconds by quantile, from when a connection was due to its 101.
    opening_us: BTreeMap<&'static str, f64>,
    /// Microseconds by quantile, from the message to the end of its echo.
    echo_us: BTreeMap<&'static str, f64>,
    server_cpu_ns_per_visit: Option<f64>,
    /// Connections that were due by the end and had not begun.
    overdue: u64,
    /// What should not have happened, and how often.
    failures: BTreeMap<String, u64>,
    #[serde(skip)]
    lines: String,
}

impl ChurnReport {
    pub(super) fn new(
        setting: Setting,
        arguments: &ChurnArguments,
        count: u32,
        window: &Window,
        failures: BTreeMap<String, u64>,
    ) -> Self {
        let seconds = window.elapsed.as_secs_f64();
        let per_visit = |cpu: f64| cpu * 1e9 / window.visits.max(1) as f64;
        Self {
            setting,
            url: arguments.target.url.clone(),
            count,
            rate: arguments.rate,
            life_ms: arguments.life.as_secs_f64() * 1e3,
            size: arguments.size,
            seconds,
            visits: window.visits,
            visits_per_second: window.visits as f64 / seconds,
            opened_per_second: window.opened as f64 / seconds,
            opening_us: window.opening.microseconds(),
            echo_us: window.echo.microseconds(),
            server_cpu_ns_per_visit: window.server_cpu.map(|cpu| per_visit(cpu.as_secs_f64())),
            overdue: window.overdue,
            failures,
            lines: format!(
                "opening, ms          {}\necho, ms             {}\n",
                window.opening.line(),
                window.echo.line()
            ),
        }
    }

    /// # Errors
    ///
    /// When anything happened that should not, or nothing did.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        if !self.failures.is_empty() || self.visits == 0 {
            bail!("not every connection was opened, answered and closed as it should be");
        }
        Ok(())
    }
}

impl Display for ChurnReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, count, life_ms, size, visits, seconds, .. } = self;
        match self.rate {
            Some(rate) => write!(f, "churn: {url}, {rate:.0} new connections/s, at most {count} at once")?,
            None => write!(f, "churn: {url}, {count} connections at once")?,
        }
        writeln!(f, ", {life_ms:.0} ms each, one echo of {size} bytes")?;
        writeln!(
            f,
            "visits               {visits} in {seconds:.2} s, {:.0}/s; {:.0} opened/s",
            self.visits_per_second, self.opened_per_second
        )?;
        write!(f, "{}", self.lines)?;
        if let Some(each) = self.server_cpu_ns_per_visit {
            writeln!(f, "server CPU           {:.1} us/visit", each / 1e3)?;
        }
        if self.rate.is_some() {
            writeln!(f, "schedule             {} due and not begun at the end", self.overdue)?;
        }
        for (what, count) in &self.failures {
            writeln!(f, "  FAILED {count} x {what}")?;
        }
        Ok(())
    }
}
