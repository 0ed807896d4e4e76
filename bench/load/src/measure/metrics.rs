//! The server's own metrics, read from its admin address.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::interrupt;

/// Gauge of connections held.
pub(crate) const CONNECTIONS: &str = "holdfast_connections";

/// Values by name, the series of one name added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads `/metrics` below `admin`, for example `http://127.0.0.1:9085/`.
    pub(crate) fn read(admin: &str) -> anyhow::Result<Self> {
        let url = format!("{}/metrics", admin.trim_end_matches('/'));
        let mut answer = ureq::get(&url).call().with_context(|| format!("reading {url}"))?;
        Ok(Self::parse(&answer.body_mut().read_to_string()?))
    }

    fn parse(text: &str) -> Self {
        let mut values = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let name = series.split('{').next().unwrap_or(series).trim();
            let Ok(value) = value.parse::<f64>() else { continue };
            *values.entry(name.to_owned()).or_default() += value;
        }
        Self(values)
    }

    /// Value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Growth since `before` of every counter whose name contains `part`.
    pub(crate) fn growth(&self, before: &Self, part: &str) -> BTreeMap<String, f64> {
        let grown = |(name, value): (&String, &f64)| (name.clone(), value - before.get(name).unwrap_or(0.0));
        self.0.iter().filter(|(name, _)| name.contains(part)).map(grown).collect()
    }
}

/// Waits until the server's gauge of connections says `expected`; how long that took.
pub(crate) fn wait_for_connections(
    admin: &str,
    expected: u32,
    patience: Duration,
) -> anyhow::Result<Duration> {
    let start = Instant::now();
    loop {
        let held = Metrics::read(admin)?
            .get(CONNECTIONS)
            .with_context(|| format!("{admin} has no {CONNECTIONS}"))?;
        if (held - f64::from(expected)).abs() < 0.5 {
            return Ok(start.elapsed());
        }
        if start.elapsed() > patience {
            bail!("{CONNECTIONS} is {held} and should be {expected}");
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_a_name_are_added_up() {
        let metrics = Metrics::parse(
            "# HELP holdfast_connections Held.\n# TYPE holdfast_connections gauge\n\
             holdfast_connections{shard=\"0\"} 3\nholdfast_connections{shard=\"1\"} 4\n\n\
             holdfast_syscalls_total 1e3\n",
        );
        assert_eq!(metrics.get(CONNECTIONS), Some(7.0));
        assert_eq!(metrics.get("holdfast_syscalls_total"), Some(1000.0));
        assert_eq!(metrics.get("holdfast"), None);
    }

    #[test]
    fn growth_is_that_of_the_names_asked_for() {
        let before = Metrics::parse("holdfast_syscalls_total 10\nother 1\n");
        let after = Metrics::parse("holdfast_syscalls_total 30\nother 5\n");
        let growth = after.growth(&before, "syscalls");
        assert_eq!(growth, BTreeMap::from([("holdfast_syscalls_total".to_owned(), 20.0)]));
    }
}
