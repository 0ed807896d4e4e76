//! `echo`: keeps messages in flight over many connections, checks every reply, and says what a message costs.

mod arguments;
pub(crate) mod engine;
mod held;
mod in_flight;
pub(crate) mod message;
pub(crate) mod summary;

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

pub(crate) use arguments::{EchoArguments, TrafficArguments};

use crate::hold::holder::Holder;
use crate::hold::protocol::Order;
use crate::measure::machine::Setting;
use crate::measure::metrics::Metrics;
use crate::measure::process;
use crate::measure::real_time::RealTime;
use crate::measure::slabs::Slabs;
use crate::payload::Kind;
use crate::report::write_json;
use crate::socket::connections_max;
use crate::target::Target;
use engine::{Engine, Until, Window};
use held::Held;
use message::Messages;
use summary::{EchoReport, Measurement, Server};

/// Handshakes in flight while the connections of an echo run are opened and closed.
const IN_FLIGHT_MAX: u32 = 256;

/// One run against one server.
pub(crate) struct EchoRun<'a> {
    pub(crate) target: &'a Target,
    pub(crate) traffic: &'a TrafficArguments,
    pub(crate) rate: Option<f64>,
    pub(crate) warmup: Duration,
    pub(crate) until: Until,
    pub(crate) stall: Duration,
    pub(crate) pid: Option<u32>,
    pub(crate) admin: Option<&'a str>,
    /// Whether to count the kernel's objects: takes seconds, until the counts are steady.
    pub(crate) slabs: bool,
    /// Whether to measure once more at real-time priority.
    pub(crate) real_time: bool,
}

/// Carries out `echo`.
///
/// # Errors
///
/// At the first wrong reply, lost connection or failed handshake.
pub(crate) fn run(arguments: &EchoArguments) -> anyhow::Result<()> {
    if let Some((pid, cpu)) = arguments.pid.zip(arguments.pin_server) {
        process::pin(pid, cpu)?;
    }
    if let Some(priority) = arguments.priority {
        process::prioritise(priority, arguments.pid)?;
    }
    if let Some(cpu) = arguments.pin_client {
        process::pin_self(cpu)?;
    }
    let target = Target::new(&arguments.target)?;
    let run = EchoRun {
        target: &target,
        traffic: &arguments.traffic,
        rate: arguments.rate,
        warmup: arguments.warmup,
        until: arguments.messages.map_or(Until::Elapsed(arguments.duration), Until::Replies),
        stall: arguments.target.stall,
        pid: arguments.pid,
        admin: arguments.admin.as_deref(),
        slabs: arguments.pid.is_some() && !arguments.no_slabs,
        real_time: arguments.real_time,
    };
    let setting = Setting::now();
    println!("{setting}");
    let held = Held::open(arguments)?;
    let measurement = run.measure()?;
    held.close()?;
    let report = EchoReport::new(setting, arguments, target.raw, measurement);
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    Ok(())
}

/// Opens connections in this process, all of them or none.
pub(crate) fn open(target: &Target, first: u32, count: u32, stall: Duration) -> anyhow::Result<Vec<OwnedFd>> {
    let max = connections_max();
    ensure!(count <= max, "{count} connections in one process, whose descriptor limit allows {max}");
    let mut holder = Holder::new(target, first, count, IN_FLIGHT_MAX, stall)?;
    let totals = holder.complete(Order::Open)?;
    if totals.opened != u64::from(count) || !totals.is_flawless() {
        bail!("opened {} of {count} connections: {:?}", totals.opened, totals.reasons);
    }
    Ok(holder.into_descriptors())
}

/// Completes the closing handshake of every connection.
pub(crate) fn close(target: &Target, descriptors: Vec<OwnedFd>, stall: Duration) -> anyhow::Result<()> {
    let count = descriptors.len() as u64;
    let mut holder = Holder::adopt(target, descriptors, IN_FLIGHT_MAX, stall)?;
    let totals = holder.complete(Order::Close)?;
    if totals.closed != count || !totals.is_flawless() {
        bail!("closed {} of {count} connections as they should be: {:?}", totals.closed, totals.reasons);
    }
    Ok(())
}

/// The messages that `traffic` asks for.
pub(crate) fn messages(traffic: &TrafficArguments, raw: bool) -> Messages {
    let kind = if traffic.text { Kind::Text } else { Kind::Binary };
    Messages { size: traffic.size, kind, raw }
}

impl EchoRun<'_> {
    /// Opens, warms up, measures, drains, closes.
    pub(crate) fn measure(&self) -> anyhow::Result<Measurement> {
        let slabs_before = self.slabs();
        let memory_before = self.pid.map(process::memory).transpose()?;
        let descriptors = open(self.target, 0, self.traffic.connections, self.stall)?;
        let messages = messages(self.traffic, self.target.raw);
        let mut engine = Engine::new(descriptors, self.traffic.active, messages, self.rate, self.stall)?;
        if self.traffic.spin {
            engine.spin();
        }
        engine.run(Until::Elapsed(self.warmup)).context("while warming up")?;
        // Scraping counters costs the server CPU time, which is no message's: it is done outside of what is timed.
        let metrics_before = self.metrics()?;
        let cpu_before = self.cpu()?;
        let window = engine.run(self.until)?;
        let cpu_after = self.cpu()?;
        let metrics_after = self.metrics()?;
        let memory_after = self.pid.map(process::memory).transpose()?;
        let real_time = self.real_time.then(|| self.in_real_time(&mut engine)).transpose()?;
        let descriptors = engine.drain()?;
        let slabs = slabs_before.and_then(|before| Some(self.slabs()?.since(&before)));
        close(self.target, descriptors, self.stall)?;
        let server = Server {
            cpu: cpu_after.zip(cpu_before).map(|(after, before)| after.saturating_sub(before)),
            metrics: metrics_after.zip(metrics_before).map(|(after, before)| after.growth(&before, "_total")),
            memory_before,
            memory_after,
        };
        Ok(Measurement { window, server, slabs, real_time })
    }

    /// Measures once more, both ends at real-time priority.
    fn in_real_time(&self, engine: &mut Engine) -> anyhow::Result<Window> {
        const SETTLE: Duration = Duration::from_millis(200);
        let processes = self.pid.into_iter().chain([std::process::id()]).collect();
        let _real_time = RealTime::begin(processes).context("--real-time")?;
        engine.run(Until::Elapsed(SETTLE))?;
        engine.run(self.until)
    }

    fn slabs(&self) -> Option<Slabs> {
        const SETTLE_MAX: Duration = Duration::from_secs(5);
        self.slabs.then(|| Slabs::settle(SETTLE_MAX)).flatten()
    }

    fn metrics(&self) -> anyhow::Result<Option<Metrics>> {
        self.admin.map(Metrics::read).transpose()
    }

    fn cpu(&self) -> anyhow::Result<Option<Duration>> {
        self.pid.map(process::cpu_time).transpose()
    }
}
