//! What `arena` reports, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use serde::Serialize;

use super::ArenaArguments;
use super::crowd::Window;
use crate::measure::machine::Setting;
use crate::waits::Waits;

/// How everybody came in.
#[derive(Debug)]
pub(super) struct Opening {
    /// From the first connect to the last 101.
    pub(super) elapsed: Duration,
    /// From connect to the end of the 101, of each.
    pub(super) waits: Waits,
}

/// The whole run.
#[derive(Debug, Serialize)]
pub(super) struct ArenaReport {
    setting: Setting,
    url: String,
    raw: bool,
    connections: u32,
    /// Messages in flight on each connection.
    active_each: u16,
    /// From the first connect until all were open.
    opening_seconds: f64,
    /// Microseconds by quantile, from a connection's connect to its 101.
    wait_us: BTreeMap<&'static str, f64>,
    messages: u64,
    seconds: f64,
    messages_per_second: f64,
    /// Replies of the connection that had the fewest, and of the one that had the most.
    fewest_on_one: u64,
    most_on_one: u64,
    server_cpu_ns_per_message: Option<f64>,
    /// Share of one CPU that the server was busy.
    server_cpus: Option<f64>,
}

impl ArenaReport {
    pub(super) fn new(
        setting: Setting,
        arguments: &ArenaArguments,
        opening: &Opening,
        window: Window,
        server_cpu: Option<Duration>,
    ) -> Self {
        let seconds = window.elapsed.as_secs_f64();
        let replies = window.replies.max(1) as f64;
        Self {
            setting,
            url: arguments.target.url.clone(),
            raw: arguments.target.raw,
            connections: arguments.connections,
            active_each: arguments.active_each,
            opening_seconds: opening.elapsed.as_secs_f64(),
            wait_us: opening.waits.microseconds(),
            messages: window.replies,
            seconds,
            messages_per_second: window.replies as f64 / seconds.max(1e-9),
            fewest_on_one: window.fewest,
            most_on_one: window.most,
            server_cpu_ns_per_message: server_cpu.map(|cpu| cpu.as_secs_f64() * 1e9 / replies),
            server_cpus: server_cpu.map(|cpu| cpu.as_secs_f64() / seconds.max(1e-9)),
        }
    }
}

impl Display for ArenaReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, connections, active_each, opening_seconds, wait_us, messages, seconds, .. } = self;
        let raw = if self.raw { ", raw TCP" } else { "" };
        writeln!(f, "arena: {url}, {connections} connections at once, {active_each} in flight on each{raw}")?;
        let [p50, p99, max] = ["p50", "p99", "max"].map(|name| wait_us[name] / 1e3);
        writeln!(f, "all open after, ms   {:.1}", opening_seconds * 1e3)?;
        writeln!(f, "wait to open, ms     p50 {p50:.1} p99 {p99:.1} max {max:.1}")?;
        writeln!(
            f,
            "messages             {messages} in {seconds:.2} s, {:.0}/s, all right",
            self.messages_per_second
        )?;
        writeln!(f, "on one connection    {} to {}", self.fewest_on_one, self.most_on_one)?;
        if let Some((each, cpus)) = self.server_cpu_ns_per_message.zip(self.server_cpus) {
            writeln!(f, "server CPU           {each:.0} ns/message, {cpus:.2} CPUs busy")?;
        }
        Ok(())
    }
}
