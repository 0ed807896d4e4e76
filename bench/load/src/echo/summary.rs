//! What `echo` reports, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use serde::Serialize;

use super::arguments::EchoArguments;
use super::engine::Window;
use crate::measure::machine::Setting;
use crate::measure::process::Memory;
use crate::measure::slabs::Slabs;
use crate::report::{bytes, growth};
use crate::waits::QUANTILES;

/// What was seen of one run.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) window: Window,
    pub(crate) server: Server,
    /// Growth of the kernel's caches from before the first connection to the end, all of them still open.
    pub(crate) slabs: Option<Slabs>,
    /// What came after, with both ends at real-time priority.
    pub(crate) real_time: Option<Window>,
}

/// What was seen of the server, where its process or admin address was given.
#[derive(Debug)]
pub(crate) struct Server {
    /// CPU time of the whole process within the window.
    pub(crate) cpu: Option<Duration>,
    /// Growth of its counters within the window.
    pub(crate) metrics: Option<BTreeMap<String, f64>>,
    pub(crate) memory_before: Option<Memory>,
    pub(crate) memory_after: Option<Memory>,
}

impl Measurement {
    /// CPU time of the server per message, nanoseconds.
    pub(crate) fn cpu_nanoseconds_per_message(&self) -> Option<f64> {
        let cpu = self.server.cpu?;
        (self.window.replies > 0).then(|| cpu.as_secs_f64() * 1e9 / self.window.replies as f64)
    }
}

/// The whole run.
#[derive(Debug, Serialize)]
pub(crate) struct EchoReport {
    setting: Setting,
    url: String,
    raw: bool,
    connections: u32,
    /// Connections that other processes hold without traffic.
    held: u32,
    active: u32,
    size: usize,
    /// Messages per second that were due by the clock; none where each followed a reply.
    rate: Option<f64>,
    #[serde(flatten)]
    figures: Figures,
    /// Microseconds by quantile, measured once more with both ends at real-time priority.
    real_time_latency_us: Option<BTreeMap<&'static str, f64>>,
    server_memory_before: Option<Memory>,
    server_memory_after: Option<Memory>,
    /// Growth of the server's counters per message.
    counters_per_message: BTreeMap<String, f64>,
    slabs: Option<Slabs>,
}

/// The numbers of one run that others are compared by.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) messages: u64,
    pub(crate) seconds: f64,
    pub(crate) messages_per_second: f64,
    /// Microseconds by quantile.
    pub(crate) latency_us: BTreeMap<&'static str, f64>,
    pub(crate) longest_gap_us: f64,
    /// With a rate: the longest that a message was sent after it was due, microseconds.
    pub(crate) behind_max_us: f64,
    /// With a rate: messages due by the end and not sent.
    pub(crate) overdue: u64,
    pub(crate) server_cpu_ns_per_message: Option<f64>,
    /// Share of one CPU that the server was busy.
    pub(crate) server_cpus: Option<f64>,
}

impl Figures {
    pub(crate) fn new(measurement: &Measurement) -> Self {
        let window = &measurement.window;
        let seconds = window.elapsed.as_secs_f64();
        Self {
            messages: window.replies,
            seconds,
            messages_per_second: replies_per_second(window),
            latency_us: window.latency.microseconds(),
            longest_gap_us: window.longest_gap.as_secs_f64() * 1e6,
            behind_max_us: window.behind_max.as_secs_f64() * 1e6,
            overdue: window.overdue,
            server_cpu_ns_per_message: measurement.cpu_nanoseconds_per_message(),
            server_cpus: measurement.server.cpu.map(|cpu| cpu.as_secs_f64() / seconds),
        }
    }
}

impl EchoReport {
    pub(crate) fn new(
        setting: Setting,
        arguments: &EchoArguments,
        raw: bool,
        measurement: Measurement,
    ) -> Self {
        let traffic = &arguments.traffic;
        let figures = Figures::new(&measurement);
        let Measurement { server, slabs, window, real_time } = measurement;
        let per_message = |(name, grown): (String, f64)| (name, grown / window.replies.max(1) as f64);
        Self {
            setting,
            url: arguments.target.url.clone(),
            raw,
            connections: traffic.connections,
            held: arguments.held,
            active: traffic.active,
            size: traffic.size,
            rate: arguments.rate,
            figures,
            real_time_latency_us: real_time.map(|window| window.latency.microseconds()),
            server_memory_before: server.memory_before,
            server_memory_after: server.memory_after,
            counters_per_message: server
                .metrics
                .into_iter()
                .flatten()
                .filter(|(_, grown)| *grown > 0.0)
                .map(per_message)
                .collect(),
            slabs,
        }
    }
}

impl Display for EchoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, connections, active, size, figures, .. } = self;
        let raw = if self.raw { ", raw TCP" } else { "" };
        let held = if self.held > 0 { format!(" among {} held", self.held) } else { String::new() };
        writeln!(f, "echo: {url}, {connections} connections{held}, {active} in flight, {size} bytes{raw}")?;
        let Figures { messages, seconds, messages_per_second, longest_gap_us, .. } = figures;
        writeln!(
            f,
            "messages             {messages} in {seconds:.2} s, {messages_per_second:.0}/s, all right"
        )?;
        writeln!(
            f,
            "latency, us         {}, longest gap {longest_gap_us:.1}",
            quantiles(&figures.latency_us)
        )?;
        if let Some(latency) = &self.real_time_latency_us {
            writeln!(f, "  at real-time      {}", quantiles(latency))?;
        }
        if let Some(rate) = self.rate {
            let Figures { behind_max_us, overdue, .. } = figures;
            writeln!(
                f,
                "schedule             {rate:.0}/s due, at most {behind_max_us:.1} us behind, {overdue} not sent at \
                    the end"
            )?;
        }
        if let Some((each, cpus)) = figures.server_cpu_ns_per_message.zip(figures.server_cpus) {
            writeln!(f, "server CPU           {each:.0} ns/message, {cpus:.2} CPUs busy")?;
        }
        if let Some((before, after)) = self.server_memory_before.zip(self.server_memory_after) {
            let grown = bytes(growth(after.rss_bytes, before.rss_bytes));
            writeln!(f, "server RSS           {} + {grown}", bytes(growth(before.rss_bytes, 0)))?;
        }
        for (name, each) in &self.counters_per_message {
            writeln!(f, "{name:<40} {each:.3}/message")?;
        }
        if let Some(slabs) = &self.slabs {
            let all = bytes(slabs.bytes());
            writeln!(f, "kernel slabs         TCP + {} objects, all + {all}", slabs.tcp_objects())?;
        }
        Ok(())
    }
}

/// ` p50 12.3 p90 …`.
fn quantiles(latency: &BTreeMap<&'static str, f64>) -> String {
    QUANTILES.iter().map(|(name, _)| format!(" {name} {:.1}", latency[name])).collect()
}

/// Replies per second of a window.
fn replies_per_second(window: &Window) -> f64 {
    window.replies as f64 / window.elapsed.as_secs_f64().max(1e-9)
}
