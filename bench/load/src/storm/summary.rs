//! What `storm` reports, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use super::StormArguments;
use super::rush::Arrivals;
use crate::echo::engine::Window;
use crate::measure::machine::Setting;
use crate::statistics::Summary;

/// One storm.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Round {
    opened: u64,
    /// From the first connect to the last 101.
    seconds: f64,
    per_second: f64,
    /// Microseconds by quantile, from a connection's connect to its 101.
    wait_us: BTreeMap<&'static str, f64>,
    server_cpu_ns_per_handshake: Option<f64>,
    /// Latency of honest messages before the storm, microseconds by quantile.
    control_us: Option<BTreeMap<&'static str, f64>>,
    /// The same while it lasted.
    storm_us: Option<BTreeMap<&'static str, f64>>,
    /// Why connections were not let in, and how many.
    failures: BTreeMap<String, u64>,
}

impl Round {
    pub(super) fn new(
        arrivals: &Arrivals,
        traffic: Option<&(Window, Window)>,
        server_cpu: Option<Duration>,
    ) -> Self {
        let opened = arrivals.waits.count();
        let seconds = arrivals.elapsed.as_secs_f64();
        Self {
            opened,
            seconds,
            per_second: opened as f64 / seconds.max(1e-9),
            wait_us: arrivals.waits.microseconds(),
            server_cpu_ns_per_handshake: server_cpu.map(|cpu| cpu.as_secs_f64() * 1e9 / opened.max(1) as f64),
            control_us: traffic.map(|(control, _)| control.latency.microseconds()),
            storm_us: traffic.map(|(_, storm)| storm.latency.microseconds()),
            failures: arrivals.failures.clone(),
        }
    }
}

/// Medians and intervals over the rounds.
#[derive(Debug, Serialize)]
pub(super) struct StormReport {
    setting: Setting,
    url: String,
    raw: bool,
    count: u32,
    in_flight: u32,
    honest: u32,
    /// Honest messages per second.
    rate: f64,
    per_second: Summary,
    /// Seconds until all were open.
    seconds: Summary,
    /// The longest wait of a round, microseconds.
    worst_wait_us: Summary,
    server_cpu_ns_per_handshake: Option<Summary>,
    /// Opening handshakes for each second of CPU that the server used.
    per_server_cpu_second: Option<Summary>,
    rounds: Vec<Round>,
}

impl StormReport {
    pub(super) fn new(setting: Setting, arguments: &StormArguments, rounds: Vec<Round>) -> Self {
        let of = |value: &dyn Fn(&Round) -> Option<f64>| {
            let values: Vec<f64> = rounds.iter().filter_map(value).collect();
            (!values.is_empty()).then(|| Summary::new(&values))
        };
        let all = |value: &dyn Fn(&Round) -> f64| Summary::new(&rounds.iter().map(value).collect::<Vec<_>>());
        Self {
            setting,
            url: arguments.target.url.clone(),
            raw: arguments.target.raw,
            count: arguments.count,
            in_flight: arguments.in_flight.unwrap_or(arguments.count),
            honest: arguments.honest,
            rate: arguments.rate,
            per_second: all(&|round| round.per_second),
            seconds: all(&|round| round.seconds),
            worst_wait_us: all(&|round| round.wait_us["max"]),
            server_cpu_ns_per_handshake: of(&|round| round.server_cpu_ns_per_handshake),
            per_server_cpu_second: of(&|round| round.server_cpu_ns_per_handshake.map(|each| 1e9 / each)),
            rounds,
        }
    }

    /// # Errors
    ///
    /// When somebody was not let in.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let refused: u64 = self.rounds.iter().flat_map(|round| round.failures.values()).sum();
        if refused > 0 {
            bail!("{refused} connections were not let in");
        }
        Ok(())
    }
}

impl Display for StormReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, count, in_flight, rounds, .. } = self;
        let raw = if self.raw { ", raw TCP" } else { "" };
        writeln!(f, "storm: {url}, {count} connections, {in_flight} at once{raw}; {} rounds", rounds.len())?;
        line(f, "opened per second", self.per_second, 1.0)?;
        line(f, "all open after, ms", self.seconds, 1e3)?;
        line(f, "worst wait, ms", self.worst_wait_us, 1e-3)?;
        if let Some(each) = self.server_cpu_ns_per_handshake {
            line(f, "server CPU, us each", each, 1e-3)?;
        }
        if let Some(rate) = self.per_server_cpu_second {
            line(f, "opened per CPU second", rate, 1.0)?;
        }
        for (number, round) in (1..).zip(rounds) {
            if let Some((control, storm)) = round.control_us.as_ref().zip(round.storm_us.as_ref()) {
                let ms = |latency: &BTreeMap<&str, f64>| {
                    ["p50", "p99", "max"].map(|name| format!("{name} {:.2}", latency[name] / 1e3)).join(" ")
                };
                writeln!(f, "round {number}: echo, ms: {} before, {} during", ms(control), ms(storm))?;
            }
            for (why, count) in &round.failures {
                writeln!(f, "round {number}: FAILED {count} x {why}")?;
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, summary: Summary, scale: f64) -> fmt::Result {
    let Summary { median, min, max, .. } = summary;
    writeln!(f, "  {name:<22} {:.1} [{:.1} to {:.1}]", median * scale, min * scale, max * scale)
}
