//! What `hold` reports, for people and as JSON.

use std::fmt::{self, Display};
use std::time::Duration;

use serde::Serialize;

use super::protocol::Totals;
use crate::measure::machine::Setting;
use crate::measure::process::{self, Memory};
use crate::measure::slabs::Slabs;
use crate::report::{bytes, growth, per};

/// Objects per connection below this are left out of the table: they belong to something else on the machine.
pub(super) const OBJECTS_MIN: f64 = 0.02;

/// The whole run.
#[derive(Debug, Serialize)]
pub(super) struct HoldReport {
    pub(super) setting: Setting,
    pub(super) url: String,
    pub(super) count: u32,
    pub(super) processes: usize,
    pub(super) rounds: Vec<Round>,
    /// Kernel memory per connection beyond the bare socket (with --baseline), bytes, median of the rounds.
    pub(super) beyond_bytes: Option<f64>,
    pub(super) totals: Totals,
}

/// One order carried out by all connections.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) seconds: f64,
}

/// Memory at one moment: of the server, of the kernel (as root); nothing without --pid.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Footprint {
    pub(super) memory: Option<Memory>,
    pub(super) slabs: Option<Slabs>,
}

/// Open, hold, close.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    pub(super) opened: Phase,
    pub(super) asked: Vec<Phase>,
    pub(super) closed: Phase,
    pub(super) before: Footprint,
    /// All open, nothing said yet.
    pub(super) at_once: Footprint,
    /// At the end of the holding.
    pub(super) held: Footprint,
    pub(super) after: Footprint,
    /// Resident memory of the processes of this program that hold the connections, bytes.
    pub(super) client_rss_bytes: u64,
    /// Of the server, from before the first round to the end of this holding.
    pub(super) server_growth: Option<Growth>,
    /// Of the kernel, both ends of every connection, over the same time.
    pub(super) kernel_growth: Option<Slabs>,
}

/// What a server has grown by, bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Growth {
    pub(crate) rss_bytes: i64,
    pub(crate) pss_bytes: i64,
    pub(crate) data_bytes: i64,
}

impl Footprint {
    /// That of process `pid` and of the kernel now, once the kernel's counts are steady or after `patience`.
    pub(crate) fn take(pid: u32, patience: Duration) -> anyhow::Result<Self> {
        let slabs = Slabs::settle(patience);
        Ok(Self { memory: Some(process::memory(pid)?), slabs })
    }

    /// Growth of the server and of the kernel since `before`, where both were counted.
    pub(crate) fn since(&self, before: &Self) -> (Option<Growth>, Option<Slabs>) {
        let server = self.memory.zip(before.memory).map(|(now, before)| Growth {
            rss_bytes: growth(now.rss_bytes, before.rss_bytes),
            pss_bytes: growth(now.pss_bytes, before.pss_bytes),
            data_bytes: growth(now.data_bytes, before.data_bytes),
        });
        let slabs = self.slabs.as_ref().zip(before.slabs.as_ref());
        (server, slabs.map(|(now, before)| now.since(before)))
    }
}

impl Round {
    /// Computes growth since `first`, before the first round: what a server keeps between rounds for the next one
    /// (freed requests of a ring, touched pages) is a cost of its connections in every round.
    pub(super) fn since(&mut self, first: &Footprint) {
        (self.server_growth, self.kernel_growth) = self.held.since(first);
    }

    fn write_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(grown) = self.server_growth else { return Ok(()) };
        writeln!(f, "server memory        {:>12} {:>12} {:>12}", "RSS", "PSS", "VmData")?;
        let rows = [
            ("before", &self.before),
            ("opened", &self.at_once),
            ("held", &self.held),
            ("closed", &self.after),
        ];
        for (name, footprint) in rows {
            let Some(memory) = footprint.memory else { continue };
            let of = |bytes_now: u64| bytes(growth(bytes_now, 0));
            let Memory { rss_bytes, pss_bytes, data_bytes } = memory;
            writeln!(f, "  {name:<18} {:>12} {:>12} {:>12}", of(rss_bytes), of(pss_bytes), of(data_bytes))?;
        }
        let each = |bytes| per(bytes, self.opened.count.into());
        let Growth { rss_bytes, pss_bytes, data_bytes } = grown;
        let (rss, pss, data) = (each(rss_bytes), each(pss_bytes), each(data_bytes));
        writeln!(f, "  bytes/connection   {rss:>12.1} {pss:>12.1} {data:>12.1}")
    }

    fn write_slabs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(growth) = &self.kernel_growth else {
            return writeln!(f, "kernel memory        unknown: it takes root, and --pid");
        };
        let count = self.opened.count.into();
        writeln!(f, "kernel memory, both ends   objects/connection  bytes/connection")?;
        for (name, cache) in &growth.0 {
            let objects = per(cache.objects, count);
            if objects.abs() >= OBJECTS_MIN {
                let bytes = per(cache.objects * cache.object_bytes, count);
                writeln!(f, "  {name:<24} {objects:>18.2} {bytes:>18.1}")?;
            }
        }
        writeln!(f, "  {:<24} {:>18} {:>18.1}", "all", "", per(growth.bytes(), count))
    }
}

impl Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in std::iter::once(&self.opened).chain(&self.asked).chain([&self.closed]) {
            let Phase { name, count, seconds } = phase;
            let rate = f64::from(*count) / seconds.max(1e-9);
            writeln!(f, "{name:<20} {count} in {seconds:.2} s, {rate:.0}/s")?;
        }
        self.write_memory(f)?;
        let client = growth(self.client_rss_bytes, 0);
        writeln!(f, "memory of this end   {}", bytes(client))?;
        self.write_slabs(f)
    }
}

impl HoldReport {
    pub(super) fn print_end(&self) {
        let Totals { opened, failed, lost, answered, wrong, closed, unclean, pongs, reasons, .. } =
            &self.totals;
        println!("\nopened {opened}, failed {failed}, lost {lost}, closed {closed}, unclean {unclean}");
        println!("answered {answered}, wrong {wrong}; pings of the server answered {pongs}");
        for (reason, count) in reasons {
            println!("  {count} x {reason}");
        }
    }
}
